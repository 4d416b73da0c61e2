package scenario_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/scenario"
)

// What is written wrongly is refused with its place.
func TestWrongYAML(t *testing.T) {
	deep := func(n int, open, end string) string {
		return "arguments: {a: " + strings.Repeat(open, n) + strings.Repeat(end, n) + "}"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"a misspelt member":                   {"peer: a\ntol: x", `2:1: there is no member "tol" here`},
		"a misspelt member of the delegation": {"delegation:\n  subjekt: alice", `2:3: there is no member "subjekt" here`},
		"a member twice":                      {"peer: a\npeer: b", `2:1: mapping key "peer" already defined`},
		"an argument twice":                   {"arguments:\n  amount: 1\n  amount: 2", "3:3: mapping key"},
		"an argument twice in braces":         {"arguments: {amount: 1, amount: 2}", "1:24: mapping key"},
		"a date that never was":               {"now: 2026-02-30T00:00:00Z", `1:6: "2026-02-30T00:00:00Z" is not a time`},
		"a date before there were computers":  {"now: 1026-02-03", "1:6: "},
		"a time without a zone":               {"now: 2026-02-03T10:00:00", "1:6: "},
		"a number for a time":                 {"now: 1767225600", "1:6: expected a text"},
		"a duration without a unit":           {"delegation: {expires_in: '5'}", `1:26: "5" is not a duration`},
		"a duration of ages":                  {"delegation: {expires_in: 1000000h}", "1:26: "},
		"a list for a name":                   {"peer: [a]", "1:7: this cannot be read as string"},
		"a name for a list":                   {"delegation: {scopes: a}", "1:22: "},
		"a text for arguments":                {"arguments: text", "1:12: expected names and values"},
		"a hexadecimal number":                {"arguments: {a: 0x10}", "1:16: 0x10 is not a number of JSON"},
		"an octal number":                     {"arguments: {a: 010}", "1:16: 010 is not a number"},
		"a number with underscores":           {"arguments: {a: 1_000}", "1:16: "},
		"infinity":                            {"arguments: {a: .inf}", "1:16: "},
		"no number":                           {"arguments: {a: .nan}", "1:16: "},
		"an anchor":                           {"peer: &p a\nserver: b", "1:7: anchors, aliases"},
		"an alias":                            {"peer: *p", "1:7: anchors, aliases"},
		"a merge key":                         {"<<: {peer: a}", "1:1: anchors, aliases"},
		"a tag":                               {"peer: !!binary aGk=", "1:7: tags are not read"},
		"an explicit key":                     {"? peer\n: a", `1:1: write "name: value"`},
		"a list":                              {"- peer: a", "1:1: "},
		"two documents":                       {"peer: a\n---\npeer: b", "a second document"},
		"nothing":                             {"# nothing", "the text is empty"},
		"a NUL":                               {"peer: a\x00", "NUL"},
		"too much":                            {strings.Repeat("#", scenario.MaxText+1), "are too many"},
		"too many words":                      {"arguments: {a: [" + strings.Repeat("1,", 110_000) + "]}", "words"},
		"brackets without end":                {"a: " + strings.Repeat("[", 150_000), "levels"},
		"deep brackets":                       {deep(100, "[", "]"), "levels"},
		"deep braces":                         {deep(100, "{a: ", "}"), "levels"},
		"deep dashes":                         {"a:\n " + strings.Repeat("- ", 100_000) + "1", "levels"},
		"a null name":                         {"arguments: {~: 1}", "a name must be a text"},
	} {
		_, err := scenario.Parse([]byte(tc.text))
		if got := ""; err != nil {
			got = err.Error()
			if _, ok := errors.AsType[*scenario.YAMLError](err); !ok || !strings.Contains(got, tc.want) {
				t.Errorf("%s: %T %.300s", name, err, got)
			}
		} else {
			t.Errorf("%s: was read", name)
		}
	}
}

