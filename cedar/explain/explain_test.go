package explain_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/cedartest"
	"countersign.dev/cedar/explain"
	"countersign.dev/cedar/scenario"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// acme loads the policies of package cedar's own tests.
func acme(t *testing.T) *cedar.Snapshot {
	t.Helper()
	return load(t, "../testdata/acme/policies")
}

func load(t *testing.T, policies string) *cedar.Snapshot {
	t.Helper()
	c := cedartest.Acme()
	c.Policies = policies
	return cedartest.Load(t, c)
}

// written loads other policies.
func written(t *testing.T, text string) *cedar.Snapshot {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, dir)
}

func ask(t *testing.T, yaml string) explain.Question {
	t.Helper()
	r, err := scenario.Parse([]byte("{trust_domain: acme.example, " + yaml[1:]))
	if err != nil {
		t.Fatal(err)
	}
	q, err := explain.Of(r)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// What people of acme read when something was refused, one golden file each.
func TestText(t *testing.T) {
	for name, yaml := range map[string]string{
		"allowed":              "{peer: /planner, server: crm, tool: search, arguments: {query: x}, delegation: {subject: alice}}",
		"wrong_group":          "{peer: /planner, server: crm, tool: search, arguments: {query: x}, delegation: {subject: bob}}",
		"no_delegation":        "{peer: /planner, server: crm, tool: search, arguments: {query: x}}",
		"too_much":             "{peer: /planner, server: crm, tool: refund, arguments: {amount: 250.5, currency: USD}, delegation: {subject: bob, purpose: refund}}",
		"unfit":                "{peer: /planner, server: crm, tool: refund, arguments: {amount: many}, delegation: {subject: bob, purpose: refund}}",
		"forbidden":            "{peer: /crm, server: ledger, tool: transfer, arguments: {amount: 10001, to: x}, delegation: {subject: alice, depth: 4}}",
		"somebody_else":        "{peer: /gateway, server: crm, method: tools/list}",
		"disguised":            `{peer: /planner, server: crm, resource: "file:///srv/docs/x/../secret/a.md"}`,
		"scope_does_not_cover": `{peer: /planner, server: crm, tool: search, arguments: {query: x}, delegation: {subject: alice, scopes: ["mcp:ledger:balance"]}}`,
		"delegate":             "{peer: /planner, server: crm, tool: search, arguments: {query: x}, delegation: {subject: bob}, delegate: {backend: /crm, scope: mcp:ledger:balance}}",
		"revoke":               "{peer: /planner, revoke: {issuer: spiffe://acme.example/countersign, operation: list}}",
	} {
		t.Run(name, func(t *testing.T) {
			e, err := explain.Explain(t.Context(), acme(t), ask(t, yaml), explain.Options{Near: 2, Suggestions: 2})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := e.Text(&got, false); err != nil {
				t.Fatal(err)
			}
			cedartest.Golden(t, name+".txt", *update, got.Bytes())
		})
	}
}
