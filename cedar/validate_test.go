package cedar_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
)

// marked takes the marks « and » out of a text and returns the places between them.
func marked(text string) (string, [][2]diagnostic.Place) {
	var places [][2]diagnostic.Place
	var plain strings.Builder
	line, column := 1, 1
	for _, r := range text {
		switch r {
		case '«':
			places = append(places, [2]diagnostic.Place{{Line: line, Column: column}})
		case '»':
			places[len(places)-1][1] = diagnostic.Place{Line: line, Column: column}
		case '\n':
			plain.WriteRune(r)
			line, column = line+1, 1
		default:
			plain.WriteRune(r)
			column++
		}
	}
	return plain.String(), places
}

// Where an author is pointed to, for everything that the validator can say. The marks are around what is meant.
func TestValidatePointsAtTheExpression(t *testing.T) {
	const (
		head = `@id("a") permit (principal, action in Action::"call_tool", resource)`
		all  = `@id("a") permit (principal, action, resource)`
	)
	for name, tc := range map[string]struct{ policy, rule, message, help string }{
		"a misspelt attribute of the context": {
			head + "\nwhen { context has delegation && context.delegation.«deth» > 1 };",
			"unknown-attribute", "attribute `deth` in context not found", `did you mean "depth"?`,
		},
		"a misspelt attribute of the resource": {
			head + ` when { resource.hints.«readonly» };`,
			"unknown-attribute", "attribute `hints.readonly` on entity type `Tool` not found", `did you mean "read_only"?`,
		},
		"a suggestion must be there": { // "task" is near too, and a member of something else
			head + ` when { context.request.«tsk» == "x" };`,
			"unknown-attribute", "attribute `tsk` in context not found", ``,
		},
		"an attribute that other actions have": {
			all + ` when { context.«arguments».complete };`,
			"unknown-attribute", "attribute `arguments` in context not found",
			"not everything that the policy is about has it, narrow its action or resource",
		},
		"an attribute in brackets": {
			head + ` when { context[«"delegatoin"»].depth > 1 };`,
			"unknown-attribute", "attribute `delegatoin` in context not found", `did you mean "delegation"?`,
		},
		"an optional attribute, tested in one branch only": {
			head + "\nwhen {\n  (context has delegation && context.delegation.depth > 1) ||\n  «context.delegation».depth == 0\n};",
			"optional-attribute", "unable to guarantee safety of access to optional attribute `delegation` in context",
			"test it first, `context has delegation && …`",
		},
		"an optional attribute of an entity": {
			head + ` when { «principal.k8s».namespace == "x" };`,
			"optional-attribute", "unable to guarantee safety of access to optional attribute `k8s` on entity type `Workload`",
			"test it first, `principal has k8s && …`",
		},
		"an optional attribute twice": {
			head + ` when { «context.session».id == "x" || «context.session».id == "y" };`,
			"optional-attribute", "unable to guarantee safety of access to optional attribute `session` in context",
			"test it first, `context has session && …`",
		},
		"an optional attribute in an unless that a when has tested": {
			head + ` when { context has session } unless { context.session.id == "x" } unless { «context.delegation».depth > 3 };`,
			"optional-attribute", "unable to guarantee safety of access to optional attribute `delegation` in context",
			"test it first, `context has delegation && …`",
		},
		"an optional attribute in a branch of if": {
			head + ` when { if context has session then context.session.id == "x" else «context.session».id == "y" };`,
			"optional-attribute", "unable to guarantee safety of access to optional attribute `session` in context",
			"test it first, `context has session && …`",
		},
		"a tag that is not tested": {
			head + "\nwhen { context.arguments.str.hasTag(\"to\") &&\n  «context.arguments.str.getTag(\"from\")» == \"x\" };",
			"tag-access", "unable to guarantee safety of access to tag `\"from\"` on entity type `StrArgs`",
			"test it first with hasTag, `context.arguments.str.hasTag(\"from\") && context.arguments.str.getTag(\"from\") …`",
		},
		"an unknown action in the scope": {
			`@id("a") permit (principal, action in [Action::"read", «Action::"rite"»], resource);`,
			"unknown-action", "unrecognized action `Action::\"rite\"`", `did you mean "write"?`,
		},
		"an unknown action in a condition": {
			all + ` unless { action in [Action::"read", «Action::"rite"»] };`,
			"unknown-action", "unrecognized action `Action::\"rite\"`", `did you mean "write"?`,
		},
		"a tool of a server without pins": {
			`@id("a") permit (principal, action == «Action::"call_tool:wiki/edit"», resource);`,
			"unknown-action", "unrecognized action `Action::\"call_tool:wiki/edit\"`", `the tools of server "wiki" are not pinned`,
		},
		"a tool of a misspelt server": {
			`@id("a") permit (principal, action == «Action::"call_tool:leger/transfer"», resource);`,
			"unknown-action", "unrecognized action `Action::\"call_tool:leger/transfer\"`", `did you mean "ledger"?`,
		},
		"an unknown type in the scope": {
			`@id("a") permit (principal in «WorkloadGrup»::"x", action, resource);`,
			"unknown-type", "unrecognized entity type `WorkloadGrup`", `did you mean "WorkloadGroup"?`,
		},
		"an unknown type behind is": {
			`@id("a") permit (principal, action, resource is «Toll»);`,
			"unknown-type", "unrecognized entity type `Toll`", `did you mean "Tool"?`,
		},
		"an unknown type in a condition that is never reached": {
			head + ` when { false && resource in «Sever»::"crm" };`,
			"unknown-type", "unrecognized entity type `Sever`", `did you mean "Server"?`,
		},
		"an unknown type behind is in a condition": {
			head + ` when { resource is «Toll» };`,
			"unknown-type", "unrecognized entity type `Toll`", `did you mean "Tool"?`,
		},
		"a scope that no request has": {
			`@id("a") permit («principal, action == Action::"list_tools", resource == Tool::"crm/search"»);`,
			"no-applicable-action", "unable to find an applicable action given the policy scope constraints",
			"the principal of such a request is a Workload, and its resource a Server",
		},
		"a user as principal": {
			`@id("a") permit («principal == User::"alice", action, resource is Tool»);`,
			"no-applicable-action", "unable to find an applicable action given the policy scope constraints",
			"the principal of such a request is a Workload, and its resource a Issuer or Prompt or Resource or Server or Task or Tool",
		},
		"a group of actions as the action": {
			`@id("a") permit («principal, action == Action::"read", resource»);`,
			"no-applicable-action", "unable to find an applicable action given the policy scope constraints",
			"no request has this action, it stands for others: write `action in …`",
		},
		"an operand of the wrong type": {
			head + ` when { resource.hints.read_only && «principal.path» > 3 };`,
			"type", "unexpected type: expected datetime, or duration, or Long but saw String", "",
		},
		"a sum of a text": {
			head + ` when { 1 + (2 * «resource.name») == 3 };`,
			"type", "unexpected type: expected Long but saw String", "",
		},
		"a condition that is no Bool": {
			head + ` when { true } unless { «resource.name» };`,
			"type", "unexpected type: expected Bool but saw String", "",
		},
		"part of a conjunction that is no Bool": {
			head + ` when { resource.known && («resource.name») && resource.known };`,
			"type", "unexpected type: expected Bool but saw String", "",
		},
		"in with something that is no entity": {
			head + ` when { principal in «resource.name» };`,
			"type", "unexpected type: expected a set of entities, or an entity but saw String", "",
		},
		"a comparison of different types": {
			head + ` when { resource.known && «resource.name == 3» };`,
			"type", "the types Long and String are not compatible", "",
		},
		"a time compared with a number": {
			head + ` when { context has delegation && («context.now > context.delegation.depth») };`,
			"type", "the types Long and datetime are not compatible", "",
		},
		"a list of different types": {
			head + ` when { «["a", 1]».contains("a") };`,
			"type", "the types Long and String are not compatible", "",
		},
		"a method on the wrong type": {
			head + ` when { «resource.name».isLoopback() };`,
			"type", "unexpected type: expected ipaddr but saw String", "",
		},
		"an empty set": {
			head + ` when { [1].containsAny(«[]») };`,
			"empty-set", "empty set literals are forbidden in policies", "nothing is in an empty set: leave the comparison out",
		},
		"an address that is none": {
			head + ` when { context.request has source_ip && context.request.source_ip.isInRange(«ip("10.0.0.0.0/8")») };`,
			"function", "error during extension function argument validation: failed to parse as IP address: `\"10.0.0.0.0/8\"`", "",
		},
		"an address that is computed": {
			head + ` when { «ip(resource.name)».isLoopback() };`,
			"function", "extension constructors may not be called with non-literal expressions", "",
		},
		"arguments too many": {
			head + ` when { «ip("10.0.0.1").isLoopback(1)» };`,
			"function", "wrong number of arguments in extension function application. Expected 1, got 2", "",
		},
		"a workload that is none, twice": {
			`@id("a") permit (principal == «Workload::"planner"», action, resource) when { principal != «Workload::"planner"» };`,
			"impossible-id", `Workload::"planner" can never be`,
			`write the whole SPIFFE ID, "spiffe://<trust domain>/<path>" without a "/" at the end`,
		},
		"a server that is not configured": {
			`@id("a") permit (principal, action, resource in «Server::"ledgr"»);`,
			"unknown-server", `no server "ledgr" is configured`, `did you mean "ledger"?`,
		},
		"a tool of a server that is not configured": {
			all + ` when { resource == «Tool::"crn/search"» };`,
			"unknown-server", `no server "crn" is configured`, `did you mean "crm"?`,
		},
		"a tool that is not pinned": {
			`@id("a") permit (principal, action, resource == «Tool::"crm/serch"»);`,
			"unknown-tool", `server "crm" has no pinned tool "serch"`, `did you mean "search"?`,
		},
		"a reason on a permit": {
			`@id("a") «@reason("because")» permit (principal, action, resource);`,
			"reason", "@reason is what a forbid tells the caller; on a permit it has no effect", "",
		},
		"an id that would need quoting": {
			`@owner("x") «@id("a b")» permit (principal, action, resource);`,
			"bad-id", `id "a b"`, "use 1 to 128 letters, digits, '.', '_', ':' or '-'",
		},
		"no id": {
			"@owner(\"x\")\n«permit» (principal, action, resource);",
			"missing-id", "the policy has no id", `write @id("…") before it`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, places := marked(tc.policy)
			path := filepath.Join(t.TempDir(), "p.cedar")
			put(t, path, text)
			cfg := acme()
			cfg.Policies = ""
			got, err := cedar.Validate(t.Context(), cfg, path)
			if err != nil {
				t.Fatal(err)
			}
			var want []diagnostic.Diagnostic
			for _, p := range places {
				d := diagnostic.Diagnostic{
					Rule: tc.rule, Severity: diagnostic.Error, File: path, Start: p[0], End: p[1], Policy: "a",
					Message: tc.message, Help: tc.help,
				}
				if tc.rule == "bad-id" || tc.rule == "missing-id" {
					d.Policy = ""
				}
				want = append(want, d)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One run finds all mistakes, in policies that are not Cedar, in those beside them, and in other files.
func TestValidateFindsEverything(t *testing.T) {
	cfg, dir := written(t, map[string]string{
		"policies/a.cedar": `@id("one") permit (principal, action, resource) when { context.on && context.two };
@id("broken") permit (principal, action resource);
permit (principal, action, resource) when { 1 + };
@id("three") forbid (principal, action == Action::"call_tool:crm/refnd", resource) when { principal.nam == "x" && context.input.amunt == 1 };
permit (principal, action, resource) when { principal.nam == "x" };
@id("p") permit (principal, action, resource) /* only in Go */ when { true };`,
		"policies/b.cedar": `@id("three") permit (principal, action, resource == Tool::"crm/serch");
/* only in Go */ @id("four") permit (principal, action, resource) when { !!!!!true };`,
		"entities.json": `[{"uid": {"type": "Tool", "id": "crm"}, "attrs": {}, "parents": []}]`,
	})
	found, err := cedar.Validate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, strings.TrimPrefix(d.File, dir+"/")+" "+d.Rule+" "+d.Policy)
	}
	want := []string{
		"entities.json entities ",
		"policies/a.cedar unknown-attribute one",
		"policies/a.cedar unknown-attribute one",
		"policies/a.cedar syntax broken",
		"policies/a.cedar syntax ",
		"policies/a.cedar unknown-action three",
		"policies/a.cedar unknown-attribute three",
		"policies/a.cedar unknown-attribute three",
		"policies/a.cedar missing-id ",
		"policies/a.cedar unknown-attribute ",
		"policies/a.cedar block-comment p",
		"policies/b.cedar duplicate-id ",
		"policies/b.cedar unknown-tool three",
		"policies/b.cedar block-comment four",
		"policies/b.cedar unary-run four",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValidateFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.cedar")
	put(t, path, `@id("a") permit (principal, action in Action::"call_tool", resource in Server::"crm") when { context has input.query };`)
	validate := func(cfg cedar.Config, paths ...string) []string {
		t.Helper()
		found, err := cedar.Validate(t.Context(), cfg, paths...)
		if err != nil {
			t.Fatal(err)
		}
		var messages []string
		for _, d := range found {
			messages = append(messages, strings.TrimPrefix(d.File, dir+"/")+": "+d.Message)
		}
		return messages
	}
	for name, tc := range map[string]struct {
		cfg  cedar.Config
		path string
		want []string
	}{
		"without servers, any server may be named": {path: path},
		"with its server":                          {cfg: cedar.Config{Tools: map[string]string{"crm": "testdata/acme/tools/crm.json"}}, path: path},
		"with another server": {
			cfg: cedar.Config{Tools: map[string]string{"wiki": ""}}, path: path, want: []string{`p.cedar: no server "crm" is configured`},
		},
		"a file that is missing": {path: filepath.Join(dir, "q.cedar"), want: []string{"q.cedar: no such file or directory"}},
		"tools that are missing": {
			cfg: cedar.Config{Tools: map[string]string{"crm": filepath.Join(dir, "crm.json")}}, path: path,
			want: []string{"crm.json: no such file or directory"},
		},
		"entities that are wrong": {
			cfg: cedar.Config{Entities: path}, path: path, want: []string{"p.cedar: want a JSON array of entities"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := validate(tc.cfg, tc.path)
			for i := range min(len(got), len(tc.want)) {
				if strings.HasPrefix(got[i], tc.want[i]) {
					got[i] = tc.want[i]
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The errors of a load say the same, one a line.
func TestDiagnosticsOfAnError(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/a.cedar": `@id("a") permit (principal, action, resource) when { context.on };`})
	_, err := cedar.Load(t.Context(), cfg)
	got := cedar.Diagnostics(err)
	if len(got) != 1 || got[0].Rule != "unknown-attribute" || got[0].Start != (diagnostic.Place{Line: 1, Column: 62}) {
		t.Errorf("%+v", got)
	}
	if got := cedar.Diagnostics(os.ErrNotExist); got != nil {
		t.Errorf("of an error that is not about policies: %v", got)
	}
}
