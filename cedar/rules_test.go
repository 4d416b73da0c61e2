package cedar_test

import (
	"path/filepath"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
)

// Whoever shows findings by rule must know every rule there is.
func TestEveryRuleIsDescribed(t *testing.T) {
	known := make(map[string]bool)
	for _, r := range cedar.Rules() {
		if known[r.ID] || r.ID == "" || r.Short == "" || r.Severity == "" {
			t.Errorf("rule %+v", r)
		}
		known[r.ID] = true
	}
	seen := make(map[string]bool)
	note := func(cfg cedar.Config) {
		t.Helper()
		found, err := cedar.Validate(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			seen[d.Rule] = true
			if !known[d.Rule] {
				t.Errorf("rule %q of %s is not described", d.Rule, d.Message)
			}
			if d.Severity != diagnostic.Error && d.Rule != "block-comment" {
				t.Errorf("rule %q is no error", d.Rule)
			}
		}
	}
	const tool = `action == Action::"call_tool:ledger/transfer", resource`
	cfg, dir := written(t, map[string]string{
		"policies/a.cedar": `permit (principal, action, resource); /* a comment */
@id("a b") permit (principal, action, resource);
@id("a") permit (principal, action, resource);
@id("a") permit (principal, action, resource);
@id("b") @reason("no") permit (principal, action, resource);
@id("c") @single_use forbid (principal, action, resource);
@id("d") permit (principal == Workload::"planner", action, resource);
@id("e") permit (principal, action == Action::"nothing", resource);
@id("f") permit (principal in Nothing::"x", action, resource);
@id("g") permit (principal, action == Action::"call_tool", resource) when { context.nothing };
@id("h") permit (principal, action == Action::"call_tool", resource) when { context.delegation.depth < 3 };
@id("i") permit (principal, action == Action::"call_tool", resource) when { context.arguments.num.getTag("n") < 3 };
@id("j") permit (principal, action == Action::"call_tool", resource is Prompt);
@id("k") permit (principal, action == Action::"call_tool", resource) when { [].isEmpty() };
@id("l") permit (principal, action == Action::"call_tool", resource) when { 1 < "a" };
@id("t") permit (principal, action == Action::"call_tool", resource) when { ip("nonsense").isIpv4() };
@id("m") permit (principal, action == Action::"call_tool", resource == Tool::"nowhere/x");
@id("n") permit (principal, action == Action::"call_tool", resource == Tool::"crm/nothing");
@id("o") permit (principal, action == Action::"call_tool", resource) when { !!!!!(1 < 2) };
@id("p") permit (principal, ` + tool + `);`,
		"policies/empty.cedar": "",
		"policies/b.cedar":     "@id(\"q\") permit (principal,\u00a0action, resource);\n@id(\"r\") permit (principal action, resource);",
		"policies/c.cedar":     `@id("s") permit (principal, action == Tool::"x", resource);`,
		"entities.json":        `[{}]`,
	})
	note(cfg)
	cfg.Policies, cfg.Entities = filepath.Join(dir, "nowhere"), ""
	note(cfg)
	put(t, filepath.Join(dir, "none", "x.txt"), "x")
	cfg.Policies = filepath.Join(dir, "none")
	note(cfg)
	put(t, filepath.Join(dir, "crm.json"), `{"tools": 1}`)
	cfg.Tools["crm"] = filepath.Join(dir, "crm.json")
	note(cfg)
	for id := range known {
		if !seen[id] {
			t.Errorf("nothing was found by rule %q", id)
		}
	}
}
