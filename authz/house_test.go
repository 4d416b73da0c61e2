package authz_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/session"
	"countersign.dev/authz/trust"
)

const (
	rootIssuer = "https://tts.acme.example"
	ownIssuer  = "spiffe://acme.example/countersign"
	planner    = "spiffe://acme.example/planner"
	intern     = "spiffe://acme.example/intern"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// house is an authorizer with everything real but policy, the recorder and where keys come from.
type house struct {
	t          testing.TB
	now        time.Time
	rootKey    jose.JSONWebKey
	keys       keys
	policy     *policy
	revoked    *denyList
	recorder   *recorder
	signer     authz.Signer
	sessions   authz.Sessions
	uses       authz.Uses
	servers    []authz.Server
	shadows    map[string]authz.Policies
	providers  providers
	users      authz.Users
	roots      authz.Roots
	authorizer *authz.Authorizer
}

// newHouse lets a test change what it needs before the authorizer is made.
func newHouse(t testing.TB, change ...func(*house)) *house {
	t.Helper()
	h := &house{t: t, now: noon, policy: &policy{verdict: authz.Verdict{Allowed: true, PolicyIDs: []string{"permit-all"}}},
		revoked: &denyList{}, recorder: &recorder{}}
	h.rootKey = newKey(t)
	own := newKey(t)
	td := []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}
	algorithms := []jose.SignatureAlgorithm{jose.ES256}
	h.keys = keys{
		rootIssuer: {trust.Issuer{ID: rootIssuer, Role: trust.Root, Algorithms: algorithms, MaxTTL: 15 * time.Minute,
			ActorTrustDomains: td, MaxDepth: 4}, h.rootKey.Public()},
		ownIssuer: {trust.Issuer{ID: ownIssuer, Role: trust.Hop, Algorithms: algorithms, MaxTTL: 5 * time.Minute,
			ActorTrustDomains: td, MaxDepth: 4}, own.Public()},
	}
	h.sessions = session.NewTable(session.Config{TTL: time.Hour, PerPeer: 10, Total: 100})
	h.uses = replay.NewGuard(replay.Config{}, noon.Add(-time.Hour))
	h.signer = delegation.NewSigner(ownIssuer, "acme.example", current{own})
	h.servers = []authz.Server{
		{Name: "crm", Backend: crmID, MaxBody: 1 << 20, RecordArguments: true},
		{Name: "ledger", Backend: ledgerID, MaxBody: 1 << 20, AllowBatch: true},
		{Name: "sidecar", MaxBody: 1 << 20},
	}
	for _, c := range change {
		c(h)
	}
	servers, err := authz.NewServers(h.servers)
	if err != nil {
		t.Fatal(err)
	}
	peers, err := peer.NewReader(peer.Config{TrustDomains: td})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := delegation.NewVerifier(delegation.Config{
		Audience: "acme.example", Keys: h.keys, RequireRoot: true, MaxDepth: 4, CacheSize: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.authorizer, err = authz.New(authz.Config{
		Users: h.users, Roots: h.roots,
		Peers: peers, Servers: servers, Policies: h.policy, Tokens: verifier, Revocations: h.revoked,
		Sessions: h.sessions, Uses: h.uses, Shadows: h.shadows,
		Signer: h.signer, Recorder: h.recorder, HopTTL: time.Minute, Clock: func() time.Time { return h.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) decide(req *authz.Request) authz.Decision {
	h.t.Helper()
	return h.authorizer.Decide(h.t.Context(), req)
}

// root mints a root token by which alice lets planner act.
func (h *house) root(change ...func(*delegation.Claims)) string {
	h.t.Helper()
	claims := delegation.Claims{
		Issuer: rootIssuer, Audience: "acme.example", ID: "root-1", Txn: "txn-1", Subject: "alice", SubjectProfile: "user",
		RequestingWorkload: planner, IssuedAt: h.now, Expiry: h.now.Add(10 * time.Minute),
		Actor:    &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner, SubjectProfile: "ai_agent"},
		Scope:    delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry", "mcp:ledger:post_refund"},
		Task:     delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: h.now.Add(time.Hour)},
		MaxDepth: 3,
	}
	for _, c := range change {
		c(&claims)
	}
	token, err := delegation.Mint(claims, h.rootKey)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

// post is a POST of a body to a server, by a peer.
func post(server, by, body string, headers ...string) *authz.Request {
	fields := header.NewFields(false)
	fields.Add("content-type", "application/json")
	fields.Add("content-length", strconv.Itoa(len(body)))
	for i := 0; i+1 < len(headers); i += 2 {
		fields.Add(headers[i], headers[i+1])
	}
	return &authz.Request{
		ID: "stream-1", Server: server, Peer: peer.Evidence{Principal: by},
		Destination: "spiffe://acme.example/gateway",
		MCP:         mcp.Request{Method: "POST", Header: fields, Body: []byte(body), HasBody: true, Size: int64(len(body))},
	}
}

// bare is a request to crm without a body.
func bare(method, by string, headers ...string) *authz.Request {
	req := post("crm", by, "")
	fields := header.NewFields(false)
	for i := 0; i+1 < len(headers); i += 2 {
		fields.Add(headers[i], headers[i+1])
	}
	req.MCP = mcp.Request{Method: method, Header: fields}
	return req
}

const refund = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"refund_case","arguments":{"case_id":"4711","amount":120}}}`

// keys are the trusted issuers, each with one key.
type keys map[string]struct {
	issuer trust.Issuer
	key    jose.JSONWebKey
}

func (k keys) Issuer(iss string) (trust.Issuer, bool) { e, ok := k[iss]; return e.issuer, ok }
func (k keys) Generation() uint64                     { return 1 }
func (k keys) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	if e, ok := k[iss]; ok && e.key.KeyID == kid {
		return e.key, nil
	}
	return jose.JSONWebKey{}, errors.New("unknown key")
}

type current struct{ key jose.JSONWebKey }

func (c current) Current() jose.JSONWebKey { return c.key }

func newKey(t testing.TB) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// policy gives the same verdict to every question, or the one of a function.
type policy struct {
	missing   bool
	verdict   authz.Verdict
	authorize func(authz.Query) authz.Verdict
	delegable delegation.Scope
	err       error
	asked     []authz.Query
}

func (p *policy) Snapshot() (authz.Policy, bool)       { return p, !p.missing }
func (p *policy) Revision() string                     { return "rev-1" }
func (p *policy) ParamHeaders(string) mcp.ParamHeaders { return nil }
func (p *policy) MayDelegate(_ context.Context, _ authz.Query, _ spiffeid.ID, scope delegation.Scope) (delegation.Scope, error) {
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return !slices.Contains(p.delegable, s) }), p.err
}

func (p *policy) Authorize(_ context.Context, q authz.Query) authz.Verdict {
	p.asked = append(p.asked, q)
	if p.authorize != nil {
		return p.authorize(q)
	}
	return p.verdict
}

// denyList knows one actor, or fails.
type denyList struct {
	list *revoke.List
	err  error
}

func (d *denyList) Revoked(_ context.Context, marks revoke.Marks, now time.Time) (revoke.Entry, bool, error) {
	if d.list == nil {
		return revoke.Entry{}, false, d.err
	}
	entry, revoked := d.list.Match(marks, now)
	return entry, revoked, d.err
}

// recorder keeps records, or fails.
type recorder struct {
	records []audit.Record
	err     error
	ctxErr  error
}

func (r *recorder) Record(ctx context.Context, record audit.Record) error {
	r.ctxErr = ctx.Err()
	r.records = append(r.records, record)
	return r.err
}

func hashOf(call *mcp.Call) string { return base64.RawURLEncoding.EncodeToString(call.BodyHash[:]) }
