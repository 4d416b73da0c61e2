package policytest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/policytest"
)

// written writes policies into a new directory.
func written(t *testing.T, policies string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.cedar"), []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUntestedPolicies(t *testing.T) {
	dir := written(t, `@id("wide") permit (principal, action, resource) when { true } unless { false };
permit (principal, action, resource`)
	p := filepath.Join(dir, "p.cedar")
	for name, text := range map[string]string{"broken.cedar": "nonsense", "q.cedar.gz": "not compressed", ".hidden.cedar": "", "r.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "d.cedar"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := policytest.Untested(dir)
	if err != nil {
		t.Fatal(err)
	}
	const unreadable = "that cannot be read"
	if diff := cmp.Diff([]policytest.PolicyCoverage{
		{ID: unreadable, File: filepath.Join(dir, "broken.cedar"), Line: 1, Column: 1},
		{ID: "wide", File: p, Line: 1, Column: 1, Conditions: []policytest.ConditionCoverage{{}, {Unless: true}}},
		{ID: unreadable, File: filepath.Join(dir, "q.cedar.gz"), Line: 1, Column: 1},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	report := policytest.Report{Coverage: got}
	if report.Covers(1) || report.Percent() != "0%" {
		t.Errorf("covered: %s", report.Percent())
	}
	if _, err := policytest.Untested(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a directory that is not there has no policies")
	}
	if !policytest.HasPolicies(dir) || policytest.HasPolicies(t.TempDir()) {
		t.Error("HasPolicies")
	}
}

// Where nothing could be read, nothing was seen.
func TestAnEmptyReportCoversNothing(t *testing.T) {
	var report policytest.Report
	if report.Covers(1) || report.Percent() != "0%" {
		t.Errorf("covered: %s", report.Percent())
	}
}
