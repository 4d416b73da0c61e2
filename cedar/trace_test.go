package cedar_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/revoke/control"
	"countersign.dev/cedar"
)

func trace(t *testing.T, s *cedar.Snapshot, q authz.Query) *cedar.Trace {
	t.Helper()
	found, err := s.Trace(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Authorize(t.Context(), q), found.Verdict, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-Authorize +Trace):\n%s", diff)
	}
	return found
}

// outcomes is what a test looks at of the candidates.
func outcomes(candidates []cedar.Candidate) []string {
	var all []string
	for _, c := range candidates {
		text := c.ID + " " + string(c.Outcome)
		for _, condition := range c.Conditions {
			switch {
			case condition.Error != "":
				text += " error"
			case condition.Holds:
				text += " true"
			default:
				text += " false"
			}
		}
		all = append(all, text)
	}
	return all
}

// Every policy that covers a question is there, and each of its clauses has been evaluated, whatever stands before it.
func TestTraceShowsWhatPoliciesCameTo(t *testing.T) {
	s := load(t, `
		@id("applies") permit (principal, action in Action::"any", resource) when { context.method == "tools/call" } unless { principal.path == "/crm" };
		@id("second-clause") permit (principal, action in Action::"any", resource) when { context.method == "ping" } when { resource in Server::"crm" };
		@id("overflows") permit (principal, action in Action::"call_tool", resource)
			when { context.arguments.num.hasTag("n") } when { context.arguments.num.getTag("n") + 9223372036854775807 > 0 };
		@id("elsewhere") permit (principal, action, resource in Server::"ledger");
		@id("forbids") forbid (principal, action in Action::"call_tool", resource) when { context has delegation };`)
	q := from("/planner", "crm", callTool("search", arg("query", mcp.String("x")), arg("n", mcp.Int(1))))
	got := trace(t, s, q)
	if diff := cmp.Diff([]string{
		"applies applies true false", "second-clause not met false true", "overflows failed true error", "forbids not met false",
	}, outcomes(got.Candidates)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Principal != `Workload::"spiffe://acme.example/planner"` || got.Action != `Action::"call_tool:crm/search"` || got.Resource != `Tool::"crm/search"` {
		t.Errorf("asked %s %s %s", got.Principal, got.Action, got.Resource)
	}
	c := got.Candidates[2]
	if !strings.Contains(c.Error, "overflow") || c.Line != 4 || !strings.HasSuffix(c.File, ".cedar") || c.Forbid {
		t.Errorf("%+v", c)
	}
	if !strings.HasPrefix(got.Candidates[0].Text, `@id("applies")`) {
		t.Errorf("text %q", got.Candidates[0].Text)
	}
}

// Whatever a policy could read can be looked at, in the words of Cedar.
func TestEvaluate(t *testing.T) {
	q := onBehalf(from("/planner", "crm", callTool("search", arg("query", mcp.String("x")), arg("tags", mcp.Array{mcp.String("b"), mcp.String("a")}))), "alice")
	got := trace(t, load(t, `@id("p") permit (principal, action, resource);`), q)
	for expression, want := range map[string]cedar.Value{
		`context.delegation.depth`:                              {Text: "0"},
		`context.input.tags`:                                    {Text: `["a", "b"]`},
		`context.arguments.list.getTag("tags")`:                 {Text: `["a", "b"]`},
		`context.delegation.subject`:                            {Text: `User::"alice"`},
		`principal in WorkloadGroup::"agents"`:                  {Text: "true", Boolean: true, True: true},
		`context has session && context.session.id == "other"`:  {Text: "false", Boolean: true},
		`[{b: 1, a: "x"}]`:                                      {Text: `[{"a": "x", "b": 1}]`},
		"// a comment\ntrue // and another }":                   {Text: "true", Boolean: true, True: true},
		`context.now == datetime("2026-11-25T12:00:00Z")`:       {Text: "true", Boolean: true, True: true},
		`if resource.known then resource.name else "something"`: {Text: `"search"`},
	} {
		value, err := got.Evaluate(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		if diff := cmp.Diff(want, value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
	for expression, want := range map[string]string{
		``:                      "syntax error in the expression, line 2, column 2",
		`context.`:              "syntax error in the expression, line 2, column 2",
		"true &&\n  ) 1":        "syntax error in the expression, line 2, column 5",
		`true } unless { false`: "the text is more than one expression",
		`true }; permit (principal, action, resource) when { true`: "the text is more than one expression",
		`context.nothing`:                                 "nothing",
		`9223372036854775807 + 1`:                         "overflow",
		`User::"zed".subject`:                             "zed",
		strings.Repeat(" ", 1<<20) + "true":               "the expression has 1048580 bytes, 1048576 are the most",
		`context.arguments.str.getTag("not an argument")`: "not an argument",
	} {
		if value, err := got.Evaluate(expression); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %+v %v, want %q", expression, value, err, want)
		}
	}
}

// A question that policy is not asked says why, and has nothing to evaluate.
func TestTraceWithoutAQuestion(t *testing.T) {
	s := load(t, `@id("p") permit (principal, action, resource);`)
	for name, tc := range map[string]struct {
		query authz.Query
		want  string
	}{
		"no action": {from("/planner", "crm", method("sampling/createMessage")), `the schema has no action for "sampling/createMessage"`},
		"an actor that is no workload": {
			onBehalf(from("/planner", "crm", method("tools/list")), "alice", func(c *delegation.Claims) { c.Actor.Subject = "somebody" }),
			"the request cannot be put into Cedar's terms: actor 0 of the delegation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := trace(t, s, tc.query)
			if !strings.HasPrefix(got.Problem, tc.want) {
				t.Errorf("%q, want %q", got.Problem, tc.want)
			}
			if _, err := got.Evaluate("true"); err == nil {
				t.Error("something was evaluated")
			}
			if near, all := got.Nearly(false, 3, 10); len(near)+all > 0 {
				t.Errorf("near %v", near)
			}
			if _, ok := got.Policy("p"); ok {
				t.Error("the policy came to something")
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Trace(ctx, from("/planner", "crm", method("ping"))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after the caller went away", err)
	}
}

// A doubt about the request is a failure with its cause.
func TestTraceSaysWhyThereIsADoubt(t *testing.T) {
	s := load(t, `@id("p") permit (principal, action in Action::"any", resource);
		@id("cap") forbid (principal, action == Action::"call_tool:ledger/transfer", resource) when { context.input.amount > 10000 };
		@id("closed") forbid (principal, action, resource in UriPath::"file:///etc");`)
	got := trace(t, s, from("/crm", "ledger", callTool("transfer", arg("amount", mcp.String("10001")))))
	if diff := cmp.Diff([]string{"p applies", "cap failed error"}, outcomes(got.Candidates)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := `the arguments do not fit the pinned schema, so what the policy says about Action::"call_tool:ledger/transfer" cannot be judged`; got.Candidates[1].Error != want {
		t.Errorf("%q, want %q", got.Candidates[1].Error, want)
	}
	if diff := cmp.Diff([]string{"amount is a string, the schema has an integer", "to is missing"}, got.Misfits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = trace(t, s, from("/planner", "crm", read("file:///srv/../etc/passwd")))
	if diff := cmp.Diff([]string{"p applies", "closed failed"}, outcomes(got.Candidates)); diff != "" || !got.Ambiguous {
		t.Errorf("ambiguous %v (-want +got):\n%s", got.Ambiguous, diff)
	}
	if !strings.HasPrefix(got.Candidates[1].Error, "the URI can be read in more than one way") {
		t.Errorf("%q", got.Candidates[1].Error)
	}
}

// What does not fit is said one argument at a time, however deep.
func TestTraceSaysWhatDoesNotFit(t *testing.T) {
	cfg, dir := written(t, map[string]string{
		"policies/p.cedar": `@id("p") permit (principal, action, resource);`,
		"tools.json": `{"tools": [{"name": "t", "inputSchema": {"type": "object", "additionalProperties": false, "required": ["s"], "properties": {
			"s": {"type": "string"}, "n": {"type": "integer"}, "b": {"type": "boolean"}, "d": {"type": "number"},
			"e": {"enum": ["x", "y"]}, "l": {"type": "array", "items": {"type": "string"}},
			"m": {"type": "object", "additionalProperties": {"type": "integer"}},
			"o": {"type": "object", "properties": {"i": {"type": "integer"}, "j": {"type": "string"}}, "required": ["i"]},
			"q": {"enum": ["x", "y", 3, null]}, "short": {"type": "string", "maxLength": 2}, "range": {"type": "number", "minimum": 0.25},
			"p": {"type": "string", "pattern": "^a"}, "lookahead": {"type": "string", "pattern": "(?=a)"},
			"free": {"type": "array", "prefixItems": [{"type": "object", "properties": {"a b": {"type": "array", "minItems": 2}}}, {"enum": [[1], "z"]}]},
			"ghost": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["id"], "maxProperties": 1},
			"c": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "k": {"anyOf": [{"enum": ["x"]}, {"type": "integer"}]},
			"many": {"enum": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]},
			"r": {"type": "array", "items": {"type": "object", "properties": {"i": {"type": "integer"}}, "additionalProperties": false}}
		}}}]}`,
	})
	cfg.Tools = map[string]string{"s": filepath.Join(dir, "tools.json")}
	snapshot, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	fine := arg("s", mcp.String("x"))
	for name, tc := range map[string]struct {
		sent []mcp.Member
		want []string
	}{
		"missing":                    {nil, []string{"s is missing"}},
		"several":                    {[]mcp.Member{arg("s", mcp.Int(7)), arg("b", mcp.Null{})}, []string{"b is null, the schema has a Boolean", "s is the number 7, the schema has a string"}},
		"a fraction":                 {[]mcp.Member{fine, arg("n", mcp.Float(1.5))}, []string{"n is the number 1.5, the schema has an integer"}},
		"digits":                     {[]mcp.Member{fine, arg("d", mcp.Float(0.00001))}, []string{"d is the number 1e-05, the schema has a number with four decimal digits at most"}},
		"a constant":                 {[]mcp.Member{fine, arg("e", mcp.String("z"))}, []string{`e is none of the values that the schema has: "x", "y"`}},
		"a constant of another type": {[]mcp.Member{fine, arg("e", mcp.Int(1))}, []string{`e is the number 1, the schema has one of "x", "y"`}},
		"many constants": {[]mcp.Member{fine, arg("many", mcp.Int(-1))},
			[]string{"many is none of the values that the schema has: 0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 2, 20, 21, 22, 23, 24, 3, 4 and 5 more"}},
		"constants of two types":   {[]mcp.Member{fine, arg("q", mcp.String("z"))}, []string{`q is none of the values that the schema has: "x", "y", 3, null`}},
		"a long text":              {[]mcp.Member{fine, arg("short", mcp.String("xyz"))}, []string{"short has 3 characters, more than 2"}},
		"a number out of range":    {[]mcp.Member{fine, arg("range", mcp.Int(0))}, []string{"range is less than 0.25"}},
		"a pattern":                {[]mcp.Member{fine, arg("p", mcp.String("b"))}, []string{"p does not match the pattern ^a"}},
		"what cannot be told":      {[]mcp.Member{fine, arg("lookahead", mcp.String("a"))}, []string{"it cannot be told whether they meet the schema"}},
		"a member not known":       {[]mcp.Member{fine, arg("ghost", mcp.NewObject())}, []string{"ghost.id is missing"}},
		"too many members":         {[]mcp.Member{fine, arg("ghost", mcp.NewObject(arg("id", mcp.Int(1)), arg("x", mcp.Int(1))))}, []string{"ghost has 2 members, more than 1"}},
		"in what is left out":      {[]mcp.Member{fine, arg("free", mcp.Array{mcp.NewObject(arg("a b", mcp.Array{}))})}, []string{"free[0].a b has 0 elements, fewer than 2"}},
		"constants of any kind":    {[]mcp.Member{fine, arg("free", mcp.Array{mcp.NewObject(), mcp.Int(1)})}, []string{`free[1] is none of the values that the schema has: "z", [1]`}},
		"a type that is left out":  {[]mcp.Member{fine, arg("free", mcp.Int(1))}, []string{"free is the number 1, which its schema does not allow"}},
		"a constant in a choice":   {[]mcp.Member{fine, arg("k", mcp.String("z"))}, []string{`k is none of the values that the schema has: "x"`}},
		"a choice with a constant": {[]mcp.Member{fine, arg("k", mcp.Bool(true))}, []string{`k is a Boolean, the schema has one of "x" or an integer`}},
		"an element":               {[]mcp.Member{fine, arg("l", mcp.Array{mcp.String("a"), mcp.Int(1)})}, []string{"l[1] is the number 1, the schema has a string"}},
		"an element with members": {[]mcp.Member{fine, arg("r", mcp.Array{mcp.NewObject(arg("i", mcp.Int(1)), arg("z", mcp.Int(1)))})},
			[]string{"r[0].z is not in the schema, which allows no other members"}},
		"no list": {[]mcp.Member{fine, arg("l", mcp.String("a"))}, []string{"l is a string, the schema has a list of 1024 elements at most, each a string"}},
		"a long list": {[]mcp.Member{fine, arg("l", slices.Repeat(mcp.Array{mcp.String("a")}, 1025))},
			[]string{"l is a list of 1025, the schema has a list of 1024 elements at most, each a string"}},
		"a member":         {[]mcp.Member{fine, arg("m", mcp.NewObject(arg("a", mcp.Int(1)), arg("k", mcp.String("v"))))}, []string{"m.k is a string, the schema has an integer"}},
		"no map":           {[]mcp.Member{fine, arg("m", mcp.Bool(true))}, []string{"m is a Boolean, the schema has an object of 1024 members at most, each an integer"}},
		"within an object": {[]mcp.Member{fine, arg("o", mcp.NewObject(arg("j", mcp.Bool(true))))}, []string{"o.i is missing", "o.j is a Boolean, the schema has a string"}},
		"a choice":         {[]mcp.Member{fine, arg("c", mcp.Bool(true))}, []string{"c is a Boolean, the schema has a string or an integer"}},
		"an object":        {[]mcp.Member{fine, arg("o", mcp.String("i"))}, []string{"o is a string, the schema has an object"}},
		"something more":   {[]mcp.Member{fine, arg("x", mcp.Int(1))}, []string{"x is not in the schema, which allows no other members"}},
		"too much text": {[]mcp.Member{arg("s", mcp.String(strings.Repeat("x", 200<<10))), arg("e", mcp.String("x")), arg("c", mcp.String(strings.Repeat("x", 100<<10)))},
			[]string{"together they have more than 262144 bytes of text"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := trace(t, snapshot, from("/planner", "s", callTool("t", tc.sent...)))
			if diff := cmp.Diff(tc.want, got.Misfits); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Unfit != `Action::"call_tool:s/t"` {
				t.Errorf("unfit %q", got.Unfit)
			}
		})
	}
}

// The other questions that policy is asked can be looked at too.
func TestTraceOfDelegatingAndRevoking(t *testing.T) {
	s := load(t, `
		@id("passes-on") permit (principal == Workload::"spiffe://acme.example/crm", action == Action::"delegate", resource in ToolGroup::"ledger-reads")
			when { context has delegation && context.delegation.subject in UserGroup::"finance" };
		@id("revokes") permit (principal, action == Action::"revoke", resource) when { context.operation == "list" };`)
	q := onBehalf(from("/planner", "crm", callTool("search", arg("query", mcp.String("x")))), "alice")
	got, err := s.TraceDelegate(t.Context(), q, workload("/crm"), "ledger", "balance")
	if err != nil || !got.Verdict.Allowed || got.Resource != `Tool::"ledger/balance"` {
		t.Errorf("%+v %v", got, err)
	}
	got, err = s.TraceDelegate(t.Context(), q, workload("/crm"), "ledger", "*")
	if err != nil || got.Verdict.Allowed || len(got.Candidates) != 0 {
		t.Errorf("%+v %v", got, err)
	}
	q.Delegation.Actor.Subject = "somebody"
	if got, err = s.TraceDelegate(t.Context(), q, workload("/crm"), "ledger", "balance"); err != nil || got.Problem == "" {
		t.Errorf("%+v %v", got, err)
	}
	ask := control.Question{Now: noon, Workload: workload("/oncall"), Issuer: "spiffe://acme.example/countersign", Operation: "list"}
	got, err = s.TraceRevoke(t.Context(), ask)
	if err != nil || !got.Verdict.Allowed {
		t.Errorf("%+v %v", got, err)
	}
	if v, err := got.Evaluate(`context.operation`); err != nil || v.Text != `"list"` {
		t.Errorf("%+v %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.TraceDelegate(ctx, q, workload("/crm"), "ledger", "balance"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after the caller went away", err)
	}
	if _, err := s.TraceRevoke(ctx, ask); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after the caller went away", err)
	}
}

// A list that was made to be slow is refused where it is looked at, and nowhere else.
func TestTraceOfAHostileList(t *testing.T) {
	hostile := mcp.Array{mcp.String("WCp-mkEFxNi"), mcp.String("0gZZWmmcmdi")} // with one hash
	for i := range 500 {
		hostile = append(hostile, mcp.String(strconv.Itoa(i)))
	}
	got := trace(t, load(t, `@id("p") permit (principal, action, resource);`), from("/planner", "wiki", callTool("any", arg("l", hostile))))
	if !got.Verdict.Allowed {
		t.Errorf("%+v", got.Verdict)
	}
	if v, err := got.Evaluate(`context.arguments.list.getTag("l").contains("x")`); err == nil {
		t.Errorf("the list was looked at: %+v", v)
	}
	if v, err := got.Evaluate(`context.arguments.list.hasTag("k")`); err != nil || v.True {
		t.Errorf("%+v %v", v, err)
	}
}

// The nearest policies miss the fewest constraints, and then the fewest clauses.
func TestNearly(t *testing.T) {
	s := load(t, `
		@id("far") permit (principal in SpiffePath::"spiffe://acme.example/ns", action == Action::"ping", resource == Server::"ledger");
		@id("two") permit (principal in TrustDomain::"acme.example", action == Action::"ping", resource == Server::"ledger");
		@id("unmet") permit (principal in WorkloadGroup::"interns", action, resource) when { principal.path == "/x" };
		@id("near") permit (principal is Workload in WorkloadGroup::"interns", action, resource in Server::"crm");
		@id("list") permit (principal, action in [Action::"ping", Action::"initialize"], resource);
		@id("kind") permit (principal, action, resource is Prompt);
		@id("covers") permit (principal, action, resource);
		@id("forbid") forbid (principal, action, resource == Server::"ledger");`)
	got := trace(t, s, from("/planner", "crm", method("tools/list")))
	near, all := got.Nearly(false, 3, 6)
	var texts []string
	for _, n := range near {
		text := n.ID
		for _, m := range n.Missing {
			text += "; " + m.Text
		}
		texts = append(texts, text)
	}
	if diff := cmp.Diff([]string{
		`near; principal is Workload in WorkloadGroup::"interns"`,
		`list; action in [Action::"ping", Action::"initialize"]`,
		`kind; resource is Prompt`,
		`unmet; principal in WorkloadGroup::"interns"`,
		`two; action == Action::"ping"; resource == Server::"ledger"`,
		`far; principal in SpiffePath::"spiffe://acme.example/ns"; action == Action::"ping"; resource == Server::"ledger"`,
	}, texts); diff != "" || all != 6 {
		t.Errorf("%d (-want +got):\n%s", all, diff)
	}
	if near, all := got.Nearly(false, 1, 1); len(near) != 1 || all != 4 {
		t.Errorf("%d near of %d", len(near), all)
	}
	if near, _ := got.Nearly(true, 1, 5); len(near) != 1 || near[0].ID != "forbid" {
		t.Errorf("near forbids: %v", near)
	}
	if n, ok := got.Policy("near"); !ok || len(n.Missing) != 1 || n.Outcome != cedar.Applies {
		t.Errorf("%+v", n)
	}
	if n, ok := got.Policy("covers"); !ok || len(n.Missing) != 0 {
		t.Errorf("%+v", n)
	}
	if _, ok := got.Policy("none"); ok {
		t.Error("there is no such policy")
	}
}

// How policies are found, for people who look for what makes decisions slow.
func TestStatistics(t *testing.T) {
	got := load(t, `
		@id("a") permit (principal, action in [Action::"ping", Action::"initialize"], resource);
		@id("b") permit (principal == Workload::"spiffe://acme.example/crm", action, resource);
		@id("c") forbid (principal, action, resource is Prompt);
		@id("d") permit (principal, action, resource is Prompt);
		@id("all") forbid (principal, action, resource) when { principal.path == "/x" };`).Statistics()
	if diff := cmp.Diff(cedar.Statistics{
		Policies: 5, Permits: 3, Forbids: 2, Unscoped: []string{"all"},
		Buckets: []cedar.Bucket{
			{Key: "resource is Prompt", Policies: 2},
			{Key: `action in [Action::"initialize", Action::"ping"]`, Policies: 1},
			{Key: `principal == Workload::"spiffe://acme.example/crm"`, Policies: 1},
		},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
