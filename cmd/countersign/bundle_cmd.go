package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/cedar/bundle"
)

// bundleHelp is how a bundle comes about, for the commands that take part.
const bundleHelp = `From policies to what decides:

  countersign keys generate --output signer.jwk                      # once; keep it secret
  countersign keys public signer.jwk > signers.jwks.json             # once; policy.bundle.keys names it
  countersign bundle build --config countersign.yaml --counter 42 --output policies.tar.gz
  countersign bundle sign policies.tar.gz --key signer.jwk
  countersign bundle verify policies.tar.gz --keys signers.jwks.json # and put it where policy.bundle.url points`

func newBundleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Pack policies into one file, sign it and check it",
		Long: `Bundle packs policies, entities, pinned tools and tests into one file for policy.bundle: a .tar.gz that any HTTPS server
can serve.

` + bundleHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBundleBuildCommand(), newBundleSignCommand(), newBundleVerifyCommand(), newBundleInspectCommand())
	return cmd
}

// shownBundle is a bundle as --json has it.
type shownBundle struct {
	Manifest bundle.Manifest `json:"manifest"`
	Digest   string          `json:"digest"`
	// KeyID is the kid of the key that signed, and was checked; Signer one that was not.
	KeyID  string `json:"key_id,omitempty"`
	Signer string `json:"unverified_key_id,omitempty"`
}

// showBundle prints what a bundle is.
func showBundle(out io.Writer, b *bundle.Bundle, asJSON bool) error {
	if asJSON {
		return printJSON(out, shownBundle{b.Manifest, b.Digest, b.KeyID, b.Signer})
	}
	m := b.Manifest
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // told by Flush
	line("counter\t%d\n", m.Counter)
	if m.Name != "" {
		line("name\t%s\n", m.Name)
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"created", m.Created}, {"not before", m.NotBefore}, {"not after", m.NotAfter}} {
		if !t.at.IsZero() {
			line("%s\t%s\n", t.name, t.at.Format(time.RFC3339))
		}
	}
	line("digest\t%s\n", b.Digest)
	switch {
	case b.KeyID != "":
		line("signed\twith key %s\n", b.KeyID)
	case b.Signer != "":
		line("signed\twith key %q, not verified\n", b.Signer)
	default:
		line("signed\tby nobody\n")
	}
	for _, e := range m.Files {
		line("%s\t%d bytes\n", e.Path, e.Size)
	}
	return w.Flush()
}
