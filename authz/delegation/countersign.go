package delegation

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// Hop is one step of a delegation: a request that was allowed, and the backend that it goes to.
type Hop struct {
	// Issuer is our name: the iss of the new token.
	Issuer string
	// Key is the private key that signs, for ES256 or EdDSA.
	Key jose.JSONWebKey
	// Peer is who sent the request, and must be the presenter of the parent.
	Peer peer.Peer
	// Backend is the workload that the request goes to: the only one that may present the new token.
	Backend spiffeid.ID
	// Scope is what the backend may pass on. All of it must be in the parent's scope.
	Scope Scope
	// TTL is the longest life of the new token. Whole seconds count.
	TTL time.Duration
	// Binding ties the new token to the request.
	Binding Binding
	// Proxy is the workload that enforces: req_wl. Empty means Issuer.
	Proxy string
	// RequestID is Envoy's id of the request. A caller may have chosen it: if it is not printable ASCII of at most
	// [MaxIdentifier] bytes it is left out.
	RequestID string
	// Policy is the revision of the policy that allowed the request.
	Policy string
	// Now is the time.
	Now time.Time
}

// Countersign makes the token for the backend from the one that the peer presented, for the same audience, or a context
// token for audience when parent is nil. The new token is checked against its parent before it is signed. Refusals:
//
//   - [denial.TokenHolder] if the peer is not the parent's presenter
//   - [denial.TokenDepth] if the parent is at its greatest depth
//   - [denial.TokenLoop] if the backend already acts in the chain
//   - [denial.TokenExpired] if no second of life is left
//   - [denial.TokenNotNarrower] if Scope is not covered by the parent
//   - [denial.SigningFailed] if the hop is incomplete, the key does not sign, or the token is larger than [MaxSize]
func Countersign(parent *Token, audience string, hop Hop) (compact string, claims Claims, err error) {
	draft, err := hop.draft(parent, audience)
	if err != nil {
		return "", Claims{}, err
	}
	payload, err := draft.payload()
	if err != nil {
		return "", Claims{}, denial.New(denial.SigningFailed, "writing the claims: %w", err)
	}
	// What is checked is what is signed, not what was meant.
	written, err := readClaims(payload)
	if err != nil {
		return "", Claims{}, denial.New(denial.SigningFailed, "the claims can not be read back: %w", err)
	}
	if err := written.checkRole(trust.Hop); err != nil {
		return "", Claims{}, err
	}
	if parent != nil {
		if err := attenuate(&parent.claims, parent.raw.Hash, written); err != nil {
			return "", Claims{}, err
		}
	}
	if compact, err = sign(payload, hop.Key); err != nil {
		return "", Claims{}, err
	}
	return compact, *written, nil
}

func (h *Hop) draft(parent *Token, audience string) (*Claims, error) {
	backend := &Actor{Issuer: h.Backend.TrustDomain().IDString(), Subject: h.Backend.String(), SubjectProfile: "service"}
	switch {
	case h.Peer.ID.Path() == "":
		return nil, denial.New(denial.SigningFailed, "no peer")
	case h.Backend.Path() == "":
		return nil, denial.New(denial.SigningFailed, "no backend")
	case h.TTL < time.Second:
		return nil, denial.New(denial.SigningFailed, "a life of %s: at least one second", h.TTL)
	}
	c := &Claims{
		Issuer: h.Issuer, Audience: audience, ID: randomID(), RequestingWorkload: h.Proxy, Actor: backend,
		IssuedAt: h.Now.Truncate(time.Second), Scope: h.Scope,
		Request: RequestContext{Peer: h.Peer.ID.String(), Policy: h.Policy, MCP: &h.Binding},
	}
	if isPrintable(h.RequestID) {
		c.Request.RequestID = h.RequestID
	}
	if c.RequestingWorkload == "" {
		c.RequestingWorkload = h.Issuer
	}
	c.Expiry = c.IssuedAt.Add(h.TTL.Truncate(time.Second))
	if parent == nil {
		return c, h.begin(c)
	}
	return c, h.follow(c, parent)
}

// begin makes a context token.
func (h *Hop) begin(c *Claims) error {
	if len(h.Scope) > 0 {
		return denial.New(denial.TokenNotNarrower, "a scope without a delegation")
	}
	c.Txn, c.Subject, c.Task = randomID(), h.Peer.ID.String(), Task{Expiry: c.Expiry}
	return nil
}

// follow makes a token one hop deeper than parent.
func (h *Hop) follow(c *Claims, parent *Token) error {
	p := &parent.claims
	actors := p.actors()
	switch {
	case p.Presenter() != h.Peer.ID.String():
		return denial.New(denial.TokenHolder, "the parent is made for %s, not %s", p.Presenter(), h.Peer.ID)
	case p.Depth >= p.MaxDepth:
		return denial.New(denial.TokenDepth, "the parent is at its greatest depth, %d: its presenter may call nobody", p.Depth)
	case slices.Contains(actors.Chain(), c.Actor.Subject):
		return denial.New(denial.TokenLoop, "%s already acts in this delegation", h.Backend)
	}
	c.Audience, c.Txn, c.Subject, c.SubjectProfile, c.Task = p.Audience, p.Txn, p.Subject, p.SubjectProfile, p.Task
	c.Actor.Actor = actors
	c.Details = within(p.Details, c.Scope)
	c.ParentHash, c.Depth, c.MaxDepth = parent.raw.Hash, p.Depth+1, p.MaxDepth
	if len(c.Scope) == 0 {
		c.MaxDepth = c.Depth
	}
	if c.Root = p.Root; p.Depth == 0 {
		c.Root = parent.raw.Text
	}
	r := &p.Request
	c.Request.IP, c.Request.Authentication = r.IP, r.Authentication
	c.Request.AuthenticationClass, c.Request.AuthenticationTime = r.AuthenticationClass, r.AuthenticationTime
	c.Request.AccessTokenHash = r.AccessTokenHash
	return c.limitLife(p)
}

// limitLife applies R3 and R4. The parent's issuer may be ahead of our clock by the skew.
func (c *Claims) limitLife(parent *Claims) error {
	for _, end := range []time.Time{parent.Expiry, parent.Task.Expiry} {
		if end.Before(c.Expiry) {
			c.Expiry = end
		}
	}
	if parent.IssuedAt.After(c.IssuedAt) {
		c.IssuedAt = parent.IssuedAt
	}
	if !c.IssuedAt.Before(c.Expiry) {
		return denial.New(denial.TokenExpired, "no life is left: the parent ends at %s, its task at %s",
			parent.Expiry, parent.Task.Expiry)
	}
	return nil
}

func isPrintable(text string) bool {
	return len(text) <= MaxIdentifier && !strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// randomID returns 128 random bits in base64url.
func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// SigningKey is the key that we sign with at present.
type SigningKey interface {
	Current() jose.JSONWebKey
}

// Signer countersigns in the name of one issuer.
type Signer struct {
	issuer, audience string
	key              SigningKey
}

// NewSigner returns a signer of tokens with this iss. The audience is that of context tokens, which begin with us.
func NewSigner(issuer, audience string, key SigningKey) *Signer {
	return &Signer{issuer: issuer, audience: audience, key: key}
}

// Countersign fills in issuer and key of the hop and calls [Countersign].
func (s *Signer) Countersign(parent *Token, hop Hop) (compact string, claims Claims, err error) {
	hop.Issuer, hop.Key = s.issuer, s.key.Current()
	return Countersign(parent, s.audience, hop)
}
