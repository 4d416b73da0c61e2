package cedar

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
)

// tally counts what an observer is told.
type tally struct {
	candidates []int
	failed     []string
	verified   []bool
}

func (t *tally) Decided(candidates int, failed []string) {
	t.candidates, t.failed = append(t.candidates, candidates), append(t.failed, failed...)
}

func (t *tally) Verified(agreed bool) { t.verified = append(t.verified, agreed) }

func watched(t *testing.T, text string, share float64) (*Snapshot, *tally, *bytes.Buffer) {
	t.Helper()
	var seen tally
	var log bytes.Buffer
	cfg := acmeConfig()
	cfg.VerifyIndex, cfg.Observer, cfg.Log = share, &seen, slog.New(slog.NewTextHandler(&log, nil))
	s, err := newSnapshot(acmeSources(t, text), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, &seen, &log
}

const somebodyForbids = `
	@id("p") permit (principal, action in Action::"call_tool", resource == Tool::"crm/search") when { context.method == "tools/call" };
	@id("f") forbid (principal, action in Action::"call_tool", resource in Server::"crm") when { principal.path == "/planner" };
	@id("other") permit (principal, action, resource == Tool::"crm/refund");`

// An index that loses a forbid would let a request through. The sample finds it, and denies.
func TestVerifyIndex(t *testing.T) {
	forbidden := authz.Verdict{Forbidden: true, PolicyIDs: []string{"f"}, Candidates: 2}
	lost := authz.Verdict{Allowed: true, PolicyIDs: []string{"p"}, Candidates: 1}
	denied := authz.Verdict{Errors: []string{misfiled}, Candidates: 1}
	lose := func(s *Snapshot) {
		for h, filed := range s.index.files {
			s.index.files[h] = slices.DeleteFunc(slices.Clone(filed), func(i int32) bool { return s.policies[s.index.entries[i].policy].id == "f" })
		}
	}
	for name, tc := range map[string]struct {
		share    float64
		tamper   func(*Snapshot)
		want     authz.Verdict
		verified []bool
	}{
		"nothing is verified":            {0, func(*Snapshot) {}, forbidden, nil},
		"all is verified, and right":     {1, func(*Snapshot) {}, forbidden, []bool{true}},
		"a lost policy that nobody sees": {0, lose, lost, nil},
		"a lost policy":                  {1, lose, denied, []bool{false}},
		"a fact that was not translated": {1, func(s *Snapshot) {
			for i := range s.reads {
				s.reads[i].facts &^= factWorkloadPath
			}
		}, authz.Verdict{Errors: []string{misfiled}, Candidates: 2}, []bool{false}},
		"facts that nobody misses": {1, func(s *Snapshot) {
			for i := range s.reads {
				s.reads[i].facts |= everything
			}
		}, forbidden, []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			s, seen, log := watched(t, somebodyForbids, tc.share)
			tc.tamper(s)
			if diff := cmp.Diff(tc.want, s.Authorize(t.Context(), manyQuery())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.verified, seen.verified); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
			if told := strings.Contains(log.String(), "disagrees"); told != slices.Contains(tc.verified, false) {
				t.Errorf("log: %s", log)
			}
		})
	}
	t.Run("the rest of a hostile request is not looked at", func(t *testing.T) {
		s, seen, _ := watched(t, somebodyForbids, 1)
		q := floodQuery(hostileLists()["strings with one hash"])
		if diff := cmp.Diff(forbidden, s.Authorize(t.Context(), q)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(seen.verified) > 0 {
			t.Errorf("verified %v", seen.verified)
		}
	})
	t.Run("a share is drawn", func(t *testing.T) {
		s, seen, _ := watched(t, somebodyForbids, 0.5)
		for range 200 {
			s.Authorize(t.Context(), manyQuery())
		}
		if n := len(seen.verified); n == 0 || n == 200 { // either has a chance of 2^-200
			t.Errorf("%d of 200 verified", n)
		}
	})
}

func TestObserverIsToldWhatFails(t *testing.T) {
	overflow := ` when { context.arguments.num.hasTag("limit") && context.arguments.num.getTag("limit") + 9223372036854775807 > 0 };`
	s, seen, _ := watched(t, `@id("p") permit (principal, action in Action::"call_tool", resource)`+overflow+`
		@id("q") permit (principal, action in Action::"call_tool", resource);
		@id("r") permit (principal, action == Action::"ping", resource);`, 0)
	want := authz.Verdict{PolicyIDs: []string{"q"}, Errors: []string{"p"}, Candidates: 2}
	if diff := cmp.Diff(want, s.Authorize(t.Context(), manyQuery())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.onError = SkipPermits
	want = authz.Verdict{Allowed: true, PolicyIDs: []string{"q"}, Skipped: []string{"p"}, Candidates: 2}
	if diff := cmp.Diff(want, s.Authorize(t.Context(), manyQuery())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&tally{[]int{2, 2}, []string{"p", "p"}, nil}, seen, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnErrorNames(t *testing.T) {
	names := map[string]OnError{"deny": Deny, "cedar": SkipPermits}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var got OnError = -1
		if err := got.UnmarshalText([]byte(name)); err != nil || got != names[name] {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if text, err := got.MarshalText(); err != nil || string(text) != name {
			t.Errorf("%s becomes %s, %v", name, text, err)
		}
	}
	var o OnError
	if err := o.UnmarshalText([]byte("allow")); err == nil {
		t.Error("allow is taken")
	}
	if got := OnError(7).String(); got != "OnError(7)" {
		t.Error(got)
	}
}

// Who observes is said after the store was made and before it loads.
func TestStoreObserve(t *testing.T) {
	store := NewStore(acmeConfig(), slog.New(slog.DiscardHandler))
	var seen tally
	store.Observe(&seen)
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	policy, ok := store.Snapshot()
	if !ok {
		t.Fatal("no snapshot")
	}
	v := policy.Authorize(t.Context(), manyQuery())
	if diff := cmp.Diff([]int{v.Candidates}, seen.candidates); diff != "" {
		t.Errorf("(-verdict +observed):\n%s", diff)
	}
}
