package cedar

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/google/go-cmp/cmp"
)

var updateRustSchema = flag.Bool("update-rust-schema", false, "rewrite testdata/rust/validate.cedarschema")

// Policies about which the reference implementation is of another opinion than we are, and why.
var rustDiffers = map[string]string{
	"anything-44": `action == Action::"call_tool" tells Rust what the context is; cedar-go's validator does not look at ==, and ` +
		`"in" would mean the typed actions too. We refuse what needs that; the scope says it better.`,
}

// We accept what the reference implementation accepts, and nothing else. What it thinks is in testdata/rust/validate.json,
// which e2e/cedar/validate.mjs writes; where the two are known to differ, the reason is above.
func TestRustValidation(t *testing.T) {
	dir := filepath.Join("testdata", "rust")
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	tools, bad := readPins(map[string]file{"crm": {"tools.json", read("tools.json")}})
	if err := bad.err(); err != nil {
		t.Fatal(err)
	}
	words, err := newVocabulary(tools)
	if err != nil {
		t.Fatal(err)
	}
	if *updateRustSchema {
		if err := os.WriteFile(filepath.Join(dir, "validate.cedarschema"), words.text, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Skip("the schema is written; now run e2e/cedar/validate.mjs")
	}
	policies, text := read("validate.cedar"), read("validate.cedarschema")
	var written schema.Schema
	if err := written.UnmarshalCedar(text); err != nil {
		t.Fatal(err)
	}
	then, err := written.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(then, words.schema); diff != "" {
		t.Errorf("the schema has changed since validate.json was made; see e2e/cedar/validate.mjs (-then +now):\n%s", diff)
	}
	var golden struct {
		Policies string              `json:"policies_sha256"`
		Schema   string              `json:"schema_sha256"`
		Accepted int                 `json:"accepted"`
		Rejected map[string][]string `json:"rejected"`
	}
	if err := json.Unmarshal(read("validate.json"), &golden); err != nil {
		t.Fatal(err)
	}
	sum := func(data []byte) string { s := sha256.Sum256(data); return hex.EncodeToString(s[:]) }
	if golden.Policies != sum(policies) || golden.Schema != sum(text) {
		t.Error("validate.json was made from other policies or another schema; see e2e/cedar/validate.mjs")
	}
	parsed := readPolicies(file{"validate.cedar", policies}, [sha256.Size]byte{})
	if err := parsed.problems.err(); err != nil {
		t.Fatal(err)
	}
	ours := make(map[string][]string)
	v := newValidators(newNarrower(words.schema))
	for i := range parsed.policies {
		p := &parsed.policies[i]
		if said := v.mistakes(p); len(said) > 0 {
			ours[string(p.id)] = distinct(said)
		}
	}
	if got := len(parsed.policies) - len(golden.Rejected); got != golden.Accepted || golden.Accepted < 100 || len(golden.Rejected) < 100 {
		t.Errorf("%d policies accepted and %d rejected of %d: want at least a hundred each", golden.Accepted, len(golden.Rejected), len(parsed.policies))
	}
	for i := range parsed.policies {
		id := string(parsed.policies[i].id)
		theirs, rejects := golden.Rejected[id]
		_, differs := rustDiffers[id]
		if weReject := len(ours[id]) > 0; weReject != rejects && !differs {
			t.Errorf("%s: %s\nwe say:    %q\nRust says: %q", id, statementText(policies, parsed, i), ours[id], theirs)
		} else if weReject == rejects && differs {
			t.Errorf("%s: no difference any more: %s", id, rustDiffers[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rustDiffers)) {
		if !bytes.Contains(policies, []byte(`@id("`+id+`")`)) {
			t.Errorf("there is no policy %s", id)
		}
	}
}

func statementText(source []byte, parsed *policyText, i int) string {
	text := string(source[parsed.policies[i].body.Position().Offset:])
	text, _, _ = strings.Cut(text, ";\n")
	return text
}
