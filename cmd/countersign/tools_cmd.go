package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/tools"
)

// maxPinFile is the most bytes of a file with pinned tools: all files of a policy together have no more.
const maxPinFile = 16 << 20

func newToolsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tools",
		Short: "Pin the tools of MCP servers, and see what changed",
		Long: `A pinned tools file records what a server offers: policies are checked against it, and hints and types of
arguments come from it and never from the call. These commands write it from a live server, say what changed, and
which policies that concerns.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newToolsPullCommand(), newToolsDiffCommand(), newToolsPinCommand())
	return cmd
}

// readPin reads a file with pinned tools, or a plain tools/list result, and lists what was changed by hand.
func readPin(path string) (p mcp.Pin, edited []string, err error) {
	data, err := readLimited(path, maxPinFile)
	if err != nil {
		return p, nil, err
	}
	if p, edited, err = mcp.ReadPin(data); err != nil {
		return p, nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, edited, nil
}

// writePin makes or replaces a file with pinned tools.
func writePin(path string, p mcp.Pin) error {
	data, err := p.JSON()
	if err != nil {
		return err
	}
	return publish(path, data)
}

// printChanges says what changed in words, a tool after the other.
func printChanges(w io.Writer, changes []tools.Change) {
	for _, c := range changes {
		switch c.Kind {
		case tools.ToolAdded:
			_, _ = fmt.Fprintf(w, "tool %s: added\n", c.Tool)
		case tools.ToolRemoved:
			_, _ = fmt.Fprintf(w, "tool %s: removed\n", c.Tool)
			continue
		case tools.HintChanged:
			_, _ = fmt.Fprintf(w, "tool %s: hint %s: %s, was %s\n", c.Tool, strings.TrimPrefix(c.Path, "/"), c.New, c.Old)
			continue
		case tools.MemberAdded:
			_, _ = fmt.Fprintf(w, "tool %s: argument %s added: %s\n", c.Tool, c.Path, c.New)
			continue
		case tools.MemberRemoved:
			_, _ = fmt.Fprintf(w, "tool %s: argument %s removed: it was %s\n", c.Tool, c.Path, c.Old)
			continue
		case tools.TypeChanged, tools.RequiredChange:
			_, _ = fmt.Fprintf(w, "tool %s: argument %s: %s, was %s\n", c.Tool, c.Path, c.New, c.Old)
			continue
		default:
			_, _ = fmt.Fprintf(w, "tool %s: %s changed\n", c.Tool, c.Path)
		}
		for line := range strings.Lines(c.Lines()) {
			_, _ = fmt.Fprintf(w, "  %s", line)
		}
		if len(c.Hidden) > 0 {
			_, _ = fmt.Fprintf(w, "  WARNING: the new text hides something: %s\n", strings.Join(c.Hidden, ", "))
		}
	}
}

// printHidden says what hides in texts.
func printHidden(w io.Writer, findings []tools.Finding) {
	for _, f := range findings {
		_, _ = fmt.Fprintf(w, "WARNING: tool %s: %s hides something: %s\n  %s\n", f.Tool, f.Path, strings.Join(f.Kinds, ", "),
			strings.ReplaceAll(f.Text, "\n", "\n  "))
	}
}

func hiddenIn(list []mcp.Tool) []tools.Finding {
	all := []tools.Finding{}
	for _, t := range list {
		all = append(all, tools.Findings(t)...)
	}
	return all
}
