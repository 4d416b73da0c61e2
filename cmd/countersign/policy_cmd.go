package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
)

func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work with Cedar policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheckCommand())
	return cmd
}

func newPolicyCheckCommand() *cobra.Command {
	var configPath, directory, entities string
	var tools map[string]string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [--config FILE | --policies DIR [--entities FILE] [--tools SERVER=FILE]...]",
		Short: "Check policies, entities and pinned tools as serve would load them",
		Example: `  countersign policy check --config countersign.yaml
  countersign policy check --policies policies/ --entities entities.json --tools crm=tools/crm.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source := cedar.Config{Policies: directory, Entities: entities, Tools: tools}
			switch {
			case configPath != "" && directory != "":
				return usageError{fmt.Errorf("give either --config or --policies")}
			case configPath != "":
				c, err := loadConfig(configPath)
				if err != nil {
					return err
				}
				source = c.policySource()
			case directory == "":
				return usageError{fmt.Errorf("name the policies with --config FILE or --policies DIR")}
			}
			snapshot, err := cedar.Load(cmd.Context(), source)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"revision": snapshot.Revision(), "policies": snapshot.Policies(),
				})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %d policies, revision %s\n", snapshot.Policies(), snapshot.Revision())
			return err
		},
	}
	configFlag(cmd, &configPath)
	cmd.Flags().StringVar(&directory, "policies", "", "`DIR` with *.cedar files")
	cmd.Flags().StringVar(&entities, "entities", "", "entities `FILE` (Cedar JSON)")
	cmd.Flags().StringToStringVar(&tools, "tools", nil, "pinned tools/list result of a server, `SERVER=FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
