package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
	"countersign.dev/cedar/replay"
)

// policyReplay is the command line of policy replay.
type policyReplay struct {
	common       replaySets
	audit        []string
	failOn       []string
	peer, server string
	since, until string
	limit        int
	explain      bool
	asJSON       bool
}

func newPolicyReplayCommand() *cobra.Command {
	var r policyReplay
	cmd := &cobra.Command{
		Use:   "replay OLD NEW [--audit FILE]... [FILE]...",
		Short: "Say what other policies would have answered to recorded requests",
		Long: `Replay reads the audit log and asks two sets of policies about every request in it: OLD, those that are there, and NEW,
those that are to come. It lists the answers that change, as a plan: + for what would be allowed, - for what no longer
would, ~ for answers that stay with other reasons or failing policies; + and - also for what a backend may pass on.

A set is a directory with *.cedar files, a configuration file (.yaml or .yml), or a bundle (.tar.gz, whose signature is not
checked here). A directory may have its *.cedar files in policies/; entities.json and tools/SERVER.json are looked for
beside the *.cedar files, and if these are in a directory policies, beside it. --entities, --tools and --server stand for what a directory does not
have. If one set is a configuration, a directory or bundle takes from it whatever it still lacks.

Logs are JSON lines, plain or compressed with gzip, in any order; - is standard input, which is the default. Lines that
are no records of decisions are counted and passed over. A record is undecided if it lacks something that a policy in
OLD or NEW may read: arguments that are not recorded (record_arguments), the session, the query of the path. It is
drift if OLD does not answer what was decided then. What a backend may pass on is asked as well if the record has the
backend and the scope of a delegation.

By default changes are no failure. --fail-on makes them one: widened (from deny to allow), narrowed (from allow to deny),
scope-widened and scope-narrowed (allowed before and after, but the backend may pass on something new, or only less), errors
(a policy newly fails), any (any change), undecided, unreadable (lines that are torn, too long or no JSON), drift, none.
If no record could be compared, that is a failure always.

Exit status: 0 replayed; 1 something of --fail-on was found, nothing was compared, or a set or log could not be read; 2
wrong usage.`,
		Example: `  countersign policy replay countersign.yaml candidate/ --audit audit.log
  zcat audit-*.gz | countersign policy replay policies/ candidate/ --fail-on widened,errors --json
  countersign policy replay policies/ candidate/ --audit 'audit-*.log.gz' --since 24h --on crm --explain`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args[0], args[1], args[2:]) },
	}
	r.common.flags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&r.audit, "audit", nil, "audit log `FILE` or pattern, - for standard input; may be repeated")
	flags.StringSliceVar(&r.failOn, "fail-on", []string{"none"}, "exit with 1 if there are any `FINDINGS` of these")
	flags.StringVar(&r.peer, "peer", "", "only requests of the workload with that SPIFFE `ID`")
	flags.StringVar(&r.server, "on", "", "only requests to the `SERVER`")
	flags.StringVar(&r.since, "since", "", "only requests at or after a `TIME` (RFC 3339), or at most a duration ago, such as 24h")
	flags.StringVar(&r.until, "until", "", "only requests before a `TIME`, or a duration ago")
	flags.IntVar(&r.limit, "limit", 50, "the most groups of changes to show")
	flags.BoolVar(&r.explain, "explain", false, "say why, for one request of each group")
	flags.BoolVar(&r.asJSON, "json", false, "print JSON")
	return cmd
}

func (r *policyReplay) run(cmd *cobra.Command, before, after string, files []string) error {
	options, err := r.options(time.Now())
	if err != nil {
		return err
	}
	logs, err := r.logs(cmd.InOrStdin(), files)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	sets, err := r.common.load(ctx, before, after)
	if err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr())
	options.Progress = progress.tell
	replayed := replay.New(sets[0], sets[1], options)
	var broken error
	for _, name := range logs {
		broken = errors.Join(broken, replayLog(ctx, replayed, name, cmd.InOrStdin()))
	}
	progress.end()
	report, err := replayed.Report(ctx, r.limit)
	if err != nil {
		return err
	}
	report.Old.Name, report.New.Name = before, after
	if err := r.print(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	if report.Compared == 0 {
		return errors.New("nothing was compared: no line is a record that can be asked about, and was not left out")
	}
	if slices.ContainsFunc(r.failOn, func(f string) bool { return report.Has(replay.Finding(f)) }) {
		return errFound
	}
	return nil
}

// options reads the flags.
func (r *policyReplay) options(now time.Time) (o replay.Options, err error) {
	for _, f := range r.failOn {
		if f != "none" && !slices.Contains(replay.Findings, replay.Finding(f)) {
			return o, usageError{fmt.Errorf("--fail-on: %q is none of %v and none", f, replay.Findings)}
		}
	}
	if len(r.failOn) > 1 && slices.Contains(r.failOn, "none") {
		return o, usageError{errors.New("--fail-on: none goes with nothing else")}
	}
	if r.limit < 0 {
		return o, usageError{errors.New("--limit must not be negative")}
	}
	o = replay.Options{Peer: r.peer, Server: r.server, Explain: r.explain}
	if o.Since, err = moment("since", r.since, now); err != nil {
		return o, err
	}
	o.Until, err = moment("until", r.until, now)
	return o, err
}

// moment reads a time, or how long ago it was.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usageError{fmt.Errorf("--%s: %q is neither a time such as 2026-11-22T08:00:00Z nor a duration such as 24h", flag, text)}
	}
	return t, nil
}

