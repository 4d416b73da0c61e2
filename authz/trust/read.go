package trust

import (
	"crypto/x509"
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

// Authorities reads the certificates (PEM) that an HTTPS server is verified with, at most [MaxKeySetSize] bytes; without a
// file it returns nil, which means those of the system.
func Authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: no PEM certificate", path)
	}
	return pool, nil
}
