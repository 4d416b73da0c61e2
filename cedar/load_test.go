package cedar_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

// acme is the configuration of testdata/acme: two servers with pinned tools, and one without.
func acme() cedar.Config {
	return cedar.Config{
		Policies: "testdata/acme/policies",
		Entities: "testdata/acme/entities.json",
		Tools: map[string]string{
			"crm": "testdata/acme/tools/crm.json", "ledger": "testdata/acme/tools/ledger.json", "wiki": "",
		},
	}
}

// written writes the files into a new directory and returns a configuration with acme's tools.
func written(t *testing.T, files map[string]string) (cfg cedar.Config, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		put(t, filepath.Join(dir, name), content)
	}
	cfg = acme()
	cfg.Policies, cfg.Entities = filepath.Join(dir, "policies"), ""
	if _, ok := files["entities.json"]; ok {
		cfg.Entities = filepath.Join(dir, "entities.json")
	}
	if _, ok := files["crm.json"]; ok {
		cfg.Tools["crm"] = filepath.Join(dir, "crm.json")
	}
	return cfg, dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load loads policies given as text, with acme's tools and entities.
func load(t testing.TB, policies string) *cedar.Snapshot {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policies.cedar"), []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := acme()
	cfg.Policies = dir
	snapshot, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestLoadAcme(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot.Policies(); got != 10 {
		t.Errorf("%d policies, want 10", got)
	}
	if diff := cmp.Diff([]string{"balance", "statement", "transfer"}, snapshot.Tools("ledger")); diff != "" {
		t.Errorf("tools of ledger (-want +got):\n%s", diff)
	}
	if got := snapshot.Tools("wiki"); len(got) != 0 {
		t.Errorf("tools of a server without pins: %q", got)
	}
	if schema := string(snapshot.Schema()); !strings.Contains(schema, `action "call_tool:crm/refund"`) {
		t.Errorf("schema lacks the typed action:\n%s", schema)
	}
}

// The policies of the package documentation are the first ones that a newcomer tries.
func TestDocumentedPolicies(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var policies strings.Builder
	for line := range strings.Lines(string(doc)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			policies.WriteString(code)
		}
	}
	if got := load(t, policies.String()).Policies(); got != 6 {
		t.Errorf("%d policies, want 6", got)
	}
}

func TestParamHeaders(t *testing.T) {
	snapshot, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"wiki", "nobody"} {
		if headers := snapshot.ParamHeaders(server); headers != nil {
			t.Errorf("%s: %v, want nil", server, headers)
		}
	}
	crm := snapshot.ParamHeaders("crm")
	if paths, pinned := crm.ParamHeaders("search"); !pinned || !cmp.Equal(paths, map[string][]string{"query": {"query"}}) {
		t.Errorf("search: %v %v", paths, pinned)
	}
	if paths, pinned := crm.ParamHeaders("refund"); !pinned || len(paths) != 0 {
		t.Errorf("refund mirrors nothing, got %v %v", paths, pinned)
	}
	if paths, pinned := crm.ParamHeaders("unheard-of"); pinned || paths != nil {
		t.Errorf("unknown tool: %v %v", paths, pinned)
	}
}

const someone = `@id("someone") permit (principal, action, resource);`

