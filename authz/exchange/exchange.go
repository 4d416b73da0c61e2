package exchange

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
)

// Users verifies what identity providers say about a user.
type Users interface {
	AccessToken(ctx context.Context, compact, audience string, now time.Time) (*oauth.User, error)
	IDToken(ctx context.Context, compact string, now time.Time) (*oauth.User, error)
	JWT(ctx context.Context, compact, audience string, now time.Time) (*oauth.User, error)
}

// Peers establishes who the mTLS peer is.
type Peers interface {
	Leaf(cert *x509.Certificate) (peer.Peer, error)
}

// Keys are our own keys as a root issuer.
type Keys interface {
	// Current is the private key that signs now.
	Current() jose.JSONWebKey
	// Public are the keys that others verify with.
	Public() jose.JSONWebKeySet
}

// Config is what an [Exchange] works with. All fields are required but those with a default.
type Config struct {
	// Issuer is the iss of the tokens: an https URL. Clients reach the endpoint below it.
	Issuer string
	// TrustDomain is the name of our trust domain: the aud of the tokens.
	TrustDomain string
	// Audience is what the aud of a user's access token must contain. Empty means Issuer.
	Audience string
	// TTL is the longest life of a token, at most [MaxTTL]. Zero means [DefaultTTL].
	TTL time.Duration
	// MaxDepth is the del_max_depth of the tokens, from 1 to [delegation.DepthLimit]. Zero means [DefaultMaxDepth].
	MaxDepth int

	// Prefixes has, for every identity provider whose users may be exchanged, what is put in front of their sub. See
	// [CheckPrefixes].
	Prefixes map[string]string
	// SubjectPrefix and ReservedPrefixes are those of Issuer as a root issuer ([trust.Issuer]).
	SubjectPrefix    string
	ReservedPrefixes []string

	Users       Users
	Peers       Peers
	Policies    authz.Policies
	Revocations authz.Revocations
	Recorder    authz.Recorder
	Keys        Keys
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Exchange is the token endpoint. It is safe for concurrent use.
type Exchange struct {
	Config
	base string // path of Issuer, without a slash at its end
}

// New checks the configuration.
func New(config Config) (*Exchange, error) {
	if config.Audience == "" {
		config.Audience = config.Issuer
	}
	if config.TTL == 0 {
		config.TTL = DefaultTTL
	}
	if config.MaxDepth == 0 {
		config.MaxDepth = DefaultMaxDepth
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	issuer, err := url.Parse(config.Issuer)
	_, domainErr := spiffeid.TrustDomainFromString(config.TrustDomain)
	switch {
	case err != nil || issuer.Scheme != "https" || issuer.Hostname() == "" || issuer.User != nil || strings.ContainsAny(config.Issuer, "?#"):
		return nil, fmt.Errorf("token endpoint: issuer %q is not an https URL without user, query and fragment", config.Issuer)
	case domainErr != nil:
		return nil, fmt.Errorf("token endpoint: trust domain %q: %w", config.TrustDomain, domainErr)
	case config.TTL < time.Second || config.TTL > MaxTTL:
		return nil, fmt.Errorf("token endpoint: a life of %s: must be from 1s to %s", config.TTL, MaxTTL)
	case config.MaxDepth < 1 || config.MaxDepth > delegation.DepthLimit:
		return nil, fmt.Errorf("token endpoint: the greatest depth is %d: must be from 1 to %d", config.MaxDepth, delegation.DepthLimit)
	case config.Users == nil || config.Peers == nil || config.Policies == nil || config.Revocations == nil ||
		config.Recorder == nil || config.Keys == nil:
		return nil, errors.New("token endpoint: one of Users, Peers, Policies, Revocations, Recorder, Keys is not set")
	}
	if err := CheckPrefixes(config.Prefixes); err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	base := strings.TrimSuffix(issuer.EscapedPath(), "/")
	if base != "" && path.Clean(base) != base || strings.ContainsAny(base, "{}") {
		return nil, fmt.Errorf("token endpoint: the path of issuer %q is not in its shortest form", config.Issuer)
	}
	return &Exchange{Config: config, base: base}, nil
}

// CheckPrefixes makes sure that no user of one identity provider can have the subject of a user of another: the same sub
// may be somebody else there. With several providers none of their prefixes may be the beginning of another.
func CheckPrefixes(byIssuer map[string]string) error {
	if len(byIssuer) == 0 {
		return errors.New("no identity provider")
	}
	issuers := slices.Sorted(maps.Keys(byIssuer))
	for i, a := range issuers {
		for _, b := range issuers[i+1:] {
			if strings.HasPrefix(byIssuer[a], byIssuer[b]) || strings.HasPrefix(byIssuer[b], byIssuer[a]) {
				return fmt.Errorf("users of %s and %s may have the same subject: "+
					"give both a prefix, none of which begins the other", a, b)
			}
		}
	}
	return nil
}

// Outcome is the answer to one request. The zero value refuses.
type Outcome struct {
	// ID names the decision in records and answers.
	ID string
	// Reason says why there is no token; empty when there is one.
	Reason denial.Reason
	// Err is what was wrong; nil when there is a token. Its text is for operators.
	Err error
	// Token is the root token; set exactly when granted.
	Token string
	// Lifetime is what is left of the token's life.
	Lifetime time.Duration
	// Scope is what was granted, Dropped what was asked for and is not in it.
	Scope, Dropped delegation.Scope
	// Record is what was recorded.
	Record audit.Record
}

// Decide answers one request. It never returns a token that was not recorded, and never panics.
func (e *Exchange) Decide(ctx context.Context, req *Request) Outcome {
	x := &exchange{Exchange: e, req: req, id: rand.Text(), now: e.Clock()}
	err := x.run(ctx)
	outcome := x.outcome(err)
	// The record must survive a caller that hangs up.
	if err := e.Recorder.Record(context.WithoutCancel(ctx), outcome.Record); err != nil && outcome.Token != "" {
		return x.outcome(denial.New(denial.AuditFailed, "recording the exchange: %w", err))
	}
	return outcome
}

// run takes the steps in order and stops at the first refusal.
func (x *exchange) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = denial.New(denial.Panicked, "%v\n%s", p, debug.Stack())
		}
	}()
	for _, step := range []func(context.Context) error{
		x.identifyPeer, x.readRequest, x.verifyUser, x.draft, x.checkRevocation, x.askPolicy, x.sign,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return denial.New(denial.Cancelled, "the exchange took too long: %w", err)
	}
	return nil
}

func (x *exchange) outcome(err error) Outcome {
	o := Outcome{ID: x.id, Err: err, Record: x.record(err)}
	if err != nil {
		o.Reason = denial.ReasonOf(err)
		return o
	}
	o.Token, o.Scope, o.Dropped, o.Lifetime = x.token, x.claims.Scope, x.dropped, x.claims.Expiry.Sub(x.now)
	return o
}
