// Package replay lets a delegation be used once for one exact request.
//
// A presenter who is the holder may repeat itself, and agents do; so this is not asked for every call but for tools of
// which the configuration or a policy says so. A use is the delegation (iss, jti) together with the SHA-256 of the
// request's body (req_s256). A request with other bytes is another use: what a delegation may do at all is limited by
// its constraints, not here. The token's own text is no part of it, because an ECDSA signature can be changed into
// another valid one.
//
// Envoy may ask twice about one request. It has the same stream id then, and is not a replay.
//
// [Guard] remembers uses in memory, for one instance; package redisguard in a store that a fleet shares. Neither ever
// forgets a use to make room, and what they cannot know they refuse: a delegation that was issued before the guard
// began to remember may have been used already.
package replay

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"countersign.dev/authz/denial"
)

// Skew is how much longer than the delegation's life a use is remembered, so that clocks may jump or differ by as much.
const Skew = 30 * time.Second

// Defaults of [Config].
const (
	DefaultPerPeer = 10_000
	DefaultTotal   = 100_000
)

// Config bounds what is remembered. A value that is not positive means the default.
type Config struct {
	// PerPeer is how many uses one workload may have that are remembered; [DefaultPerPeer]. More are refused.
	PerPeer int
	// Total is how many uses are remembered; [DefaultTotal]. More are refused.
	Total int
}

// Complete fills in the defaults.
func (c Config) Complete() Config {
	if c.PerPeer <= 0 {
		c.PerPeer = DefaultPerPeer
	}
	if c.Total <= 0 {
		c.Total = DefaultTotal
	}
	return c
}

// Use is one use of a delegation.
type Use struct {
	// Issuer and ID are iss and jti of the delegation.
	Issuer, ID string
	// RequestHash is req_s256: base64url SHA-256 of the body.
	RequestHash string
	// RequestID is Envoy's id of the request; empty when it has none, which is never taken for the same request.
	RequestID string
	// Peer is the SPIFFE ID of the presenter.
	Peer string
	// IssuedAt and Expiry are iat and exp of the delegation.
	IssuedAt, Expiry time.Time
}

// Forget returns when the use need not be remembered any more.
func (u Use) Forget() time.Time { return u.Expiry.Add(Skew) }

// Digest stands for the use, in 43 characters of base64url.
func (u Use) Digest() string { return digest(u.Issuer, u.ID, u.RequestHash) }

// PeerDigest stands for the presenter.
func (u Use) PeerDigest() string { return digest(u.Peer) }

// digest hashes texts so that moving a character from one to the next makes a difference.
func digest(texts ...string) string {
	var all []byte
	for _, text := range texts {
		all = binary.BigEndian.AppendUint64(all, uint64(len(text)))
		all = append(all, text...)
	}
	sum := sha256.Sum256(all)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Replayed is the refusal of a second use: [denial.Replayed].
func (u Use) Replayed() error {
	return denial.New(denial.Replayed, "delegation %q of %s was used for the same request before", u.ID, u.Issuer)
}

// Uncertain is the refusal of a use that may have happened before: [denial.ReplayUncertain].
func (u Use) Uncertain(why string) error {
	return denial.New(denial.ReplayUncertain, "whether delegation %q of %s was used before cannot be told: %s", u.ID, u.Issuer, why)
}

// Why a use is [Use.Uncertain].
const (
	// TooOld is a delegation from before the memory of uses began.
	TooOld = "it was issued before uses were remembered"
	// TooNew is a delegation from the future. When the memory of uses begins anew, it would seem to be younger than that.
	TooNew = "it was issued in the future"
	// ClockBack is one that would have been forgotten already.
	ClockBack = "uses of its time were forgotten, so the clock went back"
)

// Full is the refusal when no more uses are remembered: [denial.ReplayLimit].
func Full() error {
	return denial.New(denial.ReplayLimit, "no more uses can be remembered until delegations expire")
}
