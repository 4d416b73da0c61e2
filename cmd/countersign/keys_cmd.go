package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"countersign.dev/authz/trust"
)

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate and revoke signing keys",
		Long:  "Keys makes signing keys, tells their states, and changes them while servers use them.\n\n" + rotationHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysGenerateCommand(), newKeysPublicCommand(), newKeysListCommand(), newKeysRotateCommand(),
		newKeysPruneCommand(), newKeysRevokeCommand())
	return cmd
}

func newKeysGenerateCommand() *cobra.Command {
	var algorithm, output string
	cmd := &cobra.Command{
		Use:   "generate --output FILE",
		Short: "Make a private signing key (JWK) for the directory that tokens.keys or token_endpoint.keys names",
		Long: `Generate writes a new private key as a JWK, readable by its owner only, and prints its key id: the RFC 7638
thumbprint. It never overwrites a file, and makes the directory if there is none, for its owner only. All replicas must be
given the same directory of keys.

Exit status: 0 the key was written; 1 it could not be; 2 wrong usage.`,
		Example: "  countersign keys generate --output keys/2026-11.jwk",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				return usageError{errors.New("name the file to write with --output FILE")}
			}
			key, err := trust.GenerateKey(algorithm)
			if err != nil {
				return err
			}
			if err := writeKey(output, key); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.KeyID)
			return err
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", "ES256", "ES256 or EdDSA")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write; must not exist")
	return cmd
}

func writeKey(path string, key jose.JSONWebKey) error {
	text, err := key.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encoding the key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	return errors.Join(err, f.Close())
}

func newKeysPublicCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "public FILE...",
		Short:   "Print the public keys of private JWK files as a JWK Set",
		Example: "  countersign keys public issuer.jwk > issuers/tts.jwks.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			var set jose.JSONWebKeySet
			for _, file := range files {
				key, err := readPrivateKey(file)
				if err != nil {
					return err
				}
				set.Keys = append(set.Keys, key.Public())
			}
			return printJSON(cmd.OutOrStdout(), set)
		},
	}
	return cmd
}

// readPrivateKey reads one private JWK file by the rules of signing keys.
func readPrivateKey(path string) (jose.JSONWebKey, error) {
	if path == "" {
		return jose.JSONWebKey{}, usageError{errors.New("name the private key with --key FILE")}
	}
	return trust.LoadKey(path)
}
