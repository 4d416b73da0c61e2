package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
)

func newSchemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Write the Cedar schema that policies are checked against",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemaGenerateCommand())
	return cmd
}

type schemaGenerate struct {
	config, output string
	tools          map[string]string
	asJSON         bool
}

func newSchemaGenerateCommand() *cobra.Command {
	var g schemaGenerate
	cmd := &cobra.Command{
		Use:   "generate [--config FILE | --tools SERVER=FILE...] [-o FILE]",
		Short: "Write the Cedar schema with an action for every pinned tool",
		Long: `Generate writes the schema that policies are checked against: the core, and for every pinned tool an action
"call_tool:<server>/<tool>" whose context.input has the tool's arguments. It is for editors and other tools of Cedar;
Countersign makes its own from the pinned files.

What a tool's JSON Schema describes and Cedar cannot express is left out, and listed on standard error with the reason.
With --json the schema and what it has of each tool are one document.

Exit status: 0 the schema was written; 1 a file cannot be read as pinned tools, or written; 2 wrong usage.`,
		Example: `  countersign schema generate --config countersign.yaml -o policies/countersign.cedarschema
  countersign schema generate --tools crm=tools/crm.json --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd) },
	}
	configFlag(cmd, &g.config)
	cmd.Flags().StringToStringVar(&g.tools, "tools", nil, "pinned tools of a server, `SERVER=FILE`; may be repeated")
	cmd.Flags().StringVarP(&g.output, "output", "o", "", "`FILE` to write; default: standard output")
	cmd.Flags().BoolVar(&g.asJSON, "json", false, "print JSON")
	return cmd
}

func (g *schemaGenerate) run(cmd *cobra.Command) error {
	files, err := g.files(cmd.Context())
	if err != nil {
		return err
	}
	text, tools, err := cedar.GenerateSchema(files)
	if err != nil {
		return err
	}
	if g.output != "" {
		if err := publish(g.output, text); err != nil {
			return err
		}
	}
	if g.asJSON {
		if tools == nil {
			tools = []cedar.ToolSchema{}
		}
		return printJSON(cmd.OutOrStdout(), map[string]any{"schema": string(text), "tools": tools})
	}
	printLeftOut(cmd.ErrOrStderr(), tools)
	if g.output == "" {
		_, err = cmd.OutOrStdout().Write(text)
	}
	return err
}

// printLeftOut lists what policies cannot name, and what is not checked of calls. A name that hides something is quoted.
func printLeftOut(w io.Writer, tools []cedar.ToolSchema) {
	for _, t := range tools {
		for _, left := range t.LeftOut {
			_, _ = fmt.Fprintf(w, "%s: left out: %s: %s\n", printable(t.Action), printable(left.Path), printable(left.Reason))
		}
		for _, unchecked := range t.Unchecked {
			_, _ = fmt.Fprintf(w, "%s: not checked: %s: %s\n", printable(t.Action), printable(unchecked.Path), printable(unchecked.Reason))
		}
	}
}

// files reads the pinned tools.
func (g *schemaGenerate) files(ctx context.Context) ([]cedar.ToolFile, error) {
	paths := g.tools
	switch {
	case g.config != "" && len(g.tools) > 0:
		return nil, usageError{errors.New("give either --config or --tools")}
	case g.config != "":
		c, err := loadConfig(g.config)
		if err != nil {
			return nil, err
		}
		from := c.policySource()
		if from.Source != nil {
			return pinnedIn(ctx, from.Source)
		}
		paths = from.Tools
	}
	var files []cedar.ToolFile
	for _, server := range slices.Sorted(maps.Keys(paths)) {
		if paths[server] == "" {
			continue
		}
		data, err := readLimited(paths[server], maxPinFile)
		if err != nil {
			return nil, fmt.Errorf("reading the tools of %s: %w", server, err)
		}
		files = append(files, cedar.ToolFile{Server: server, Name: paths[server], Data: data})
	}
	return files, nil
}

// pinnedIn returns the pinned tools in a bundle.
func pinnedIn(ctx context.Context, bundled cedar.Source) ([]cedar.ToolFile, error) {
	read, err := bundled.Read(ctx)
	if err != nil {
		return nil, err
	}
	var files []cedar.ToolFile
	for _, server := range slices.Sorted(maps.Keys(read.Tools)) {
		files = append(files, cedar.ToolFile{Server: server, Name: read.Tools[server].Name, Data: read.Tools[server].Data})
	}
	return files, nil
}
