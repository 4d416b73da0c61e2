package cedar

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// How much more a compressed file may hold than it has bytes. Policies that repeat themselves reach 1:100, and deflate can
// be made to reach 1:1000 (RFC 1951).
const (
	maxRatio   = 200
	ratioFloor = 64 << 10 // bytes of text that are always fine
)

// decompress returns the text of a gzip file (RFC 1952) with exactly one member, which nothing follows.
func decompress(data []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(data)
	zr, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("not a gzip file: %w", err)
	}
	zr.Multistream(false)
	ratio := max(ratioFloor, maxRatio*int64(len(data)))
	text, err := io.ReadAll(io.LimitReader(zr, min(limit, ratio)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompressing the file: %w", err)
	case int64(len(text)) > ratio:
		return nil, fmt.Errorf("the text has more than %d times the bytes of the file: that is no policy", maxRatio)
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("decompressed, the text has more than the %d bytes that are left: all files together may have %d",
			limit, maxTotal)
	case in.Len() > 0:
		return nil, errors.New("something follows the compressed text")
	}
	return text, nil
}
