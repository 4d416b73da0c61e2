package replay_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/replay"
)

// What a backend may pass on changes without a change of any answer.
func TestWhatMayBePassedOn(t *testing.T) {
	const (
		calls   = `@id("p") permit(principal, action in Action::"call_tool", resource);`
		all     = calls + `@id("d") permit(principal, action == Action::"delegate", resource);`
		search  = calls + `@id("d") permit(principal, action == Action::"delegate", resource == Tool::"crm/search");`
		refund  = calls + `@id("d") permit(principal, action == Action::"delegate", resource == Tool::"crm/refund");`
		session = calls + `@id("d") permit(principal, action == Action::"delegate", resource) when { context has session };`
		never   = calls + `@id("d") permit(principal, action == Action::"delegate", resource) when { context.method == "x" };`
		failing = calls + `@id("d") permit(principal, action == Action::"delegate", resource)
			when { context has delegation && context.delegation.depth * 9223372036854775807 + 9223372036854775807 + 1 > 0 };`
	)
	known := func(r *audit.Record) { r.Backend = "spiffe://acme.example/crm" }
	also := func(change func(*audit.Record)) func(*audit.Record) {
		return func(r *audit.Record) { known(r); change(r) }
	}
	for name, tc := range map[string]struct {
		before, after       string
		change              func(*audit.Record)
		want                replay.Kind
		compared, undecided int
	}{
		"the same":                       {all, all, known, "", 1, 0},
		"more":                           {search, all, known, replay.ScopeWidened, 1, 0},
		"less":                           {all, search, known, replay.ScopeNarrowed, 1, 0},
		"nothing any more":               {all, calls, known, replay.ScopeNarrowed, 1, 0},
		"something else":                 {search, refund, known, replay.ScopeWidened, 1, 0},
		"nothing before and after":       {calls, never, known, "", 1, 0},
		"a policy about it fails":        {all, failing, known, replay.Narrowed, 0, 0},
		"it no longer fails":             {failing, all, known, replay.Widened, 0, 0},
		"an unknown backend":             {all, search, func(*audit.Record) {}, "", 0, 0},
		"no delegation":                  {all, search, also(func(r *audit.Record) { r.Subject, r.Actors, r.Scope = "", nil, nil }), "", 0, 0},
		"a delegation of nothing":        {all, search, also(func(r *audit.Record) { r.Scope = nil }), "", 0, 0},
		"one tool that may be passed on": {all, search, also(func(r *audit.Record) { r.Scope = []string{"mcp:crm:search"} }), "", 1, 0},
		"a request that is denied now": {all, `@id("p") forbid(principal, action in Action::"call_tool", resource);`, known,
			replay.Narrowed, 0, 0},
		"a session that may have been": {all, session, also(func(r *audit.Record) { r.ProtocolVersion = mcp.Version20251125 }), "", 0, 1},
		"a session that cannot have":   {all, session, known, replay.ScopeNarrowed, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := replayed(t, policies(t, tc.before), policies(t, tc.after), log(t, searching(tc.change)), replay.Options{Explain: true})
			want := map[replay.Kind]int{}
			if tc.want != "" {
				want[tc.want] = 1
			}
			if diff := cmp.Diff(want, got.Flips); diff != "" || got.ScopesCompared != tc.compared || got.ScopesUndecided != tc.undecided {
				t.Errorf("%+v (-want +got):\n%s", got, diff)
			}
			for _, f := range []replay.Finding{"scope-widened", "scope-narrowed"} {
				if got.Has(f) != (tc.want == replay.Kind(f)) {
					t.Errorf("has %s: %t", f, got.Has(f))
				}
			}
			if got.Has("undecided") != (tc.undecided > 0) {
				t.Errorf("undecided: %t", got.Has("undecided"))
			}
		})
	}
	var text strings.Builder
	for _, sets := range [][2]string{{search, all}, {all, search}, {all, calls}, {all, failing}, {all, session}} {
		old := func(r *audit.Record) { known(r); r.ProtocolVersion = mcp.Version20251125 }
		records := log(t, searching(known))
		if sets[1] == session {
			records += log(t, searching(old))
		}
		text.Write(plan(t, replayed(t, policies(t, sets[0]), policies(t, sets[1]), records, replay.Options{Explain: true})))
		text.WriteString("\n")
	}
	cedartest.Golden(t, "passing.txt", *update, []byte(text.String()))
}

// A backend that is none is no record of ours.
func TestABackendThatIsNoWorkload(t *testing.T) {
	p := policies(t, everything)
	got := replayed(t, p, p, log(t, searching(func(r *audit.Record) { r.Backend = "crm" })), replay.Options{})
	if got.NotAsked[replay.NoQuestion] != 1 {
		t.Errorf("%+v", got)
	}
}
