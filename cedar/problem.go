package cedar

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// problem is one thing to repair before a policy can take effect.
type problem struct {
	file         string
	line, column int // from 1; 0 when the file as a whole is meant
	message      string
}

// Error implements error as "file:line:column: message".
func (p problem) Error() string {
	if p.line == 0 {
		return p.file + ": " + p.message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.file, p.line, p.column, p.message)
}

// problems collects all that is wrong, so that an author repairs a load in one go.
type problems []problem

func (ps *problems) add(file string, line, column int, format string, args ...any) {
	*ps = append(*ps, problem{file, line, column, fmt.Sprintf(format, args...)})
}

// addAt adds a problem at a byte offset of data.
func (ps *problems) addAt(f file, offset int64, format string, args ...any) {
	line, column := position(f.data, offset)
	ps.add(f.name, line, column, format, args...)
}

// err returns the problems sorted by place, or nil when there are none.
func (ps problems) err() error {
	slices.SortFunc(ps, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line),
			cmp.Compare(a.column, b.column), cmp.Compare(a.message, b.message))
	})
	ps = slices.Compact(ps)
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errors.Join(errs...)
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
