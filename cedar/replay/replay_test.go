package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/replay"
	"countersign.dev/cedar/scenario"
)

const everything = `@id("p") permit(principal, action, resource);`

// How an answer can change.
func TestKindsOfFlips(t *testing.T) {
	const overflow = ` when { context.arguments.num.hasTag("limit") && context.arguments.num.getTag("limit") + 9223372036854775807 > 0 };`
	limited := func(r *audit.Record) { r.Arguments = []byte(`{"query":"x","limit":5}`) }
	for name, tc := range map[string]struct {
		before, after string
		record        audit.Record
		want          replay.Kind
		failing       int
	}{
		"nothing changes":        {everything, everything, searching(), "", 0},
		"a permit goes":          {everything, `@id("p") permit(principal, action == Action::"ping", resource);`, searching(), replay.Narrowed, 0},
		"a permit comes":         {`@id("p") permit(principal, action == Action::"ping", resource);`, everything, searching(refused("policy_no_permit")), replay.Widened, 0},
		"a forbid comes":         {everything, everything + `@id("f") forbid(principal, action, resource);`, searching(), replay.Narrowed, 0},
		"another permit as well": {everything, everything + `@id("q") permit(principal, action, resource);`, searching(), replay.Reasons, 0},
		"single use":             {everything, "@single_use " + everything, searching(), replay.Reasons, 0},
		"single use of a list, which is none": {everything, "@single_use " + everything,
			searching(func(r *audit.Record) { r.Method, r.Targets, r.Arguments, r.ArgumentsHash = "tools/list", nil, nil, "" }), "", 0},
		"a forbid fails": {everything, everything + `@id("f") forbid(principal, action in Action::"call_tool", resource)` + overflow,
			searching(limited), replay.Narrowed, 1},
		"a forbid fails where nothing was permitted": {
			`@id("p") permit(principal, action == Action::"ping", resource);`,
			`@id("p") permit(principal, action == Action::"ping", resource); @id("f") forbid(principal, action in Action::"call_tool", resource)` + overflow,
			searching(limited, refused("policy_no_permit")), replay.Erring, 1},
		"a forbid no longer fails": {
			`@id("p") permit(principal, action == Action::"ping", resource); @id("f") forbid(principal, action in Action::"call_tool", resource)` + overflow,
			`@id("p") permit(principal, action == Action::"ping", resource);`,
			searching(limited, refused("policy_error"), func(r *audit.Record) { r.PolicyErrors = []string{"f"} }), replay.Mended, 0},
		"a forbid no longer fails, and permits decide": {
			everything + `@id("f") forbid(principal, action in Action::"call_tool", resource)` + overflow, everything,
			searching(limited, refused("policy_error"), func(r *audit.Record) { r.PolicyErrors = []string{"f"} }), replay.Widened, 0},
	} {
		got := replayed(t, policies(t, tc.before), policies(t, tc.after), log(t, tc.record), replay.Options{})
		want := map[replay.Kind]int{}
		if tc.want != "" {
			want[tc.want] = 1
		}
		if diff := cmp.Diff(want, got.Flips); diff != "" || got.Compared != 1 || got.Failing != tc.failing {
			t.Errorf("%s: %+v (-want +got):\n%s", name, got, diff)
		}
		if len(got.Groups) != len(want) {
			t.Errorf("%s: %d groups", name, len(got.Groups))
		}
	}
}

