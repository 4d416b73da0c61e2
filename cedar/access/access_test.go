package access_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"countersign.dev/cedar"
	"countersign.dev/cedar/access"
	"countersign.dev/cedar/cedartest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

func list(t *testing.T, q access.Query) []access.Row {
	t.Helper()
	rows, err := access.List(t.Context(), cedartest.Load(t, cedartest.Acme()), q)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Who may refund, and on whose behalf?
func TestWhoMayCallATool(t *testing.T) {
	var got bytes.Buffer
	if err := access.Table(&got, access.Allowed(list(t, access.Query{Tools: []string{"crm/refund"}}))); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "who.txt", *update, got.Bytes())
}

// What may the planner call, for alice?
func TestWhatAWorkloadMayCall(t *testing.T) {
	var got bytes.Buffer
	q := access.Query{Principals: []string{`Workload::"spiffe://acme.example/planner"`}, User: `User::"alice"`}
	if err := access.Table(&got, list(t, q)); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "what.txt", *update, got.Bytes())
}

// Everything at a glance.
func TestMatrix(t *testing.T) {
	var got bytes.Buffer
	if err := access.Matrix(&got, list(t, access.Query{User: access.Nobody}), access.ByPrincipal, access.ByTool); err != nil {
		t.Fatal(err)
	}
	if err := access.Matrix(&got, list(t, access.Query{Tools: []string{"crm/search"}}), access.ByPrincipal, access.ByUser); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "matrix.txt", *update, got.Bytes())
}

func TestCSV(t *testing.T) {
	var got bytes.Buffer
	if err := access.CSV(&got, list(t, access.Query{User: access.Nobody, Server: "ledger"})); err != nil {
		t.Fatal(err)
	}
	cedartest.Golden(t, "ledger.csv", *update, got.Bytes())
}

// Whoever may call a tool is in the list, by name or as any other workload: a permit with an open principal is not overlooked.
func TestNobodyIsOverlooked(t *testing.T) {
	const call = `action in Action::"call_tool", resource)`
	for name, tc := range map[string]struct {
		policies string
		want     cedar.Answer // for any other workload
	}{
		"everybody":           {`permit (principal, ` + call + `;`, cedar.Yes},
		"every workload":      {`permit (principal is Workload, ` + call + `;`, cedar.Yes},
		"everybody but one":   {`permit (principal, ` + call + ` unless { principal == Workload::"spiffe://acme.example/planner" };`, cedar.Yes},
		"whoever has a path":  {`permit (principal, ` + call + ` when { principal.path like "/ns/*" };`, cedar.Depends},
		"a user, by anybody":  {`permit (principal, ` + call + ` when { context has delegation };`, cedar.Depends},
		"one, with a forbid":  {`permit (principal, ` + call + `; @id("f") forbid (principal in TrustDomain::"acme.example", action, resource);`, cedar.Yes},
		"nobody else":         {`permit (principal == Workload::"spiffe://acme.example/planner", ` + call + `;`, cedar.No},
		"a group":             {`permit (principal in WorkloadGroup::"agents", ` + call + `;`, cedar.No},
		"a trust domain":      {`permit (principal in TrustDomain::"acme.example", ` + call + `;`, cedar.No},
		"one, by a condition": {`permit (principal, ` + call + ` when { principal == Workload::"spiffe://acme.example/planner" };`, cedar.No},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cedartest.Acme()
			cfg.Policies = t.TempDir()
			if err := os.WriteFile(filepath.Join(cfg.Policies, "p.cedar"), []byte(`@id("p") `+tc.policies), 0o600); err != nil {
				t.Fatal(err)
			}
			rows, err := access.List(t.Context(), cedartest.Load(t, cfg), access.Query{Tools: []string{"crm/search"}})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(rows, func(r access.Row) bool { return r.Principal == cedar.OtherWorkload })
			if i < 0 || rows[i].Answer != tc.want || len(access.Allowed(rows)) == 0 {
				t.Errorf("%+v", rows)
			}
		})
	}
}

func TestWrongQuestions(t *testing.T) {
	for name, tc := range map[string]struct {
		query access.Query
		want  string
	}{
		"a tool without a server": {access.Query{Tools: []string{"search"}}, `tool "search": write <server>/<tool>`},
		"a user as a caller": {access.Query{Principals: []string{`User::"alice"`}, Tools: []string{"crm/search"}},
			`principal User::"alice": want a Workload, SpiffePath, TrustDomain or WorkloadGroup`},
		"a caller that is no SPIFFE ID": {access.Query{Principals: []string{`Workload::"planner"`}, Tools: []string{"crm/search"}},
			`principal Workload::"planner": can never be: write the whole SPIFFE ID, "spiffe://<trust domain>/<path>" without a "/" at the end`},
		"a caller as a user": {access.Query{User: `Workload::"spiffe://acme.example/crm"`, Tools: []string{"crm/search"}},
			`user Workload::"spiffe://acme.example/crm": want a User or UserGroup`},
		"an expression": {access.Query{Principals: []string{"1 + 1"}, Tools: []string{"crm/search"}},
			`principal 1 + 1: not an entity such as User::"alice"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := access.List(t.Context(), cedartest.Load(t, cedartest.Acme()), tc.query)
			if err == nil || err.Error() != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}
