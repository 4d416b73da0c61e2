package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// maxTokenInput is far above the largest token, in bytes.
const maxTokenInput = 64 << 10

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Look into, verify or mint delegation tokens",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenInspectCommand(), newTokenVerifyCommand(), newTokenMintCommand())
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

func newTokenInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect [TOKEN]",
		Short: "Print a token's chain as a tree: who, for whom, which task, what was dropped, how long",
		Long: `Inspect shows what a token says, without verifying any signature: use 'token verify' for that.
The token is read from standard input when it is not an argument, so that it stays out of the shell's history.`,
		Example: "  countersign token inspect < token.txt",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			compact, err := readToken(cmd, args)
			if err != nil {
				return err
			}
			token, err := delegation.Parse(compact)
			if err != nil {
				return fmt.Errorf("not a delegation token: %w", err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), describeToken(token))
			}
			return printTree(cmd.OutOrStdout(), token, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
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
			c, err := loadConfig(configPath)
			if err != nil {
				return err
			}
			compact, err := readToken(cmd, args)
			if err != nil {
				return err
			}
			p, err := openParts(cmd.Context(), c, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			err = p.verifyToken(cmd, compact, peer.Peer{ID: id}, now)
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

// verifyToken does what a check does with a token before the call itself is looked at.
func (p *parts) verifyToken(cmd *cobra.Command, compact string, presenter peer.Peer, now time.Time) error {
	token, err := p.verifier.Verify(cmd.Context(), compact, presenter, now)
	if err != nil {
		return err
	}
	entry, revoked, err := p.revocations.Revoked(cmd.Context(), token.Marks(), now)
	switch {
	case err != nil:
		return err
	case revoked:
		return denial.New(denial.Revoked, "%s %s is revoked: %s", entry.Kind, entry.Value, entry.Reason)
	}
	return nil
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
