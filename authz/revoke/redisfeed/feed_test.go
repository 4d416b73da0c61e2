package redisfeed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/redisfeed"
)

// replica is one member of a fleet.
type replica struct {
	*redisfeed.Feed
	ahead atomic.Int64 // of the real time, in nanoseconds
	log   *logBook
	stop  func()
}

// clock is the replica's clock.
func (r *replica) clock() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// newReplica makes a replica that does not follow the server yet.
func newReplica(t *testing.T, store *redisstore.Store, change ...func(*redisfeed.Config)) *replica {
	t.Helper()
	r := &replica{log: &logBook{}}
	c := redisfeed.Config{Store: store, MaxStaleness: time.Minute, Log: slog.New(slog.NewTextHandler(r.log, nil)), Clock: r.clock}
	for _, f := range change {
		f(&c)
	}
	var err error
	if r.Feed, err = redisfeed.New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// startReplica makes a replica that follows the server until the end of the test.
func startReplica(t *testing.T, store *redisstore.Store, change ...func(*redisfeed.Config)) *replica {
	t.Helper()
	r := newReplica(t, store, change...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

// newFleet runs a server on which nothing is revoked, and some replicas.
func newFleet(t *testing.T, size int) (*redistest.Server, []*replica) {
	t.Helper()
	server := redistest.Start(t)
	initialise(t, server)
	var fleet []*replica
	for range size {
		r := startReplica(t, server.Store())
		<-r.Synced()
		fleet = append(fleet, r)
	}
	return server, fleet
}

func initialise(t *testing.T, server *redistest.Server) {
	t.Helper()
	if _, fresh, err := newReplica(t, server.Store()).Initialise(t.Context()); err != nil || !fresh {
		t.Fatalf("initialising: fresh %t, %v", fresh, err)
	}
}

func task(name string) revoke.Entry { return revoke.Entry{Kind: revoke.KindTask, Value: name} }

func (r *replica) add(t *testing.T, e revoke.Entry) {
	t.Helper()
	if err := r.Add(within(t), e); err != nil {
		t.Fatalf("adding %s: %v", e, err)
	}
}

// within bounds what a test waits for.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// answer is what the replica says about a task: "revoked", "fine" or "unknown".
func (r *replica) answer(name string) string {
	_, revoked, err := r.Revoked(context.Background(), revoke.Marks{Task: name}, r.clock())
	switch {
	case revoked:
		return "revoked"
	case err != nil:
		return "unknown"
	default:
		return "fine"
	}
}

// becomes waits until a replica says something about a task.
func (r *replica) becomes(t *testing.T, name, want string) {
	t.Helper()
	eventually(t, fmt.Sprintf("task %s is %s", name, want), func() bool { return r.answer(name) == want })
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func values(entries []revoke.Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Value)
	}
	slices.Sort(all)
	return all
}

func TestARevocationReachesEveryReplica(t *testing.T) {
	t.Parallel()
	_, fleet := newFleet(t, 3)
	e := revoke.Entry{
		Kind: revoke.KindTask, Value: "case-4711", Reason: "withdrawn", By: "spiffe://acme.example/oncall",
		Added: time.Now().UTC(), Expires: time.Now().Add(time.Hour).UTC(),
	}
	fleet[0].add(t, e)
	if got := fleet[0].answer("case-4711"); got != "revoked" {
		t.Errorf("it is %s where it was revoked", got)
	}
	for _, r := range fleet {
		r.becomes(t, "case-4711", "revoked")
		if diff := cmp.Diff([]revoke.Entry{e}, r.Entries()); diff != "" {
			t.Error(diff)
		}
		if got := r.answer("case-4712"); got != "fine" {
			t.Errorf("another task is %s", got)
		}
	}
	if err := fleet[1].Remove(within(t), e.ID()); err != nil {
		t.Fatal(err)
	}
	if _, found := fleet[1].Get(e.ID()); found || fleet[1].answer("case-4711") != "fine" {
		t.Error("it stays where it was removed")
	}
	for _, r := range fleet {
		r.becomes(t, "case-4711", "fine")
	}
	if err := fleet[2].Remove(within(t), e.ID()); !errors.Is(err, redisfeed.ErrMissing) {
		t.Errorf("removing it once more: %v", err)
	}
	if err := fleet[0].Add(within(t), task("")); err == nil {
		t.Error("an entry without a value is taken")
	}
}

func TestARevocationIsNeverShortened(t *testing.T) {
	_, fleet := newFleet(t, 2)
	soon, later := task("a"), task("a")
	soon.Expires, later.Expires = time.Now().Add(time.Hour).UTC(), time.Now().Add(2*time.Hour).UTC()
	for _, step := range []struct{ add, want revoke.Entry }{{soon, soon}, {later, later}, {soon, later}, {task("a"), task("a")}, {later, task("a")}} {
		fleet[0].add(t, step.add)
		if got, _ := fleet[0].Get(task("a").ID()); !cmp.Equal(got, step.want) {
			t.Errorf("after %v: %v, want %v", step.add.Expires, got.Expires, step.want.Expires)
		}
	}
}

func TestNobodyKnowsBeforeTheStoreWasInitialised(t *testing.T) {
	server := redistest.Start(t)
	r := newReplica(t, server.Store())
	if got := r.answer("a"); got != "unknown" {
		t.Errorf("before anything was read: %s", got)
	}
	if err := r.Sync(t.Context()); !errors.Is(err, redisfeed.ErrUninitialised) {
		t.Errorf("Sync: %v", err)
	}
	if err := r.Add(t.Context(), task("a")); !errors.Is(err, redisfeed.ErrUninitialised) {
		t.Errorf("Add: %v", err)
	}
	_, _, err := r.Revoked(t.Context(), revoke.Marks{Task: "a"}, time.Now())
	if !errors.Is(err, redisfeed.ErrUninitialised) || !strings.Contains(err.Error(), "countersign revoke init") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if s := r.Status(); s.Usable || s.Age != -1 || s.Failures != 1 || s.Error == "" {
		t.Errorf("status: %+v", s)
	}
	running := startReplica(t, server.Store())
	initialise(t, server)
	<-running.Synced()
	running.becomes(t, "a", "fine")
	if generation, fresh, err := r.Initialise(t.Context()); generation != 1 || fresh || err != nil {
		t.Errorf("initialising once more: generation %d, fresh %t, %v", generation, fresh, err)
	}
}

func TestAReplicaThatWasCutOffCatchesUp(t *testing.T) {
	t.Parallel()
	for _, trimmed := range []bool{false, true} {
		t.Run(fmt.Sprintf("trimmed %t", trimmed), func(t *testing.T) {
			server, fleet := newFleet(t, 1)
			proxy := server.Proxy()
			far := startReplica(t, proxy.Store(), func(c *redisfeed.Config) { c.LastKnown = true })
			fleet[0].add(t, task("gone"))
			far.becomes(t, "gone", "revoked")
			before := far.Status()
			proxy.Blackhole()
			fleet[0].add(t, task("new"))
			if err := fleet[0].Remove(within(t), task("gone").ID()); err != nil {
				t.Fatal(err)
			}
			if trimmed {
				if err := server.Store().XTrimMaxLen(t.Context(), "countersign:revocations:changes", 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if got := far.answer("gone") + " " + far.answer("new"); got != "revoked fine" {
				t.Errorf("cut off: %s", got)
			}
			proxy.Heal()
			far.becomes(t, "new", "revoked")
			far.becomes(t, "gone", "fine")
			if now := far.Status(); (now.Resyncs > before.Resyncs) != trimmed {
				t.Errorf("all entries were read %d times, then %d", before.Resyncs, now.Resyncs)
			}
			if got := fleet[0].Status().Generation; got != 1 {
				t.Errorf("generation %d: it took the server for one that lost something", got)
			}
		})
	}
}

func TestRevocationsSurviveTheServer(t *testing.T) {
	t.Parallel()
	server, fleet := newFleet(t, 2)
	for i := range 20 {
		fleet[i%2].add(t, task(fmt.Sprint("case-", i)))
	}
	server.Kill()
	if err := fleet[0].Add(t.Context(), task("lost")); err == nil {
		t.Error("a revocation was stored nowhere")
	}
	if got := fleet[1].answer("case-7"); got != "revoked" {
		t.Errorf("without the server, what was revoked is %s", got)
	}
	server.Run()
	fresh := startReplica(t, server.Store())
	for i := range 20 {
		fresh.becomes(t, fmt.Sprint("case-", i), "revoked")
	}
	fleet[0].becomes(t, "other", "fine")
	fleet[0].add(t, task("after"))
	for _, r := range append(fleet, fresh) {
		r.becomes(t, "after", "revoked")
		if got := r.Status().Generation; got != 1 {
			t.Errorf("generation %d, want 1: nothing was lost", got)
		}
	}
}

func TestACopyThatIsTooOldIsNotGoneBy(t *testing.T) {
	t.Parallel()
	for _, lastKnown := range []bool{false, true} {
		t.Run(fmt.Sprintf("last known %t", lastKnown), func(t *testing.T) {
			server, fleet := newFleet(t, 1)
			proxy := server.Proxy()
			r := startReplica(t, proxy.Store(), func(c *redisfeed.Config) { c.LastKnown = lastKnown })
			never := startReplica(t, proxy.Store(), func(c *redisfeed.Config) { c.LastKnown = lastKnown })
			never.stop()
			<-r.Synced()
			fleet[0].add(t, task("revoked"))
			r.becomes(t, "revoked", "revoked")
			proxy.Blackhole()
			if got := r.answer("other"); got != "fine" {
				t.Errorf("right after the cut: %s", got)
			}
			r.ahead.Store(int64(50 * time.Second))
			eventually(t, "the cut is noticed", func() bool { return r.Status().Failures > 0 })
			if got := r.answer("other"); got != "fine" {
				t.Errorf("after 50s of 1m: %s", got)
			}
			r.ahead.Store(int64(2 * time.Minute))
			want := map[bool]string{false: "unknown", true: "fine"}[lastKnown]
			if got := r.answer("other") + " " + r.answer("revoked"); got != want+" revoked" {
				t.Errorf("after two minutes: %s, want %s revoked", got, want)
			}
			if got := r.Status(); got.Usable != lastKnown || got.Age < 100 {
				t.Errorf("status: %+v", got)
			}
			if got := newReplica(t, proxy.Store(), func(c *redisfeed.Config) { c.LastKnown = lastKnown }).answer("other"); got != "unknown" {
				t.Errorf("a replica that never read anything says %s", got)
			}
			proxy.Heal()
			r.becomes(t, "other", "fine")
			eventually(t, "the status is good again", func() bool { s := r.Status(); return s.Usable && s.Error == "" && s.Age < 10 })
		})
	}
}

// Whatever the clocks say, what is revoked stays so, and a replica knows again after its next look.
func TestClocksThatJump(t *testing.T) {
	t.Parallel()
	server, fleet := newFleet(t, 2)
	e := task("a")
	e.Expires = time.Now().Add(time.Hour)
	fleet[0].add(t, e)
	old := task("old")
	old.Expires = time.Now().Add(-2 * time.Hour)
	fleet[0].add(t, old)
	for _, jump := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour, 0} {
		fleet[1].ahead.Store(int64(jump))
		fleet[1].becomes(t, "other", "fine")
		fleet[0].becomes(t, "a", "revoked")
		if got := fleet[1].answer("a"); (got == "revoked") != (jump <= 0) {
			t.Errorf("with a clock %s ahead, what expires in an hour is %s", jump, got)
		}
		// Its pruning goes by its own clock and that of the server.
		fresh := startReplica(t, server.Store())
		fresh.ahead.Store(int64(jump))
		<-fresh.Synced()
		if jump >= 0 {
			eventually(t, "what expired two hours ago is removed", func() bool { _, found := fresh.Get(old.ID()); return !found })
		}
		if _, found := fresh.Get(e.ID()); !found {
			t.Error("what has not expired by all clocks is removed")
		}
		fresh.stop()
	}
}

func TestTooManyRevocations(t *testing.T) {
	t.Parallel()
	server, fleet := newFleet(t, 1)
	fleet[0].stop()
	script := `for i = 1, ARGV[2] do redis.call('HSET', KEYS[1], ARGV[1]..i, '') end
		return 1`
	const some = 5000
	for i := range redisfeed.MaxEntries / some {
		keys := []string{"countersign:revocations:entries"}
		if err := server.Store().Eval(t.Context(), script, keys, fmt.Sprint(i, "-"), some).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := fleet[0].Add(t.Context(), task("one more")); !errors.Is(err, redisfeed.ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestConfigurationErrors(t *testing.T) {
	good := redisfeed.Config{Store: redistest.Start(t).Store(), MaxStaleness: time.Second, Log: slog.Default()}
	for name, change := range map[string]func(*redisfeed.Config){
		"no store":     func(c *redisfeed.Config) { c.Store = nil },
		"no log":       func(c *redisfeed.Config) { c.Log = nil },
		"no staleness": func(c *redisfeed.Config) { c.MaxStaleness = 0 },
	} {
		c := good
		change(&c)
		if _, err := redisfeed.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := redisfeed.New(good); err != nil {
		t.Error(err)
	}
}
