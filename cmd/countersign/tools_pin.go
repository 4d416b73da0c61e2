package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/tools"
)

// pinned is what tools pin says about a file.
type pinned struct {
	File     string          `json:"file"`
	Server   string          `json:"server,omitempty"`
	Tools    int             `json:"tools"`
	Hash     string          `json:"hash"`
	Accepted []string        `json:"accepted"` // what had been changed by hand
	Findings []tools.Finding `json:"findings"`
}

func newToolsPinCommand() *cobra.Command {
	var server string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pin FILE... [--server NAME]",
		Short: "Accept tools files as they are: write their hashes",
		Long: `Pin writes the hashes of the tools in a file into it: of a plain tools/list result, or of a pinned file that was changed
by hand on purpose. What had been changed is printed.

Exit status: 0 the hashes were written; 1 a file is no list of tools, or could not be written, and none behind it was; 2 wrong
usage.`,
		Example: `  countersign tools pin tools/crm.json --server crm
  countersign tools pin tools/*.json --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server != "" && len(args) > 1 {
				return usageError{errors.New("--server is for one file")}
			}
			done := []pinned{}
			var failed error
			for _, path := range args {
				one, err := pin(path, server)
				if err != nil {
					failed = err
					break
				}
				done = append(done, one)
			}
			return errors.Join(failed, printPinned(cmd.OutOrStdout(), done, asJSON))
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "configured `NAME` of the server, written into the file; default: what the file says")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// pin writes the hashes of a file into it, and the name of its server unless that is empty.
func pin(path, server string) (pinned, error) {
	p, edited, err := readPin(path)
	if err != nil {
		return pinned{}, err
	}
	if server != "" {
		p.Server = server
	}
	if err := writePin(path, p); err != nil {
		return pinned{}, err
	}
	hash, _, err := mcp.HashTools(p.Tools)
	return pinned{
		File: path, Server: p.Server, Tools: len(p.Tools), Hash: hash,
		Accepted: append([]string{}, edited...), Findings: hiddenIn(p.Tools),
	}, err
}

func printPinned(w io.Writer, files []pinned, asJSON bool) error {
	if asJSON {
		return printJSON(w, map[string]any{"files": files})
	}
	for _, f := range files {
		for _, what := range f.Accepted {
			_, _ = fmt.Fprintf(w, "%s: accepted: %s\n", f.File, what)
		}
		printHidden(w, f.Findings)
		if _, err := fmt.Fprintf(w, "%s: %s, %s\n", f.File, counted(f.Tools, "tool", "tools"), f.Hash); err != nil {
			return err
		}
	}
	return nil
}
