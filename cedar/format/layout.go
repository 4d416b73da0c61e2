package format

// doc is a text with choices where to break lines, in the algebra of Wadler's "A prettier printer" as the Rust crate
// pretty has it. nil is the empty text.
type doc struct {
	kind kind
	// text is for words.
	text string
	// indent is for nest.
	indent int
	// left and right are for join; left alone is for nest and group.
	left, right *doc
}

type kind uint8

const (
	word  kind = iota
	join       // left and then right
	hard       // a line break, always
	soft       // a line break, or a space where the group fits on a line
	empty      // a line break, or nothing where the group fits on a line
	nest       // left, indented more
	group      // left, on one line if it fits
)

// line, space and the like are texts of their own.
func line() *doc      { return &doc{kind: soft} }
func lineEmpty() *doc { return &doc{kind: empty} }
func hardline() *doc  { return &doc{kind: hard} }
func space() *doc     { return text(" ") }

// text is a text without line breaks, or one whose breaks stay as they are.
func text(s string) *doc { return &doc{kind: word, text: s} }

// cat joins texts.
func cat(docs ...*doc) *doc {
	var all *doc
	for _, d := range docs {
		switch {
		case all == nil:
			all = d
		case d != nil:
			all = &doc{kind: join, left: all, right: d}
		}
	}
	return all
}

// nested indents the lines of a text that begin in it.
func nested(indent int, d *doc) *doc {
	if d == nil {
		return nil
	}
	return &doc{kind: nest, indent: indent, left: d}
}

// grouped puts a text on one line if it fits.
func grouped(d *doc) *doc {
	if d == nil {
		return nil
	}
	return &doc{kind: group, left: d}
}
