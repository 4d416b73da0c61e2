package scenario

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// Problem is something wrong with one member of a request.
type Problem struct {
	// Member is its name, such as delegation.scopes; empty for the request as a whole.
	Member string
	Err    error
}

// Error implements error as "member: what is wrong".
func (p *Problem) Error() string { return p.Member + ": " + p.Err.Error() }

// Unwrap returns the error without the member.
func (p *Problem) Unwrap() error { return p.Err }

func problem(member, format string, args ...any) error {
	return &Problem{member, fmt.Errorf(format, args...)}
}

// Query returns the question that policy is asked. With Delegate it is the query of the call that the delegating is
// part of; see [Request.Delegating]. Every error is a *[Problem].
func (r Request) Query() (authz.Query, error) {
	q := authz.Query{Now: r.now(), Server: r.Server}
	if r.Revoke != nil {
		return q, problem("revoke", "to revoke is not a call")
	}
	id, err := r.workload("peer", r.Peer)
	if err != nil {
		return q, err
	}
	q.Peer = peer.Peer{ID: id}
	if err := checkServer(r.Server); err != nil {
		return q, err
	}
	if q.HTTP, err = r.HTTP.facts(); err != nil {
		return q, err
	}
	if q.Call, err = r.call(); err != nil {
		return q, err
	}
	if len(q.Call.Targets) > 0 {
		q.Target = q.Call.Targets[0]
	}
	if r.Delegation == nil {
		return q, nil
	}
	if q.Delegation, err = r.claims(q); err != nil {
		return q, err
	}
	q.RootIssuer, q.SubjectPrefix = r.Delegation.Issuer, r.Delegation.SubjectPrefix
	if q.RootIssuer == "" {
		q.RootIssuer = DefaultIssuer
	}
	return q, nil
}

// Delegating returns what Delegate asks: may the backend pass on the tool of the server? The tool is "*" for all tools.
func (r Request) Delegating() (backend spiffeid.ID, server, tool string, err error) {
	if r.Delegate == nil {
		return backend, "", "", problem("delegate", "nothing is asked about delegating")
	}
	if backend, err = r.workload("delegate.backend", r.Delegate.Backend); err != nil {
		return backend, "", "", err
	}
	if _, err = scopeOf("delegate.scope", []string{r.Delegate.Scope}); err != nil {
		return backend, "", "", err
	}
	server, tool, _ = strings.Cut(strings.TrimPrefix(r.Delegate.Scope, "mcp:"), ":")
	return backend, server, tool, nil
}

// PassingOn returns the workload that may be asked about what it can pass on of the delegation's scope, as is asked when a
// request is allowed; false if nobody was asked: there is no scope, or the record does not have one or the backend.
func (r Request) PassingOn() (backend spiffeid.ID, ok bool, err error) {
	if r.Backend == "" || r.Delegation == nil || r.Delegation.ExpiresAt.IsZero() || len(r.Delegation.Scopes) == 0 {
		return backend, false, nil
	}
	backend, err = r.workload("backend", r.Backend)
	return backend, err == nil, err
}

func (r Request) now() time.Time {
	if r.Now.IsZero() {
		return Noon
	}
	return r.Now.UTC()
}

// workload reads the name of a workload.
func (r Request) workload(member, name string) (spiffeid.ID, error) {
	if strings.HasPrefix(name, "/") {
		if r.TrustDomain == "" {
			return spiffeid.ID{}, problem(member, "%.80q is a path: write spiffe://…%[1]s, or give the trust_domain", name)
		}
		domain, err := spiffeid.TrustDomainFromString(r.TrustDomain)
		if err != nil {
			return spiffeid.ID{}, problem("trust_domain", "%.80q: %w", r.TrustDomain, err)
		}
		name = domain.IDString() + name
	}
	if name == "" {
		return spiffeid.ID{}, problem(member, "is missing: name a workload, such as spiffe://acme.example/planner")
	}
	if len(name) > peer.MaxID {
		return spiffeid.ID{}, problem(member, "%d bytes are too many for a SPIFFE ID", len(name))
	}
	id, err := spiffeid.FromString(name)
	if err != nil {
		return id, problem(member, "%.80q is not a SPIFFE ID: %w", name, err)
	}
	if id.Path() == "" {
		return id, problem(member, "%.80q names a trust domain, not a workload", name)
	}
	return id, nil
}

func checkServer(name string) error {
	switch {
	case name == "":
		return problem("server", "is missing: name the MCP backend, as the configuration does")
	case len(name) > mcp.MaxName || strings.ContainsAny(name, "/:* "):
		return problem("server", "%.80q: a name has no '/', ':', '*' and blanks", name)
	}
	return nil
}

func (h HTTP) facts() (authz.HTTPFacts, error) {
	f := authz.HTTPFacts{ID: h.ID, Host: h.Host, Path: h.Path}
	if h.SourceIP == "" {
		return f, nil
	}
	var err error
	if f.SourceIP, err = netip.ParseAddr(h.SourceIP); err != nil {
		return f, problem("http.source_ip", "%.80q is not an IP address: %w", h.SourceIP, err)
	}
	return f, nil
}