// logs returns the names of what to read; "-" is standard input.
func (r *policyReplay) logs(in io.Reader, files []string) ([]string, error) {
	names := slices.Concat(r.audit, files)
	if len(names) == 0 {
		if isTerminal(in) {
			return nil, usageError{errors.New("name the audit log with --audit FILE, or pipe it in")}
		}
		return []string{"-"}, nil
	}
	var logs []string
	if slices.Contains(names, "-") {
		logs = []string{"-"}
		names = slices.DeleteFunc(names, func(name string) bool { return name == "-" })
	}
	found, err := filesWith(names, ".log")
	return append(logs, found...), err
}

func replayLog(ctx context.Context, r *replay.Replay, name string, in io.Reader) error {
	if name == "-" {
		return r.Read(ctx, "standard input", in)
	}
	f, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	return r.Read(ctx, name, f)
}

func (r *policyReplay) print(out io.Writer, report *replay.Report) error {
	if !r.asJSON {
		return report.Text(out, colourOn(out))
	}
	if err := printJSON(out, report); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// progress tells how far reading is, if somebody watches.
type progress struct {
	out  io.Writer // nil if nobody does
	told bool
}

func newProgress(out io.Writer) *progress {
	if !isTerminal(out) {
		out = nil
	}
	return &progress{out: out}
}

func (p *progress) tell(lines int) {
	if p.out != nil {
		_, _ = fmt.Fprintf(p.out, "\r%d lines", lines) // it is no loss
		p.told = true
	}
}

// end wipes what was told.
func (p *progress) end() {
	if p.told {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", len("18446744073709551615 lines"))) // it is no loss
	}
}

// replaySets finds the two sets of policy replay.
type replaySets struct {
	entities string
	tools    map[string]string
	servers  []string
}

func (s *replaySets) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.entities, "entities", "", "entities `FILE` (Cedar JSON) of a directory without one")
	flags.StringToStringVar(&s.tools, "tools", nil, "pinned tools/list result of a server, `SERVER=FILE`, for directories without one")
	flags.StringSliceVar(&s.servers, "server", nil, "`NAME` of a server whose tools are not pinned; may be repeated")
}

// load loads both sets.
func (s *replaySets) load(ctx context.Context, names ...string) ([]*cedar.Snapshot, error) {
	configs := make([]cedar.Config, len(names))
	var err error
	for i, name := range names {
		if configs[i], err = s.open(name); err != nil {
			return nil, err
		}
	}
	snapshots := make([]*cedar.Snapshot, len(names))
	for i, other := range []int{1, 0} {
		if !isConfig(names[i]) && isConfig(names[other]) {
			complete(&configs[i], configs[other])
		}
	}
	for i, c := range configs {
		c.VerifyIndex = 0 // answers must be the same every time
		if snapshots[i], err = cedar.Load(ctx, c); err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
	}
	return snapshots, nil
}

// isConfig reports whether a set is a configuration file.
func isConfig(name string) bool {
	info, err := os.Stat(name)
	extension := filepath.Ext(name)
	return err == nil && !info.IsDir() && (extension == ".yaml" || extension == ".yml")
}

func (s *replaySets) open(name string) (cedar.Config, error) {
	info, err := os.Stat(name)
	extension := filepath.Ext(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cedar.Config{}, usageError{fmt.Errorf("%s: no such directory, configuration or bundle", name)}
	case err != nil:
		return cedar.Config{}, fmt.Errorf("finding the policies: %w", err)
	case info.IsDir():
		return s.directory(name)
	case isConfig(name):
		return configuredSet(name)
	case extension == ".gz" || extension == ".tgz":
		return s.bundle(name)
	}
	return cedar.Config{}, usageError{fmt.Errorf("%s: want a directory, a configuration (.yaml) or a bundle (.tar.gz)", name)}
}

func configuredSet(name string) (cedar.Config, error) {
	c, err := loadConfig(name)
	if err != nil {
		return cedar.Config{}, err
	}
	return c.policySource(), nil
}

// directory looks for what belongs to a directory with policies, as for the tests there.
func (s *replaySets) directory(name string) (cedar.Config, error) {
	policies, err := policytest.PoliciesIn(name)
	if err != nil {
		return cedar.Config{}, err
	}
	c := cedar.Config{Policies: policies, Entities: policytest.EntitiesBeside(policies), Tools: make(map[string]string)}
	if err := policytest.AddToolsBeside(policies, c.Tools); err != nil {
		return c, err
	}
	if c.Entities == "" {
		c.Entities = s.entities
	}
	for server, file := range s.tools {
		if c.Tools[server] == "" {
			c.Tools[server] = file
		}
	}
	s.unpinned(&c)
	return c, nil
}

func (s *replaySets) bundle(name string) (cedar.Config, error) {
	b, err := readBundle(name, "")
	if err != nil {
		return cedar.Config{}, err
	}
	c := cedar.Config{Source: inMemory{filesIn(name, b)}, Tools: make(map[string]string)}
	s.unpinned(&c)
	return c, nil
}

// unpinned adds the servers without pinned tools.
func (s *replaySets) unpinned(c *cedar.Config) {
	for _, server := range s.servers {
		if _, known := c.Tools[server]; !known {
			c.Tools[server] = ""
		}
	}
}

// complete takes from a configuration what a directory or bundle lacks. A bundle has all its files.
func complete(c *cedar.Config, from cedar.Config) {
	c.OnError = from.OnError
	for server, file := range from.Tools {
		if c.Tools[server] != "" {
			continue
		}
		if c.Source != nil {
			file = ""
		}
		c.Tools[server] = file
	}
	if c.Source == nil && c.Entities == "" {
		c.Entities = from.Entities
	}
}
