package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
)

// Defaults of a delegation.
const (
	defaultAge  = time.Minute
	defaultLife = 5 * time.Minute
)

// boundHash stands for the certificate that a token is bound to: policy is told only that there is one.
const boundHash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// claims returns the claims of the token for a query that has everything else.
func (r Request) claims(q authz.Query) (*delegation.Claims, error) {
	d := r.Delegation
	c := &delegation.Claims{
		Issuer: d.Issuer, Subject: d.Subject, Audience: d.Audience,
		Task: delegation.Task{Task: d.Task, Purpose: d.Purpose}, MaxDepth: delegation.DepthLimit,
	}
	if c.Subject == "" {
		return nil, problem("delegation.subject", "is missing: name the user on whose behalf")
	}
	for member, text := range map[string]string{"subject": d.Subject, "task": d.Task, "purpose": d.Purpose} {
		if len(text) > delegation.MaxURI {
			return nil, problem("delegation."+member, "has %d bytes", len(text))
		}
	}
	if c.Issuer == "" {
		c.Issuer = DefaultIssuer
	}
	if c.Audience == "" {
		c.Audience = q.Peer.ID.TrustDomain().Name()
	}
	if d.SenderConstrained {
		c.CertificateHash = boundHash
	}
	var err error
	if c.Actor, c.Depth, err = r.actors(q); err != nil {
		return nil, err
	}
	if d.Depth != nil {
		c.Depth = *d.Depth
		if c.Depth < 0 || c.Depth > delegation.DepthLimit {
			return nil, problem("delegation.depth", "%d is not between 0 and %d", c.Depth, delegation.DepthLimit)
		}
	}
	if c.Scope, err = r.scope(q); err != nil {
		return nil, err
	}
	c.IssuedAt = q.Now.Add(-defaultAge)
	if !d.IssuedAt.IsZero() {
		c.IssuedAt = d.IssuedAt.UTC()
	}
	c.Expiry, err = end("delegation", q.Now, d.ExpiresAt, d.ExpiresIn, q.Now.Add(defaultLife))
	return c, err
}

// end returns when something ends that is given as a time, as a duration, or not at all.
func end(member string, now time.Time, expires Time, in Duration, fallback time.Time) (time.Time, error) {
	switch {
	case !expires.IsZero() && in != 0:
		return fallback, problem(member+".expires_in", "give either expires_at or expires_in")
	case !expires.IsZero():
		return expires.UTC(), nil
	case in != 0:
		return now.Add(time.Duration(in)), nil
	default:
		return fallback, nil
	}
}

// actors returns the chain and how many hops it comes from.
func (r Request) actors(q authz.Query) (*delegation.Actor, int, error) {
	names := r.Delegation.Actors
	if len(names) == 0 {
		names = []string{q.Peer.ID.String()}
	}
	if len(names) > delegation.DepthLimit+1 {
		return nil, 0, problem("delegation.actors", "%d actors are too many: at most %d", len(names), delegation.DepthLimit+1)
	}
	var chain *delegation.Actor
	for i, name := range slices.Backward(names) {
		id, err := r.workload(fmt.Sprintf("delegation.actors[%d]", i), name)
		if err != nil {
			return nil, 0, err
		}
		chain = &delegation.Actor{Issuer: id.TrustDomain().IDString(), Subject: id.String(), Actor: chain}
	}
	return chain, len(names) - 1, nil
}

// scope returns what is granted.
func (r Request) scope(q authz.Query) (delegation.Scope, error) {
	switch {
	case r.Delegation.Scopes != nil:
		return scopeOf("delegation.scopes", r.Delegation.Scopes)
	case q.Target.Kind == mcp.TargetTool && r.Delegate == nil:
		return delegation.Scope{needed(q)}, nil
	}
	items := []string{"mcp:" + q.Server + ":*"}
	if r.Delegate != nil && r.Delegate.Scope != items[0] {
		items = append(items, r.Delegate.Scope)
	}
	return scopeOf("delegate.scope", items)
}

func needed(q authz.Query) string { return "mcp:" + q.Server + ":" + q.Target.Name }

func scopeOf(member string, items []string) (delegation.Scope, error) {
	for _, item := range items {
		if item == "" || strings.Contains(item, " ") {
			return nil, problem(member, "%.80q is not one item mcp:<server>:<tool>", item)
		}
	}
	scope, err := delegation.ParseScope(strings.Join(items, " "))
	if err != nil {
		return nil, problem(member, "%w", err)
	}
	return scope, nil
}

// BeforePolicy returns why a request with this query would be refused before policy is asked, whatever policies say:
// its delegation is somebody else's, not in force, or does not cover the tool. Nil when policy would be asked.
func BeforePolicy(q authz.Query) error {
	c := q.Delegation
	if c == nil {
		return nil
	}
	var refused []error
	if presenter := c.Presenter(); presenter != q.Peer.ID.String() {
		refused = append(refused, fmt.Errorf("only %s may present the delegation, its first actor, and the peer is %s",
			presenter, q.Peer.ID))
	}
	if !q.Now.Before(c.Expiry) {
		refused = append(refused, fmt.Errorf("the delegation expired at %s", c.Expiry.Format(time.RFC3339)))
	}
	if c.IssuedAt.After(q.Now.Add(delegation.DefaultSkew)) {
		refused = append(refused, fmt.Errorf("the delegation is from the future, %s", c.IssuedAt.Format(time.RFC3339)))
	}
	if q.Target.Kind == mcp.TargetTool && !c.Scope.Covers(needed(q)) {
		refused = append(refused, fmt.Errorf("the delegation does not cover %s: its scope is %q", needed(q), c.Scope.String()))
	}
	return errors.Join(refused...)
}
