package verify_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a backend gets when it imports this package. A new line here is a decision: it comes with every backend.
var modules = []string{
	"github.com/go-jose/go-jose/v4",
	"github.com/go-json-experiment/json",
	"github.com/hashicorp/golang-lru/v2",
	"github.com/spiffe/go-spiffe/v2",
}

func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", `{{if not .Standard}}{{.Module.Path}}{{end}}`, "countersign.dev/authz/verify").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	got = slices.DeleteFunc(slices.Compact(got), func(m string) bool { return m == "countersign.dev" })
	if diff := cmp.Diff(modules, got); diff != "" {
		t.Errorf("package verify depends on other modules than it says (-listed +found):\n%s", diff)
	}
}
