package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/trust"
)

// maxTokenInput is far above the largest token, in bytes.
const maxTokenInput = 64 << 10

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Look into, verify, request or mint delegation tokens",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenInspectCommand(), newTokenVerifyCommand(), newTokenMintCommand(), newTokenRequestCommand())
	return cmd
}

// readToken takes the token from the command line, or from standard input.
func readToken(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxTokenInput+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the token from standard input: %w", err)
	case len(data) > maxTokenInput:
		return "", fmt.Errorf("standard input has more than %d bytes: that is no token", maxTokenInput)
	}
	token := strings.TrimSpace(string(data))
	token = strings.TrimSpace(strings.TrimPrefix(token, "Txn-Token:"))
	if token == "" {
		return "", errors.New("no token: give it as an argument or on standard input")
	}
	return token, nil
}

func newTokenVerifyCommand() *cobra.Command {
	var configPath, presenter, at string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify --config FILE --peer SPIFFE-ID [TOKEN]",
		Short: "Verify a token as serve would when a given workload presents it",
		Long: `Verify checks form, issuer, signature, claims, times, chain, presenter, the embedded root token and revocations.
It does not ask policy: whether a call may happen is decided per call.
Exit status 0: the token is good. 1: it is not, with the reason.`,
		Example: "  countersign token verify --config countersign.yaml --peer spiffe://acme.example/planner < token.txt",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := spiffeid.FromString(presenter)
			if err != nil {
				return usageError{fmt.Errorf("--peer %q: %w", presenter, err)}
			}
			now := time.Now()
			if at != "" {
				if now, err = time.Parse(time.RFC3339, at); err != nil {
					return usageError{fmt.Errorf("--at %q: want a time such as 2026-11-25T10:00:00Z", at)}
				}
			}
			compact, err := readToken(cmd, args)
			if err != nil {
				return err
			}
			err = verifyToken(cmd.Context(), configPath, compact, peer.Peer{ID: id}, now)
			if _, denied := errors.AsType[*denial.Error](err); err != nil && !denied {
				return err
			}
			if asJSON {
				result := map[string]any{"valid": err == nil}
				if err != nil {
					result["reason"], result["detail"] = denial.ReasonOf(err), err.Error()
				}
				return errors.Join(printJSON(cmd.OutOrStdout(), result), err)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	}
	configFlag(cmd, &configPath)
	cmd.Flags().StringVar(&presenter, "peer", "", "`SPIFFE-ID` of the workload that presents it")
	cmd.Flags().StringVar(&at, "at", "", "verify as of `TIME` (RFC 3339) instead of now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// verifyToken does what a check does with a token before the call itself is looked at. What is wrong with the token is a
// [denial.Error]; any other error means that it could not be told.
func verifyToken(ctx context.Context, configPath, compact string, presenter peer.Peer, now time.Time) error {
	c, err := loadConfig(configPath)
	if err != nil {
		return err
	}
	own, err := c.checkIdentity()
	if err != nil {
		return err
	}
	p, err := openParts(ctx, c, own, trust.NewStore, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	token, err := p.verifier.Verify(ctx, compact, presenter, now)
	if err != nil {
		return err
	}
	if err := p.revocations.sync(ctx); err != nil {
		return denial.New(denial.RevocationUnknown, "%w", err)
	}
	return revoke.Refuse(ctx, p.revocations, token.Marks(), now)
}
