package cedar

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
)

// maxShown is how many allowed values of an argument are written into a comment.
const maxShown = 12

// appendAction declares the action of a pinned tool, with comments that say what its types do not. Everything in them
// that came from the server is quoted.
func (p *pin) appendAction(text []byte, context ast.RecordType) []byte {
	w := schemaWriter{text: text}
	w.line("")
	w.line("// Tool " + quote(string(p.id.ID)) + ".")
	p.input.visit("", func(path string, member field) {
		if all := member.shape.allowed(); all != nil {
			more := ""
			if len(all) > maxShown {
				all, more = all[:maxShown], fmt.Sprintf(" and %d others", len(all)-maxShown)
			}
			for i := range all {
				all[i] = ascii(all[i])
			}
			w.line("// " + quote(path) + " is one of " + strings.Join(all, ", ") + more + ".")
		}
	})
	for _, left := range p.input.omitted("") {
		w.line("// Left out: " + quote(left.Path) + ": " + ascii(left.Reason) + ".")
	}
	for _, unchecked := range p.input.asks.untoldIn("") {
		w.line("// Not checked: " + quote(unchecked.Path) + ": " + ascii(unchecked.Reason) + ".")
	}
	w.line("action " + quote(string(p.action.ID)) + ` in ["` + callTool + `"] appliesTo {`)
	w.line("  principal: [" + string(workloadType) + "],")
	w.line("  resource: [" + string(toolType) + "],")
	w.write("  context: ")
	w.kind(context, "  ")
	w.line(",")
	w.line("};")
	return w.text
}

type schemaWriter struct{ text []byte }

func (w *schemaWriter) write(s string) { w.text = append(w.text, s...) }
func (w *schemaWriter) line(s string)  { w.text = append(append(w.text, s...), '\n') }

// kind writes a type, the lines of which are indented.
func (w *schemaWriter) kind(t ast.IsType, indent string) {
	switch t := t.(type) {
	case ast.StringType:
		w.write("String")
	case ast.LongType:
		w.write("Long")
	case ast.BoolType:
		w.write("Bool")
	case ast.ExtensionType:
		w.write(string(t))
	case ast.EntityTypeRef:
		w.write(string(t))
	case ast.TypeRef:
		w.write(string(t))
	case ast.SetType:
		w.write("Set<")
		w.kind(t.Element, indent)
		w.write(">")
	case ast.RecordType:
		if len(t) == 0 {
			w.write("{}")
			return
		}
		w.line("{")
		for _, name := range slices.Sorted(maps.Keys(t)) {
			w.write(indent + "  " + attribute(name, t[name].Optional) + ": ")
			w.kind(t[name].Type, indent+"  ")
			w.line(",")
		}
		w.write(indent + "}")
	}
}

// typeText is a type in one line, such as {"a b"?: Set<String>, c: Long}.
func (s *shape) typeText() string {
	w := schemaWriter{}
	w.kind(s.schemaType(), "")
	return strings.ReplaceAll(spaces.ReplaceAllString(string(w.text), " "), ", }", " }")
}

var (
	spaces     = regexp.MustCompile(`\n *`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reserved   = []string{"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"}
)

func attribute(name types.String, optional bool) string {
	text := string(name)
	if !identifier.MatchString(text) || slices.Contains(reserved, text) {
		text = quote(text)
	}
	if optional {
		text += "?"
	}
	return text
}

// quote writes a string literal of Cedar in ASCII.
func quote(s string) string {
	return `"` + ascii(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// ascii writes everything but the printable characters of ASCII as escapes of Cedar.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}
