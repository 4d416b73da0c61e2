// Package terminal writes lines of text for people, in colour where they are wanted.
package terminal

import (
	"fmt"
	"io"
)

// Colour is a parameter of the SGR control sequence (ECMA-48, section 8.3.117).
type Colour string

// What marks a part of a line.
const (
	Bold   Colour = "1"
	Dim    Colour = "2"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
)

// Printer writes lines until one cannot be written. Make one with [New].
type Printer struct {
	out    io.Writer
	colour bool
	err    error
}

// New returns a printer that writes to out, with colours if they are wanted.
func New(out io.Writer, colour bool) *Printer { return &Printer{out: out, colour: colour} }

// Line writes a line, which is formatted as by [fmt.Printf] and ended here.
func (p *Printer) Line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// In returns the text in a colour, or as it is where none are wanted.
func (p *Printer) In(c Colour, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Err is the first error of the writer.
func (p *Printer) Err() error { return p.err }
