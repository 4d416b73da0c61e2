package remote

import (
	"time"

	"countersign.dev/cedar/bundle"
)

// Status is the state of a source, for operators.
type Status struct {
	// URL is where the bundle comes from.
	URL string `json:"url"`
	// Signed says whether only signed bundles are taken.
	Signed bool `json:"signed"`
	// Usable is false when the bundle in force is over, and decides no more.
	Usable bool `json:"usable"`
	// Published is what the server announced last.
	Published *Published `json:"published,omitempty"`
	// Downloaded is the last whole answer.
	Downloaded *Downloaded `json:"downloaded,omitempty"`
	// Verified is the last bundle that passed every check but those of policy.
	Verified *Revision `json:"verified,omitempty"`
	// Refused is the newest bundle if the policy in it is wrong; the error of the policy says how.
	Refused *Revision `json:"refused,omitempty"`
	// Active is the bundle in force.
	Active *Revision `json:"active,omitempty"`
	// Highest is the counter below which bundles are refused.
	Highest uint64 `json:"highest_counter"`
	// LastPoll and LastSuccess are when the server was asked last, and with success.
	LastPoll    time.Time `json:"last_poll,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	// LastError is that of the last poll, or of keeping the state; empty if both went well.
	LastError string `json:"last_error,omitempty"`
	// Failures is how many polls failed since the last success, Errors how many did at all.
	Failures int    `json:"failures"`
	Errors   uint64 `json:"errors"`
}

// Published is what a server says about its bundle before anybody reads it.
type Published struct {
	ETag string    `json:"etag,omitempty"`
	At   time.Time `json:"at"`
}

// Downloaded is an answer of a server.
type Downloaded struct {
	// Size is in bytes.
	Size int       `json:"size"`
	At   time.Time `json:"at"`
}

// Revision is a bundle that was verified.
type Revision struct {
	Counter uint64 `json:"counter"`
	// Digest is that of [bundle.Bundle].
	Digest string `json:"digest"`
	// KeyID is the kid of the key that signed it; empty if signatures are not asked for.
	KeyID     string    `json:"key_id,omitempty"`
	Created   time.Time `json:"created,omitzero"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	// At is when it came into the state.
	At time.Time `json:"at"`
}

func revision(b *bundle.Bundle, at time.Time) *Revision {
	m := b.Manifest
	return &Revision{
		Counter: m.Counter, Digest: b.Digest, KeyID: b.KeyID,
		Created: m.Created, NotBefore: m.NotBefore, NotAfter: m.NotAfter, At: at.UTC(),
	}
}

// Status returns the state.
func (s *Source) Status() Status {
	s.mu.Lock()
	status := s.status // what it points to never changes
	status.Highest = s.floor.Counter
	s.mu.Unlock()
	status.URL, status.Signed, status.Usable = s.cfg.URL, s.cfg.KeysFile != "", s.Usable()
	if err := s.Err(); err != nil {
		status.LastError = err.Error()
	}
	return status
}
