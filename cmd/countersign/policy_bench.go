package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz"
	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
	"countersign.dev/cedar/scenario"
)

// maxQuestions bounds what bench asks.
const maxQuestions = 20_000

// policyBench is the command line of policy bench.
type policyBench struct {
	from    policySource
	tests   []string
	time    time.Duration
	buckets int
	asJSON  bool
}

func newPolicyBenchCommand() *cobra.Command {
	var b policyBench
	cmd := &cobra.Command{
		Use:   "bench [--tests FILE]... [--config FILE | --policies DIR …]",
		Short: "Measure what deciding with these policies takes",
		Long: `Bench shows how the index finds policies and what that costs: the constraints that most policies are filed under,
policies without a scope, which every request evaluates, how many policies requests evaluate, and the request with the
most of them, with the time that deciding it takes here. Write the rarest thing that a policy is about into its scope to
make these numbers small.

The requests are the cases of test files (--tests), or else a call of every tool by every workload that policies and
entities name, for one user of each group and for nobody, with arguments that fit if the tool is pinned. With --tests and
neither --config nor --policies the policies are those of the first test file.

Exit status: 0 measured; 1 the policies could not be loaded; 2 wrong usage.`,
		Example: `  countersign policy bench --config countersign.yaml
  countersign policy bench --policies policies/ --tests policies/crm_test.yaml --time 5s`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	b.from.flags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&b.tests, "tests", nil, "take the requests from a test `FILE`; may be repeated")
	flags.DurationVar(&b.time, "time", time.Second, "how long to measure deciding, and loading")
	flags.IntVar(&b.buckets, "buckets", 10, "how many of the constraints to show")
	flags.BoolVar(&b.asJSON, "json", false, "print JSON")
	return cmd
}

// benchmark is what was measured. Times are in nanoseconds.
type benchmark struct {
	Revision string           `json:"revision"`
	Load     measured         `json:"load"`
	Index    cedar.Statistics `json:"index"`
	// Questions is how many were asked, and Candidates how many of them evaluated that many policies.
	Questions  int             `json:"questions"`
	Candidates []candidateStat `json:"candidates"`
	// Worst is the question that evaluates the most policies; nil without questions.
	Worst *worstQuestion `json:"worst,omitempty"`
	// Left says that there were more questions than are asked.
	Left bool `json:"left,omitempty"`
}

// measured is how long something takes.
type measured struct {
	Times int           `json:"times"`
	Each  time.Duration `json:"each_ns"`
}

type candidateStat struct {
	Policies  int `json:"policies"`
	Questions int `json:"questions"`
}

type worstQuestion struct {
	Name       string   `json:"question"`
	Candidates int      `json:"candidates"`
	Decide     measured `json:"decide"`
}

// benchQuestion is a question with a name.
type benchQuestion struct {
	name  string
	query authz.Query
}

func (b *policyBench) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if b.time <= 0 || b.buckets < 0 {
		return usageError{errors.New("--time must be more than zero, --buckets not less")}
	}
	files, source, err := b.read()
	if err != nil {
		return err
	}
	snapshot, err := cedar.Load(ctx, source)
	if err != nil {
		return err
	}
	load, err := measure(ctx, b.time, func() error {
		_, err := cedar.Load(ctx, source)
		return err
	})
	if err != nil {
		return err
	}
	found := benchmark{Revision: snapshot.Revision(), Load: load, Index: snapshot.Statistics()}
	questions, err := b.questions(snapshot, files)
	if err != nil {
		return err
	}
	if found.Left = len(questions) > maxQuestions; found.Left {
		questions = questions[:maxQuestions]
	}
	if err := found.ask(ctx, snapshot, questions, b.time); err != nil {
		return err
	}
	if b.asJSON {
		return printJSON(cmd.OutOrStdout(), found)
	}
	return found.print(cmd.OutOrStdout(), b.buckets)
}

func (b *policyBench) read() (files []*policytest.File, source cedar.Config, err error) {
	for _, path := range b.tests {
		file, err := policytest.Read(path)
		if err != nil {
			return nil, source, err
		}
		files = append(files, file)
	}
	if !b.from.given() && len(files) > 0 {
		source, err = files[0].Config()
	} else {
		source, err = b.from.open()
	}
	return files, source, err
}

// questions are the calls of the test files, or those that the policies and entities suggest.
func (b *policyBench) questions(snapshot *cedar.Snapshot, files []*policytest.File) ([]benchQuestion, error) {
	if len(files) == 0 {
		return suggested(snapshot)
	}
	var all []benchQuestion
	for _, file := range files {
		for _, c := range file.Cases {
			if c.Request.Revoke != nil || c.Request.Delegate != nil || c.Request.Peer == "" {
				continue // not a call that a client makes
			}
			q, err := c.Request.Query()
			if err != nil {
				return nil, fmt.Errorf("%s:%d: case %q: %w", file.Name, c.Line, c.Name, err)
			}
			all = append(all, benchQuestion{c.Name, q})
		}
	}
	return all, nil
}

// suggested are calls of every tool by every workload, for every kind of user.
func suggested(snapshot *cedar.Snapshot) ([]benchQuestion, error) {
	peers, users := benchPeers(snapshot), benchUsers(snapshot)
	var all []benchQuestion
	for _, user := range users {
		for _, peer := range peers {
			for _, tool := range snapshot.CallableTools() {
				server, name, _ := strings.Cut(tool, "/")
				if name == "*" {
					name = "any"
				}
				r := scenario.Request{Peer: peer, Server: server, Tool: name}
				r.Arguments, _ = snapshot.FittingArguments(server, name)
				question := peer + " calls " + tool
				if user != "" {
					r.Delegation = &scenario.Delegation{Subject: user}
					question += " for " + user
				}
				q, err := r.Query()
				if err != nil {
					return nil, fmt.Errorf("calling %s as %s: %w", tool, peer, err)
				}
				if all = append(all, benchQuestion{question, q}); len(all) > maxQuestions {
					return all, nil
				}
			}
		}
	}
	return all, nil
}

