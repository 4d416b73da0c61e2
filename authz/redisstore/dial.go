package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxFile bounds the files with the password and the authorities, in bytes.
const maxFile = 256 << 10

// keepAlive notices within half a minute that the other end of an idle connection is gone.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialer makes connections. Files are read for each of them, so that what was rotated is seen.
type dialer struct {
	network   net.Dialer
	caFile    string
	host      string
	encrypted bool
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !d.encrypted {
		return d.network.DialContext(ctx, network, address)
	}
	roots, err := d.roots()
	if err != nil {
		return nil, err
	}
	// The time limit of a plain dialer ends with the connection, and a handshake can hang as well.
	ctx, cancel := context.WithTimeout(ctx, d.network.Timeout)
	defer cancel()
	secure := tls.Dialer{
		NetDialer: &d.network,
		Config:    &tls.Config{RootCAs: roots, ServerName: d.host, MinVersion: tls.VersionTLS12},
	}
	return secure.DialContext(ctx, network, address)
}

// roots returns the authorities of the server; nil means those of the system.
func (d dialer) roots() (*x509.CertPool, error) {
	if d.caFile == "" {
		return nil, nil
	}
	data, err := readBounded(d.caFile)
	if err != nil {
		return nil, fmt.Errorf("the authorities of the store: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("the authorities of the store: %s: no PEM certificate", d.caFile)
	}
	return pool, nil
}

// credentials are what we log in with.
type credentials struct{ user, file string }

func (c credentials) read(context.Context) (user, password string, err error) {
	if c.file == "" {
		return c.user, "", nil
	}
	data, err := readBounded(c.file)
	if err != nil {
		return "", "", fmt.Errorf("the password of the store: %w", err)
	}
	if password = strings.TrimSpace(string(data)); password == "" {
		return "", "", fmt.Errorf("the password of the store: %s is empty", c.file)
	}
	return c.user, password, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("the file is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// silent drops what the client library would print in a format of its own. Every failure is also an error of the
// command that failed, and whoever gave it reports it.
type silent struct{}

// Printf implements the library's logger.
func (silent) Printf(context.Context, string, ...any) {}

// The library has one logger for the whole program. It is set before anything can use it.
func init() { redis.SetLogger(silent{}) }
