package trust

import (
	"fmt"
	"io"
	"os"
)

// readBounded reads a file of at most [MaxKeySetSize] bytes.
func readBounded(path string) (data []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err = io.ReadAll(io.LimitReader(f, MaxKeySetSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > MaxKeySetSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, MaxKeySetSize)
	}
	return data, nil
}
