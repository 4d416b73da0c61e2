package exchange

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/trust"
)

// Method is what context.method is in policy, and method in records.
const Method = "token/exchange"

// exchange is one request on its way through the steps. What a step found is there for the later ones and for the
// record, also when the request is refused half-way.
type exchange struct {
	*Exchange
	req *Request
	id  string
	now time.Time

	peer    peer.Peer
	asked   *parameters
	user    *oauth.User
	policy  authz.Policy
	claims  *delegation.Claims
	dropped delegation.Scope
	token   string
}

func (x *exchange) identifyPeer(ctx context.Context) (err error) {
	if x.req.Certificate == nil {
		return denial.New(denial.PeerMissing, "no client certificate")
	}
	if x.peer, err = x.Peers.Leaf(x.req.Certificate); err != nil {
		return err
	}
	return revoke.Refuse(ctx, x.Revocations, revoke.Marks{Actors: []string{x.peer.ID.String()}}, x.now)
}

func (x *exchange) readRequest(context.Context) error {
	if err := x.req.checkHTTP(); err != nil {
		return err
	}
	asked, err := readParameters(x.req.Body, x.peer, x.TrustDomain)
	if err != nil {
		return err
	}
	x.asked = asked
	return nil
}

// verifyUser verifies the subject token, and that this peer may use it.
func (x *exchange) verifyUser(ctx context.Context) (err error) {
	var user *oauth.User
	switch x.asked.subjectType {
	case TypeAccessToken:
		user, err = x.Users.AccessToken(ctx, x.asked.subjectToken, x.Audience, x.now)
	case TypeIDToken:
		user, err = x.Users.IDToken(ctx, x.asked.subjectToken, x.now)
	default:
		user, err = x.Users.JWT(ctx, x.asked.subjectToken, x.Audience, x.now)
	}
	if err != nil {
		return err
	}
	x.user = user
	if user.CertificateHash != "" && user.CertificateHash != x.peer.CertificateHash {
		return denial.New(denial.TokenKeyBinding, "the subject token is bound to certificate %s, the peer has %s",
			user.CertificateHash, x.peer.CertificateHash)
	}
	if may := user.MayAct; may != nil {
		if may.Subject != x.peer.ID.String() || may.Issuer != "" && may.Issuer != x.peer.ID.TrustDomain().IDString() {
			return denial.New(denial.UserTokenActor, "may_act names %.200q, the peer is %s", may.Subject, x.peer.ID)
		}
	}
	return nil
}

// draft puts the token together as it would be if everything asked for were granted: that is what policy is asked about.
func (x *exchange) draft(context.Context) error {
	prefix, ok := x.Prefixes[x.user.Issuer]
	if !ok {
		return denial.New(denial.TokenUnknownIssuer, "users of %s are not exchanged", x.user.Issuer)
	}
	subject := prefix + x.user.Subject
	// There must be somebody to act for. What looks like a workload would be taken for one.
	if x.user.Subject == x.user.ClientID || strings.HasPrefix(subject, "spiffe://") || len(subject) > delegation.MaxIdentifier {
		return denial.New(denial.TokenClaims, "the subject %.80q is a client, or longer than %d bytes", subject, delegation.MaxIdentifier)
	}
	if root := (trust.Issuer{ReservedPrefixes: x.ReservedPrefixes}); root.Reserves(subject) != "" {
		return denial.New(denial.TokenClaims, "the subject %.80q begins like one of another root issuer", subject)
	}
	id, task := x.peer.ID.String(), x.asked.details
	c := &delegation.Claims{
		Issuer: x.Issuer, Audience: x.TrustDomain, ID: rand.Text(), Txn: rand.Text(),
		Subject: subject, SubjectProfile: "user", RequestingWorkload: id,
		IssuedAt: x.now.Truncate(time.Second).UTC(),
		Actor:    &delegation.Actor{Issuer: x.peer.ID.TrustDomain().IDString(), Subject: id, SubjectProfile: "ai_agent"},
		Scope:    x.asked.scope, Details: task.limits,
		Task:            delegation.Task{Task: task.task, Purpose: task.purpose, IntentHash: task.intentHash, Expiry: task.taskExpiry},
		CertificateHash: x.user.CertificateHash, // a bound token does not become one that is not
		MaxDepth:        x.MaxDepth,
	}
	c.Expiry = c.IssuedAt.Add(x.TTL.Truncate(time.Second))
	if x.user.Expiry.Before(c.Expiry) {
		c.Expiry = x.user.Expiry
	}
	if c.Task.Expiry.IsZero() {
		c.Task.Expiry = c.Expiry
	}
	if c.Task.Expiry.Before(c.Expiry) {
		c.Expiry = c.Task.Expiry
	}
	x.claims = c
	if !x.now.Before(c.Expiry) {
		return denial.New(denial.TaskExpired, "the task ends at %s, it is %s", c.Task.Expiry, x.now.UTC().Truncate(time.Second))
	}
	return x.describeAuthentication()
}

