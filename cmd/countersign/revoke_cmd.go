package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/redisfeed"
)

// revokeFlags are what to revoke, as written on the command line.
type revokeFlags struct {
	client                              revokeClient
	task, txn, jti, subject, actor, kid string
	before, ofIssuer, ofSubject         string
	reason, expires                     string
	asJSON                              bool
}

func newRevokeCommand() *cobra.Command {
	var f revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke --endpoint URL (--task|--txn|--jti|--sub|--actor|--kid|--before) VALUE",
		Short: "Take back tokens, tasks, users, workloads and keys before they expire",
		Long: `Revoke takes something back on every replica, within a fraction of a second: it asks a Countersign on its listener
listen.control. The workload that runs the command proves itself with its X.509-SVID, from the Workload API or from
files; what it may revoke is for the policies to say (Action::"revoke").

To revoke a task or a transaction ends every token that was derived from it, on every hop. --before ends every token
that was issued before a time and everything derived from it: of one issuer with --issuer, of one user with --subject.

Exit status 0: it is in force. 1: it may not be; to repeat the command does no harm.`,
		Example: `  countersign revoke --endpoint https://countersign:9194 --task case-4711 --reason "customer withdrew consent"
  countersign revoke --endpoint https://countersign:9194 --actor 'spiffe://acme.example/agents/*' --expires 24h
  countersign revoke --endpoint https://countersign:9194 --before now --subject alice`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.task, "task", "", "every token for a `TASK`")
	flags.StringVar(&f.txn, "txn", "", "every token of a transaction (`TXN`)")
	flags.StringVar(&f.jti, "jti", "", "one token, by its `JTI`, and what was derived from it if it is a root")
	flags.StringVar(&f.subject, "sub", "", "every token of a `USER`")
	flags.StringVar(&f.actor, "actor", "", "a workload anywhere in a chain, by its `SPIFFE-ID`; all below a path with /* at the end")
	flags.StringVar(&f.kid, "kid", "", "everything signed with the key `KID`")
	flags.StringVar(&f.before, "before", "", "everything issued before a `TIME` (RFC 3339, or now)")
	flags.StringVar(&f.ofIssuer, "issuer", "", "with --before: only tokens of this `ISSUER`")
	flags.StringVar(&f.ofSubject, "subject", "", "with --before: only tokens of this `USER`")
	flags.StringVar(&f.reason, "reason", "", "why, for whoever reads the list")
	flags.StringVar(&f.expires, "expires", "", "`WHEN` it stops to count: a time (RFC 3339), or a duration from now such as 24h; default: never")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	f.client.flags(cmd)
	cmd.AddCommand(newRevokeListCommand(), newRevokeRemoveCommand(), newRevokeInitCommand())
	return cmd
}

func (f *revokeFlags) run(cmd *cobra.Command) error {
	e, err := f.entry(time.Now())
	if err != nil {
		return usageError{err}
	}
	session, err := f.client.open(cmd.Context())
	if err != nil {
		return err
	}
	defer session.close()
	done, err := session.add(e)
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), done)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "revoked %s\n", describeEntry(done))
	return err
}

func (f *revokeFlags) entry(now time.Time) (revoke.Entry, error) {
	e := revoke.Entry{Issuer: f.ofIssuer, Subject: f.ofSubject, Reason: f.reason}
	for _, given := range []struct{ kind, value string }{
		{revoke.KindTask, f.task}, {revoke.KindTxn, f.txn}, {revoke.KindJTI, f.jti}, {revoke.KindSubject, f.subject},
		{revoke.KindActor, f.actor}, {revoke.KindKeyID, f.kid}, {revoke.KindBefore, f.before},
	} {
		switch {
		case given.value == "":
		case e.Kind != "":
			return e, fmt.Errorf("--%s and --%s: revoke one after the other", e.Kind, given.kind)
		default:
			e.Kind, e.Value = given.kind, given.value
		}
	}
	if e.Kind == "" {
		return e, errors.New("say what: --task, --txn, --jti, --sub, --actor, --kid or --before")
	}
	if e.Kind == revoke.KindBefore && e.Value == "now" {
		e.Value = now.UTC().Format(time.RFC3339)
	}
	var err error
	if e.Expires, err = parseExpires(f.expires, now); err != nil {
		return e, err
	}
	if err := e.Check(); err != nil {
		return e, fmt.Errorf("--%w", err)
	}
	return e, nil
}

func parseExpires(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if d, notDuration := time.ParseDuration(text); notDuration == nil {
		t, err = now.Add(d).UTC().Truncate(time.Second), nil
	}
	if err != nil || !t.After(now) {
		return time.Time{}, fmt.Errorf("--expires %q: want a time to come, such as 2026-12-01T00:00:00Z, or a duration such as 24h", text)
	}
	return t, nil
}

func newRevokeListCommand() *cobra.Command {
	var client revokeClient
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list --endpoint URL",
		Short:   "Print what is revoked on all replicas; a deny-list file is not part of it",
		Example: "  countersign revoke list --endpoint https://countersign:9194",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := client.open(cmd.Context())
			if err != nil {
				return err
			}
			defer session.close()
			entries, err := session.list()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), entries)
			}
			return printEntries(cmd.OutOrStdout(), entries)
		},
	}
	client.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newRevokeRemoveCommand() *cobra.Command {
	var client revokeClient
	cmd := &cobra.Command{
		Use:     "remove ID... --endpoint URL",
		Short:   "Take revocations back, by the ids that list prints",
		Example: "  countersign revoke remove --endpoint https://countersign:9194 -- h0V9b3xG5m7yQm1n4c2dEA",
		Long:    "Remove takes revocations back. An id that begins with - is written after --.",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			session, err := client.open(cmd.Context())
			if err != nil {
				return err
			}
			defer session.close()
			for _, id := range ids {
				if err := session.remove(id); err != nil {
					return fmt.Errorf("%.40s: %w", printable(id), err)
				}
			}
			return nil
		},
	}
	client.flags(cmd)
	return cmd
}

func newRevokeInitCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "init --config FILE",
		Short: "Declare that what the store holds is everything that is revoked",
		Long: `Init is needed once, for a new store: until then every request is refused, because an empty store cannot be told
from one that lost what was revoked. It is needed again only when the store lost something while no replica was running
that could put it back: then revoke again what must stay revoked, first thing after init.

It goes to the store itself, and changes nothing when the store is in order.`,
		Example: "  countersign revoke init --config countersign.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(path)
			if err != nil {
				return err
			}
			store, err := openStore(cmd.Context(), c.Store.Redis)
			if err != nil {
				return err
			}
			if store == nil {
				return fmt.Errorf("%s: there is no store.redis", path)
			}
			defer store.Close() //nolint:errcheck // the process ends
			feed, err := redisfeed.New(redisfeed.Config{
				Store: store, MaxStaleness: c.Revocations.MaxStaleness, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				return err
			}
			generation, fresh, err := feed.Initialise(cmd.Context())
			if err != nil {
				return err
			}
			what := "was in order"
			if fresh {
				what = "is initialised"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the store %s: generation %d\n", what, generation)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func printEntries(w io.Writer, entries []revoke.Entry) error {
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&text, describeEntry(e))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// describeEntry is one line, whatever is in the entry.
func describeEntry(e revoke.Entry) string {
	line := e.String()
	if e.Reason != "" {
		line += ": " + e.Reason
	}
	if e.By != "" {
		line += "; by " + e.By
	}
	if !e.Expires.IsZero() {
		line += "; until " + e.Expires.UTC().Format(time.RFC3339)
	}
	return printable(line + " (id " + e.ID() + ")")
}
