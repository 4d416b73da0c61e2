package mcp_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/mcp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestToolListIsReadFromAResultOrAResponse(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	fromResult, err := mcp.ParseToolList(data)
	if err != nil {
		t.Fatal(err)
	}
	fromResponse, err := mcp.ParseToolList([]byte(`{"jsonrpc":"2.0","id":1,"result":` + string(data) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromResult, fromResponse); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	for _, tool := range fromResult {
		fmt.Fprintf(&b, "%s: %q\n  hints %+v\n  headers %v\n  schema %s\n",
			tool.Name, tool.Description, tool.Hints, tool.ParamHeaders, tool.InputSchema.AppendJSON(nil))
	}
	golden := filepath.Join("testdata", "tools.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestBadToolListsSayWhere(t *testing.T) {
	tool := func(members string) string { return `{"tools":[{"name":"refund_case",` + members + `}]}` }
	schema := func(s string) string { return tool(`"inputSchema":{"type":"object",` + s + `}`) }
	property := func(s string) string { return schema(`"properties":{"case":{` + s + `}}`) }
	tests := []struct{ name, text, want string }{
		{"not JSON", `{`, "json_syntax"},
		{"a name twice", `{"tools":[],"tools":[]}`, "json_duplicate_key"},
		{"a result that is a list", `{"result":[]}`, "/result is not an object"},
		{"no tools", `{"result":{}}`, "/result/tools is missing"},
		{"tools that are an object", `{"tools":{}}`, "/tools is missing or not an array"},
		{"one page of several", `{"tools":[],"nextCursor":"2"}`, "/nextCursor"},
		{"a tool that is a string", `{"tools":["a"]}`, "/tools/0 is not an object"},
		{"a tool without a name", `{"tools":[{"inputSchema":{"type":"object"}}]}`, "/tools/0/name"},
		{"a tool for all", `{"tools":[{"name":"*","inputSchema":{"type":"object"}}]}`, `tool "*": /tools/0/name`},
		{"a tool with Name", `{"tools":[{"Name":"a","inputSchema":{"type":"object"}}]}`, "json_case_variant"},
		{"two tools of one name", `{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"a","inputSchema":{"type":"object"}}]}`, `tool "a": /tools/1/name`},
		{"a description that is a number", tool(`"description":1,"inputSchema":{"type":"object"}`), "/tools/0/description"},
		{"no schema", tool(`"description":""`), "/tools/0/inputSchema"},
		{"a schema that is true", tool(`"inputSchema":true`), "/tools/0/inputSchema"},
		{"a schema of a list", tool(`"inputSchema":{"type":"array"}`), "/tools/0/inputSchema"},
		{"annotations that are a list", tool(`"inputSchema":{"type":"object"},"annotations":[]`), "/tools/0/annotations is not"},
		{"a hint that is a string", tool(`"inputSchema":{"type":"object"},"annotations":{"readOnlyHint":"true"}`), "/tools/0/annotations/readOnlyHint"},
		{"a hint in another case", tool(`"inputSchema":{"type":"object"},"annotations":{"readonlyhint":true}`), "json_case_variant"},
		{"a header that is a number", property(`"type":"string","x-mcp-header":1`), `tool "refund_case": /tools/0/inputSchema/properties/case/x-mcp-header`},
		{"a header without a name", property(`"type":"string","x-mcp-header":""`), "not the name of a header field"},
		{"a header with a space", property(`"type":"string","x-mcp-header":"a b"`), "not the name of a header field"},
		{"a header with a colon", property(`"type":"string","x-mcp-header":"a:b"`), "not the name of a header field"},
		{"a header outside ASCII", property(`"type":"string","x-mcp-header":"ä"`), "not the name of a header field"},
		{"a header for a number", property(`"type":"number","x-mcp-header":"A"`), "string, integer or boolean"},
		{"a header for an object", property(`"type":"object","x-mcp-header":"A"`), "string, integer or boolean"},
		{"a header for one of two types", property(`"type":["string","null"],"x-mcp-header":"A"`), "string, integer or boolean"},
		{"a header for any type", property(`"x-mcp-header":"A"`), "string, integer or boolean"},
		{"one header for two", schema(`"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"object","properties":{"c":{"type":"string","x-mcp-header":"a"}}}}`), `"a" is already used for ["a"]`},
		{"a header for all arguments", schema(`"x-mcp-header":"A"`), "/tools/0/inputSchema/x-mcp-header"},
		{"a header in a list", property(`"type":"array","items":{"type":"string","x-mcp-header":"A"}`), "/properties/case/items/x-mcp-header"},
		{"a header in a choice", schema(`"oneOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]`), "/oneOf/0/properties/a/x-mcp-header"},
		{"a header in a definition", schema(`"$defs":{"x/y~z":{"type":"string","x-mcp-header":"A"}}`), "/$defs/x~1y~0z/x-mcp-header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tools, err := mcp.ParseToolList([]byte(tt.text))
			if err == nil || tools != nil {
				t.Fatalf("accepted: %v", tools)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q does not say %q", err, tt.want)
			}
		})
	}
}

// Whoever repairs a list sees everything that is wrong with it at once, unless that is a great deal.
func TestAllBadToolsAreNamed(t *testing.T) {
	_, err := mcp.ParsePin([]byte(`{"tools":[{"name":"a"},{"name":"b","inputSchema":{"type":"object"}},7,{"name":"b","inputSchema":{"type":"object"}}]}`))
	want := []string{
		`tool "a": /tools/0/inputSchema is missing or its type is not "object"`, "tools/list result: /tools/2 is not an object",
		`tool "b": /tools/3/name: there are two of that name`,
	}
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
	_, err = mcp.ParseToolList([]byte(`{"tools":[` + strings.TrimSuffix(strings.Repeat(`7,`, 100), ",") + `]}`))
	if err == nil {
		t.Fatal("accepted")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 21 || lines[20] != "80 more tools cannot be used" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// Data that looks like an annotation is none.
func TestAnnotationsInDataAreIgnored(t *testing.T) {
	tools, err := mcp.ParseToolList([]byte(`{"tools":[{"name":"a","inputSchema":{"type":"object",
		"default":{"x-mcp-header":"A"},"examples":[{"x-mcp-header":1}],"properties":{"x-mcp-header":{"type":"string","enum":["x"]},"any":true}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if tools[0].ParamHeaders != nil {
		t.Errorf("got %v", tools[0].ParamHeaders)
	}
}
