package cedar_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

func TestTrustDomains(t *testing.T) {
	for name, tc := range map[string]struct {
		policies string
		entities string
		want     []string
	}{
		"nobody's": {policies: someone},
		"of entities that policies name": {policies: `
@id("a") permit (principal == Workload::"spiffe://a.example/planner", action, resource)
unless { principal in SpiffePath::"spiffe://b.example/x" || principal in TrustDomain::"c.example" };`,
			want: []string{"a.example", "b.example", "c.example"}},
		"of texts": {policies: `
@id("a") permit (principal, action, resource)
when { principal.trust_domain == "d.example" || principal.spiffe_id like "spiffe://e.example/ci/*" }
unless { principal.path == "/planner" || principal.spiffe_id like "*" || context.method == "tools/list" };`,
			want: []string{"d.example", "e.example"}},
		"of entities": {
			policies: someone,
			entities: `[{"uid": {"type": "Workload", "id": "spiffe://f.example/x"}, "attrs": {}, "parents": [{"type": "WorkloadGroup", "id": "g"}]}]`,
			want:     []string{"f.example"}},
	} {
		files := map[string]string{"policies/a.cedar": tc.policies}
		if tc.entities != "" {
			files["entities.json"] = tc.entities
		}
		cfg, _ := written(t, files)
		s, err := cedar.Load(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, s.TrustDomains()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
