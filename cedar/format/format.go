// Package format lays Cedar policies out the way Cedar's own formatter does, without losing anything: all comments stay,
// the text means the same, and formatting twice changes nothing.
//
// The result is that of cedar-policy-formatter 4.12 (formatPolicies of cedar-wasm, cedar format), so that a project may
// use either. It differs where that one does not keep what was there, or is not stable:
//
//   - it drops comments at trailing commas; here they stay
//   - it moves a comment up to the line of a string that stands before it, and somewhere else the next time; here it
//     stays on its own line
//   - a file with nothing but comments begins with an empty line; here it does not, and an empty file stays empty
//   - it refuses block comments, of which the language has none; here they stay for [syntax.RuleBlockComment] to report
package format

import (
	"bytes"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// The layout of Cedar's own formatter.
const (
	DefaultWidth  = 80
	DefaultIndent = 2
)

// Options say how to lay out. The zero value is the layout of Cedar's own formatter.
type Options struct {
	// Width is the column that lines do not exceed if that can be avoided; zero is [DefaultWidth].
	Width int
	// Indent is the number of spaces for a level; zero is [DefaultIndent].
	Indent int
}

// Source returns the policies of a source formatted; name is for the diagnostics. It returns nil if one of them is of
// rule [syntax.RuleSyntax]. Others are about text that some implementations accept; of these it mends white space.
func Source(name string, source []byte, o Options) ([]byte, []diagnostic.Diagnostic) {
	file, found := syntax.Parse(name, source)
	for _, d := range found {
		if d.Rule == syntax.RuleSyntax {
			return nil, found
		}
	}
	if o.Width == 0 {
		o.Width = DefaultWidth
	}
	if o.Indent == 0 {
		o.Indent = DefaultIndent
	}
	out := bytes.NewBuffer([]byte{})
	b := &builder{tokens: withoutTrailingCommas(file.Tokens), indent: o.Indent}
	for i, policy := range file.Policies {
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(strings.TrimSpace(render(b.policy(policy), o.Width)))
		out.WriteString("\n")
	}
	for _, c := range b.next().Leading {
		out.WriteString(comment(c.Text))
		out.WriteString("\n")
	}
	return out.Bytes(), found
}
