package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
)

// A test that fails leaves in force what is, and the status says so.
func TestPoliciesThatFailTheirTests(t *testing.T) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies")
	const test = "cases: [{name: anybody lists, server: crm, method: tools/list, peer: spiffe://acme.example/intern, expect: allow}]"
	shadowFile(t, filepath.Join(policies, "p.cedar"), lists)
	shadowFile(t, filepath.Join(policies, "p_test.yaml"), test)
	c := newConfig()
	c.Servers = []serverConfig{{Name: "crm"}}
	c.Policy.Directory, c.Policy.Tests = policies, testsRequire
	store, _, err := openPolicies(&c, trust.Identity(nil), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(nil, buildInfo{}, slog.New(slog.DiscardHandler))
	re := newReloader([]source{{"policy", store.Reload, store.Files}}, m, slog.New(slog.DiscardHandler))
	if err := re.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.Status(); got.Tests != (cedar.Tried{Passed: 1}) {
		t.Errorf("status %+v", got)
	}
	before := store.Status().Revision

	shadowFile(t, filepath.Join(policies, "p.cedar"), strings.Replace(lists, "permit", "forbid", 1))
	if err := re.reload(t.Context()); err == nil || !strings.Contains(err.Error(), `test "anybody lists" failed`) {
		t.Errorf("reload: %v", err)
	}
	got := store.Status()
	if got.Revision != before || !strings.Contains(got.LastError, "anybody lists") {
		t.Errorf("status %+v", got)
	}
	if reloads := re.status(); len(reloads) != 1 || !strings.Contains(reloads[0].Error, "p_test.yaml:1:9: test") {
		t.Errorf("reloads %+v", reloads)
	}
	if !slices.Contains(re.files(), policies) {
		t.Errorf("watched: %q", re.files())
	}
}
