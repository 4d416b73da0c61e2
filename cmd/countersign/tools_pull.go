package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/tools"
)

type toolsPull struct {
	client         toolsClient
	output, server string
	check, asJSON  bool
}

// pulled is what tools pull prints as JSON.
type pulled struct {
	Source          string          `json:"source"`
	ProtocolVersion string          `json:"protocol_version"`
	Tools           int             `json:"tools"`
	Hash            string          `json:"hash"`
	Changes         []tools.Change  `json:"changes"`
	Edited          []string        `json:"edited"` // by hand, in the file that was there
	Findings        []tools.Finding `json:"findings"`
	Written         bool            `json:"written"`
}

func newToolsPullCommand() *cobra.Command {
	var p toolsPull
	cmd := &cobra.Command{
		Use:   "pull URL [-o FILE] [--server NAME]",
		Short: "Write the tools of a live server into a pinned tools file",
		Long: `Pull asks an MCP server for its tools, with server/discover (2026-07-28) or initialize (up to 2025-11-25), joins all
pages, and writes them with their hashes, or prints them without -o. What changed against the file that was there is
printed; nothing is asked. A file that says the same stays as it is.

Characters that a person cannot see, and those that change how text is shown, are written as ‹U+200B› and reported.
Read what changed before you commit the file: the texts of tools are read by models.

Redirects are followed within the host of the URL only. With an identity (--workload-api, or --certificate, --key and
--bundle) the server is known by its SPIFFE ID.

Exit status: 0 success; 1 the server did not answer, its tools cannot be pinned, or with --check something changed; 2 wrong
usage.`,
		Example: `  countersign tools pull https://crm.acme.example/mcp -o tools/crm.json --server crm \
    --workload-api unix:///run/spire/agent.sock --server-id spiffe://acme.example/crm
  countersign tools pull https://crm.acme.example/mcp -o tools/crm.json --bearer-file token --check`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&p.output, "output", "o", "", "`FILE` to write")
	flags.StringVar(&p.server, "server", "", "configured `NAME` of the server, written into the file; default: what the file says")
	flags.BoolVar(&p.check, "check", false, "write nothing; exit 1 if the file says something else than the server")
	flags.BoolVar(&p.asJSON, "json", false, "print JSON")
	p.client.flags(cmd)
	return cmd
}

func (p *toolsPull) run(cmd *cobra.Command, endpoint string) error {
	switch {
	case p.check && p.output == "":
		return usageError{errors.New("--check compares with a file: name it with -o")}
	case p.asJSON && p.output == "":
		return usageError{errors.New("without -o the tools themselves are printed: leave --json out")}
	}
	live, err := p.client.pull(cmd.Context(), endpoint)
	if err != nil {
		return err
	}
	live.Server = p.server
	hidden := hiddenIn(live.Tools)
	if p.output == "" {
		text, err := live.JSON()
		if err != nil {
			return err
		}
		printHidden(cmd.ErrOrStderr(), hidden)
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	before, edited, err := readPin(p.output)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isNew {
		return fmt.Errorf("%w; it is no file to replace with tools", err)
	}
	if live.Server == "" {
		live.Server = before.Server
	}
	report := pulled{Source: endpoint, ProtocolVersion: live.ProtocolVersion, Tools: len(live.Tools), Edited: edited, Findings: hidden}
	if report.Hash, _, err = mcp.HashTools(live.Tools); err != nil {
		return err
	}
	if report.Changes, err = tools.Diff(before.Tools, live.Tools); err != nil {
		return err
	}
	same := !isNew && before.Hash == report.Hash && len(edited) == 0 && before.Server == live.Server &&
		before.Source == live.Source && before.ProtocolVersion == live.ProtocolVersion
	if !p.check && !same {
		if err := writePin(p.output, live); err != nil {
			return err
		}
		report.Written = true
	}
	if err := report.print(cmd.OutOrStdout(), p.output, p.asJSON, isNew); err != nil {
		return err
	}
	if p.check && (isNew || len(report.Changes) > 0 || len(edited) > 0) {
		return errFound
	}
	return nil
}

func (r pulled) print(w io.Writer, file string, asJSON, isNew bool) error {
	if r.Changes == nil {
		r.Changes = []tools.Change{}
	}
	if r.Edited == nil {
		r.Edited = []string{}
	}
	if asJSON {
		return printJSON(w, r)
	}
	for _, what := range r.Edited {
		_, _ = fmt.Fprintf(w, "%s was changed by hand: %s\n", file, what)
	}
	if isNew {
		_, _ = fmt.Fprintf(w, "%s is new: %s\n", file, counted(r.Tools, "tool", "tools"))
	} else {
		printChanges(w, r.Changes)
	}
	printHidden(w, r.Findings)
	verb := "unchanged"
	if r.Written {
		verb = "written"
	}
	if _, err := fmt.Fprintf(w, "%s: %s, %s, MCP %s, %s\n", file, verb, counted(r.Tools, "tool", "tools"), r.ProtocolVersion, r.Hash); err != nil {
		return err
	}
	return nil
}
