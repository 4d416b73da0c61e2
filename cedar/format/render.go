package format

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// command is a text that is still to be printed.
type command struct {
	indent int
	flat   bool // on one line
	doc    *doc
}

// printer prints a text.
type printer struct {
	width  int
	column int
	todo   []command // the last comes first
	out    strings.Builder
	blank  bool // nothing but spaces is on the line
	spaces int  // that are due on the line
}

// render returns the text with its lines broken so that they fit into width columns if they can. Lines with nothing on
// them are left out.
func render(d *doc, columns int) string {
	p := &printer{width: columns, todo: []command{{doc: d}}}
	for len(p.todo) > 0 {
		p.step()
	}
	return p.out.String()
}

// pop takes the next command.
func (p *printer) pop() command {
	c := p.todo[len(p.todo)-1]
	p.todo = p.todo[:len(p.todo)-1]
	return c
}

func (p *printer) push(c command) {
	if c.doc != nil {
		p.todo = append(p.todo, c)
	}
}

// step prints the next command, or takes it apart.
func (p *printer) step() {
	c := p.pop()
	switch d := c.doc; d.kind {
	case word:
		p.write(d.text)
	case join:
		p.push(command{c.indent, c.flat, d.right})
		p.push(command{c.indent, c.flat, d.left})
	case nest:
		p.push(command{c.indent + d.indent, c.flat, d.left})
	case group:
		p.push(command{c.indent, c.flat || p.fits(d.left), d.left})
	case hard:
		p.newline(c.indent)
	case soft, empty:
		switch {
		case !c.flat:
			p.newline(c.indent)
		case d.kind == soft:
			p.write(" ")
		}
	}
}

// newline breaks the line. What comes next says how far its line is indented: a bracket that closes an indented text
// stands further out than the break before it.
func (p *printer) newline(indent int) {
	if len(p.todo) > 0 {
		indent = p.todo[len(p.todo)-1].indent
	}
	if !p.blank {
		p.out.WriteByte('\n')
	}
	p.blank, p.column, p.spaces = true, indent, indent
}

// write prints a text. Spaces are kept back until something stands behind them, because a line of nothing but spaces is
// left out.
func (p *printer) write(s string) {
	p.column += columns(s)
	if s == " " && p.blank {
		p.spaces++
		return
	}
	for ; p.spaces > 0; p.spaces-- {
		p.out.WriteByte(' ')
	}
	p.blank = false
	p.out.WriteString(s)
}

// fits reports whether a text fits on the rest of the line, together with what comes behind it up to the next break.
func (p *printer) fits(d *doc) bool {
	column, flat, rest := p.column, true, len(p.todo)
	for todo := []*doc{d}; ; {
		if len(todo) == 0 {
			if rest == 0 {
				return true
			}
			rest--
			// What is behind the group may break where it can.
			todo, flat = append(todo, p.todo[rest].doc), false
		}
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch next.kind {
		case word:
			column += columns(next.text)
		case join:
			todo = append(todo, next.right, next.left)
		case nest, group:
			todo = append(todo, next.left)
		case hard:
			return !flat
		case soft, empty:
			if !flat {
				return true
			}
			if next.kind == soft {
				column++
			}
		}
		if column > p.width {
			return false
		}
	}
}

// columns is how many columns of a terminal a text takes (Unicode Standard Annex 11).
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x7f:
			n++
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