func TestRevision(t *testing.T) {
	revision := func(t *testing.T, cfg cedar.Config) string {
		t.Helper()
		snapshot, err := cedar.Load(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(snapshot.Revision()) != 12 {
			t.Errorf("revision %q, want 12 digits", snapshot.Revision())
		}
		return snapshot.Revision()
	}
	files := map[string]string{"policies/a.cedar": someone, "entities.json": "[]", "crm.json": `{"tools":[]}`}
	cfg, _ := written(t, files)
	first := revision(t, cfg)

	replica, _ := written(t, files)
	if got := revision(t, replica); got != first {
		t.Errorf("a replica has revision %s, not %s", got, first)
	}
	for name, changed := range map[string]map[string]string{
		"a policy":       {"policies/a.cedar": someone + " "},
		"one more":       {"policies/b.cedar": strings.ReplaceAll(someone, `"someone"`, `"b"`)},
		"the entities":   {"entities.json": "[ ]"},
		"a pinned tools": {"crm.json": `{"tools":[ ]}`},
	} {
		t.Run(name, func(t *testing.T) {
			next := maps.Clone(files)
			maps.Copy(next, changed)
			cfg, _ := written(t, next)
			if got := revision(t, cfg); got == first {
				t.Errorf("revision stays %s", got)
			}
		})
	}
}

// What an author gets to see. Each case is one mistake; the message must tell where and what to do.
func TestLoadRefuses(t *testing.T) {
	const ok = "policies/ok.cedar"
	policy := func(text string) map[string]string { return map[string]string{"policies/p.cedar": text} }
	entities := func(text string) map[string]string { return map[string]string{ok: someone, "entities.json": text} }
	for name, tc := range map[string]struct {
		files map[string]string
		want  []string // lines, with the directory left out
	}{
		"syntax error": {
			policy("// first\n@id(\"a\")\npermit (principal, action, resource) when { 1 + };"),
			[]string{`policies/p.cedar:3:49: policy a: unexpected "}"; want an expression`},
		},
		"half-written file": {
			policy(someone + "\n@id(\"b\") forbid (principal, act"),
			[]string{`policies/p.cedar:2:29: policy b: unexpected "act"; want action in the scope: the scope is (principal, action, resource), and conditions go behind when`},
		},
		"cut between tokens": {
			policy(someone + "\n@id(\"b\") forbid (principal,"),
			[]string{`policies/p.cedar:2:28: policy b: the policy ends early; want action in the scope: the scope is (principal, action, resource), and conditions go behind when`},
		},
		"text that is not closed": {
			policy("@id(\"a\npermit (principal, action, resource);"),
			[]string{"policies/p.cedar:1:5: the string does not end on its line: write a line feed as \\n"},
		},
		"file truncated to nothing": {
			map[string]string{ok: someone, "policies/p.cedar": ""},
			[]string{"policies/p.cedar: no policy in the file: remove it if that is meant"},
		},
		"no files": {
			map[string]string{"policies/README.md": "to do"},
			[]string{"policies: no *.cedar files: a policy that permits nothing must say so with a forbid"},
		},
		"no id": {
			policy("\n  permit (principal, action, resource);"),
			[]string{`policies/p.cedar:2:3: the policy has no id: write @id("…") before it`},
		},
		"id that would need quoting": {
			policy(`@id("a b") permit (principal, action, resource);`),
			[]string{`policies/p.cedar:1:1: id "a b": use 1 to 128 letters, digits, '.', '_', ':' or '-'`},
		},
		"id twice in two files": {
			map[string]string{"policies/a.cedar": someone, "policies/b.cedar": "\n" + someone},
			[]string{`policies/b.cedar:2:1: id "someone" is taken by the policy at policies/a.cedar:1:1`},
		},
		"reason of a permit": {
			policy(`@id("a") @reason("because") permit (principal, action, resource);`),
			[]string{`policies/p.cedar:1:10: policy a: @reason is what a forbid tells the caller; on a permit it has no effect`},
		},
		"reason with a line break": {
			policy(`@id("a") @reason("a\nb") forbid (principal, action, resource);`),
			[]string{`policies/p.cedar:1:10: policy a: @reason must be printable text on one line`},
		},
		"reason too long": {
			policy(`@id("a") @reason("` + strings.Repeat("x", 257) + `") forbid (principal, action, resource);`),
			[]string{`policies/p.cedar:1:10: policy a: @reason must have 1 to 256 bytes`},
		},
		"unknown attribute": {
			policy(`@id("a") permit (principal, action in Action::"read", resource) when { context.delegatoin.depth > 1 };`),
			[]string{"policies/p.cedar:1:80: policy a: attribute `delegatoin` in context not found: did you mean \"delegation\"?"},
		},
		"unguarded optional": {
			policy(`@id("a") forbid (principal, action in Action::"call_tool", resource) when { context.delegation.depth > 1 };`),
			[]string{"policies/p.cedar:1:77: policy a: unable to guarantee safety of access to optional attribute `delegation` " +
				"in context: test it first, `context has delegation && …`"},
		},
		"unguarded nested optional": {
			policy(`@id("a") forbid (principal, action, resource) when { context.request.source_ip.isLoopback() };`),
			[]string{"policies/p.cedar:1:54: policy a: unable to guarantee safety of access to optional attribute " +
				"`request.source_ip` in context: test it first, `context.request has source_ip && …`"},
		},
		"unguarded tag": {
			policy(`@id("a") forbid (principal, action in Action::"call_tool", resource) when { context.arguments.num.getTag("n") > 1 };`),
			[]string{"policies/p.cedar:1:77: policy a: unable to guarantee safety of access to tag `\"n\"` on entity type `NumArgs`: " +
				"test it first with hasTag, `context.arguments.num.hasTag(\"n\") && context.arguments.num.getTag(\"n\") …`"},
		},
		"unknown entity type": {
			policy(`@id("a") permit (principal == Workloads::"spiffe://acme.example/planner", action, resource);`),
			[]string{
				"policies/p.cedar:1:31: policy a: unrecognized entity type `Workloads`: did you mean \"Workload\"?",
			},
		},
		"unknown tool": {
			policy(`@id("a") permit (principal, action == Action::"call_tool:crm/refnd", resource);`),
			[]string{
				"policies/p.cedar:1:39: policy a: unrecognized action `Action::\"call_tool:crm/refnd\"`: did you mean \"call_tool:crm/refund\"?",
			},
		},
		"input of a member that Cedar cannot express": {
			policy(`@id("a") permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.input.either == "x" };`),
			[]string{"policies/p.cedar:1:102: policy a: attribute `either` in context not found"},
		},
		"a member that only some of the actions have": {
			policy(`@id("a") forbid (principal, action, resource) when { context.arguments.complete };`),
			[]string{"policies/p.cedar:1:62: policy a: attribute `arguments` in context not found: " +
				"not everything that the policy is about has it, narrow its action or resource"},
		},
		"ids that no request can have": {
			policy(`@id("a") permit (principal in TrustDomain::"spiffe://acme.example", action, resource in UriPath::"file:///etc/");
@id("b") forbid (principal == Workload::"planner", action, resource == Tool::"refund");
@id("c") forbid (principal in SpiffePath::"spiffe://acme.example/ns/", action, resource) when { resource in UriPath::"file:///a/../b" };`),
			[]string{
				"policies/p.cedar:1:31: policy a: TrustDomain::\"spiffe://acme.example\" can never be: write the name of the trust domain alone, in lower case, without \"spiffe://\"",
				"policies/p.cedar:1:89: policy a: UriPath::\"file:///etc/\" can never be: write \"<scheme>://<authority>/<path>\" in normal form, without a \"/\" at the end, query and fragment",
				"policies/p.cedar:2:31: policy b: Workload::\"planner\" can never be: write the whole SPIFFE ID, \"spiffe://<trust domain>/<path>\" without a \"/\" at the end",
				"policies/p.cedar:2:72: policy b: Tool::\"refund\" can never be: write \"<server>/<name>\"",
				"policies/p.cedar:3:31: policy c: SpiffePath::\"spiffe://acme.example/ns/\" can never be: write the whole SPIFFE ID, \"spiffe://<trust domain>/<path>\" without a \"/\" at the end",
				"policies/p.cedar:3:109: policy c: UriPath::\"file:///a/../b\" can never be: write \"<scheme>://<authority>/<path>\" in normal form, without a \"/\" at the end, query and fragment",
			},
		},
		"several mistakes at once, sorted": {
			map[string]string{
				"policies/b.cedar": "permit (principal, action, resource);",
				"policies/a.cedar": "\n\npermit (",
				"entities.json":    `[{"uid": {"type": "Tool", "id": "crm"}, "attrs": {}, "parents": []}]`,
			},
			[]string{
				`entities.json:1:2: entity Tool::"crm": the id of a tool is "<server>/<tool>"`,
				`policies/a.cedar:3:9: the policy ends early; want principal in the scope: the scope is (principal, action, resource), and conditions go behind when`,
				`policies/b.cedar:1:1: the policy has no id: write @id("…") before it`,
			},
		},
		"entities that are not JSON": {
			entities("[\n{\"uid\": oops}]"),
			[]string{"entities.json:2:9: jsontext: ⋯"},
		},
		"entities that are not a list": {
			entities("{}"),
			[]string{"entities.json:1:1: want a JSON array of entities"},
		},
		"entities with something behind": {
			entities("[] []"),
			[]string{"entities.json:1:5: something follows the array"},
		},
		"an entity with a misspelt member": {
			entities(`[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parent": []}]`),
			[]string{`entities.json:1:2: an entity has the members uid, parents, attrs and tags: ⋯"parent"`},
		},
		"an entity without parents": {
			entities(`[{"uid": {"type": "User", "id": "alice"}, "attrs": {}}]`),
			[]string{`entities.json:1:2: reading the entity {"type": "User", "id": "alice"}: ⋯invalid entity: "parents" is missing or null`},
		},
		"an entity twice": {
			entities("[{\"uid\": {\"type\": \"User\", \"id\": \"alice\"}, \"attrs\": {}, \"parents\": []},\n {\"uid\": {\"type\": \"User\", \"id\": \"alice\"}, \"attrs\": {}, \"parents\": []}]"),
			[]string{`entities.json:2:2: entity User::"alice" is declared twice: join the two`},
		},
		"a group in itself": {
			entities(`[{"uid": {"type": "UserGroup", "id": "a"}, "attrs": {}, "parents": [{"type": "UserGroup", "id": "b"}]},
{"uid": {"type": "UserGroup", "id": "b"}, "attrs": {}, "parents": [{"type": "UserGroup", "id": "a"}]}]`),
			[]string{`entities.json:2:1: entity UserGroup::"b": its parent UserGroup::"a" is in it: take one of them out`},
		},
		"an entity that requests make": {
			entities(`[{"uid": {"type": "Prompt", "id": "crm/hello"}, "attrs": {"name": "hello"}, "parents": []}]`),
			[]string{`entities.json:1:2: entity Prompt::"crm/hello": the entities file may declare groups (WorkloadGroup, UserGroup, ServerGroup, ToolGroup) and the groups and tags of Workload, SpiffePath, User, Server and Tool; Prompt is neither`},
		},
		"attributes that requests give": {
			entities(`[{"uid": {"type": "User", "id": "alice"}, "attrs": {"issuer": "me"}, "parents": []}]`),
			[]string{`entities.json:1:2: entity User::"alice": the attributes of User come from the request: write "attrs": {}`},
		},
		"a parent of the wrong kind": {
			entities(`[{"uid": {"type": "Tool", "id": "crm/search"}, "attrs": {}, "parents": [{"type": "Server", "id": "ledger"}]}]`),
			[]string{`entities.json:1:2: entity Tool::"crm/search": Tool may be in a ToolGroup, not in Server::"ledger"`},
		},
		"a tag of the wrong type": {
			entities(`[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [], "tags": {"office": "Graz"}}]`),
			[]string{`entities.json:1:2: entity User::"alice": expected Set, got types.String`},
		},
		"a workload that is no SPIFFE ID": {
			entities(`[{"uid": {"type": "Workload", "id": "planner"}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity Workload::"planner": not a SPIFFE ID: scheme is missing or invalid`},
		},
		"a trust domain as a workload": {
			entities(`[{"uid": {"type": "SpiffePath", "id": "spiffe://acme.example"}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity SpiffePath::"spiffe://acme.example": a SPIFFE ID without a path is a trust domain, not a workload`},
		},
		"a server that is not configured": {
			entities(`[{"uid": {"type": "Server", "id": "legder"}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity Server::"legder": no server of that name is configured: did you mean "ledger"?`},
		},
		"a tool of a server that is not configured": {
			entities(`[{"uid": {"type": "Tool", "id": "x/y"}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity Tool::"x/y": no server "x" is configured`},
		},
		"a tool that is not pinned": {
			entities(`[{"uid": {"type": "Tool", "id": "ledger/balanc"}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity Tool::"ledger/balanc": server "ledger" has no pinned tool "balanc": did you mean "balance"?`},
		},
		"an entity without a name": {
			entities(`[{"uid": {"type": "UserGroup", "id": ""}, "attrs": {}, "parents": []}]`),
			[]string{`entities.json:1:2: entity UserGroup::"": the id is empty`},
		},
		"broken tools file, and a broken policy with it": {
			map[string]string{"policies/p.cedar": "permit", "crm.json": `{"tools": 7}`},
			[]string{
				`crm.json: reading the pinned tools of server "crm": tools/list result: /tools is missing or not an array`,
				`policies/p.cedar:1:7: the policy ends early; want "(" behind permit`,
			},
		},
		"a file over the limit": {
			policy(someone + strings.Repeat("\n", 1<<20)),
			[]string{"policies/p.cedar: 1048628 bytes are too many: one policy file may have 1048576, all files together 16777216; split them"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, dir := written(t, tc.files)
			_, err := cedar.Load(t.Context(), cfg)
			if err == nil {
				t.Fatal("loaded")
			}
			got := strings.Split(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), "\n")
			// The JSON library words its errors differently from build to build.
			if !slices.EqualFunc(tc.want, got, func(want, got string) bool {
				start, end, _ := strings.Cut(want, "⋯")
				return want == got || start != want && strings.HasPrefix(got, start) && strings.HasSuffix(got, end)
			}) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(tc.want, got))
			}
		})
	}
}

