package main

import (
	"errors"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/access"
)

func newPolicyWhatCommand() *cobra.Command {
	var f accessFlags
	var peer, server string
	cmd := &cobra.Command{
		Use:   "what --peer ID [--subject USER] [--on SERVER] [--config FILE | --policies DIR …]",
		Short: "List which tools a workload may call, on behalf of whom",
		Long: `What answers for every pinned tool, and every tool that policies or entities name, whether a workload may call it:
yes (whatever the request is like), no (whatever it is like), or depends, with the condition that is left over. SERVER/*
stands for any other tool of a server whose tools are not pinned. Without --peer, --matrix shows all workloads that
policies and entities name, and any other workload, which --peer '` + cedar.OtherWorkload + `' asks about too.

The answer is that of the policies. A request must also carry a delegation whose scope covers the tool, unless the server
takes requests without one. A policy that may be impossible to evaluate for some request makes the answer depend on that.

Exit status: 0 the question was answered; 1 it could not be; 2 wrong usage.`,
		Example: `  countersign policy what --config countersign.yaml --peer spiffe://acme.example/planner --subject alice
  countersign policy what --config countersign.yaml --peer 'WorkloadGroup::"agents"' --on crm
  countersign policy what --config countersign.yaml --subject alice --matrix`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if peer == "" && !f.matrix {
				return usageError{errors.New("name the workload with --peer, or ask for all with --matrix")}
			}
			return f.list(cmd, access.Query{Principals: caller(peer), Server: server}, access.ByPrincipal, access.ByTool)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&peer, "peer", "", "the workload, a `SPIFFE-ID`, or Cedar such as 'SpiffePath::\"spiffe://acme.example/ns/crm\"'")
	cmd.Flags().StringVar(&server, "on", "", "only the tools of this `SERVER`")
	return cmd
}
