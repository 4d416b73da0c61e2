package cedar

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// How much is compared with the reference implementation: every set of policies is asked about ten requests.
const (
	rustSets        = 520
	rustRequests    = 10
	rustValidations = 400
)

// rust is the reference implementation of Cedar, in a process of its own.
type rust struct {
	in  io.Writer
	out *bufio.Reader
}

// rustAnswer is what it says.
type rustAnswer struct {
	Failure  string
	Decision string
	Reasons  []string
	Errors   []string
	Rejected map[string]string // why, by policy
}

func startRust(t *testing.T, schema []byte) *rust {
	t.Helper()
	packages := os.Getenv("COUNTERSIGN_CEDAR")
	if packages == "" {
		t.Skip("COUNTERSIGN_CEDAR is not set: it names the directory with Cedar's reference implementation (make test-unit sets it)")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(packages, "bin", "node"), "../e2e/cedar/answers.mjs", packages)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends when nothing is asked any more
		_ = cmd.Wait()
	})
	r := &rust{in, bufio.NewReader(out)}
	if a := r.ask(t, map[string]any{"schema": string(schema)}); a.Failure != "" {
		t.Fatalf("the reference implementation refuses the schema: %s", a.Failure)
	}
	return r
}

func (r *rust) ask(t rapid.TB, question any) rustAnswer {
	t.Helper()
	line, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err = r.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the reference implementation is gone: %v", err)
	}
	var a rustAnswer
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return a
}

// checks has rapid draw so many examples in this test.
func checks(t *testing.T, n int) {
	number := flag.Lookup("rapid.checks")
	before := number.Value.String()
	if err := number.Value.Set(fmt.Sprint(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = number.Value.Set(before) })
}

// byID cuts a text with one policy a line.
func byID(text string) map[string]string {
	policies := make(map[string]string)
	for line := range strings.Lines(text) {
		id := strings.SplitN(line, `"`, 3)[1]
		policies[id] = line
	}
	return policies
}

// drawRisky makes policies that fail for many requests, although they are valid.
func drawRisky(t *rapid.T) string {
	var text strings.Builder
	for i := range rapid.IntRange(0, 2).Draw(t, "risky") {
		fmt.Fprintf(&text, "@id(\"risky%d\") %s (principal, action in %s, resource) %s { %s };\n", i,
			rapid.SampledFrom([]string{"permit", "forbid"}).Draw(t, "effect"),
			rapid.SampledFrom([]string{`Action::"call_tool"`, `Action::"lifecycle"`, `Action::"read"`}).Draw(t, "action"),
			rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "word"),
			rapid.SampledFrom([]string{
				`context has delegation && context.delegation.depth + 9223372036854775806 > 0`,
				`context.request.host == "query" && 9223372036854775807 * 2 > 1`,
				`Workload::"spiffe://acme.example/ghost".path == "/ghost"`,
				`Server::"elsewhere".name == "elsewhere" || principal.path like "/i*"`,
				`-9223372036854775808 - 1 < 0 || true`,
				`if principal.path like "/p*" then User::"nobody".subject == "x" else true`,
				`context.now.offset(duration("9223372036854775807ms")) > context.now`,
			}).Draw(t, "fact"))
	}
	return text.String()
}

// rustRequest is a request with its entities, in Cedar's JSON. The reference implementation takes actions from the schema.
func rustRequest(asked linearQuestion) map[string]any {
	entities := make([]types.Entity, 0, len(asked.entities))
	for id, e := range asked.entities {
		if id.Type != actionType {
			entities = append(entities, e)
		}
	}
	reference := func(id types.EntityUID) any { return map[string]string{"type": string(id.Type), "id": string(id.ID)} }
	return map[string]any{
		"principal": reference(asked.request.Principal), "action": reference(asked.request.Action),
		"resource": reference(asked.request.Resource), "context": asked.request.Context, "entities": entities,
	}
}

// Policies, requests and entities mean to us what they mean to the reference implementation: decisions, deciding policies
// and those that cannot be evaluated are the same, and it takes every request and entity for valid under our schema.
func TestRustDecidesTheSame(t *testing.T) {
	template := acmeSources(t, "")
	first, err := newSnapshot(acmeSources(t, `@id("a") permit (principal, action, resource);`), acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := startRust(t, first.schema)
	checks(t, rustSets)
	var asked, allowed, failed int
	rapid.Check(t, func(t *rapid.T) {
		text := drawPolicies(t) + drawRisky(t)
		s := template.with(t, text)
		plain, policies := newLinear(s), byID(text)
		for range rustRequests {
			q, ok, err := plain.ask(drawQuery(t))
			if err != nil || !ok {
				t.Fatal("no question", err)
			}
			said := r.ask(t, map[string]any{"policies": policies, "request": rustRequest(q)})
			policies = nil // it remembers them
			if said.Failure != "" {
				t.Fatalf("%s\n%s", text, said.Failure)
			}
			want := answer{Allowed: said.Decision == "allow", Reasons: said.Reasons, Errors: said.Errors}
			got := answerOf(cedargo.Authorize(plain.policies, q.entities, q.request))
			indexed := s.askIndex(q.entities, q.request)
			for name, got := range map[string]answer{"cedar-go": got, "index": indexed} {
				slices.Sort(got.Reasons)
				slices.Sort(got.Errors)
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%s\n%v %v %v (-reference +%s):\n%s", text, q.request.Principal, q.request.Action, q.request.Resource, name, diff)
				}
			}
			asked++
			if want.Allowed {
				allowed++
			}
			if len(want.Errors) > 0 {
				failed++
			}
		}
	})
	if asked < 5_000 || allowed < asked/20 || failed == 0 {
		t.Errorf("%d requests compared, %d allowed, %d with policies that failed: too few of a kind to mean much", asked, allowed, failed)
	}
	t.Logf("%d requests compared: %d allowed, %d with policies that failed", asked, allowed, failed)
}