func TestLoadReadsFiles(t *testing.T) {
	t.Run("a missing directory and missing files are all named", func(t *testing.T) {
		dir := t.TempDir()
		_, err := cedar.Load(t.Context(), cedar.Config{
			Policies: filepath.Join(dir, "policies"), Entities: filepath.Join(dir, "entities.json"),
			Tools: map[string]string{"crm": filepath.Join(dir, "crm.json")},
		})
		want := []string{
			"crm.json: no such file or directory",
			"entities.json: no such file or directory",
			"policies: reading the policy directory: no such file or directory",
		}
		if err == nil {
			t.Fatal("loaded")
		}
		got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
		if diff := cmp.Diff(strings.Join(want, "\n"), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a directory named like a policy file", func(t *testing.T) {
		cfg, _ := written(t, map[string]string{"policies/a.cedar": someone, "policies/b.cedar/c.cedar": someone})
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "b.cedar: not a regular file") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a dangling link is not an absent file", func(t *testing.T) {
		cfg, dir := written(t, map[string]string{"policies/a.cedar": someone})
		if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "policies", "b.cedar")); err != nil {
			t.Fatal(err)
		}
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "b.cedar: no such file") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a server name that would make ids ambiguous", func(t *testing.T) {
		cfg, _ := written(t, map[string]string{"policies/a.cedar": someone})
		cfg.Tools["crm/a"] = ""
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `server name "crm/a"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := cedar.Load(ctx, acme()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// git-sync and the like swap a link to the whole directory.
func TestDirectorySwap(t *testing.T) {
	cfg, dir := written(t, map[string]string{"one/a.cedar": someone, "two/a.cedar": someone, "two/b.cedar": strings.ReplaceAll(someone, `"someone"`, `"b"`)})
	for target, want := range map[string]int{"one": 1, "two": 2} {
		_ = os.Remove(cfg.Policies)
		if err := os.Symlink(filepath.Join(dir, target), cfg.Policies); err != nil {
			t.Fatal(err)
		}
		snapshot, err := cedar.Load(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := snapshot.Policies(); got != want {
			t.Errorf("%s has %d policies, want %d", target, got, want)
		}
	}
}

// mount lays files out as kubelet does: links to ..data, which is a link to the generation's directory.
func mount(t *testing.T, dir, generation string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		put(t, filepath.Join(dir, ".."+generation, name), content)
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(".."+generation, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
}

func TestConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies")
	mount(t, policies, "2026_01", map[string]string{"a.cedar": someone})
	cfg := acme()
	cfg.Policies, cfg.Entities = policies, ""
	first, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Policies(); got != 1 {
		t.Errorf("%d policies, want 1: the same file must not be read twice through its links", got)
	}
	mount(t, policies, "2026_02", map[string]string{
		"a.cedar": someone, "b.cedar": `@id("nobody") forbid (principal, action, resource);`,
	})
	second, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := second.Policies(); got != 2 || second.Revision() == first.Revision() {
		t.Errorf("%d policies in revision %s, want 2 in another than %s", got, second.Revision(), first.Revision())
	}
	t.Run("a file beside the mounted ones is not overlooked", func(t *testing.T) {
		stray := filepath.Join(policies, "stray.cedar")
		put(t, stray, `@id("stray") forbid (principal, action, resource);`)
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), stray+": the file is not part of") {
			t.Errorf("got %v", err)
		}
		if err := os.Remove(stray); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("messages name the file that is configured", func(t *testing.T) {
		mount(t, policies, "2026_03", map[string]string{"a.cedar": "permit", "b.cedar": someone})
		_, err := cedar.Load(t.Context(), cfg)
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(policies, "a.cedar")+":1:7: ") {
			t.Errorf("got %v", err)
		}
	})
}