// A record that lost something is compared only if no policy can read it; otherwise it is neither equal nor a flip.
func TestWhatIsUndecided(t *testing.T) {
	reads := func(fact string) string {
		return `@id("p") permit(principal, action in Action::"call_tool", resource) when { ` + fact + ` };`
	}
	old := func(r *audit.Record) { r.ProtocolVersion = mcp.Version20251125 }
	silent := func(r *audit.Record) { r.Arguments = nil }
	ancient := func(r *audit.Record) {
		r.RootIssuer, r.Scope, r.ParentExpires, r.Audience, r.Host, r.Path, r.SourceIP, r.ProtocolVersion = "", nil, time.Time{}, "", "", "", "", ""
	}
	for name, tc := range map[string]struct {
		after  string
		change func(*audit.Record)
		lost   scenario.Lost
	}{
		"arguments that a policy reads":  {reads(`context.arguments.complete`), silent, scenario.LostArguments},
		"arguments that no policy reads": {reads(`context.method == "tools/call"`), silent, ""},
		"a permit for arguments that fit": {
			`@id("p") permit(principal, action == Action::"call_tool:crm/search", resource);`, silent, scenario.LostArguments},
		"arguments that are recorded":     {reads(`context.arguments.complete`), func(*audit.Record) {}, ""},
		"a session that a policy reads":   {reads(`context has session`), old, scenario.LostSession},
		"a session that no policy reads":  {reads(`context has delegation`), old, ""},
		"sessions before there were none": {reads(`context has session`), func(*audit.Record) {}, ""},
		"a query that a policy reads": {
			reads(`context.request.http_path like "*key=*"`), func(r *audit.Record) { r.Path = "/mcp?" }, scenario.LostQuery},
		"a query that no policy reads": {reads(`context.request.host == "a"`), func(r *audit.Record) { r.Path = "/mcp?" }, ""},
		"a long host":                  {reads(`context.request.host == "a"`), func(r *audit.Record) { r.Host = "aaa…" }, scenario.LostRest},
		"a host that was not UTF-8":    {reads(`context.request.host == "a"`), func(r *audit.Record) { r.Host = "a\xff" }, "encoding"},
		"an issuer that an old version did not record": {
			reads(`context has delegation && context.delegation.issuer == "a"`), ancient, scenario.LostDelegation},
		"an address that an old version did not record": {
			reads(`context.request has source_ip && context.request.source_ip.isLoopback()`), ancient, scenario.LostHTTP},
		"an old version and a policy about the task": {
			reads(`context has delegation && context.delegation has task && context.delegation.task == "a"`), ancient, ""},
		"completion of a prompt or a resource": {
			`@id("p") permit(principal, action, resource is Resource);`,
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments = "completion/complete", []string{"file:///a"}, nil
			}, scenario.LostKind},
		"completion of either": {
			`@id("p") permit(principal, action, resource in Server::"crm");`,
			func(r *audit.Record) {
				r.Method, r.Targets, r.Arguments = "completion/complete", []string{"greet"}, nil
			}, ""},
	} {
		before, after := policies(t, everything), policies(t, tc.after)
		for direction, got := range map[string]*replay.Report{
			"new": replayed(t, before, after, log(t, searching(tc.change)), replay.Options{}),
			"old": replayed(t, after, before, log(t, searching(tc.change)), replay.Options{}),
		} {
			want := map[scenario.Lost]int{}
			if tc.lost != "" {
				want[tc.lost] = 1
			}
			if diff := cmp.Diff(want, got.UndecidedBy); diff != "" || got.Undecided != len(want) || got.Compared != 1-len(want) {
				t.Errorf("%s, in the %s set: %+v (-want +got):\n%s", name, direction, got, diff)
			}
			if tc.lost != "" && got.Changes() != 0 {
				t.Errorf("%s: what is undecided is a flip", name)
			}
		}
	}
}

