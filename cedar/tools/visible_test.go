package tools_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/tools"
)

func parse(t testing.TB, text string) []mcp.Tool {
	t.Helper()
	list, err := mcp.ParseToolList([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What an attacker hides from the person that reads a description is written out.
func TestVisible(t *testing.T) {
	for name, tc := range map[string]struct {
		text, shown string
		kinds       []string
	}{
		"plain text":            {"Finds customers.\n\tAll of them: äöü, 客户, 😀.", "Finds customers.\n\tAll of them: äöü, 客户, 😀.", nil},
		"an emoji with colour":  {"⚠️ careful", "⚠️ careful", nil},
		"a terminal sequence":   {"ok\x1b[2Kgone", "ok‹U+001B›[2Kgone", []string{tools.Escape}},
		"a short sequence":      {"ok\u009b2K", "ok‹U+009B›2K", []string{tools.Escape}},
		"a carriage return":     {"evil\rgood", "evil‹U+000D›good", []string{tools.Control}},
		"backspaces":            {"evil\b\b", "evil‹U+0008›‹U+0008›", []string{tools.Control}},
		"a change of direction": {"a\u202eb", "a‹U+202E›b", []string{tools.Bidi}},
		"an isolate":            {"a\u2066b\u2069", "a‹U+2066›b‹U+2069›", []string{tools.Bidi}},
		"zero width":            {"a\u200bb", "a‹U+200B›b", []string{tools.Invisible}},
		"tags":                  {"a\U000e0049\U000e0067", "a‹U+E0049›‹U+E0067›", []string{tools.Invisible}},
		"variation selectors":   {"a\ufe0fb\U000e0101", "a‹U+FE0F›b‹U+E0101›", []string{tools.Invisible}},
		"two selectors":         {"⚠\ufe0f\ufe0f", "⚠\ufe0f‹U+FE0F›", []string{tools.Invisible}},
		"a filler":              {"a\u3164b\u115f", "a‹U+3164›b‹U+115F›", []string{tools.Invisible}},
		"a blank of Braille":    {"a\u2800", "a‹U+2800›", []string{tools.Invisible}},
		"a soft hyphen":         {"a\u00adb", "a‹U+00AD›b", []string{tools.Invisible}},
		"private use":           {"a\ue000", "a‹U+E000›", []string{tools.Invisible}},
		"not UTF-8":             {"a\xff", "a‹U+FFFD›", []string{tools.Invisible}},
		"a replacement":         {"a\ufffd", "a\ufffd", nil},
		"another space":         {"a\u00a0b", "a‹U+00A0›b", []string{tools.Space}},
		"several":               {"\u200b\x1b\u202e", "‹U+200B›‹U+001B›‹U+202E›", []string{tools.Bidi, tools.Invisible, tools.Escape}},
	} {
		t.Run(name, func(t *testing.T) {
			shown, kinds := tools.Visible(tc.text)
			if diff := cmp.Diff(tc.shown, shown); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Wherever a server hides something, it is found.
func TestFindings(t *testing.T) {
	list := parse(t, `{"tools":[
		{"name":"plain","description":"Finds customers.","inputSchema":{"type":"object"}},
		{"name":"search","title":"a\u200b","description":"`+strings.Repeat("ä", 300)+`\u001b","inputSchema":{"type":"object","properties":{
			"q\u202e":{"type":"string","enum":["a","b\u2060"]}}},"_meta":{"x/y":"\u00a0"}}]}`)
	var got []tools.Finding
	for _, tool := range list {
		got = append(got, tools.Findings(tool)...)
	}
	want := []tools.Finding{
		{Tool: "search", Path: "/title", Kinds: []string{tools.Invisible}, Text: "a‹U+200B›"},
		{Tool: "search", Path: "/description", Kinds: []string{tools.Escape}, Text: strings.Repeat("ä", 200) + "…"},
		{Tool: "search", Path: "/inputSchema/properties/q‹U+202E›", Kinds: []string{tools.Bidi}, Text: "q‹U+202E›"},
		{Tool: "search", Path: "/inputSchema/properties/q‹U+202E›/enum/1", Kinds: []string{tools.Invisible}, Text: "b‹U+2060›"},
		{Tool: "search", Path: "/_meta/x~1y", Kinds: []string{tools.Space}, Text: "‹U+00A0›"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing that is shown hides anything, and text that hides nothing is shown as it is.
func FuzzVisible(f *testing.F) {
	for _, text := range []string{"Finds customers.", "a\u200b\u202e\x1b[0m", "⚠️", "\xff\ufeff", "‹U+200B›"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown, kinds := tools.Visible(text)
		if len(kinds) == 0 && shown != text {
			t.Errorf("%q is shown as %q", text, shown)
		}
		if again, kinds := tools.Visible(shown); again != shown || len(kinds) > 0 {
			t.Errorf("%q is shown as %q, which hides %q", text, shown, kinds)
		}
		for _, r := range shown {
			if unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%q is shown as %q", text, shown)
			}
		}
	})
}
