package cedar

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A trace has the verdict that the request gets, and its candidates explain it: those that apply are the deciding
// ones, those that failed are the errors, and evaluating the text of a condition again gives what it came to.
func TestTraceAgreesWithAuthorize(t *testing.T) {
	template := acmeSources(t, "")
	rapid.Check(t, func(t *rapid.T) {
		text := drawPolicies(t)
		s := template.with(t, text)
		s.onError = rapid.SampledFrom([]OnError{Deny, SkipPermits}).Draw(t, "on error")
		for range 5 {
			q := drawQuery(t)
			trace, err := s.Trace(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			want := s.Authorize(context.Background(), q)
			if diff := cmp.Diff(want, trace.Verdict, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s\n(-Authorize +Trace):\n%s", text, diff)
			}
			var permits, forbids, failed []string
			before := int32(-1)
			for _, c := range trace.Candidates {
				switch {
				case c.Outcome == Failed && c.Error == "":
					t.Fatalf("%s failed without a reason", c.ID)
				case c.Outcome == Failed:
					failed = append(failed, c.ID)
				case c.Outcome == Applies && c.Forbid:
					forbids = append(forbids, c.ID)
				case c.Outcome == Applies:
					permits = append(permits, c.ID)
				}
				place := int32(slices.IndexFunc(s.policies, func(p policy) bool { return string(p.id) == c.ID }))
				if place <= before {
					t.Fatalf("%s is not in load order", c.ID)
				}
				before = place
			}
			deciding := permits
			if want.Forbidden {
				deciding = forbids
			}
			if diff := cmp.Diff(sorted(failed), sorted(slices.Concat(want.Errors, want.Skipped)), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s\n(-failed +verdict):\n%s", text, diff)
			}
			// A policy that applies although there is a doubt about it is among the deciding ones as well.
			for _, id := range sorted(deciding) {
				if !slices.Contains(want.PolicyIDs, id) {
					t.Fatalf("%s\n%s applies, the verdict is %+v", text, id, want)
				}
			}
			for _, forbid := range []bool{false, true} {
				near, all := trace.Nearly(forbid, 3, 2)
				if len(near) > 2 || len(near) > all {
					t.Fatalf("%d near of %d", len(near), all)
				}
				for _, n := range near {
					if slices.ContainsFunc(trace.Candidates, func(c Candidate) bool { return c.ID == n.ID && c.Error == "" }) {
						t.Fatalf("%s is near and a candidate", n.ID)
					}
					for _, constraint := range n.Missing {
						if v, err := trace.Evaluate(constraint.Text); err != nil || v.True {
							t.Fatalf("%s: %s is %+v %v", n.ID, constraint.Text, v, err)
						}
					}
				}
			}
		}
	})
}
