package cedar_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

// Which policies have to do with what became of a tool.
func TestTouched(t *testing.T) {
	for name, tc := range map[string]struct {
		policy string
		change cedar.ToolChange
		want   []string
	}{
		"a policy for the tool":         {`permit (principal, action, resource == Tool::"crm/refund");`, cedar.ToolChange{Tool: "refund"}, []string{"names the tool"}},
		"a policy for its action":       {`permit (principal, action == Action::"call_tool:crm/refund", resource);`, cedar.ToolChange{Tool: "refund"}, []string{"names the tool"}},
		"a condition with the tool":     {`permit (principal, action, resource) when { resource == Tool::"crm/refund" };`, cedar.ToolChange{Tool: "refund"}, []string{"names the tool"}},
		"a policy for another tool":     {`permit (principal, action, resource == Tool::"crm/search");`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, nil},
		"a policy for another server":   {`permit (principal, action in Action::"call_tool", resource in Server::"ledger") when { context.arguments.num.hasTag("amount") };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, nil},
		"a policy for something else":   {`permit (principal, action == Action::"read_resource", resource);`, cedar.ToolChange{Tool: "new", Added: true}, nil},
		"a policy for the whole server": {`permit (principal, action in Action::"call_tool", resource in Server::"crm");`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, nil},
		"a new tool in its scope":       {`permit (principal, action in Action::"call_tool", resource in Server::"crm");`, cedar.ToolChange{Tool: "new", Added: true}, []string{"its scope covers the new tool"}},
		"a new tool to delegate":        {`permit (principal, action == Action::"delegate", resource in Server::"crm");`, cedar.ToolChange{Tool: "new", Added: true}, []string{"its scope covers the new tool"}},
		"a new tool elsewhere":          {`permit (principal, action in Action::"call_tool", resource in Server::"ledger");`, cedar.ToolChange{Tool: "new", Added: true}, nil},
		"tools that are known":          {`permit (principal, action in Action::"call_tool", resource) when { resource.known };`, cedar.ToolChange{Tool: "refund", Removed: true}, []string{"asks whether the tool is known"}},
		"a typed argument":              {`permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.input.amount.lessThan(decimal("1.0")) };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount", "/currency"}}, []string{"names the tool", "reads /amount"}},
		"a part of what changed":        {`permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.input has customer && context.input.customer.id == 1 };`, cedar.ToolChange{Tool: "refund", Members: []string{"/customer"}}, []string{"names the tool", "reads /customer"}},
		"more than what changed":        {`permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.input has customer };`, cedar.ToolChange{Tool: "refund", Members: []string{"/customer/name"}}, []string{"names the tool", "reads /customer/name"}},
		"all typed arguments":           {`permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.input == context.input };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"names the tool", "reads /amount"}},
		"an untyped argument": {
			`forbid (principal, action in Action::"call_tool", resource) unless { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") < 5 };`,
			cedar.ToolChange{Tool: "refund", Members: []string{"/amount", "/currency"}}, []string{"reads /amount"},
		},
		"a name":                   {`forbid (principal, action in Action::"call_tool", resource) when { context.arguments.keys.contains("amount") };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"reads /amount"}},
		"all names":                {`forbid (principal, action in Action::"call_tool", resource) unless { context.arguments.keys.isEmpty() };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"reads /amount"}},
		"a name that is not fixed": {`forbid (principal, action in Action::"call_tool", resource) when { context.arguments.str.hasTag(context.method) };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"reads /amount"}},
		"all that there is":        {`forbid (principal, action in Action::"call_tool", resource) when { context == context };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"reads /amount"}},
		"completeness":             {`forbid (principal, action in Action::"call_tool", resource) unless { context.arguments.complete };`, cedar.ToolChange{Tool: "refund", Members: []string{"/amount"}}, []string{"asks whether the arguments are complete"}},
		"a hint":                   {`permit (principal, action in Action::"call_tool", resource) when { resource.hints.read_only };`, cedar.ToolChange{Tool: "search", Hints: []string{"read_only", "open_world"}}, []string{"reads the hint read_only"}},
		"the delegation":           {`permit (principal, action in Action::"call_tool", resource) when { context has delegation && context.delegation.depth == 1 };`, cedar.ToolChange{Tool: "search", Members: []string{"/query"}, Hints: []string{"read_only"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(`@id("p") `+tc.policy), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := cedar.Load(t.Context(), cedar.Config{
				Policies: dir, Tools: map[string]string{"crm": "testdata/acme/tools/crm.json", "ledger": "testdata/acme/tools/ledger.json"},
			})
			if err != nil {
				t.Fatal(err)
			}
			tc.change.Server = "crm"
			var got []string
			for _, touched := range s.Touched([]cedar.ToolChange{tc.change}) {
				if touched.Policy != "p" || touched.Line != 1 || touched.Tool != "crm/"+tc.change.Tool {
					t.Errorf("%+v", touched)
				}
				got = append(got, touched.Why...)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
