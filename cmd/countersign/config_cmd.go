package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigShowCommand())
	return cmd
}

// configFlag adds --config to a command that needs it.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration `FILE` (YAML)")
}

func newConfigCheckCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check the configuration and every file it names, without starting anything",
		Long: `Check reads the configuration, the policies, entities, pinned tools, issuers' key files, signing keys and
revocations, exactly as serve would, and reports everything that is wrong with file, line and column. It runs the tests that lie
beside the policies unless policy.tests is ignore. Of policies that come in a bundle it checks the last good one, if
policy.bundle.state has it; otherwise a note on standard error says that they were not checked.
What is no mistake and still matters is a warning on standard error: servers in shadow mode, and bundles that nobody has to
sign or that a restart forgets.
It opens no listener and asks no network host.`,
		Example: "  countersign config check --config countersign.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := checkFiles(cmd.Context(), c, slog.New(slog.DiscardHandler)); err != nil {
				return err
			}
			remarks, err := c.remarks(cmd.Context())
			if err != nil {
				return err
			}
			for _, remark := range remarks {
				if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", path, remark); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", path)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// remarks are what is to be known of a configuration in which nothing is wrong.
func (c *config) remarks(ctx context.Context) ([]string, error) {
	note, err := c.checkKept(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	if note != "" {
		all = append(all, "note: "+note)
	}
	if b := c.Policy.Bundle; b != nil {
		all = append(all, b.remarks()...)
	}
	if names := c.inShadowMode(); len(names) > 0 {
		all = append(all, "warning: "+everythingPasses+": "+strings.Join(names, ", "))
	}
	return all, nil
}

func newConfigShowCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show --config FILE",
		Short: "Print the effective configuration: what the file says, completed by defaults",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(path)
			if err != nil {
				return err
			}
			var options []yaml.EncodeOption
			if asJSON {
				options = append(options, yaml.JSON())
			}
			text, err := yaml.MarshalWithOptions(c, options...)
			if err != nil {
				return fmt.Errorf("printing the configuration: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