// Arguments are what the wire would give: numbers keep their kind and their digits.
func TestArgumentsAreThoseOfTheWire(t *testing.T) {
	for text, want := range map[string]mcp.Value{
		"1": mcp.Int(1), "1.0": mcp.Float(1), "1e3": mcp.Float(1000), "-5": mcp.Int(-5), "9223372036854775807": mcp.Int(1<<63 - 1),
		"9007199254740993": mcp.Int(1<<53 + 1), "'1'": mcp.String("1"), `"1e3"`: mcp.String("1e3"), "yes": mcp.String("yes"),
		"true": mcp.Bool(true), "false": mcp.Bool(false), "null": mcp.Null{}, "~": mcp.Null{}, "": mcp.Null{},
		"2026-01-01": mcp.String("2026-01-01"), "[1, a]": mcp.Array{mcp.Int(1), mcp.String("a")}, "[]": mcp.Array{},
		"{b: {c: d}}":             mcp.NewObject(mcp.Member{Name: "b", Value: mcp.NewObject(mcp.Member{Name: "c", Value: mcp.String("d")})}),
		"{1: 2}":                  mcp.NewObject(mcp.Member{Name: "1", Value: mcp.Int(2)}),
		"|\n    two\n    lines\n": mcp.String("two\nlines\n"),
		`"a\u00e9\"\\"`:           mcp.String("aé\"\\"),
		"\n    x: 1":              mcp.NewObject(mcp.Member{Name: "x", Value: mcp.Int(1)}),
		"\n    - 1\n    - - 2":    mcp.Array{mcp.Int(1), mcp.Array{mcp.Int(2)}},
	} {
		q, err := parse(t, "peer: spiffe://acme.example/p\nserver: crm\ntool: t\narguments:\n  v: "+text+"\n").Query()
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, _ := q.Call.Arguments.Get("v"); !mcp.Equal(got, want) {
			t.Errorf("%q: got %#v, want %#v", text, got, want)
		}
	}
	if q, err := parse(t, "peer: spiffe://acme.example/p\nserver: crm\ntool: t\narguments: null").Query(); err != nil || !q.Call.Arguments.IsZero() {
		t.Errorf("null are none: %v", err)
	}
	if q, err := parse(t, "peer: spiffe://acme.example/p\nserver: crm\ntool: t\narguments: {}").Query(); err != nil || q.Call.Arguments.IsZero() {
		t.Errorf("{} are some: %v", err)
	}
}

const full = `now: 2026-03-04T05:06:07Z
trust_domain: acme.example
peer: /planner
server: crm
tool: refund
method: tools/call
arguments: {"amount": 1.0, "to": ["a"]}
protocol_version: "2025-06-18"
session: s1
http:
  id: "1"
  host: crm.acme.example
  path: /mcp
  source_ip: 10.0.0.1
delegation:
  issuer: https://tts.acme.example
  subject: alice
  subject_prefix: "partner:"
  scopes: []
  audience: acme.example
  task: t
  purpose: p
  actors: [/planner, /gateway]
  depth: 0
  issued_at: 2026-03-04T05:00:00Z
  expires_in: 90s
  sender_constrained: true
delegate: {backend: /crm, scope: "mcp:crm:refund"}
revoke: {issuer: us, operation: add, kind: task, value: t, of_issuer: i, of_subject: s, expires_at: 2027-01-01}
`

// A request survives being written, in YAML and in JSON.
func TestWritingAndReading(t *testing.T) {
	r := parse(t, full)
	text, err := yaml.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, parse(t, string(text))); diff != "" {
		t.Errorf("YAML (-want +got):\n%s\n%s", diff, text)
	}
	document, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back scenario.Request
	if err := json.Unmarshal(document, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("JSON (-want +got):\n%s\n%s", diff, document)
	}
	if text, err := json.Marshal(scenario.Request{}); err != nil || string(text) != "{}" {
		t.Errorf("%s %v", text, err)
	}
	for _, wrong := range []string{`{"now":1}`, `{"now":"noon"}`, `{"delegation":{"expires_in":5}}`, `{"delegation":{"expires_in":"x"}}`} {
		if err := json.Unmarshal([]byte(wrong), &back); err == nil {
			t.Errorf("%s was read", wrong)
		}
	}
}

// Whatever is written: no panic, errors have a place, and what is read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, "peer: spiffe://acme.example/p\nserver: crm\nmethod: stream", "a: [[[", "arguments: {a: 0x1}", "peer: &a *a", "{}", "- - -",
		"arguments: 1e3", "\"\\x00\": 1", "arguments:\n  a: |\n   x\n", "delegation: {subject: a, actors: ['']}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := scenario.Parse(text)
		if err != nil {
			if _, ok := errors.AsType[*scenario.YAMLError](err); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		document, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		var back scenario.Request
		if err := json.Unmarshal(document, &back); err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if diff := cmp.Diff(r, back, cmp.Comparer(func(a, b scenario.Arguments) bool { return (a == nil) == (b == nil) })); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		q, err := r.Query()
		if err == nil {
			_ = scenario.BeforePolicy(q)
			if q.Call == nil || q.Peer.ID.IsZero() {
				t.Fatal("a query without a call or peer")
			}
			return
		}
		if _, ok := errors.AsType[*scenario.Problem](err); !ok {
			t.Fatalf("%T: %v", err, err)
		}
	})
}
