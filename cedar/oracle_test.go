package cedar

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

var updateSchema = flag.Bool("update-schema", false, "write testdata/schema/generated.cedarschema anew; then run e2e/cedar/schema.mjs")

func schemaData(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "schema", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func generated(t *testing.T) ([]byte, []ToolSchema) {
	t.Helper()
	text, tools, err := GenerateSchema([]ToolFile{{Server: "crm", Name: "tools.json", Data: schemaData(t, "tools.json")}})
	if err != nil {
		t.Fatal(err)
	}
	return text, tools
}

// The reference implementation of Cedar reads the schema that is generated, and as the same.
func TestReferenceReadsTheGeneratedSchema(t *testing.T) {
	text, _ := generated(t)
	if *updateSchema {
		if err := os.WriteFile(filepath.Join("testdata", "schema", "generated.cedarschema"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(schemaData(t, "generated.cedarschema")), string(text)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	var rust struct {
		Version string         `json:"version"`
		SHA256  string         `json:"sha256"`
		Schema  jsontext.Value `json:"schema"`
	}
	if err := json.Unmarshal(schemaData(t, "rust.json"), &rust); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); rust.SHA256 != hex.EncodeToString(sum[:]) {
		t.Fatal("rust.json is about another schema: run e2e/cedar/schema.mjs")
	}
	var ours, theirs schema.Schema
	if err := ours.UnmarshalCedar(text); err != nil {
		t.Fatal(err)
	}
	if err := theirs.UnmarshalJSON(rust.Schema); err != nil {
		t.Fatal(err)
	}
	a, err := ours.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	b, err := theirs.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	for id, action := range b.Actions { // Rust writes that an action is for no principals and no resources
		if action.AppliesTo != nil && len(action.AppliesTo.Principals) == 0 {
			action.AppliesTo = nil
			b.Actions[id] = action
		}
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("Cedar %s reads another schema", rust.Version)
	}
}

// differences says where the types of arguments are not those of cedar-for-agents, on purpose.
var differences = map[string]string{
	"words":                      "a String that can be compared, with only these values; cedar-for-agents makes it an entity",
	"list_of_words":              "the same in a list",
	"constant":                   "typed by its value; cedar-for-agents: Unknown",
	"untyped_words":              "typed by its values; cedar-for-agents: Unknown",
	"union":                      "the members of a choice are named for types, so that the order of alternatives does not matter",
	"union_of_types":             "the same",
	"nullable":                   "null stands for an absent member; cedar-for-agents makes it a choice",
	"nullable_as_pydantic":       "the same",
	"map_of_strings":             "one entity type for all maps of one type, instead of one for each",
	"record_and_map":             "a record with the known members; tags would need an entity that has both",
	"free_form":                  "left out, because no policy could say anything about it",
	"anything":                   "left out; cedar-for-agents: Unknown, which cannot be compared",
	"list_of_lists":              "left out: the hash of a set is a sum, so that chosen lists would be slow to compare",
	"list_of_anything":           "left out; cedar-for-agents: Set<Unknown>",
	"tuple":                      "left out; cedar-for-agents: Set<Unknown>",
	"all_of":                     "a record with the members of all; cedar-for-agents: Unknown",
	"tree":                       "the members that are not the tree itself; cedar-for-agents writes a type that Cedar refuses",
	"date_time_format":           "a String: format is an annotation, and values need not follow it",
	"address_format":             "the same",
	"objects_by_kind":            "a record with the members of all alternatives; cedar-for-agents makes it a choice by number",
	"lists_in_objects_in_a_list": "without the inner lists, as list_of_lists",
	"true_schema":                "left out; cedar-for-agents fails",
	"strange_names":              "names are quoted; cedar-for-agents fails",
}

// Where the shapes agree, a tool's arguments have the types that cedar-for-agents gives them.
func TestTypesAreThoseOfCedarForAgents(t *testing.T) {
	var theirs map[string]string
	if err := json.Unmarshal(schemaData(t, "generator.json"), &theirs); err != nil {
		t.Fatal(err)
	}
	all, bad := readPins(map[string]file{"crm": {"tools.json", schemaData(t, "tools.json")}})
	if err := bad.err(); err != nil {
		t.Fatal(err)
	}
	agree := 0
	for _, name := range all.names("crm") {
		ours, why := all["crm"][name].input.typeText(), differences[name]
		switch {
		case theirs[name] == "":
			t.Errorf("%s: nothing to compare with: run e2e/cedar/schema.mjs", name)
		case ours == theirs[name] && why != "":
			t.Errorf("%s: no difference: %s", name, ours)
		case ours != theirs[name] && why == "":
			t.Errorf("%s:\n%s\ncedar-for-agents:\n%s", name, ours, theirs[name])
		case ours == theirs[name]:
			agree++
		}
	}
	if agree < 30 {
		t.Errorf("only %d tools agree", agree)
	}
}
