package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// Log writes records to a writer, each as one line with one Write. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	w    io.Writer
	torn bool // the last write stopped in the middle of a line
}

// NewLog returns a log that writes to w.
func NewLog(w io.Writer) *Log { return &Log{w: w} }

// Record writes one line. An error means that the record may be incomplete or missing; the next record starts on a
// line of its own.
func (l *Log) Record(_ context.Context, record Record) error {
	text, err := record.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encoding an audit record: %w", err)
	}
	text = append(escapeControls(text), '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := l.w.Write(text)
	if n > 0 {
		l.torn = n < len(text)
	}
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("writing an audit record: %w", err)
	}
	return nil
}

// escapeControls escapes DEL, the C1 controls (U+0080 to U+009F) and the line and paragraph separators. JSON does not
// demand it, but a terminal that shows the log may obey the former, and some readers end a line at the latter. In JSON
// text they occur inside strings only.
func escapeControls(text []byte) []byte {
	if !bytes.ContainsFunc(text, isUnsafe) {
		return text
	}
	escaped := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		if isUnsafe(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped
}

func isUnsafe(r rune) bool { return r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 }
