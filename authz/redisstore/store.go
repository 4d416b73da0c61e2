// Package redisstore opens the Valkey or Redis server that the replicas of a fleet share.
//
// What is kept there, and what its loss means, is the business of the rooms that use it: each has its own keys below the
// common prefix. This package only decides how to reach the server: encrypted and authenticated as configured, with
// short bounds so that a server that hangs is noticed, and without retries of its own, because only the caller knows
// whether a command may run twice.
//
// One server that holds all keys is meant: a single instance, or a primary behind an address that follows it. A sharded
// cluster is not.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultPrefix begins every key when [Config].Prefix is empty.
const DefaultPrefix = "countersign:"

// Bounds of every exchange with the server. They are far above what a server nearby needs, and well below the time that
// a check may take.
const (
	dialTimeout  = time.Second
	replyTimeout = time.Second
	maxPrefix    = 64 // bytes
)

// Config says where the server is. It may be reached in one way only, so that no part of it is silently ignored.
type Config struct {
	// URL is redis://[user@]host[:port][/database], or rediss:// for TLS. It has no password, which would show up
	// wherever the configuration is printed, and no query.
	URL string
	// PasswordFile holds the password; blanks and line ends around it do not count. It is read again for every new
	// connection. Empty means none.
	PasswordFile string
	// CAFile holds the PEM certificates that a rediss:// server is verified with, read again for every new connection.
	// Empty means those of the system.
	CAFile string
	// Prefix begins every key: printable ASCII of at most 64 bytes. Empty means [DefaultPrefix].
	Prefix string
}

// Store is a client of the server. Its commands fail when the server does not answer within about a second, and are
// never repeated. It is safe for concurrent use.
type Store struct {
	*redis.Client
	prefix string
}

// Open checks the configuration, and returns a client that connects when it is first used: a replica has to start, and
// to refuse what it can not know, while the server is away.
func Open(ctx context.Context, c Config) (*Store, error) {
	address, err := parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL of the store: %w", err)
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if len(c.Prefix) > maxPrefix || strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
		return nil, fmt.Errorf("the prefix %.80q is not printable ASCII of at most %d bytes", c.Prefix, maxPrefix)
	}
	d := dialer{network: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}, caFile: c.CAFile, host: address.host, encrypted: address.encrypted}
	if c.CAFile != "" && !address.encrypted {
		return nil, errors.New("a CA file is for a server with TLS: write rediss:// in the URL")
	}
	if _, err := d.roots(); err != nil {
		return nil, err
	}
	secret := credentials{user: address.user, file: c.PasswordFile}
	if _, _, err := secret.read(ctx); err != nil {
		return nil, err
	}
	return &Store{prefix: c.Prefix, Client: redis.NewClient(&redis.Options{
		Addr: address.hostPort, DB: address.database,
		Dialer: d.dial, CredentialsProviderContext: secret.read,
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DialTimeout:              dialTimeout, DialerRetries: 1,
		ReadTimeout: replyTimeout, WriteTimeout: replyTimeout, PoolTimeout: replyTimeout,
		MaxRetries: -1, ContextTimeoutEnabled: true,
	})}, nil
}

// Key returns the full name of a key: the prefix and the parts, joined by colons.
func (s *Store) Key(parts ...string) string { return s.prefix + strings.Join(parts, ":") }

// Health asks the server for a sign of life, bounded by ctx and about a second.
func (s *Store) Health(ctx context.Context) error {
	if err := s.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	return nil
}

// address is what the URL says.
type address struct {
	hostPort, host, user string
	database             int
	encrypted            bool
}

func parse(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil {
		return address{}, errors.New("not a URL") // the error would quote it, with a password that may be in it
	}
	_, hasPassword := u.User.Password()
	switch {
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return address{}, errors.New("must begin with redis:// or rediss://")
	case u.Hostname() == "":
		return address{}, errors.New("must have a host")
	case hasPassword:
		return address{}, errors.New("must not have a password: put it into a file")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return address{}, errors.New("must not have a query or a fragment")
	}
	a := address{host: u.Hostname(), user: u.User.Username(), encrypted: u.Scheme == "rediss"}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	a.hostPort = net.JoinHostPort(a.host, port)
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if a.database, err = strconv.Atoi(path); err != nil || a.database < 0 || strconv.Itoa(a.database) != path {
			return address{}, fmt.Errorf("%.40q is not the number of a database", path)
		}
	}
	return a, nil
}
