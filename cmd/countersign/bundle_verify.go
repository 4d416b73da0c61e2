package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/cedar/bundle"
)

func newBundleVerifyCommand() *cobra.Command {
	var keys, name string
	var counter uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE --keys FILE [--name NAME] [--min-counter N]",
		Short: "Check who signed a bundle, and that nothing in it was changed",
		Long: `Verify checks a bundle as a replica does before it looks at the policies in it: that one of the keys signed it, that every
file is the one that was signed, that it is for the right name, that its time has come and is not over, and with
--min-counter that it is not too old. Then it prints the manifest.

` + bundleHelp + `

Exit status: 0 a replica would take the bundle; 1 it would not; 2 wrong usage.`,
		Example: "  countersign bundle verify policies.tar.gz --keys signers.jwks.json --min-counter 42",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keys == "" {
				return usageError{errors.New("name the public keys with --keys FILE; 'countersign bundle inspect' asks for none")}
			}
			signers, err := bundle.TrustFile(keys)
			if err != nil {
				return err
			}
			data, err := readLimited(args[0], bundle.MaxSize)
			if err != nil {
				return err
			}
			b, err := bundle.Read(data, signers)
			if err == nil {
				err = checkTaken(b, name, counter)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return showBundle(cmd.OutOrStdout(), b, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&keys, "keys", "", "public keys `FILE` (JWK Set) of those who may sign")
	flags.StringVar(&name, "name", "", "`NAME` that the bundle must be for")
	flags.Uint64Var(&counter, "min-counter", 0, "the least `NUMBER` that it may have")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkTaken checks what a replica knows from elsewhere.
func checkTaken(b *bundle.Bundle, name string, counter uint64) error {
	if b.Manifest.Name != name {
		return fmt.Errorf("the bundle is for %q, want one for %q", b.Manifest.Name, name)
	}
	if b.Manifest.Counter < counter {
		return fmt.Errorf("bundle %d is older than %d", b.Manifest.Counter, counter)
	}
	return b.Manifest.CheckTime(time.Now())
}

func newBundleInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Print what a bundle says about itself, whoever signed it",
		Long: `Inspect prints the manifest of a bundle. It checks that every file is the one that the manifest names, and nothing else:
neither who signed it, nor its times. tar -xzf unpacks a bundle.

Exit status: 0 the file is a bundle; 1 it is none; 2 wrong usage.`,
		Example: "  countersign bundle inspect policies.tar.gz",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readLimited(args[0], bundle.MaxSize)
			if err != nil {
				return err
			}
			b, err := bundle.Read(data, bundle.TrustAnybody())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return showBundle(cmd.OutOrStdout(), b, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
