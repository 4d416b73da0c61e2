package diagnostic

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// The parts of a finding that can have a colour, as parameters of the SGR control sequence (ECMA-48, section 8.3.117).
const (
	plain  = ""
	bold   = "1"
	red    = "1;31"
	yellow = "1;33"
	cyan   = "1;36"
	blue   = "1;34"
	green  = "1;32"
)

// Text writes the findings for people: a line file:line:column: severity: message [rule], the lines in question with
// what is meant marked below them, and the help. The function sources returns the content of a file, nil when it is not
// at hand; it is asked once per file. Characters that are invisible or steer a terminal are written out as <U+202E>.
// Findings in order of place (see [Sort]) take time in proportion to the sources. The error is that of w.
func Text(w io.Writer, ds []Diagnostic, sources func(file string) []byte, colour bool) error {
	out := &printer{w: bufio.NewWriter(w), colour: colour}
	files := make(map[string]*source)
	for i, d := range ds {
		if i > 0 {
			out.text(plain, "\n")
		}
		src, known := files[d.File]
		if !known {
			src = newSource(sources(d.File))
			files[d.File] = src
		}
		out.finding(d)
		out.snippet(d, src)
		if d.Help != "" {
			out.text(green, "  help: ")
			out.text(plain, visible(d.Help)+"\n")
		}
	}
	if err := out.w.Flush(); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}

// Summary counts findings, as in "1 error, 2 warnings"; it is empty for none.
func Summary(ds []Diagnostic) string {
	var parts []string
	for _, severity := range []Severity{Error, Warning, Note} {
		count := 0
		for _, d := range ds {
			if d.Severity == severity {
				count++
			}
		}
		switch {
		case count == 1:
			parts = append(parts, "1 "+string(severity))
		case count > 1:
			parts = append(parts, strconv.Itoa(count)+" "+string(severity)+"s")
		}
	}
	return strings.Join(parts, ", ")
}

// printer writes with and without colours. The writer remembers its first error, which Flush returns.
type printer struct {
	w      *bufio.Writer
	colour bool
}

func (p *printer) text(sgr, text string) {
	if p.colour && sgr != plain {
		text = "\x1b[" + sgr + "m" + text + "\x1b[0m"
	}
	_, _ = p.w.WriteString(text)
}

func (s Severity) sgr() string {
	switch s {
	case Error:
		return red
	case Warning:
		return yellow
	default:
		return cyan
	}
}

func (p *printer) finding(d Diagnostic) {
	place := visible(d.File) + ":"
	if d.Start.Line > 0 {
		place += strconv.Itoa(d.Start.Line) + ":" + strconv.Itoa(max(d.Start.Column, 1)) + ":"
	}
	p.text(bold, place)
	p.text(plain, " ")
	p.text(d.Severity.sgr(), string(d.Severity)+":")
	p.text(plain, " ")
	if d.Policy != "" {
		p.text(plain, "policy "+visible(d.Policy)+": ")
	}
	p.text(bold, visible(d.Message))
	if d.Rule != "" {
		p.text(plain, " ["+visible(d.Rule)+"]")
	}
	p.text(plain, "\n")
}

// visible writes out the characters that a reader would not see or a terminal would obey.
func visible(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return text
	}
	var shown strings.Builder
	for rest := []byte(text); len(rest) > 0; {
		c, size := next(rest)
		shown.WriteString(c.text)
		rest = rest[size:]
	}
	return shown.String()
}
