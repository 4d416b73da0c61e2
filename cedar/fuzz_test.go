package cedar

import (
	"context"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// Whatever is loaded has unique ids, and an answer that permits and fails at once does not exist.
func FuzzPolicies(f *testing.F) {
	paths, err := filepath.Glob("testdata/acme/policies/*.cedar")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, name := range paths {
		data, err := os.ReadFile(name) //nolint:gosec // testdata
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(`@id("a") permit (principal, action, resource) when { context`)
	f.Add("@id(\"\x00\") permit (principal, action, resource);")
	f.Add(manyPolicies(20, 10))
	f.Add(floodPolicies)
	f.Add(`@id("a") permit (principal, action in Action::"any", resource) when { (if context has session then context.session else {id: "x"}).id == "s" };`)
	template := acmeSources(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		src := *template
		src.policies = []file{{"p.cedar", []byte(text)}}
		s, err := newSnapshot(&src, acmeConfig())
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if strings.HasPrefix(line, "p.cedar:0") {
					t.Errorf("a place that is none: %s", line)
				}
			}
			return
		}
		seen := map[string]bool{}
		for _, p := range s.policies {
			if seen[string(p.id)] || !policyID.MatchString(string(p.id)) {
				t.Errorf("id %q", p.id)
			}
			seen[string(p.id)] = true
		}
		v := s.Authorize(context.Background(), authz.Query{
			Now: time.Unix(1_800_000_000, 0), Server: "crm",
			Peer:   peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
			Target: mcp.Target{Kind: mcp.TargetTool, Name: "search"},
			Call:   &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call"},
		})
		if v.Allowed && (len(v.Errors) > 0 || v.Forbidden || len(v.PolicyIDs) == 0) {
			t.Errorf("%+v", v)
		}
		plain := newLinear(s)
		for _, q := range fuzzQueries() {
			want, got := plain.Authorize(q), s.Authorize(context.Background(), q)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(authz.Verdict{}, "Candidates")); diff != "" {
				t.Errorf("%s about %q (-plain Cedar +ours):\n%s", q.Call.Method, q.Target.Name, diff)
			}
		}
	})
}

// fuzzQueries are a call that fits the pinned schema, one that does not, one of an unknown tool, and a URI that can be
// read in two ways.
func fuzzQueries() []authz.Query {
	fit, unfit, unknown, ambiguous := manyQuery(), manyQuery(), manyQuery(), manyQuery()
	unfit.Call.Arguments = mcp.NewObject(mcp.Member{Name: "query", Value: mcp.Int(1)}, mcp.Member{Name: "urgent", Value: mcp.Bool(true)})
	unknown.Server, unknown.Delegation = "wiki", nil
	ambiguous.Call = &mcp.Call{Kind: mcp.KindRequest, Method: "resources/read"}
	ambiguous.Target = mcp.Target{Kind: mcp.TargetResource, Name: "file:///srv/docs/../secret"}
	return []authz.Query{fit, unfit, unknown, ambiguous}
}

// Whatever is accepted conforms to the schema and ends: no group is in itself.
func FuzzEntities(f *testing.F) {
	data, err := os.ReadFile("testdata/acme/entities.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`[{"uid":{"type":"UserGroup","id":"a"},"attrs":{},"parents":[{"type":"UserGroup","id":"a"}]}]`))
	f.Add([]byte(`[{"uid":{"__entity":{"type":"Tool","id":"crm/search"}},"attrs":{},"parents":[],"tags":{}}]`))
	src := acmeSources(f, "")
	tools, bad := readPins(src.tools)
	if len(bad) > 0 {
		f.Fatal(bad)
	}
	words, err := newVocabulary(tools)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, bad := newRegistry(words, tools, &file{"e.json", data})
		if len(bad) > 0 {
			return
		}
		for id, e := range r.static {
			if id.Type == actionType {
				continue
			}
			if err := words.validator.Entity(e); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			if _, wrong := r.declared[id]; wrong && groupOf[id.Type] == id.Type {
				t.Errorf("group %s was taken for a member", id)
			}
			above := map[types.EntityUID]bool{}
			for todo := slices.Collect(e.Parents.All()); len(todo) > 0; todo = todo[1:] {
				if !above[todo[0]] {
					above[todo[0]] = true
					todo = slices.AppendSeq(todo, r.static[todo[0]].Parents.All())
				}
			}
			if above[id] {
				t.Errorf("%s is in itself", id)
			}
		}
	})
}

