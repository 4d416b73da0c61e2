package tools

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign.dev/authz/mcp"
)

// What a text can hide.
const (
	Escape    = "terminal escape sequence"    // ESC and CSI: ANSI X3.64, what terminals obey
	Control   = "control character"           // the others of Cc
	Bidi      = "change of writing direction" // UAX #9: the text is shown in another order than it is read
	Invisible = "invisible character"         // zero width, tags, variation selectors, fillers, private use
	Space     = "space that is no space"      // U+00A0 and the like
)

// Finding is a text of a tool that does not say to a person what it says to a model.
type Finding struct {
	Tool string `json:"tool"`
	// Path is the JSON Pointer (RFC 6901) to the text in the tool's definition; that of a name, to its value.
	Path string `json:"path"`
	// Kinds are what the text has in it, sorted.
	Kinds []string `json:"kinds"`
	// Text is the beginning of the text, with everything that hides written out.
	Text string `json:"text"`
}

// maxShown is the most bytes of a text that a finding shows.
const maxShown = 400

// kindOf returns what a character is, if a person does not see it; empty for one that is seen.
func kindOf(r rune) string {
	switch {
	case r == '\n' || r == '\t' || r == ' ':
		return ""
	case r == 0x1b || r == 0x9b:
		return Escape
	case unicode.IsControl(r):
		return Control
	case unicode.Is(unicode.Bidi_Control, r):
		return Bidi
	case unicode.Is(unicode.Zs, r):
		return Space
	case unicode.Is(unicode.Variation_Selector, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r),
		r == 0x2800, !unicode.IsPrint(r):
		return Invisible
	}
	return ""
}

// Visible returns a text with everything that hides in it written as ‹U+200B›, and what that is, sorted. Line ends, tabs
// and the selector that makes an emoji colourful stay.
func Visible(text string) (shown string, kinds []string) {
	var b strings.Builder
	before := rune(0)
	for i, r := range text {
		kind := kindOf(r)
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			kind = Invisible // not UTF-8
		}
		if r == 0xfe0f && unicode.In(before, unicode.So, unicode.Nd, unicode.Po, unicode.Sm) {
			kind = ""
		}
		if before = r; kind == "" {
			b.WriteRune(r)
			continue
		}
		before = 0
		fmt.Fprintf(&b, "‹U+%04X›", r)
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return b.String(), kinds
}

// Findings looks through everything that a server said about a tool.
func Findings(tool mcp.Tool) []Finding {
	name, _ := Visible(tool.Name)
	var all []Finding
	note := func(path, text string) {
		shown, kinds := Visible(text)
		if len(kinds) == 0 {
			return
		}
		path, _ = Visible(path)
		all = append(all, Finding{name, path, kinds, cut(shown)})
	}
	var visit func(path string, v mcp.Value)
	visit = func(path string, v mcp.Value) {
		switch v := v.(type) {
		case mcp.String:
			note(path, string(v))
		case mcp.Array:
			for i, e := range v {
				visit(path+"/"+strconv.Itoa(i), e)
			}
		case mcp.Object:
			for name, member := range v.All() {
				below := path + "/" + escape(name)
				note(below, name)
				visit(below, member)
			}
		}
	}
	visit("", tool.Definition)
	return all
}

func cut(text string) string {
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// escape writes a name as a reference token (RFC 6901, section 3).
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
