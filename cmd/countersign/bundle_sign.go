package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"countersign.dev/cedar/bundle"
)

func newBundleSignCommand() *cobra.Command {
	var key, output string
	cmd := &cobra.Command{
		Use:   "sign FILE --key FILE",
		Short: "Sign a bundle",
		Long: `Sign signs the manifest of a bundle, and with it everything in it, and prints the kid of the key. A bundle has one
signature: that of another key is replaced. The key is a private JWK as 'countersign keys generate' makes it; use one that
signs nothing else.

` + bundleHelp + `

Exit status: 0 the bundle was signed; 1 it could not be; 2 wrong usage.`,
		Example: "  countersign bundle sign policies.tar.gz --key signer.jwk",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			private, err := readPrivateKey(key)
			if err != nil {
				return err
			}
			data, err := readLimited(args[0], bundle.MaxSize)
			if err != nil {
				return err
			}
			signed, err := bundle.Sign(data, private)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if output == "" {
				output = args[0]
			}
			if err := publish(output, signed); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), private.KeyID)
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "private key `FILE` (JWK)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write or replace; default: the bundle itself")
	return cmd
}