// describeAuthentication fills in rctx: where the request came from, and how, how well and when the user was
// authenticated.
func (x *exchange) describeAuthentication() error {
	r, user := &x.claims.Request, x.user
	for _, fact := range []struct {
		to    *[]byte
		known bool
		value any
	}{
		{&r.IP, x.req.Source.IsValid(), x.req.Source.Unmap().WithZone("").String()},
		{&r.Authentication, len(user.AMR) > 0, user.AMR},
		{&r.AuthenticationClass, user.ACR != "", user.ACR},
		{&r.AuthenticationTime, !user.AuthTime.IsZero(), user.AuthTime.Unix()},
	} {
		if !fact.known {
			continue
		}
		raw, err := json.Marshal(fact.value)
		if err != nil || len(raw) > delegation.MaxRaw {
			return denial.New(denial.TokenClaims, "amr or acr does not fit into %d bytes", delegation.MaxRaw)
		}
		*fact.to = raw
	}
	return nil
}

func (x *exchange) checkRevocation(ctx context.Context) error {
	marks := revoke.Marks{
		Txn: x.claims.Txn, Task: x.claims.Task.Task, Subject: x.claims.Subject,
		Actors: []string{x.peer.ID.String()}, KeyIDs: []string{x.user.KeyID},
		Issued: []revoke.Issued{{Issuer: x.user.Issuer, At: x.user.IssuedAt}},
	}
	if x.user.ID != "" {
		marks.JTIs = []string{x.user.ID}
	}
	return revoke.Refuse(ctx, x.Revocations, marks, x.now)
}

// askPolicy keeps of the scope what the user's token and policy grant, and names the rest.
func (x *exchange) askPolicy(ctx context.Context) error {
	var ok bool
	if x.policy, ok = x.Policies.Snapshot(); !ok {
		return denial.New(denial.PolicyUnavailable, "no valid policies were loaded yet")
	}
	asked := x.claims.Scope
	within, err := x.withinUserScope(asked)
	if err != nil {
		return err
	}
	x.claims.Scope = within
	granted, err := x.policy.MayDelegate(ctx, x.query(), x.peer.ID, within)
	if err != nil {
		return denial.New(denial.PolicyError, "asking what %s may be granted: %w", x.peer.ID, err)
	}
	for _, item := range asked {
		if !slices.Contains(granted, item) {
			x.dropped = append(x.dropped, item)
		}
	}
	x.claims.Scope = granted
	switch {
	case len(granted) == 0:
		return denial.New(denial.PolicyNoPermit, "nothing is granted of %s", asked)
	case len(granted) > delegation.MaxScope:
		return denial.New(denial.ExchangeScope, "a wildcard stands for tools by name here: %d items, at most %d",
			len(granted), delegation.MaxScope)
	}
	return nil
}

// withinUserScope narrows to what the user's token grants, if it speaks of tools at all. Other scopes in it are about
// other things.
func (x *exchange) withinUserScope(asked delegation.Scope) (delegation.Scope, error) {
	var items []string
	for _, item := range x.user.Scope {
		if strings.HasPrefix(item, "mcp:") {
			items = append(items, item)
		}
	}
	if len(items) == 0 {
		return asked, nil
	}
	limit, err := delegation.ParseScope(strings.Join(items, " "))
	if err != nil {
		return nil, denial.New(denial.TokenClaims, "the scope of the subject token: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(asked), func(item string) bool { return !limit.Covers(item) }), nil
}

func (x *exchange) query() authz.Query {
	return authz.Query{
		Now: x.now, Peer: x.peer, Call: &mcp.Call{Method: Method}, Delegation: x.claims, RootIssuer: x.Issuer,
		SubjectPrefix: x.SubjectPrefix,
		HTTP:          authz.HTTPFacts{ID: x.id, Host: x.req.Host, Path: x.req.Path, SourceIP: x.req.Source},
	}
}

func (x *exchange) sign(context.Context) error {
	token, err := delegation.Mint(*x.claims, x.Keys.Current())
	if err != nil {
		return denial.New(denial.SigningFailed, "signing: %w", err)
	}
	if len(token) > MaxToken {
		return denial.New(denial.ExchangeDetails, "the token would have %d bytes, at most %d: ask for less", len(token), MaxToken)
	}
	x.token = token
	return nil
}

// explain is what operators get to know about an exchange that was granted.
func (x *exchange) explain() string {
	text := fmt.Sprintf("user of %s by %s", x.user.Issuer, x.user.Kind)
	if len(x.dropped) > 0 {
		text += "; dropped " + x.dropped.String()
	}
	return text
}
