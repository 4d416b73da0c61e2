package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/trust"
)

// ahead is how long a key is published before it signs: every cache of our key set that keeps to its age has it by then,
// even if its copy was fetched just before, and one more fetch failed.
const ahead = 2 * jwksMaxAge

// rotationHelp is how keys are rotated, for the commands that take part.
const rotationHelp = `The keys of all replicas are in one directory. Rotating them without a refused request takes two commands, at any
distance in time:

  countersign keys rotate --directory keys    # publishes a new key, which signs from 10 minutes later on
  countersign keys prune --directory keys     # some day: removes the keys that nothing needs any more

Running servers notice both by themselves. Their clocks may differ: one that is 20 seconds ahead signs with the new key 20
seconds early, when all others have had it for long, and old keys are kept for the difference in addition.

In Kubernetes the directory is a mounted Secret. Change a copy of it, and replace the Secret by the copy:

  umask 077; mkdir keys
  kubectl get secret countersign-keys -o go-template='{{range $k, $v := .data}}{{$k}} {{$v}}{{"\n"}}{{end}}' |
    while read -r name data; do base64 -d <<<"$data" >"keys/$name"; done
  countersign keys rotate --directory keys
  kubectl create secret generic countersign-keys --from-file=keys --dry-run=client -o yaml | kubectl replace -f -
  rm -r keys`

func newKeysRotateCommand() *cobra.Command {
	var directory, algorithm string
	var after time.Duration
	cmd := &cobra.Command{
		Use:   "rotate --directory DIR",
		Short: "Publish a new signing key ahead of its use",
		Long: `Rotate adds a key to a directory of signing keys and prints its key id. The key is published at once, so that everybody
can learn it, and signs after the time that --after says. It does nothing while another key is still waiting.

` + rotationHelp,
		Example: "  countersign keys rotate --directory keys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if after < 0 {
				return usageError{errors.New("--after must not be negative")}
			}
			d, err := openKeyDirectory(directory)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			kid, signs, err := d.rotate(algorithm, time.Now().Add(after))
			if err != nil {
				return err
			}
			if after < ahead {
				cmd.PrintErrf("countersign: others may keep our key set for %s and not know the key when it signs: "+
					"%s would be long enough\n", jwksMaxAge, ahead)
			}
			cmd.PrintErrf("it signs from %s on\n", signs.UTC().Format(time.RFC3339))
			_, err = fmt.Fprintln(cmd.OutOrStdout(), kid)
			return err
		},
	}
	directoryFlag(cmd, &directory)
	cmd.Flags().StringVar(&algorithm, "algorithm", "", "ES256 or EdDSA (default that of the key that signs now)")
	cmd.Flags().DurationVar(&after, "after", ahead, "how long the key is published before it signs")
	return cmd
}

// rotate adds a key that signs from a time on, rounded up to a whole second.
func (d *keyDirectory) rotate(algorithm string, signs time.Time) (kid string, from time.Time, err error) {
	files, err := trust.ListKeyFiles(d.path, time.Now(), 0)
	if err != nil {
		return "", from, err
	}
	for _, f := range files {
		if f.State == trust.Published {
			return "", from, fmt.Errorf("key %s in %s is already waiting to sign from %s on: nothing was changed",
				f.KeyID, d.file(f.File), f.Until.UTC().Format(time.RFC3339))
		}
	}
	if len(files) >= trust.MaxKeys {
		return "", from, fmt.Errorf("%s has %d keys, which is the most: remove some with 'countersign keys prune'", d.path, len(files))
	}
	signing := files[0] // no other has a state before it
	if algorithm == "" {
		algorithm = signing.Algorithm
	}
	key, err := trust.GenerateKey(algorithm)
	if err != nil {
		return "", from, err
	}
	if from = signs.Truncate(time.Second); from.Before(signs) {
		from = from.Add(time.Second)
	}
	name := fmt.Sprintf("%s-%.8s.jwk", from.UTC().Format("20060102T150405Z"), key.KeyID)
	return key.KeyID, from, d.put(name, key, from, signing.File)
}

// retention says for how long a key is kept after its last use.
type retention struct{ ttl, skew time.Duration }

func (r *retention) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&r.ttl, "ttl", trust.DefaultRootMaxTTL, "longest life of a token that the keys sign")
	cmd.Flags().DurationVar(&r.skew, "skew", delegation.DefaultSkew, "how far clocks may differ")
}

// keep counts the skew twice: the signer may have been behind, and a verifier may be.
func (r retention) keep() (time.Duration, error) {
	if r.ttl <= 0 || r.skew < 0 {
		return 0, usageError{errors.New("--ttl must be more than 0s, and --skew not negative")}
	}
	return r.ttl + 2*r.skew, nil
}

func newKeysPruneCommand() *cobra.Command {
	var directory string
	var r retention
	cmd := &cobra.Command{
		Use:   "prune --directory DIR",
		Short: "Remove signing keys that nothing needs any more",
		Long: `Prune removes every key that stopped signing so long ago that nothing it signed can still be valid, and prints the
removed key ids. It never removes the key that signs, or one that is to sign.

` + rotationHelp,
		Example: "  countersign keys prune --directory keys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			keep, err := r.keep()
			if err != nil {
				return err
			}
			d, err := openKeyDirectory(directory)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			files, err := trust.ListKeyFiles(d.path, time.Now(), keep)
			if err != nil {
				return err
			}
			for _, f := range slices.Backward(files) { // the oldest first
				if f.State != trust.Retirable {
					continue
				}
				if err := d.remove(f.File); err != nil {
					return err
				}
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), f.KeyID); err != nil {
					return err
				}
			}
			return nil
		},
	}
	directoryFlag(cmd, &directory)
	r.flags(cmd)
	return cmd
}

// directoryFlag adds --directory to a command that changes a directory of keys.
func directoryFlag(cmd *cobra.Command, directory *string) {
	cmd.Flags().StringVarP(directory, "directory", "d", "", "`DIR` that tokens.keys or token_endpoint.keys names")
}
