package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"countersign.dev/cedar/scenario"
)

// errLong is why a line is not read.
var errLong = fmt.Errorf("longer than %d bytes", scenario.MaxLine)

// line is one line of a log.
type line struct {
	number int
	text   []byte // valid until the next one; without blanks around it
	err    error  // why the line cannot be read, or the rest of the log
}

// lines yields the lines of a log that are not blank. Gzip is recognized by its first bytes (RFC 1952, section 2.3.1),
// and may have several members, as when a log was appended to. The memory that it takes does not depend on the log.
func lines(in io.Reader) iter.Seq[line] {
	return func(yield func(line) bool) {
		raw := bufio.NewReaderSize(in, 64<<10)
		text := raw
		if magic, _ := raw.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			unzipped, err := gzip.NewReader(raw)
			if err != nil {
				yield(line{err: fmt.Errorf("decompressing: %w", err)})
				return
			}
			text = bufio.NewReaderSize(unzipped, 64<<10)
		}
		var whole []byte
		for number := 1; ; number++ {
			l := line{number: number}
			var end error
			whole, l.err, end = readLine(text, whole[:0])
			l.text = bytes.TrimSpace(whole)
			if (l.err != nil || len(l.text) > 0) && !yield(l) {
				return
			}
			if end != nil {
				if !errors.Is(end, io.EOF) {
					yield(line{number: number, err: fmt.Errorf("reading the log: %w", end)})
				}
				return
			}
		}
	}
}

// readLine appends one line to whole, or passes over one that is too long. End is why there is none behind it.
func readLine(in *bufio.Reader, whole []byte) (_ []byte, tooLong, end error) {
	for {
		part, err := in.ReadSlice('\n')
		switch {
		case tooLong != nil:
		case len(whole)+len(part) > scenario.MaxLine+1: // with the line feed
			whole, tooLong = whole[:0], errLong
		default:
			whole = append(whole, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return whole, tooLong, err
		}
	}
}