// A decision that OLD does not give is drift; what something else decided is none.
func TestDrift(t *testing.T) {
	for name, tc := range map[string]struct {
		record                    audit.Record
		checked, lines, decisions int
	}{
		"what was decided":         {searching(), 1, 0, 0},
		"another decision":         {searching(refused("policy_no_permit")), 1, 1, 1},
		"for another reason":       {searching(func(r *audit.Record) { r.PolicyIDs = []string{"q"} }), 1, 1, 0},
		"it failed then":           {searching(refused("policy_error"), func(r *audit.Record) { r.PolicyErrors = []string{"q"} }), 1, 1, 1},
		"passing on failed then":   {searching(refused("policy_error", "p")), 0, 0, 0},
		"the delegation was spent": {searching(refused("delegation_reused", "p")), 0, 0, 0},
		"it would have been refused": {
			searching(func(r *audit.Record) { r.Mode, r.WouldDeny, r.PolicyIDs = "shadow", "policy_forbidden", []string{"f"} }), 1, 1, 1},
	} {
		p := policies(t, everything)
		got := replayed(t, p, p, log(t, tc.record), replay.Options{})
		want := replay.Drift{Checked: tc.checked, Lines: tc.lines, Decisions: tc.decisions}
		if tc.lines > 0 {
			want.Example = "d-1"
		}
		if diff := cmp.Diff(want, got.Drift); diff != "" || got.Compared != 1 || got.Has("drift") != (tc.lines > 0) {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A subscription is a question about the server, and one about every resource.
func TestAllQuestionsOfASubscriptionAreAsked(t *testing.T) {
	listening := searching(func(r *audit.Record) {
		r.Method, r.Targets, r.Arguments, r.ArgumentsHash = "subscriptions/listen", []string{"file:///a", "file:///b"}, nil, ""
	})
	p := policies(t, everything)
	for name, tc := range map[string]struct {
		forbid string
		flips  int
	}{
		"the server":          {`@id("f") forbid(principal, action, resource == Server::"crm");`, 1},
		"the second resource": {`@id("f") forbid(principal, action, resource in UriPath::"file:///b");`, 1},
		"something else":      {`@id("f") forbid(principal, action, resource in UriPath::"file:///c");`, 0},
	} {
		got := replayed(t, p, policies(t, everything+tc.forbid), log(t, listening), replay.Options{Explain: true})
		if got.Flips[replay.Narrowed] != tc.flips || got.Compared != 1 || got.Drift.Lines != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		if tc.flips > 0 && !strings.Contains(strings.Join(got.Groups[0].Explanation, "\n"), "new: forbidden by f") {
			t.Errorf("%s: %q", name, got.Groups[0].Explanation)
		}
	}
}

// Only what policy was asked can be asked again.
func TestWhatIsNotAsked(t *testing.T) {
	p := policies(t, everything)
	for name, tc := range map[string]struct {
		line string
		want replay.Cause
	}{
		"no token":                  {log(t, searching(refused("token_expired"))), replay.Refused},
		"nobody":                    {log(t, searching(refused("peer_missing"), func(r *audit.Record) { r.Peer = "" })), replay.NoQuestion},
		"a batch":                   {log(t, searching(func(r *audit.Record) { r.Method = "batch" })), replay.NoQuestion},
		"a name of a later version": {log(t, searching(func(r *audit.Record) { r.ProtocolVersion = "2099-01-01" })), replay.NoQuestion},
		"a call of two tools":       {log(t, searching(func(r *audit.Record) { r.Targets = []string{"search", "refund"} })), replay.NoQuestion},
		"a subscription to more than there can be": {log(t, searching(func(r *audit.Record) {
			r.Method, r.Targets, r.Arguments = "subscriptions/listen", strings.Split(strings.Repeat("file:///a ", 200), " "), nil
		})), replay.NoQuestion},
		"an exchange of tokens": {log(t, searching(func(r *audit.Record) {
			r.Method, r.Server, r.Targets = "token/exchange", "", []string{"mcp:crm:search"}
		})), replay.NoQuestion},
		"another program":     {`{"level":"info","time":"2026-11-25T12:00:00Z","msg":"started"}`, replay.Foreign},
		"an array":            {`[1,2]`, replay.Unreadable},
		"text":                {"2026-11-25 started", replay.Unreadable},
		"a torn line":         {log(t, searching())[:200], replay.Unreadable},
		"two on a line":       {strings.Repeat(strings.TrimSpace(log(t, searching())), 2), replay.Unreadable},
		"a member twice":      {`{"decision":"deny",` + log(t, searching())[1:], replay.Unreadable},
		"not UTF-8":           {strings.Replace(log(t, searching()), "alice", "al\xffce", 1), replay.Unreadable},
		"a wrong type":        {strings.Replace(log(t, searching()), `"d-1"`, `1`, 1), replay.Unreadable},
		"a huge line":         {`{"detail":"` + strings.Repeat("a", scenario.MaxLine) + `"}`, replay.Unreadable},
		"members in capitals": {strings.Replace(log(t, searching()), `"decision"`, `"Decision"`, 1), replay.Foreign},
	} {
		text := log(t, searching()) + strings.TrimRight(tc.line, "\n") + "\r\n\n" + log(t, searching())
		got := replayed(t, p, p, text, replay.Options{})
		if got.NotAsked[tc.want] != 1 || got.Compared != 2 || got.Lines != 3 {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Has("unreadable") != (tc.want == replay.Unreadable) {
			t.Errorf("%s: unreadable is %v", name, got.Has("unreadable"))
		}
		if want := tc.want == replay.Unreadable; (len(got.Problems) == 1) != want || want && got.Problems[0].Line != 2 {
			t.Errorf("%s: %+v", name, got.Problems)
		}
	}
}

// Why there is nothing to ask is told, by reason, and a hostile log cannot make that endless.
func TestWhyThereIsNothingToAsk(t *testing.T) {
	p := policies(t, everything)
	var text strings.Builder
	for range 3 {
		text.WriteString(log(t, searching(func(r *audit.Record) { r.Targets = []string{"search", "refund"} })))
	}
	text.WriteString(log(t, searching(func(r *audit.Record) { r.Method = "token/exchange" })))
	for i := range 20 {
		text.WriteString(log(t, searching(func(r *audit.Record) { r.Method = fmt.Sprintf("evil\x1b[2J/%d", i) })))
	}
	got := replayed(t, p, p, text.String(), replay.Options{})
	if got.NotAsked[replay.NoQuestion] != 24 || len(got.NoQuestion) != 11 || got.NoQuestion[replay.OtherReasons] != 12 || got.Compared != 0 {
		t.Errorf("%+v", got)
	}
	told := string(plan(t, got))
	for _, want := range []string{
		"\nNothing was compared.\n", "\n  3 not asked about: no \"tools/call\" is about 2 things\n",
		"\n  1 not asked about: an exchange of tokens is no request to a server\n", "\n  12 not asked about: for other reasons\n",
	} {
		if !strings.Contains(told, want) || strings.Contains(told, "\x1b") {
			t.Errorf("%q is not in\n%s", want, told)
		}
	}
}

// A use that was spent and a request to log in came after policy was asked, and may be answered otherwise now.
func TestWhatPolicyWasAskedAlthoughSomethingElseRefused(t *testing.T) {
	p := policies(t, everything)
	for name, r := range map[string]audit.Record{
		"a use that was spent":    searching(refused("delegation_reused", "p")),
		"a request to log in":     searching(refused("credential_missing"), func(r *audit.Record) { r.Subject = "" }),
		"policies that were seen": searching(refused("signing_failed"), func(r *audit.Record) { r.PolicyIDs, r.PolicyCandidates = nil, 3 }),
	} {
		if got := replayed(t, p, p, log(t, r), replay.Options{}); got.Compared != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFilters(t *testing.T) {
	p, none := policies(t, everything), policies(t, `@id("n") forbid(principal, action, resource);`)
	text := log(t,
		searching(),
		searching(func(r *audit.Record) {
			r.Peer, r.Actors = "spiffe://acme.example/intern", []string{"spiffe://acme.example/intern"}
		}),
		searching(func(r *audit.Record) { r.Server = "ledger" }),
		searching(func(r *audit.Record) { r.Time = noon.Add(-time.Hour) }),
	)
	for name, tc := range map[string]struct {
		options replay.Options
		left    int
	}{
		"all":          {replay.Options{}, 0},
		"a peer":       {replay.Options{Peer: "spiffe://acme.example/planner"}, 1},
		"a server":     {replay.Options{Server: "ledger"}, 3},
		"from noon on": {replay.Options{Since: noon}, 1},
		"before noon":  {replay.Options{Until: noon}, 3},
	} {
		if got := replayed(t, p, none, text, tc.options); got.LeftOut != tc.left || got.Flips[replay.Narrowed] != 4-tc.left {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The plan of a change: finance loses searching, and everybody may read the balance.
func TestPlan(t *testing.T) {
	before := policies(t, "")
	after := policies(t, `
@id("planner-reads-crm")
permit (principal == Workload::"spiffe://acme.example/planner", action in Action::"call_tool", resource in Server::"crm")
when { resource.hints.read_only && context has delegation && context.delegation.subject in UserGroup::"staff" &&
	context.arguments.num.hasTag("limit") && context.arguments.num.getTag("limit") <= 10 };

@id("anybody-reads-the-balance")
permit (principal, action in Action::"call_tool", resource == Tool::"ledger/balance");
`)
	at := func(d time.Duration, id string) func(*audit.Record) {
		return func(r *audit.Record) {
			r.Time, r.DecisionID, r.PolicyIDs = noon.Add(d), id, []string{"planner-reads-crm"}
		}
	}
	balance := func(r *audit.Record) {
		r.Server, r.Targets, r.Arguments, r.ArgumentsHash, r.Scope = "ledger", []string{"balance"}, []byte(`{"account":"1"}`), "x", []string{"mcp:ledger:*"}
	}
	text := log(t,
		searching(at(time.Hour, "d-1")), searching(at(0, "d-2")), searching(at(2*time.Hour, "d-3")),
		searching(at(0, "d-4"), func(r *audit.Record) { r.Arguments = nil }),
		searching(at(0, "d-5"), balance, refused("policy_no_permit")),
		searching(at(0, "d-6"), balance, func(r *audit.Record) { r.Subject = "eve\x1b[2J\u202e" }),
		searching(at(0, "d-7"), refused("token_expired")),
	) + "not a record\n"
	got := replayed(t, before, after, text, replay.Options{Explain: true})
	cedartest.Golden(t, "plan.txt", *update, plan(t, got))
	document, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "plan.json", *update, append(document, '\n'))
	for finding, want := range map[replay.Finding]bool{
		"widened": true, "narrowed": true, "errors": false, "any": true, "undecided": true, "drift": true, "none": false,
	} {
		if got.Has(finding) != want {
			t.Errorf("%s is %t", finding, !want)
		}
	}
}

func TestAPlanWithoutChanges(t *testing.T) {
	p := policies(t, everything)
	cedartest.Golden(t, "nothing.txt", *update, plan(t, replayed(t, p, p, log(t, searching()), replay.Options{})))
}

// What the plan says of answers that are not simple.
func TestUncommonAnswers(t *testing.T) {
	ids := strings.Split("a b c d e f g h i j", " ")
	at := noon.Add(90 * time.Second)
	r := replay.Report{
		Lines: 12, Compared: 4, Inexact: 1, Failing: 2, First: noon, Last: at, MoreGroups: 1,
		Flips: map[replay.Kind]int{replay.Erring: 2, replay.Mended: 1, replay.Reasons: 1}, Ungrouped: map[replay.Kind]int{replay.Widened: 1},
		LeftOut: 3, NotAsked: map[replay.Cause]int{replay.NoQuestion: 1, replay.Refused: 1, replay.Foreign: 1, replay.Unreadable: 1},
		Undecided: 1, UndecidedBy: map[scenario.Lost]int{scenario.LostSession: 1, scenario.LostArguments: 1},
		Groups: []*replay.Group{
			{Kind: replay.Erring, Count: 2, Peer: "spiffe://acme.example/planner", Server: "crm", Method: "tools/list", First: noon, Last: at, Example: "d-1",
				Old: replay.Answer{Decision: "deny", PolicyIDs: []string{"f"}}, New: replay.Answer{Decision: "deny", PolicyIDs: []string{"f"}, Errors: ids}},
			{Kind: replay.Mended, Count: 1, Peer: "spiffe://acme.example/planner", Server: "crm", Method: "tools/list", First: noon, Last: noon, Example: "",
				Old: replay.Answer{Decision: "deny", Errors: []string{"*"}}, New: replay.Answer{Decision: "deny", Skipped: []string{"p"}}},
			{Kind: replay.Reasons, Count: 1, Peer: "spiffe://acme.example/planner", User: "partner:" + strings.Repeat("é", 200), Server: "crm",
				Method: "tools/call", Target: "a \"b\"", First: noon, Last: noon, Example: "d\n-2", Explanation: []string{"old: a\n\x1b[2J" + strings.Repeat("é", 400)},
				Old: replay.Answer{Decision: "allow", PolicyIDs: ids}, New: replay.Answer{Decision: "allow", PolicyIDs: []string{"p"}, SingleUse: true}},
		},
	}
	cedartest.Golden(t, "uncommon.txt", *update, plan(t, &r))
	var coloured bytes.Buffer
	if err := r.Text(&coloured, true); err != nil || !strings.Contains(coloured.String(), "\x1b[31m~ erring 2×\x1b[0m  spiffe") {
		t.Errorf("%v: %q", err, coloured.String())
	}
}

// An explanation says which part of which policy it was.
func TestExplanations(t *testing.T) {
	condition := func(text string) string {
		return `@id("p") permit(principal, action in Action::"call_tool", resource) ` + text + `;`
	}
	for name, tc := range map[string]struct{ after, want string }{
		"unless": {condition(`unless { context has delegation && context.delegation.depth == 0 }`),
			"new: p does not apply: unless is not met: context has delegation is true; context.delegation.depth == 0 is true"},
		"the second clause": {condition(`when { context has delegation } when { context.method == "x" }`),
			`new: p does not apply: when is not met: context.method == "x" is false, context.method is "tools/call"`},
		"an error": {condition(`when { context has delegation && context.delegation.depth + 9223372036854775807 + 1 > 0 }`),
			"new: p does not apply: when is error: "},
		"a doubt": {condition(`unless { action == Action::"call_tool:crm/refund" }`),
			"new: p does not apply: the arguments do not fit the pinned schema"},
		"another scope": {`@id("p") permit(principal, action == Action::"ping", resource);`, "new: p is not there, or does not cover the request"},
	} {
		record := searching(func(r *audit.Record) {
			if name == "a doubt" {
				r.Targets, r.Arguments = []string{"refund"}, []byte(`{"amount":"x"}`)
			}
		})
		got := replayed(t, policies(t, everything), policies(t, tc.after), log(t, record), replay.Options{Explain: true})
		if len(got.Groups) != 1 || !strings.Contains(strings.Join(got.Groups[0].Explanation, "\n"), tc.want) {
			t.Errorf("%s: %+v", name, got.Groups)
			for _, g := range got.Groups {
				t.Errorf("%q", g.Explanation)
			}
		}
	}
	r := replay.New(policies(t, everything), policies(t, nothing), replay.Options{Explain: true})
	if err := r.Read(t.Context(), "log", strings.NewReader(log(t, searching()))); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Report(cancelled, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
