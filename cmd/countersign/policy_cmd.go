package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
)

func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write, test and question Cedar policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"While you write policies:", []*cobra.Command{newPolicyFmtCommand(), newPolicyLintCommand(), newPolicyValidateCommand()}},
		{"Before they decide:", []*cobra.Command{
			newPolicyCheckCommand(), newPolicyTestCommand(), newPolicyReplayCommand(), newPolicyBenchCommand(),
		}},
		{"What they answer, and why:", []*cobra.Command{newPolicyExplainCommand(), newPolicyWhoCommand(), newPolicyWhatCommand()}},
	} {
		cmd.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.title
			cmd.AddCommand(c)
		}
	}
	return cmd
}

func newPolicyCheckCommand() *cobra.Command {
	var from policySource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [--config FILE | --policies DIR [--entities FILE] [--tools SERVER=FILE]... | --bundle FILE]",
		Short: "Check policies, entities and pinned tools as serve would load them",
		Long: `Check loads policies, entities and pinned tools as serve would, and runs the tests that lie beside the policies
(*_test.yaml) or in the bundle, unless policy.tests of the configuration is ignore. Tests of servers that are not
configured are skipped; policy test runs all.

Exit status: 0 serve would put the policies in force; 1 it would not; 2 wrong usage.`,
		Example: `  countersign policy check --config countersign.yaml
  countersign policy check --policies policies/`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := from.openToAccept()
			if err != nil {
				return err
			}
			store := cedar.NewStore(source, slog.New(slog.DiscardHandler))
			if err := store.Reload(cmd.Context()); err != nil {
				return err
			}
			loaded := store.Status()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{
					"revision": loaded.Revision, "policies": loaded.Policies, "tests": loaded.Tests,
				})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, revision %s%s\n", counted(loaded.Policies, "policy", "policies"), loaded.Revision, testsText(loaded.Tests))
			return err
		},
	}
	from.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// counted is a number of things in words.
func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// testsText says how many tests were run, behind a comma; nothing if there were none.
func testsText(t cedar.Tried) string {
	var text string
	if t.Passed > 0 {
		text = fmt.Sprintf(", %s passed", counted(t.Passed, "test", "tests"))
	}
	if t.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", t.Skipped)
	}
	return text
}
