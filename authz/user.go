package authz

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/oauth"
)

// unspecified is the purpose of a delegation that an access token begins: it does not say what it is for.
const unspecified = "unspecified"

// begin makes a delegation from an access token: a root of our own, which the rest of the way is taken with as if the
// caller had presented it. Package delegation says why it must be one.
func (c *check) begin(ctx context.Context, access string) (err error) {
	bearer := c.server.Bearer
	if c.user, err = c.Users.AccessToken(ctx, access, bearer.Resource, c.now); err != nil {
		return err
	}
	if err := bearer.takes(c.user); err != nil {
		return err
	}
	if err := c.holds(c.user); err != nil {
		return err
	}
	scope, err := bearer.granted(c.server.Name, c.user.Scope)
	if err != nil {
		return err
	}
	claims, err := c.rootClaims(c.user, scope)
	if err != nil {
		return err
	}
	root, err := c.Roots.Begin(claims, c.now)
	if err != nil {
		if denial.ReasonOf(err) != denial.Internal {
			return err
		}
		return denial.New(denial.SigningFailed, "beginning a delegation: %w", err)
	}
	// What the next hop would not take for a root must not become one here.
	if c.parent, err = c.Tokens.Verify(ctx, root, c.peer, c.now); err != nil && denial.ReasonOf(err) != denial.Cancelled {
		return denial.New(denial.Internal, "our own root does not verify: %w", err)
	}
	return err
}

// takes checks that the token is for this server alone, and from a provider whose word counts here. A token that is good
// for another server too could be replayed by that server.
func (b *Bearer) takes(user *oauth.User) error {
	if !slices.Contains(b.IdentityProviders, user.Issuer) {
		return denial.New(denial.TokenUnknownIssuer, "identity provider %.80q is not one of this server", user.Issuer)
	}
	if len(user.Audience) != 1 || user.Audience[0] != b.Resource {
		return denial.New(denial.TokenAudience, "the access token is for %.200q instead of %s alone", user.Audience, b.Resource)
	}
	return nil
}

// holds checks that the peer is the client that the token was issued to, as far as the token or the configuration tie it
// to a workload.
func (c *check) holds(user *oauth.User) error {
	peer := c.peer.ID.String()
	switch may := user.MayAct; {
	case user.CertificateHash != "" && user.CertificateHash != c.peer.CertificateHash:
		return denial.New(denial.TokenKeyBinding, "the access token is bound to certificate %s, presented with %.80q",
			user.CertificateHash, c.peer.CertificateHash)
	case may != nil && (may.Subject != peer || may.Issuer != "" && may.Issuer != c.peer.ID.TrustDomain().IDString()):
		return denial.New(denial.UserTokenActor, "may_act names %.200q, the peer is %s", may.Subject, peer)
	case strings.HasPrefix(user.ClientID, "spiffe://") && user.ClientID != peer:
		return denial.New(denial.TokenHolder, "the access token is that of %.200s, presented by %s", user.ClientID, peer)
	case len(c.server.Bearer.Clients) == 0:
		return nil
	}
	matcher, listed := c.server.Bearer.Clients[user.ClientID]
	if !listed {
		return denial.New(denial.TokenHolder, "client %.80q is not one of this server", user.ClientID)
	}
	if err := matcher(c.peer.ID); err != nil {
		return denial.New(denial.TokenHolder, "the access token is that of client %.80q: %w", user.ClientID, err)
	}
	return nil
}

// rootClaims says in our terms what the access token says. The task is the login: nothing else is known about it.
func (c *check) rootClaims(user *oauth.User, scope delegation.Scope) (claims delegation.Claims, err error) {
	subject := c.server.Bearer.SubjectPrefixes[user.Issuer] + user.Subject
	switch {
	case user.Subject == user.ClientID: // RFC 9068, section 2.2
		return claims, denial.New(denial.TokenClaims, "the subject %.80q is the client itself, no user", user.Subject)
	case strings.HasPrefix(subject, "spiffe://"):
		return claims, denial.New(denial.TokenClaims, "the subject %.80q would be taken for a workload", subject)
	}
	id := c.peer.ID
	claims = delegation.Claims{
		ID: user.ID, Subject: subject, SubjectProfile: "user", RequestingWorkload: id.String(), Expiry: user.Expiry,
		Actor:           &delegation.Actor{Issuer: id.TrustDomain().IDString(), Subject: id.String(), SubjectProfile: "ai_agent"},
		Scope:           scope,
		Task:            delegation.Task{Task: "access-token:" + user.Hash, Purpose: unspecified, Expiry: user.Expiry},
		Request:         delegation.RequestContext{AccessTokenHash: user.Hash},
		CertificateHash: user.CertificateHash,
	}
	r := &claims.Request
	if c.req.SourceIP.IsValid() {
		r.IP = []byte(strconv.Quote(c.req.SourceIP.String()))
	}
	if !user.AuthTime.IsZero() {
		r.AuthenticationTime = strconv.AppendInt(nil, user.AuthTime.Unix(), 10)
	}
	if r.Authentication, err = quoted(strings.Join(user.AMR, " ")); err != nil {
		return claims, err
	}
	r.AuthenticationClass, err = quoted(user.ACR)
	return claims, err
}

// quoted returns text as a JSON string, nil for none.
func quoted(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return nil, denial.New(denial.TokenClaims, "how the user was authenticated: %w", err)
	}
	return raw, nil
}

// orLogin turns a refusal by policy into a request to log in, where logging in may help: the server takes access tokens,
// and this request came without any credential. A preflight never has one (Fetch, section 3.3.5).
func (c *check) orLogin(refused error) error {
	reason := denial.ReasonOf(refused)
	helps := reason == denial.PolicyNoPermit || reason == denial.PolicyForbidden || reason == denial.DelegationRequired
	if !helps || c.server.Bearer == nil || c.parent != nil || c.call.Kind == mcp.KindPreflight {
		return refused
	}
	return denial.New(denial.CredentialMissing, "without a delegation: %w", refused)
}
