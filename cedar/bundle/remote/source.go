package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle"
)

// Source is a policy that comes as a bundle. It implements [cedar.Source] and is safe for concurrent use.
//
// Whoever puts its files in force calls [Source.Read], and then [Source.Settle] with what came of it.
type Source struct {
	cfg Config
	log *slog.Logger

	polling sync.Mutex   // one poll at a time
	ends    atomic.Int64 // Unix seconds when what is in force may no longer decide; 0 for never

	mu       sync.Mutex // guards what follows
	restored bool       // the state file was read
	floor    bundle.Floor
	newest   *held // verified last; nil if none ever was
	offered  *held // what Read returned last
	active   *held // in force
	kept     string
	tag      string // of newest; empty to ask for everything
	pollErr  error  // of the last poll
	keepErr  error  // of the last write of the state file
	status   Status
}

var _ cedar.Source = (*Source)(nil)

// held is a bundle that was verified.
type held struct {
	*bundle.Bundle
	data []byte // as it came, to be kept or to be verified again
}

// Poll asks the server once, and reports whether a bundle came that was not there before, or an error that was not.
func (s *Source) Poll(ctx context.Context) (news bool) {
	s.polling.Lock()
	defer s.polling.Unlock()
	changed, err := s.poll(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	s.status.LastPoll = now
	before := s.pollErr
	s.pollErr = err
	if err != nil {
		s.tag = ""
		s.status.Failures++
		s.status.Errors++
		return before == nil || before.Error() != err.Error()
	}
	s.status.LastSuccess, s.status.Failures = now, 0
	return changed || before != nil
}

func (s *Source) poll(ctx context.Context) (changed bool, err error) {
	if err := s.restore(); err != nil {
		return false, err
	}
	trust, err := bundle.TrustFile(s.cfg.KeysFile)
	if err != nil {
		return false, err
	}
	asked := s.question(trust)
	got, err := s.cfg.fetch(ctx, asked)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.status.Published = &Published{ETag: got.tag, At: now.UTC()}
	if got.unchanged {
		return false, nil
	}
	s.status.Downloaded = &Downloaded{Size: len(got.data), At: now.UTC()}
	b, err := s.verify(got.data, trust, now)
	if err != nil {
		return false, err
	}
	s.tag = got.tag
	s.status.Verified = revision(b.Bundle, now)
	if s.newest != nil && s.newest.Digest == b.Digest {
		s.newest = b // it may be signed with another key
		return false, nil
	}
	s.newest = b
	return true, nil
}

// question returns the tag to ask with: that of the newest bundle, if it would be taken again.
func (s *Source) question(trust bundle.Trust) string {
	s.mu.Lock()
	tag, newest := s.tag, s.newest
	s.mu.Unlock()
	if tag == "" || newest == nil || newest.Manifest.CheckTime(time.Now()) != nil || trust.Verify(newest.data) != nil {
		return ""
	}
	return tag
}

// verify checks all of a bundle. It is called with mu held.
func (s *Source) verify(data []byte, trust bundle.Trust, now time.Time) (*held, error) {
	b, err := bundle.Read(data, trust)
	if err != nil {
		return nil, err
	}
	if b.Manifest.Name != s.cfg.Name {
		return nil, fmt.Errorf("the bundle is for %q, want one for %q", b.Manifest.Name, s.cfg.Name)
	}
	if err := b.Manifest.CheckTime(now); err != nil {
		return nil, err
	}
	if err := s.floor.Check(b); err != nil {
		return nil, err
	}
	return &held{b, data}, nil
}

// errNone means that no good bundle came yet.
var errNone = errors.New("no bundle was verified yet")

// Read implements [cedar.Source]: it returns the files of the newest bundle that was verified, without asking the server.
func (s *Source) Read(context.Context) (*cedar.Files, error) {
	restoreErr := s.restore()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = nil
	switch {
	case restoreErr != nil:
		return nil, restoreErr
	case s.newest == nil && s.pollErr != nil:
		return nil, fmt.Errorf("%w: %w", errNone, s.pollErr)
	case s.newest == nil:
		return nil, errNone
	}
	if err := s.newest.Manifest.CheckTime(time.Now()); err != nil {
		return nil, err
	}
	s.offered = s.newest
	return s.newest.Policy(), nil
}

// Settle is told what came of the files that Read returned last: nil if they are in force now, or were already. An error has
// everything downloaded again at the next poll.
func (s *Source) Settle(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.offered
	if b == nil {
		return
	}
	if err != nil {
		s.tag = ""
		s.status.Refused = revision(b.Bundle, time.Now())
		return
	}
	if s.active == nil || s.active.Digest != b.Digest {
		s.log.InfoContext(ctx, "policy bundle in force", "counter", b.Manifest.Counter, "digest", b.Digest, "key", b.KeyID)
		s.status.Active = revision(b.Bundle, time.Now())
	}
	s.active = b
	s.status.Refused = nil
	s.floor = s.floor.Raise(b.Bundle)
	var ends int64
	if end := b.Manifest.NotAfter; !end.IsZero() {
		ends = end.Add(bundle.Skew).Unix()
	}
	s.ends.Store(ends)
	s.keep(b)
}

// Usable implements [cedar.Source]: it is false once the bundle in force is over.
func (s *Source) Usable() bool {
	ends := s.ends.Load()
	return ends == 0 || time.Now().Unix() < ends
}

// Err returns why what is in force may be out of date, or would not survive a restart: nil if the last poll succeeded.
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.pollErr, s.keepErr)
}
