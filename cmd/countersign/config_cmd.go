package main

import (
	"fmt"
	"log/slog"

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
revocations, exactly as serve would, and reports everything that is wrong with file, line and column.
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
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", path)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
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
