package main

import (
	"errors"

	"github.com/spf13/cobra"

	"countersign.dev/cedar/access"
)

func newPolicyWhoCommand() *cobra.Command {
	var f accessFlags
	var tool string
	cmd := &cobra.Command{
		Use:   "who --tool SERVER/TOOL [--subject USER] [--config FILE | --policies DIR …]",
		Short: "List which workloads may call a tool, on behalf of whom",
		Long: `Who answers for every workload, SPIFFE path, trust domain and group that policies and entities name, and for any
other workload, whether it may call a tool: yes (whatever the request is like), no (whatever it is like), or depends, with
the condition that is left over. Where the answer depends on the user, it answers for every user and group of users as well.

The answer is that of the policies. A request must also carry a delegation whose scope covers the tool, unless the server
takes requests without one. A policy that may be impossible to evaluate for some request makes the answer depend on that.

Exit status: 0 the question was answered; 1 it could not be; 2 wrong usage.`,
		Example: `  countersign policy who --config countersign.yaml --tool ledger/transfer
  countersign policy who --config countersign.yaml --tool ledger/transfer --subject alice
  countersign policy who --config countersign.yaml --tool crm/search --matrix`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tool == "" {
				return usageError{errors.New("name the tool with --tool SERVER/TOOL")}
			}
			return f.list(cmd, access.Query{Tools: []string{tool}}, access.ByPrincipal, access.ByUser)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&tool, "tool", "", "the tool, `SERVER/TOOL`; SERVER/* is one that is not pinned")
	return cmd
}
