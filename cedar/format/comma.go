package format

import "countersign.dev/cedar/syntax"

// withoutTrailingCommas returns the tokens but for the commas before a closing bracket. What was commented behind such a
// comma is about the element before it; other comments of it go to the bracket.
func withoutTrailingCommas(tokens []syntax.Token) []syntax.Token {
	kept := make([]syntax.Token, 0, len(tokens))
	for i, t := range tokens {
		if t.Text != "," || !closes(tokens[i+1]) {
			kept = append(kept, t)
			continue
		}
		before, bracket := &kept[len(kept)-1], &tokens[i+1]
		comments := t.Leading
		switch {
		case t.Trailing == "":
		case before.Trailing == "" && len(comments) == 0:
			before.Trailing = t.Trailing
		default:
			comments = append(comments, syntax.Comment{Text: t.Trailing})
		}
		bracket.Leading = append(comments, bracket.Leading...)
	}
	return kept
}

// closes reports whether a token is a closing bracket.
func closes(t syntax.Token) bool {
	return t.Text == ")" || t.Text == "]" || t.Text == "}"
}
