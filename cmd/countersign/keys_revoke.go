package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
	"countersign.dev/authz/trust"
)

func newKeysRevokeCommand() *cobra.Command {
	var directory, revocations, reason string
	cmd := &cobra.Command{
		Use:   "revoke KID... --directory DIR",
		Short: "Remove signing keys at once, because they were stolen",
		Long: `Revoke removes keys at once, whatever their state. What they signed is refused by every server that reads the directory
from then on. Others keep our key set for a while, so they need a deny-list entry for each key: it is printed, and added to
a deny-list file with --revocations.

There is always a key that signs. When the one that does is revoked, one that signed before takes over again, because
everybody knows it; else the one that was to sign next, or a new one, does so at once. Whoever stole a key from the directory
has probably taken all of them: then revoke all. A key id that begins with - is written after --.`,
		Example: "  countersign keys revoke YmE5c2... --directory keys --revocations revocations.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, kids []string) (err error) {
			d, err := openKeyDirectory(directory)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			files, err := trust.ListKeyFiles(d.path, time.Now(), 0)
			if err != nil {
				return err
			}
			for _, kid := range kids {
				if !slices.ContainsFunc(files, func(f trust.KeyFile) bool { return f.KeyID == kid }) {
					return fmt.Errorf("there is no key %q in %s: nothing was changed", kid, d.path)
				}
			}
			for _, kid := range kids {
				if _, err := fmt.Fprint(cmd.OutOrStdout(), denyEntry("", kid, reason)); err != nil {
					return err
				}
			}
			deny := func() error { return nil }
			if revocations != "" {
				if deny, err = addToDenyList(revocations, kids, reason); err != nil {
					return err
				}
			}
			// In this order a crash in between leaves something that can be done again.
			if err := errors.Join(d.keepSigning(files, kids), deny()); err != nil {
				return err
			}
			for _, f := range files {
				if slices.Contains(kids, f.KeyID) {
					if err := d.remove(f.File); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	directoryFlag(cmd, &directory)
	cmd.Flags().StringVar(&revocations, "revocations", "", "deny-list `FILE` to add the keys to")
	cmd.Flags().StringVar(&reason, "reason", "stolen", "`TEXT` for the deny-list")
	return cmd
}

// keepSigning makes sure that a key may sign when those keys are gone.
func (d *keyDirectory) keepSigning(files []trust.KeyFile, gone []string) error {
	left := slices.DeleteFunc(slices.Clone(files), func(f trust.KeyFile) bool { return slices.Contains(gone, f.KeyID) })
	if slices.ContainsFunc(left, func(f trust.KeyFile) bool { return f.State != trust.Published }) {
		return nil
	}
	if len(left) == 0 {
		key, err := trust.GenerateKey(files[0].Algorithm)
		if err != nil {
			return err
		}
		// Without an nbf it signs on servers whose clocks are behind, too.
		return d.put(fmt.Sprintf("%s-%.8s.jwk", time.Now().UTC().Format("20060102T150405Z"), key.KeyID), key, time.Time{}, files[0].File)
	}
	next := left[len(left)-1] // the one that was to sign first
	key, err := trust.LoadKey(d.file(next.File))
	if err != nil {
		return err
	}
	return d.put(next.File, key, time.Time{}, next.File)
}

// denyEntry is the entry of a deny-list for a key, at an indentation.
func denyEntry(indent, kid, reason string) string {
	return fmt.Sprintf("%s- kid: %q\n%s  reason: %q\n", indent, kid, indent, reason)
}

var (
	emptyList = regexp.MustCompile(`(?m)^revocations:[ \t]*\[[ \t]*\][ \t]*$`)
	listItem  = regexp.MustCompile(`(?m)^([ \t]*)- `)
)

// addToDenyList adds keys to a deny-list file, unless they are there; nothing is written before the returned function is
// called. It is text that is edited, so that comments stay, and the outcome counts only if it reads as the same list with
// exactly one entry more.
func addToDenyList(path string, kids []string, reason string) (write func() error, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("opening the deny-list: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: add the entries where it comes from", path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("reading the deny-list: %w", err)
	}
	text := string(data)
	for _, kid := range kids {
		if text, err = withKey(path, text, kid, reason); err != nil {
			return nil, err
		}
	}
	return func() error {
		if text == string(data) {
			return nil
		}
		if err := putLike(path, []byte(text), info); err != nil {
			return fmt.Errorf("writing the deny-list: %w", err)
		}
		return nil
	}, nil
}

func withKey(path, text, kid, reason string) (string, error) {
	denied := func(text string) (entries int, denied bool, err error) {
		list, err := denyfile.Parse(path, []byte(text))
		if err != nil {
			return 0, false, err
		}
		_, denied = list.Match(revoke.Marks{KeyIDs: []string{kid}}, time.Now())
		return list.Len(), denied, nil
	}
	before, already, err := denied(text)
	if err != nil || already {
		return text, err
	}
	edited := ""
	if items := listItem.FindAllStringSubmatch(text, -1); len(items) > 0 {
		edited = strings.TrimRight(text, "\n") + "\n" + denyEntry(items[len(items)-1][1], kid, reason)
	} else {
		edited = emptyList.ReplaceAllLiteralString(text, "revocations:\n"+strings.TrimRight(denyEntry("  ", kid, reason), "\n"))
	}
	if after, listed, err := denied(edited); err != nil || !listed || after != before+1 {
		return "", fmt.Errorf("%s is not written in a way that an entry can be added to: add the one above by hand", path)
	}
	return edited, nil
}
