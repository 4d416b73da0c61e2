package cedar

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// Diagnostics returns what an error of [Load] or [Store.Reload] says about the files, sorted by place; nothing for an
// error of another kind.
func Diagnostics(err error) []diagnostic.Diagnostic {
	if e, ok := errors.AsType[problems](err); ok {
		return slices.Clone(e)
	}
	return nil
}

// problems collects all that is wrong, so that an author repairs a load in one go.
type problems []diagnostic.Diagnostic

// add adds a problem at a place; line 0 stands for the whole file.
func (ps *problems) add(file string, line, column int, format string, args ...any) {
	*ps = append(*ps, diagnostic.Diagnostic{
		Severity: diagnostic.Error, File: file, Start: diagnostic.Place{Line: line, Column: column},
		Message: fmt.Sprintf(format, args...),
	})
}

// addAt adds a problem at a byte offset of data.
func (ps *problems) addAt(f file, offset int64, format string, args ...any) {
	line, column := position(f.data, offset)
	ps.add(f.name, line, column, format, args...)
}

// of names the rule of problems that have none.
func (ps problems) of(rule string) {
	for i := range ps {
		if ps[i].Rule == "" {
			ps[i].Rule = rule
		}
	}
}

// err returns the problems sorted by place, or nil when there are none.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.sorted()
}

// sorted returns each problem once.
func (ps problems) sorted() problems { return diagnostic.Sort(slices.Clone(ps)) }

// Error implements error with one problem a line, as "file:line:column: message".
func (ps problems) Error() string {
	lines := make([]string, len(ps))
	for i, d := range ps {
		lines[i] = line(d)
	}
	return strings.Join(lines, "\n")
}

func line(d diagnostic.Diagnostic) string {
	text := d.File
	if d.Start.Line > 0 {
		text += fmt.Sprintf(":%d:%d", d.Start.Line, d.Start.Column)
	}
	if d.Policy != "" {
		text += ": policy " + d.Policy
	}
	text += ": " + d.Message
	if d.Help != "" {
		text += ": " + d.Help
	}
	return text
}

// placed puts a diagnostic where a span is.
func placed(d diagnostic.Diagnostic, span syntax.Span) diagnostic.Diagnostic {
	d.Start = diagnostic.Place{Line: span.Start.Line, Column: span.Start.Column}
	d.End = diagnostic.Place{Line: span.End.Line, Column: span.End.Column}
	return d
}

// position turns a byte offset into line and column (in characters), both from 1.
func position(data []byte, offset int64) (line, column int) {
	offset = min(max(offset, 0), int64(len(data)))
	line, column = 1, 1
	for _, r := range string(data[:offset]) {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}
