// Command countersign is the Envoy external-authorization server for MCP backends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, which scripts may rely on.
const (
	exitOK      = 0
	exitFailure = 1 // the command could not do its job, or what it checked is bad
	exitUsage   = 2 // the command line is wrong
)

func main() { os.Exit(run()) }

// run executes the command line and returns the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand()
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitFailure
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "countersign: %s\n", err)
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "countersign: %s\n", err)
		return exitFailure
	}
}

// errFound ends a command that has printed what it found, such as a policy that is wrong or a test that failed.
var errFound = errors.New("something was found")

// usageError is a mistake on the command line.
type usageError struct{ error }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "countersign",
		Short: "Envoy external authorization for MCP backends",
		Long: `Countersign answers Envoy's question whether an MCP call may happen: who is calling (the SPIFFE ID
of the mTLS peer), on whose behalf (a signed Txn-Token), and what Cedar policies say. An allowed call
goes on with a fresh token, bound to the request and to the backend.

Exit status: 0 success, 1 failure or a finding, 2 wrong usage.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())}
	})
	root.AddCommand(newServeCommand(), newConfigCommand(), newPolicyCommand(), newTokenCommand(), newKeysCommand(), newRevokeCommand(),
		newBundleCommand(), newVersionCommand())
	root.AddCommand(newToolsCommand())
	root.AddCommand(newSchemaCommand())
	classifyUsage(root)
	return root
}

// classifyUsage makes wrong arguments usage errors.
func classifyUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		classifyUsage(sub)
	}
}