// benchPeers are the workloads that policies and entities name, one of every path and trust domain among them; somebody, if
// they name nobody.
func benchPeers(snapshot *cedar.Snapshot) []string {
	var peers []string
	for _, p := range snapshot.Principals() {
		for kind, workload := range map[string]string{`Workload::"`: "%s", `SpiffePath::"`: "%s", `TrustDomain::"`: "spiffe://%s/any"} {
			if id, ok := strings.CutPrefix(p, kind); ok {
				peers = append(peers, fmt.Sprintf(workload, strings.TrimSuffix(id, `"`)))
			}
		}
	}
	if len(peers) == 0 {
		peers = []string{"spiffe://somewhere.example/any"}
	}
	slices.Sort(peers)
	return slices.Compact(peers)
}

// benchUsers are one member of every group of users that policies and entities name, a user who is in none if they name one,
// and nobody, which is empty.
func benchUsers(snapshot *cedar.Snapshot) []string {
	const user = `User::"`
	var users []string
	grouped := make(map[string]bool)
	for _, name := range snapshot.Users() {
		var members []string
		if !strings.HasPrefix(name, user) {
			members = slices.DeleteFunc(snapshot.Members(name), func(m string) bool { return !strings.HasPrefix(m, user) })
		}
		for _, m := range members {
			grouped[m] = true
		}
		users = append(users, members[:min(1, len(members))]...)
	}
	alone := slices.IndexFunc(snapshot.Users(), func(name string) bool { return strings.HasPrefix(name, user) && !grouped[name] })
	if alone >= 0 {
		users = append(users, snapshot.Users()[alone])
	}
	for i, name := range users {
		users[i] = strings.TrimSuffix(strings.TrimPrefix(name, user), `"`)
	}
	if len(users) == 0 {
		users = []string{"somebody"}
	}
	slices.Sort(users)
	return append(slices.Compact(users), "")
}

// ask puts all questions, and measures the one that evaluates the most policies.
func (b *benchmark) ask(ctx context.Context, snapshot *cedar.Snapshot, questions []benchQuestion, limit time.Duration) error {
	counts, worst, most := make(map[int]int), -1, -1
	for i, q := range questions {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := snapshot.Authorize(ctx, q.query).Candidates
		if counts[n]++; n > most {
			worst, most = i, n
		}
	}
	b.Questions, b.Candidates = len(questions), []candidateStat{}
	for n, times := range counts {
		b.Candidates = append(b.Candidates, candidateStat{n, times})
	}
	slices.SortFunc(b.Candidates, func(a, b candidateStat) int { return a.Policies - b.Policies })
	if worst < 0 {
		return nil
	}
	decide, err := measure(ctx, limit, func() error {
		snapshot.Authorize(ctx, questions[worst].query)
		return nil
	})
	b.Worst = &worstQuestion{questions[worst].name, most, decide}
	return err
}

// measure does something over and over, for about as long as limit.
func measure(ctx context.Context, limit time.Duration, do func() error) (measured, error) {
	var m measured
	begin := time.Now()
	for batch := 1; ; batch *= 2 {
		for range batch {
			if err := do(); err != nil {
				return m, err
			}
		}
		m.Times += batch
		taken := time.Since(begin)
		m.Each = taken / time.Duration(m.Times)
		if err := ctx.Err(); err != nil {
			return m, err
		}
		if taken+m.Each*time.Duration(batch) > limit { // twice the batch would take longer
			return m, nil
		}
	}
}

func (b *benchmark) print(out io.Writer, buckets int) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush has the error
	line("policies\t%d (%s, %s), revision %s", b.Index.Policies, counted(b.Index.Permits, "permit", "permits"),
		counted(b.Index.Forbids, "forbid", "forbids"), b.Revision)
	line("loading\t%s (%s)", rounded(b.Load.Each), counted(b.Load.Times, "time", "times"))
	line("without a scope\t%d%s", len(b.Index.Unscoped), some(b.Index.Unscoped))
	if len(b.Index.Never) > 0 {
		line("never apply\t%d%s", len(b.Index.Never), some(b.Index.Never))
	}
	line("\nFILED UNDER\tPOLICIES")
	for _, bucket := range b.Index.Buckets[:min(buckets, len(b.Index.Buckets))] {
		line("%s\t%d", bucket.Key, bucket.Policies)
	}
	if hidden := len(b.Index.Buckets) - buckets; hidden > 0 {
		line("(%d more)", hidden)
	}
	more := ""
	if b.Left {
		more = " (there are more)"
	}
	line("\nPOLICIES EVALUATED\tREQUESTS OF %d%s", b.Questions, more)
	for _, c := range b.Candidates {
		line("%d\t%d", c.Policies, c.Questions)
	}
	if w := b.Worst; w != nil {
		line("\nmost policies\t%d: %s", w.Candidates, w.Name)
		line("to decide it\t%s (%s)", rounded(w.Decide.Each), counted(w.Decide.Times, "time", "times"))
	}
	return t.Flush()
}

func rounded(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(10 * time.Nanosecond)
}

// some names the first few.
func some(ids []string) string {
	const few = 10
	switch {
	case len(ids) == 0:
		return ""
	case len(ids) > few:
		return ": " + strings.Join(ids[:few], ", ") + ", …"
	}
	return ": " + strings.Join(ids, ", ")
}
