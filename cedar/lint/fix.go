package lint

import (
	"context"
	"errors"
	"fmt"

	"countersign.dev/cedar/syntax"
)

// Fix is how to repair a finding.
type Fix struct {
	// Edits are in order and do not overlap.
	Edits []Edit
	// Widens says that the policy may permit more afterwards. Such a fix is only applied when asked for.
	Widens bool
	// intent is what it changes in the tree.
	intent intent
}

// Edit replaces a stretch of bytes.
type Edit struct {
	From, To int // byte offsets; To is exclusive
	New      string
}

// replace is a fix that replaces the text of a span.
func replace(span syntax.Span, text string, i intent) *Fix {
	return &Fix{Edits: []Edit{{span.Start.Offset, span.End.Offset, text}}, intent: i}
}

// maxRounds bounds how often a fix can make another one possible.
const maxRounds = 10

// Fix repairs what can be repaired in one file and returns the new text with the findings that are gone. With widen it
// also applies fixes that let a permit allow more. The text is returned as it was, with an error, when cedar-go does not
// read both texts as the same policies but for what the fixes are meant to change. Fixing a fixed text changes nothing.
func (l *Linter) Fix(ctx context.Context, s Source, widen bool) ([]byte, []Finding, error) {
	data := s.Data
	var done []Finding
	for range maxRounds {
		findings, err := l.Lint(ctx, []Source{{s.Name, data}})
		if err != nil {
			return s.Data, nil, err
		}
		var chosen []Finding
		var edits []Edit
		for _, f := range findings {
			if f.Rule == syntax.RuleSyntax {
				return s.Data, nil, fmt.Errorf("%s:%d:%d: not fixed, because it is not Cedar: %s", f.File, f.Start.Line, f.Start.Column, f.Message)
			}
			if f.Fix != nil && (widen || !f.Fix.Widens) && fits(edits, f.Fix.Edits) {
				chosen, edits = append(chosen, f), append(edits, f.Fix.Edits...)
			}
		}
		if len(chosen) == 0 {
			return data, done, nil
		}
		fixed := apply(data, edits)
		if err := check(data, fixed, chosen); err != nil {
			return s.Data, nil, fmt.Errorf("%s: not fixed: %w", s.Name, err)
		}
		data, done = fixed, append(done, chosen...)
	}
	return s.Data, nil, fmt.Errorf("%s: not fixed: %w", s.Name, errors.New("every fix makes another one necessary"))
}

// fits reports whether edits are behind those chosen before. Findings come in order of place; one that does not fit has
// its turn in the next round.
func fits(chosen, edits []Edit) bool {
	return len(chosen) == 0 || edits[0].From >= chosen[len(chosen)-1].To
}

// apply makes edits that are in order and do not overlap.
func apply(data []byte, edits []Edit) []byte {
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(append(out, data[at:e.From]...), e.New...)
		at = e.To
	}
	return append(out, data[at:]...)
}
