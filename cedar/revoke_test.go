package cedar_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/control"
	"countersign.dev/cedar"
)

const revoking = `
@id("oncall-ends-tasks")
permit (principal == Workload::"spiffe://acme.example/oncall", action == Action::"revoke",
        resource == Issuer::"spiffe://acme.example/countersign")
when { context.operation == "list" ||
       context.operation == "add" && context has kind && context.kind == "task" && context has expires_at &&
       context.expires_at <= context.now.offset(duration("1d")) };

@id("root-does-all")
permit (principal == Workload::"spiffe://acme.example/root", action == Action::"revoke", resource);

@id("not-this-user") @reason("ask first")
forbid (principal, action == Action::"revoke", resource)
when { context has of_subject && context.of_subject == "alice" || context has of_issuer && context.of_issuer == "https://tts.acme.example" ||
       context has kind && context.kind == "sub" && context has value && context.value == "bob" };

@id("only-from-inside")
forbid (principal, action, resource)
when { context.request has source_ip && !context.request.source_ip.isInRange(ip("10.0.0.0/8")) };

@id("everything-else")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"any", resource);
`

func TestWhoMayRevoke(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/p.cedar": revoking})
	store := cedar.NewStore(cfg, slog.New(slog.DiscardHandler))
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ask := func(workload, operation string, e *revoke.Entry, change ...func(*control.Question)) (authz.Verdict, string) {
		q := control.Question{
			Now: now, Workload: spiffeid.RequireFromString("spiffe://acme.example/" + workload), Issuer: "spiffe://acme.example/countersign",
			Operation: operation, Entry: e, HTTP: authz.HTTPFacts{SourceIP: netip.MustParseAddr("10.1.2.3")},
		}
		for _, f := range change {
			f(&q)
		}
		return store.MayRevoke(t.Context(), q)
	}
	if v, revision := ask("root", "list", nil); v.Allowed || revision != "" {
		t.Errorf("before policies were loaded: %+v of %q", v, revision)
	}
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, workload, operation string
		entry                     *revoke.Entry
		change                    func(*control.Question)
		allowed                   bool
		public                    string
	}{
		{name: "a task for a day", workload: "oncall", operation: "add", entry: &revoke.Entry{Kind: "task", Value: "a", Expires: now.Add(24 * time.Hour)}, allowed: true},
		{name: "a task for longer", workload: "oncall", operation: "add", entry: &revoke.Entry{Kind: "task", Value: "a", Expires: now.Add(25 * time.Hour)}},
		{name: "a task for ever", workload: "oncall", operation: "add", entry: &revoke.Entry{Kind: "task", Value: "a"}},
		{name: "a key", workload: "oncall", operation: "add", entry: &revoke.Entry{Kind: "kid", Value: "a", Expires: now.Add(time.Hour)}},
		{name: "to take it back", workload: "oncall", operation: "remove", entry: &revoke.Entry{Kind: "task", Value: "a"}},
		{name: "the list", workload: "oncall", operation: "list", allowed: true},
		{name: "of another issuer", workload: "oncall", operation: "list", change: func(q *control.Question) { q.Issuer = "spiffe://acme.example/other" }},
		{name: "everything", workload: "root", operation: "remove", entry: &revoke.Entry{Kind: "kid", Value: "a"}, allowed: true},
		{name: "an entry that is not there", workload: "root", operation: "remove", allowed: true},
		{name: "a user that is not to be touched", workload: "root", operation: "add", entry: &revoke.Entry{Kind: "sub", Value: "bob"}, public: "ask first"},
		{name: "what that user had", workload: "root", operation: "add", entry: &revoke.Entry{Kind: "before", Value: "2026-11-25T12:00:00Z", Subject: "alice"}, public: "ask first"},
		{name: "what that issuer issued", workload: "root", operation: "add", entry: &revoke.Entry{Kind: "before", Value: "2026-11-25T12:00:00Z", Issuer: "https://tts.acme.example"}, public: "ask first"},
		{name: "from outside", workload: "root", operation: "list", change: func(q *control.Question) { q.HTTP.SourceIP = netip.MustParseAddr("192.0.2.1") }},
		{name: "whoever may do any action on servers", workload: "planner", operation: "list"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.change == nil {
				test.change = func(*control.Question) {}
			}
			v, revision := ask(test.workload, test.operation, test.entry, test.change)
			if v.Allowed != test.allowed || len(v.Errors) != 0 || v.Public != test.public || revision == "" {
				t.Errorf("got %+v of %q", v, revision)
			}
		})
	}
}

// A bundle that is over answers nothing, whoever asks.
func TestNobodyMayRevokeByPoliciesThatAreOver(t *testing.T) {
	g := &given{files: &cedar.Files{Policies: []cedar.File{{Name: "policies/p.cedar", Data: []byte(revoking)}}}}
	store := cedar.NewStore(sourced(g), slog.New(slog.DiscardHandler))
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := control.Question{
		Now: time.Now(), Workload: spiffeid.RequireFromString("spiffe://acme.example/root"),
		Issuer: "spiffe://acme.example/countersign", Operation: "list",
	}
	for _, over := range []bool{false, true, false} {
		g.over = over
		verdict, revision := store.MayRevoke(t.Context(), q)
		if verdict.Allowed == over || (revision == "") != over {
			t.Errorf("over %v: %+v of %q", over, verdict, revision)
		}
	}
}
