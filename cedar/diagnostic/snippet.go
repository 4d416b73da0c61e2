package diagnostic

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What is shown of a source, in columns of the terminal and lines.
const (
	maxWidth   = 100 // of a line
	minContext = 30  // of a line that is cut, before what is marked
	maxLines   = 4   // of what is marked
)

// source is a text with the places of its lines.
type source struct {
	data   []byte
	starts []int // byte offsets of the lines

	// Where the last finding starts: the next one is usually behind it, on a line that may be very long.
	line, column, offset int
}

func newSource(data []byte) *source {
	s := &source{data: data}
	if data == nil {
		return s
	}
	s.starts = append(s.starts, 0)
	for i, c := range data {
		if c == '\n' {
			s.starts = append(s.starts, i+1)
		}
	}
	return s
}

// text returns a line, which is from 1 and exists, without its end.
func (s *source) text(line int) []byte {
	end := len(s.data)
	if line < len(s.starts) {
		end = s.starts[line] - 1
	}
	return bytes.TrimSuffix(s.data[s.starts[line-1]:end], []byte("\r"))
}

// at returns the byte offset of a place within its line, at most the line's length.
func (s *source) at(p Place) int {
	if p.Line != s.line || p.Column < s.column {
		s.line, s.column, s.offset = p.Line, 1, 0
	}
	text := s.text(p.Line)
	for s.column < p.Column && s.offset < len(text) {
		_, size := utf8.DecodeRune(text[s.offset:])
		s.column, s.offset = s.column+1, s.offset+size
	}
	return s.offset
}

// snippet shows the lines from the start to the end of a finding.
func (p *printer) snippet(d Diagnostic, src *source) {
	first, final := d.Start, d.End
	if first.Line < 1 || first.Line > len(src.starts) {
		return
	}
	if final.Line > first.Line && final.Column <= 1 { // it ends with the line before
		final = Place{Line: final.Line - 1, Column: len(src.data) + 1}
	}
	if final.Line < first.Line {
		final = first
	}
	if final.Line > len(src.starts) {
		final = Place{Line: len(src.starts), Column: len(src.data) + 1}
	}
	gutter := len(strconv.Itoa(final.Line))
	for line := first.Line; line <= final.Line; line++ {
		if final.Line-first.Line >= maxLines && line == first.Line+maxLines-2 {
			p.text(blue, fmt.Sprintf(" %*s\n", gutter, strings.Repeat(".", gutter)))
			line = final.Line
		}
		text := src.text(line)
		from, to := len(text)-len(bytes.TrimLeft(text, " \t")), len(text)
		if line == first.Line {
			from = src.at(first)
		}
		if line == final.Line {
			end := *src
			to = max(end.at(final), from)
		}
		p.line(gutter, line, text, from, to)
		if line == first.Line || from < to {
			p.mark(d.Severity, gutter, text, from, to)
		}
	}
}

// line shows one line, cut around the bytes in question when it is long.
func (p *printer) line(gutter, number int, text []byte, from, to int) {
	left, right := window(text, from, to)
	var shown strings.Builder
	if left > 0 {
		shown.WriteString("…")
	}
	for at := left; at < right; {
		c, size := next(text[at:])
		shown.WriteString(c.text)
		at += size
	}
	if right < len(text) {
		shown.WriteString("…")
	}
	p.text(blue, fmt.Sprintf(" %*d |", gutter, number))
	if line := strings.TrimRight(shown.String(), " "); line != "" {
		p.text(plain, " "+line)
	}
	p.text(plain, "\n")
}

// mark underlines the bytes in question of the line above, or the place before which they are missing.
func (p *printer) mark(severity Severity, gutter int, text []byte, from, to int) {
	left, right := window(text, from, to)
	before, marked := 0, 0
	if left > 0 {
		before++
	}
	for at := left; at < min(right, to); {
		c, size := next(text[at:])
		if at < from {
			before += c.width
		} else {
			marked += c.width
		}
		at += size
	}
	p.text(blue, fmt.Sprintf(" %*s |", gutter, ""))
	p.text(plain, " "+strings.Repeat(" ", before))
	p.text(severity.sgr(), strings.Repeat("^", max(marked, 1)))
	p.text(plain, "\n")
}

// window returns which bytes of a line to show so that the bytes in question are among them: the beginning of the line
// if they are within it, else a stretch around where they start.
func window(text []byte, from, to int) (left, right int) {
	marked := min(columns(text[from:to], maxWidth), maxWidth-minContext)
	left = backwards(text[:from], maxWidth-marked)
	if left > 0 {
		left = backwards(text[:from], max(maxWidth-columns(text[from:], maxWidth), minContext))
	}
	used := 0
	for right = left; right < len(text); {
		c, size := next(text[right:])
		if used += c.width; used > maxWidth {
			break
		}
		right += size
	}
	return left, right
}

// columns is how many columns of the terminal a text takes, not counting on after the limit.
func columns(text []byte, limit int) int {
	used := 0
	for len(text) > 0 && used < limit {
		c, size := next(text)
		used += c.width
		text = text[size:]
	}
	return min(used, limit)
}

// backwards returns where the longest end of a text begins that takes at most so many columns.
func backwards(text []byte, limit int) int {
	at := len(text)
	for at > 0 {
		c, size := last(text[:at])
		if limit -= c.width; limit < 0 {
			break
		}
		at -= size
	}
	return at
}
