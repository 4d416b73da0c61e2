package remote

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar/bundle"
)

// Defaults and limits of a [Config].
const (
	DefaultPoll    = time.Minute
	DefaultTimeout = 30 * time.Second
	MinPoll        = time.Second
	MaxTimeout     = 5 * time.Minute
)

// Config says where bundles come from and whose are taken. All files it names are read again for every fetch, so that
// what they say may change.
type Config struct {
	// URL is the https address of the bundle.
	URL string
	// CAFile is a PEM file with the authorities that the server is verified with; empty for those of the system.
	CAFile string
	// Server is the SPIFFE ID of the workload that serves URL: the bundle is then fetched over mTLS with Identity, and
	// neither CAFile nor the host in URL count. Zero for none.
	Server   spiffeid.ID
	Identity trust.Identity
	// BearerFile is a file with a token for the Authorization header (RFC 6750); empty for none.
	BearerFile string
	// KeysFile is a JWK Set with the keys of those whose bundles are taken. If empty, bundles are not verified, and whoever
	// serves URL says what is allowed.
	KeysFile string
	// Name is what the bundles have to be for: see [bundle.Manifest].
	Name string
	// StateFile is where the last good bundle is kept; empty for nowhere, and then a restart forgets the highest counter.
	// The directory must exist, and belongs to one process.
	StateFile string
	// Poll is the time between two polls. Default [DefaultPoll], at least [MinPoll].
	Poll time.Duration
	// Timeout bounds one fetch, from the connection to the last byte. Default [DefaultTimeout], at most [MaxTimeout].
	Timeout time.Duration
}

// New checks everything that can be checked without asking the server. The bundle is fetched by [Source.Poll].
func New(cfg Config, log *slog.Logger) (*Source, error) {
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("policy bundle: %w", err)
	}
	return &Source{cfg: cfg, log: log}, nil
}

func (c Config) check() error {
	if err := checkURL(c.URL); err != nil {
		return err
	}
	switch {
	case c.Poll < MinPoll:
		return fmt.Errorf("polls every %s: at least %s apart", c.Poll, MinPoll)
	case c.Timeout < time.Millisecond || c.Timeout > MaxTimeout:
		return fmt.Errorf("a timeout of %s: at most %s", c.Timeout, MaxTimeout)
	case !c.Server.IsZero() && c.CAFile != "":
		return errors.New("the server is known by a SPIFFE ID or through a CA file, not by both")
	case !c.Server.IsZero() && c.Server.Path() == "":
		return errors.New("a SPIFFE ID without a path names no server")
	case !c.Server.IsZero() && c.Identity == nil:
		return errors.New("a bundle over mTLS needs an identity of our own")
	}
	if _, err := bundle.TrustFile(c.KeysFile); err != nil {
		return err
	}
	if _, err := trust.Authorities(c.CAFile); err != nil {
		return fmt.Errorf("reading the authorities: %w", err)
	}
	_, err := c.bearer()
	return err
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("the URL: %w", err)
	}
	if u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("the URL is %.200q, must be an https URL with a host, and no user or fragment", text)
	}
	return nil
}
