package cedar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz/mcp"
)

// Pinned files that are not what they seem are refused, and the message names the tool.
func TestReadPinsRefuses(t *testing.T) {
	pin := func(server string) string {
		list, err := mcp.ParseToolList([]byte(`{"tools":[{"name":"search","description":"Finds.","inputSchema":{"type":"object"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		text, err := mcp.Pin{Server: server, Tools: list}.JSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	many := func(from, n int) string {
		var tools []string
		for i := range n {
			tools = append(tools, fmt.Sprintf(`{"name":"t%d","inputSchema":{"type":"object"}}`, from+i))
		}
		return `{"tools":[` + strings.Join(tools, ",") + `]}`
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"as it was pinned":           {map[string]string{"crm": pin("crm")}, ""},
		"a pin that names no server": {map[string]string{"crm": pin("")}, ""},
		"the pin of another server":  {map[string]string{"crm": pin("ledger")}, `crm.json: these are the pinned tools of server "ledger", not of "crm"`},
		"an edited pin":              {map[string]string{"crm": strings.Replace(pin("crm"), "Finds.", "Finds all.", 1)}, `reading the pinned tools of server "crm": the file was changed after it was pinned (tool "search" differs)`},
		"as many tools as there may": {map[string]string{"crm": many(0, maxTools)}, ""},
		"one tool more":              {map[string]string{"crm": many(0, maxTools), "ledger": many(0, 1)}, `ledger.json: with the pinned tools of server "ledger" there are more than 10000`},
		"several tools that cannot be": {
			map[string]string{"crm": `{"tools":[{"name":"a"},{"name":"b","inputSchema":{"type":"object"}},{"name":"*"}]}`},
			"crm.json: reading the pinned tools of server \"crm\": tool \"*\": /tools/2/name: params_invalid: the tool name \"*\" has a character that is not allowed\n" +
				"crm.json: reading the pinned tools of server \"crm\": tool \"a\": /tools/0/inputSchema is missing or its type is not \"object\"",
		},
		"a schema that is too large": {
			map[string]string{"crm": `{"tools":[{"name":"grow","inputSchema":{"type":"object","$comment":"` + strings.Repeat("x", maxSchemaBytes) + `"}}]}`},
			`crm.json: tool "grow": its input schema has`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]file{}
			for server, text := range tc.files {
				files[server] = file{name: server + ".json", data: []byte(text)}
			}
			_, bad := readPins(files)
			switch err := bad.err(); {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v", err)
			}
			if _, _, err := GenerateSchema([]ToolFile{{"crm", "crm.json", []byte(tc.files["crm"])}}); (err != nil) != (tc.want != "" && len(tc.files) == 1) {
				t.Errorf("generating a schema: %v", err)
			}
		})
	}
}

// The entity of a map is there when the map was sent, and only in a call that fits.
func TestMapsAreEntities(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"labels":{"type":"object","additionalProperties":{"type":"string"}},
		"o":{"type":"object","properties":{"a/b":{"anyOf":[{"type":"object","additionalProperties":{"type":"integer"}},{"type":"string"}]}}}}}`
	parsed, err := mcp.ParseObject([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	s := withTool(t, parsed)
	for name, tc := range map[string]struct {
		arguments, id string
		kind          types.EntityType
		want          string // tags; "" when there is no such entity
	}{
		"sent":              {`{"labels":{"env":"prod"}}`, "input/labels", strArgsType, `{"env":"prod"}`},
		"empty":             {`{"labels":{}}`, "input/labels", strArgsType, `{}`},
		"not sent":          {`{}`, "input/labels", strArgsType, ""},
		"of another type":   {`{"labels":{"env":"prod"}}`, "input/labels", numArgsType, ""},
		"in an object":      {`{"o":{"a/b":{"n":7}}}`, "input/o/a~1b", numArgsType, `{"n":7}`},
		"another choice":    {`{"o":{"a/b":"x"}}`, "input/o/a~1b", numArgsType, ""},
		"no map":            {`{"o":{"a/b":{"n":7}}}`, "input/o", strArgsType, ""},
		"no path":           {`{"labels":{"env":"prod"}}`, "labels", strArgsType, ""},
		"an unknown member": {`{"labels":{"env":"prod"}}`, "input/other", strArgsType, ""},
		"beyond a map":      {`{"labels":{"env":"prod"}}`, "input/labels/env", strArgsType, ""},
		"does not fit":      {`{"labels":{"env":"prod","n":7}}`, "input/labels", strArgsType, ""},
	} {
		t.Run(name, func(t *testing.T) {
			arguments, err := mcp.ParseObject([]byte(tc.arguments))
			if err != nil {
				t.Fatal(err)
			}
			q := askAbout(arguments)
			asked, ok, err := s.ask(&q)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			asked.entities.reveal(wanted{facts: everything})
			for range 2 { // it is made once
				got, there := asked.entities.Get(types.NewEntityUID(tc.kind, types.String(tc.id)))
				if there != (tc.want != "") {
					t.Fatalf("there: %v", there)
				}
				if text := strings.ReplaceAll(got.Tags.String(), ", ", ","); there && strings.ReplaceAll(text, ":", ": ") != strings.ReplaceAll(tc.want, ":", ": ") {
					t.Errorf("tags %s, want %s", text, tc.want)
				}
			}
		})
	}
}
