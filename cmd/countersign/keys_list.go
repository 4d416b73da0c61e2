package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz/trust"
)

// listedKey is a line of keys list --json.
type listedKey struct {
	KeyID     string         `json:"kid"`
	Algorithm string         `json:"alg"`
	State     trust.KeyState `json:"state"`
	// Until is when the state ends, absent if nothing ends it.
	Until *time.Time `json:"until,omitempty"`
	// NotBefore is from when the key may sign, absent if always.
	NotBefore *time.Time `json:"not_before,omitempty"`
	File      string     `json:"file"`
}

func newKeysListCommand() *cobra.Command {
	var r retention
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list DIR",
		Short: "Tell the keys in a directory, and where each is in its life",
		Long: `List tells every key of a directory, those that will sign next first. A key goes through these states:

  published  others can learn it, and it signs at the time shown
  signing    it signs
  retiring   it signs no more, and is needed for what it signed until the time shown
  retirable  nothing needs it any more; 'countersign keys prune' removes it`,
		Example: "  countersign keys list keys/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			keep, err := r.keep()
			if err != nil {
				return err
			}
			files, err := trust.ListKeyFiles(args[0], time.Now(), keep)
			if err != nil {
				return err
			}
			if asJSON {
				listed := make([]listedKey, 0, len(files))
				for _, f := range files {
					listed = append(listed, listedKey{f.KeyID, f.Algorithm, f.State, known(f.Until), known(f.NotBefore), f.File})
				}
				return printJSON(cmd.OutOrStdout(), listed)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "KID\tALG\tSTATE\tUNTIL\tFILE") // a failure shows at Flush
			for _, f := range files {
				until := "-"
				if t := known(f.Until); t != nil {
					until = t.Format(time.RFC3339)
				}
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", f.KeyID, f.Algorithm, f.State, until, f.File)
			}
			return table.Flush()
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// known returns a time in UTC and whole seconds, nil for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