// Arguments that fit make a request that conforms to the schema generated from the same tool.
func FuzzInput(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"array","items":{"type":"integer"}}},"required":["a"]}`,
		`{"a":1.5,"b":[1,2]}`)
	f.Add(`{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]},"":{"type":"boolean"}}}`, `{"a":null,"":true}`)
	f.Add(`{"type":"object","properties":{"\"":{"type":"object","properties":{"\u0000":{"const":"x"}},"required":["\u0000"]}}}`, `{"\"":{"\u0000":"y"}}`)
	f.Add(`{"type":"object","$defs":{"d":{"type":["string","integer"]}},"properties":{"m":{"type":"object","additionalProperties":{"type":"string"}},
		"u":{"$ref":"#/$defs/d"},"l":{"type":"array","items":{"allOf":[{"properties":{"n":{"type":"number"}}},{"properties":{"u":{"$ref":"#/$defs/d"}}}]}}}}`,
		`{"m":{"a":"b"},"u":7,"l":[{"n":0.5},{"u":"x"}]}`)
	f.Add(`{"type":"object","oneOf":[{"properties":{"k":{"const":"a"},"x":{"type":"object","additionalProperties":{"type":"array","items":{"type":"string"}}}}},
		{"properties":{"k":{"const":"b"}},"additionalProperties":false}]}`, `{"k":"a","x":{"y":["z"]}}`)
	f.Add(`{"type":"object","properties":{"p":{"type":"string","pattern":"^a+$","maxLength":3},"n":{"type":"number","multipleOf":0.5,"minimum":1},
		"l":{"type":"array","prefixItems":[{"const":null}],"uniqueItems":true},"o":{"minProperties":1,"propertyNames":{"pattern":"(?!x)"}}},
		"required":["ghost"],"if":{"required":["p"]},"then":{"not":{"required":["n"]}}}`, `{"ghost":1,"p":"aa","l":[null],"o":{"k":1}}`)
	f.Fuzz(func(t *testing.T, schema, arguments string) {
		tools, err := mcp.ParseToolList([]byte(`{"tools":[{"name":"t","inputSchema":` + schema + `}]}`))
		if err != nil || len(tools) != 1 {
			return
		}
		object, err := mcp.ParseObject([]byte(arguments))
		if err != nil {
			return
		}
		tool := file{"t.json", []byte(`{"tools":[{"name":"t","inputSchema":` + schema + `}]}`)}
		if _, err := inputShape(tools[0].InputSchema); err != nil {
			return
		}
		s, err := newSnapshot(&sources{
			policies: []file{{"p.cedar", []byte(`@id("p") permit (principal, action, resource);`)}},
			tools:    map[string]file{"crm": tool},
		}, Config{})
		if err != nil {
			t.Fatal(err)
		}
		words, err := newVocabulary(s.pins)
		if err != nil {
			t.Fatal(err)
		}
		q := authz.Query{
			Peer:   peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/planner")},
			Server: "crm", Target: mcp.Target{Kind: mcp.TargetTool, Name: "t"},
			Call: &mcp.Call{Kind: mcp.KindRequest, Method: "tools/call", Arguments: object},
		}
		asked, ok, err := newLinear(s).ask(q)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := words.validator.Request(asked.request); err != nil {
			t.Errorf("%v", err)
		}
		for _, e := range asked.own {
			if err := words.validator.Entity(e); err != nil {
				t.Errorf("%s: %v", e.UID, err)
			}
		}
		if diff := sameFacts(s, q, asked); diff != "" {
			t.Error(diff)
		}
	})
}

// Prefixes of a URI that is exact are the URI itself cut at slashes, shortest first, and no server can read them to
// mean something above.
func FuzzURIPrefixes(f *testing.F) {
	for _, uri := range someURIs {
		f.Add(uri)
	}
	f.Add("https://acme.example:443/%2e%2e//")
	f.Fuzz(func(t *testing.T, uri string) {
		prefixes, _, exact := uriPrefixes(uri)
		if !exact {
			return
		}
		if len(prefixes) > maxSegments || !slices.IsSortedFunc(prefixes, func(a, b string) int { return len(a) - len(b) }) {
			t.Errorf("prefixes %q", prefixes)
		}
		for _, prefix := range prefixes {
			rest, ok := strings.CutPrefix(uri, prefix)
			if !ok || rest != "" && !strings.ContainsAny(rest[:1], "/?#") {
				t.Errorf("%q is no prefix of %q", prefix, uri)
			}
		}
		// What a server that decodes and cleans the path would open is what the prefixes say.
		if u, err := url.Parse(uri); err == nil && len(prefixes) > 0 {
			if read := strings.TrimSuffix(u.Path, "/"); read != strings.TrimSuffix(path.Clean("/"+read), "/") {
				t.Errorf("%q can be read as %q", uri, path.Clean(read))
			}
			if u.Host != "" && prefixes[0] != u.Scheme+"://"+u.Host {
				t.Errorf("host of %q is %q", prefixes[0], u.Host)
			}
		}
	})
}
