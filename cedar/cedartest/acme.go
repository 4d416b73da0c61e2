// Package cedartest has what the tests of the rooms below cedar share: the policies of acme, and files with what is
// expected.
package cedartest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
)

// Acme names the policies of acme.example, with which package cedar tests itself: two servers with pinned tools, and one
// without. The paths are those from a directory below cedar.
func Acme() cedar.Config {
	return cedar.Config{
		Policies: "../testdata/acme/policies", Entities: "../testdata/acme/entities.json",
		Tools: map[string]string{
			"crm": "../testdata/acme/tools/crm.json", "ledger": "../testdata/acme/tools/ledger.json", "wiki": "",
		},
	}
}

// Load loads policies that nothing may be wrong with.
func Load(t testing.TB, c cedar.Config) *cedar.Snapshot {
	t.Helper()
	s, err := cedar.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Golden compares with a file in testdata, line by line, or writes it if update is set.
func Golden(t testing.TB, name string, update bool, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // the test names it
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
