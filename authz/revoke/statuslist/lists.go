package statuslist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"countersign.dev/authz/revoke"
)

// Issuer is an issuer with its lists.
type Issuer struct {
	// Issuer is the iss of the tokens, whose keys sign the lists as well.
	Issuer string
	// Lists are the https URLs that its tokens may refer to, compared byte by byte.
	Lists []string
	// CAFile holds the PEM certificates that the servers of Lists are verified with; empty means those of the system.
	// It is read again for every fetch.
	CAFile string
}

// Config is what [Lists] work with.
type Config struct {
	// Issuers may be empty: then a token that refers to a list is refused.
	Issuers []Issuer
	// Keys are the issuers' keys. Required.
	Keys Keys
	// Log is required.
	Log *slog.Logger
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Lists are all lists that the configuration names. They are safe for concurrent use.
type Lists struct {
	entries []*entry
	byName  map[name]*entry
}

type name struct{ issuer, uri string }

var _ revoke.Source = (*Lists)(nil)

// New checks the configuration. No list is fetched before a token refers to it.
func New(c Config) (*Lists, error) {
	if c.Keys == nil || c.Log == nil {
		return nil, errors.New("status lists: Keys and Log must be set")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	l := &Lists{byName: make(map[name]*entry)}
	for _, i := range c.Issuers {
		if _, err := roots(i.CAFile); err != nil {
			return nil, fmt.Errorf("the status lists of %s: %w", i.Issuer, err)
		}
		for _, uri := range i.Lists {
			if err := checkURI(uri); err != nil {
				return nil, fmt.Errorf("issuer %s: %w", i.Issuer, err)
			}
			of := name{i.Issuer, uri}
			if l.byName[of] != nil {
				return nil, fmt.Errorf("issuer %s: the status list %s is named twice", i.Issuer, uri)
			}
			e := &entry{issuer: i.Issuer, uri: uri, caFile: i.CAFile, keys: c.Keys, clock: c.Clock, log: c.Log.With("issuer", i.Issuer)}
			l.entries, l.byName[of] = append(l.entries, e), e
		}
	}
	return l, nil
}

// Revoked implements [revoke.Source] for [revoke.Marks].Statuses. The time is not looked at: how long a list may be
// believed goes by the clock at which it was fetched.
func (l *Lists) Revoked(ctx context.Context, marks revoke.Marks, _ time.Time) (revoke.Entry, bool, error) {
	for _, s := range marks.Statuses {
		e := l.byName[name{s.Issuer, s.URI}]
		if e == nil {
			return revoke.Entry{}, false, fmt.Errorf("the status list %.200q of %s is not one that the configuration names", s.URI, s.Issuer)
		}
		status, err := e.status(ctx, s.Index)
		if err != nil {
			return revoke.Entry{}, false, fmt.Errorf("the status list %s: %w", s.URI, err)
		}
		if status != 0 {
			return revoke.Entry{
				Kind: revoke.KindStatus, Value: fmt.Sprintf("%d in %s", s.Index, s.URI), Reason: describe(status),
			}, true, nil
		}
	}
	return revoke.Entry{}, false, nil
}

// Run keeps the lists that are used up to date until ctx ends.
func (l *Lists) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, e := range l.entries {
				e.refresh(ctx)
			}
		}
	}
}

// Status is the state of one list, for operators.
type Status struct {
	Issuer string `json:"issuer"`
	List   string `json:"list"`
	// Age is how long ago the list was fetched, in seconds; -1 if it never was.
	Age float64 `json:"age_seconds"`
	// Usable says whether the list is believed. One that no token refers to may not be.
	Usable bool `json:"usable"`
	// Error is that of the last fetch; empty if it succeeded.
	Error    string `json:"error,omitempty"`
	Failures uint64 `json:"failures"`
}

// Status returns the state of all lists, as configured.
func (l *Lists) Status() []Status {
	all := make([]Status, 0, len(l.entries))
	for _, e := range l.entries {
		all = append(all, e.state())
	}
	return all
}

func (e *entry) state() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.clock()
	s := Status{Issuer: e.issuer, List: e.uri, Age: -1, Usable: e.fresh(now), Failures: e.failures}
	if !e.fetched.IsZero() {
		s.Age = e.age(now).Seconds()
	}
	if e.err != nil {
		s.Error = e.err.Error()
	}
	return s
}