var sameTwice = regexp.MustCompile(`unless \{ (context[a-z.]*) == (context[a-z.]*) \}`)

type rustMistake struct{ right, wrong string }

// What authors get wrong, as replacements in policies that are right.
var rustMistakes = []rustMistake{
	{"context has delegation && ", ""},
	{"context has session && ", ""},
	{"context.request has source_ip && ", ""},
	{"principal has k8s && ", ""},
	{`principal.hasTag("team") && `, ""},
	{`context.arguments.num.hasTag("amount") && `, ""},
	{`context.input has customer && `, ""},
	{"delegation.depth > 1", `delegation.depth > "1"`},
	{"delegation.depth", "delegation.dept"},
	{"context.method", "context.metod"},
	{"principal.path", "principal.paths"},
	{"resource.hints.read_only", "resource.hints.readonly"},
	{"context.input.amount > 10000", `context.input.amount > "1"`},
	{`context.input.to == "x"`, `context.input.to == 1`},
	{`context.input.to`, `context.input.recipient`},
	{`Action::"call_tool:ledger/transfer"`, `Action::"call_tool:ledger/transfers"`},
	{`Action::"call_tool"`, `Action::"call_tools"`},
	{`Workload::`, `Worklod::`},
	{`in WorkloadGroup::"interns"`, `in UserGroup::"interns"`},
	{`in Server::"crm"`, `in TrustDomain::"crm"`},
	{`.contains("mcp:crm:*")`, `.contains(1)`},
	{`actors.containsAny([principal, `, `actors.containsAny([principal, "x", `},
	{"isLoopback()", "isInRange(1)"},
	{`decimal("2.0")`, `decimal("2.00001")`},
	{`datetime("2020-01-01")`, `datetime("2020-13-01")`},
	{`{ true }`, `{ 1 }`},
	{`{ true }`, `{ context }`},
	{`{ true }`, `{ principal == resource }`},
	{`{ true }`, `{ if true then 1 else "a" }`},
	{`{ true }`, `{ [] == [1] }`},
	{`{ true }`, `{ [1, "a"].contains(1) }`},
	{`{ true }`, `{ {a: 1} == {a: 1} }`},
	{`{ true }`, `{ {a: 1}.b == 1 }`},
	{`{ true }`, `{ !(context has delegation) || context.delegation.depth > 1 }`},
	{`{ true }`, `{ context has delegation || context.delegation.depth > 1 }`},
	{`{ true }`, `{ if context has delegation then context.delegation.depth > 1 else true }`},
	{`{ true }`, `{ "a" like "a*" && "a" in principal }`},
	{`{ true }`, `{ principal is User }`},
	{`{ true }`, `{ resource is Tool && resource.known }`},
	{`{ true }`, `{ resource.known }`},
	{`{ true }`, `{ (if principal is User then context.nothing else true) }`},
}

// The schema admits the policies that it admits in the reference implementation, with strict validation. There is one
// difference: cedar-go knows that x == x is true, and finds no mistakes in what is behind "unless { x == x }".
func TestRustValidatesTheSame(t *testing.T) {
	first, err := newSnapshot(acmeSources(t, `@id("a") permit (principal, action, resource);`), acmeConfig())
	if err != nil {
		t.Fatal(err)
	}
	words, err := newVocabulary(first.pins)
	if err != nil {
		t.Fatal(err)
	}
	ours := newValidators(newNarrower(words.schema))
	r := startRust(t, first.schema)
	checks(t, rustValidations)
	var accepted, rejected, lenient int
	rapid.Check(t, func(t *rapid.T) {
		text := drawPolicies(t)
		for range rapid.IntRange(0, 3).Draw(t, "mistakes") {
			possible := slices.DeleteFunc(slices.Clone(rustMistakes), func(m rustMistake) bool { return !strings.Contains(text, m.right) })
			if len(possible) == 0 {
				break
			}
			mistake := rapid.SampledFrom(possible).Draw(t, "mistake")
			text = strings.Replace(text, mistake.right, mistake.wrong, rapid.SampledFrom([]int{1, -1}).Draw(t, "times"))
		}
		policies := byID(text)
		said := r.ask(t, map[string]any{"validate": policies})
		if said.Failure != "" {
			t.Fatalf("%s\n%s", text, said.Failure)
		}
		for id, source := range policies {
			list, err := cedargo.NewPolicyListFromBytes("p.cedar", []byte(source))
			if err != nil {
				t.Fatalf("%s\n%v", source, err)
			}
			p, _ := newPolicy(list[0])
			ours := ours.mistakes(&p)
			theirs, refused := said.Rejected[id]
			if refused && len(ours) == 0 && sameTwice.MatchString(source) {
				lenient++
				continue
			}
			if refused != (len(ours) > 0) {
				t.Fatalf("%s\nreference: %v %s\nours: %v", source, refused, theirs, ours)
			}
			if refused {
				rejected++
			} else {
				accepted++
			}
		}
	})
	if accepted < rejected/10 || rejected < accepted/20 {
		t.Errorf("%d accepted and %d rejected: too few of a kind to mean much", accepted, rejected)
	}
	t.Logf("%d accepted, %d rejected, %d rejected by the reference implementation alone", accepted, rejected, lenient)
}
