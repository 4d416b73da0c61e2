package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// finding says which check of a token fails, if any, and whether all were made.
type finding struct {
	// Verified says that every check was made, signatures included.
	Verified bool          `json:"verified"`
	Reason   denial.Reason `json:"reason,omitempty"`
	Detail   string        `json:"detail,omitempty"`
}

func (f finding) String() string {
	switch {
	case f.Reason != "":
		return fmt.Sprintf("FAILS %s: %s", f.Reason, f.Detail)
	case f.Verified:
		return "ok: signatures, times, chain, presenter, root and revocations"
	default:
		return "times and chain are consistent; signatures were not verified (give --config FILE to verify)"
	}
}

func newTokenInspectCommand() *cobra.Command {
	var configPath, presenter string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect [--config FILE [--peer SPIFFE-ID]] [TOKEN]",
		Short: "Print a token's chain as a tree: who, for whom, which task, what was dropped, how long, what fails",
		Long: `Inspect shows what a token says, and which check it fails first. Without --config only what needs no keys is
checked: times, and that the token descends from the root token in it. With --config everything is checked as serve
would when the token's own presenter, or --peer, presents it.
The token is read from standard input when it is not an argument, so that it stays out of the shell's history.
Exit status 0 if there is a token to show, whatever is wrong with it.`,
		Example: `  countersign token inspect < token.txt
  countersign token inspect --config countersign.yaml < token.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			compact, err := readToken(cmd, args)
			if err != nil {
				return err
			}
			token, err := delegation.Parse(compact)
			if err != nil {
				return fmt.Errorf("not a delegation token: %w", err)
			}
			now := time.Now()
			found := finding{Verified: configPath != ""}
			if found.Verified {
				err = inspectVerified(cmd, configPath, presenter, compact, token, now)
			} else {
				err = token.Consistent(now)
			}
			if failed, ok := errors.AsType[*denial.Error](err); ok {
				found.Reason, found.Detail = failed.Reason, failed.Detail
			} else if err != nil {
				return err
			}
			view := describeToken(token)
			view.Check = &found
			if asJSON {
				return printJSON(cmd.OutOrStdout(), view)
			}
			return printTree(cmd.OutOrStdout(), view, now)
		},
	}
	configFlag(cmd, &configPath)
	cmd.Flags().StringVar(&presenter, "peer", "", "`SPIFFE-ID` of the workload that presents it; default: the token's presenter")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func inspectVerified(cmd *cobra.Command, configPath, presenter, compact string, token *delegation.Unverified, now time.Time) error {
	by := peer.Peer{CertificateHash: token.Claims.CertificateHash}
	if presenter == "" {
		presenter = token.Claims.Presenter()
	}
	var err error
	if by.ID, err = spiffeid.FromString(presenter); err != nil {
		return usageError{fmt.Errorf("--peer %q: %w", presenter, err)}
	}
	return verifyToken(cmd.Context(), configPath, compact, by, now)
}
