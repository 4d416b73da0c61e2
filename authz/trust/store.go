package trust

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// Store holds the issuers and their keys. It is safe for concurrent use.
type Store struct {
	entries []*entry          // as configured
	byID    map[string]*entry // never changes
	selves  []self            // none if we only verify; as a hop, then as a root if we are one
	losses  atomic.Uint64
	log     *slog.Logger
}

// NewStore checks the configuration and loads all keys. A file that does not load is an error. A URL that does not
// answer is logged: its tokens are refused as [denial.TokenUnknownKey] until it does. The first fetches are bounded
// by ctx.
func NewStore(ctx context.Context, configs []IssuerConfig, own Own, log *slog.Logger) (*Store, error) {
	s, err := newStore(configs, own, log)
	if err != nil {
		return nil, err
	}
	if err := s.loadAll(ctx, s.entries); err != nil {
		return nil, err
	}
	return s, nil
}

// CheckStore is [NewStore] for checking a configuration: it reads the files, and asks no host behind a URL.
func CheckStore(ctx context.Context, configs []IssuerConfig, own Own, log *slog.Logger) (*Store, error) {
	s, err := newStore(configs, own, log)
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(slices.Clone(s.entries), func(e *entry) bool { return e.refresh != 0 })
	if err := s.loadAll(ctx, files); err != nil {
		return nil, err
	}
	return s, nil
}

func newStore(configs []IssuerConfig, own Own, log *slog.Logger) (*Store, error) {
	s := &Store{byID: make(map[string]*entry, len(configs)), log: log}
	if own.Issuer != "" || own.Keys != nil {
		if err := s.setOwn(own); err != nil {
			return nil, fmt.Errorf("own issuer: %w", err)
		}
	}
	for i, c := range configs {
		if err := s.add(c, s.domains(own)); err != nil {
			return nil, fmt.Errorf("issuers[%d] %q: %w", i, c.Issuer, err)
		}
	}
	if err := s.tellSubjectsApart(); err != nil {
		return nil, err
	}
	return s, nil
}

// domains returns the default actor trust domains of other issuers.
func (s *Store) domains(own Own) []spiffeid.TrustDomain {
	if len(s.selves) > 0 {
		return s.selves[0].ActorTrustDomains
	}
	return own.ActorTrustDomains
}

func (s *Store) setOwn(own Own) error {
	if own.Keys == nil {
		return errors.New("no signing keys")
	}
	i, err := own.issuer()
	if err != nil {
		return err
	}
	s.selves = []self{{i, own.Keys}}
	if own.Root.Issuer != "" {
		root, err := own.Root.issuer(own, i.ActorTrustDomains)
		if err != nil {
			return fmt.Errorf("as a root: %w", err)
		}
		s.selves = append(s.selves, self{root, own.Root.Keys})
	}
	for _, o := range s.selves {
		s.logWarnings(o.keys, nil)
	}
	return nil
}

func (s *Store) add(c IssuerConfig, own []spiffeid.TrustDomain) error {
	i, err := c.issuer(own)
	if err != nil {
		return err
	}
	if _, ok := s.byID[i.ID]; ok {
		return errors.New("the issuer is configured twice")
	}
	if s.ours(i.ID) != nil {
		return errors.New("this is our own issuer: its keys are known, and it can not have another role")
	}
	var src source
	switch {
	case !c.oneSource():
		return errors.New("keys need either a file, a URL or discovery")
	case c.KeysFile != "" && c.CAFile != "":
		return errors.New("a CA file is for keys behind a URL")
	case c.KeysFile != "":
		src = fileSource{path: c.KeysFile, algorithms: i.Algorithms, foreign: i.Role == Entry}
	default:
		if c.Refresh == 0 {
			c.Refresh = DefaultRefresh
		}
		if c.Stale == 0 {
			c.Stale = max(DefaultStale, c.Refresh)
		}
		if c.Refresh < MinRefresh || c.Stale < c.Refresh {
			return fmt.Errorf("refresh is %s and stale is %s: must be at least %s, and stale not shorter than refresh",
				c.Refresh, c.Stale, MinRefresh)
		}
		if src, err = c.remote(i); err != nil {
			return err
		}
	}
	e := newEntry(c, i, src, &s.losses, s.log)
	s.entries, s.byID[i.ID] = append(s.entries, e), e
	return nil
}

// loadAll loads issuers for the first time, all at once so that slow servers do not add up.
func (s *Store) loadAll(ctx context.Context, entries []*entry) error {
	failed := make([]error, len(entries))
	var wait sync.WaitGroup
	for i, e := range entries {
		wait.Go(func() {
			// A URL may be late, which is already logged.
			if err := e.load(ctx, 0); err != nil && e.refresh == 0 {
				failed[i] = fmt.Errorf("loading the keys of issuer %q: %w", e.ID, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

// Issuer returns what the configuration says about an issuer, and whether there is one of exactly this name.
func (s *Store) Issuer(iss string) (Issuer, bool) {
	if own := s.ours(iss); own != nil {
		return own.Issuer, true
	}
	e, ok := s.byID[iss]
	if !ok {
		return Issuer{}, false
	}
	return e.Issuer, true
}

// Key returns the public key of an issuer. Its Algorithm is the only one that the key is for. An issuer that is not
// configured is refused as [denial.TokenUnknownIssuer]; a kid that the issuer does not have, or whose set went
// stale, as [denial.TokenUnknownKey], for a URL issuer after one more fetch: at most one in ten seconds, shared by
// all requests that wait for it. If ctx ends first the refusal is [denial.Cancelled].
func (s *Store) Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error) {
	if own := s.ours(iss); own != nil {
		return own.key(kid)
	}
	e, ok := s.byID[iss]
	if !ok {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownIssuer, "no issuer %.80q is configured", iss)
	}
	key, err := e.key(kid)
	if err == nil {
		return key, nil
	}
	// A kid that no set may have is not worth a fetch.
	if e.refresh == 0 || checkKeyID(kid) != nil {
		return jose.JSONWebKey{}, err
	}
	// A failed fetch is logged and shown in the status; here only its effect on the keys counts.
	if e.load(ctx, demandGap) != nil && ctx.Err() != nil {
		return jose.JSONWebKey{}, denial.New(denial.Cancelled, "waiting for the keys of %q: %w", iss, ctx.Err())
	}
	return e.key(kid)
}

func (e *entry) key(kid string) (jose.JSONWebKey, error) {
	s, now := e.state.Load(), time.Now()
	if e.isStale(s, now) {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey,
			"the keys of %q are stale: fetched %s ago, and may be used for %s", e.ID, now.Sub(s.updated), e.stale)
	}
	if key, ok := s.keys[kid]; ok {
		return key, nil
	}
	if len(s.keys) == 0 {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "the keys of %q never arrived", e.ID)
	}
	return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "issuer %q has no key %.80q", e.ID, kid)
}

// Generation grows whenever a key can no longer be used: it was removed or changed, or went stale. Read it before
// [Store.Key]; what was verified under an older generation must be verified again.
func (s *Store) Generation() uint64 {
	now := time.Now()
	for _, e := range s.entries {
		e.lapse(now)
	}
	generation := s.losses.Load()
	for _, o := range s.selves {
		generation += o.keys.losses.Load()
	}
	return generation
}
