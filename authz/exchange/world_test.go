package exchange_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/trust"
)

const (
	issuer  = "https://tts.acme.example"
	idp     = "https://login.acme.example"
	webApp  = "web-app"
	planner = "spiffe://acme.example/planner"
	intern  = "spiffe://acme.example/intern"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// house is a token endpoint with everything real but policy, revocations, the recorder and where keys come from.
type house struct {
	t        testing.TB
	now      time.Time
	idpKey   jose.JSONWebKey
	keys     *trust.SigningKeys // that the endpoint signs with
	hopKeys  *trust.SigningKeys // that Countersign goes on with
	policy   *policy
	revoked  *denyList
	recorder *recorder
	config   exchange.Config
	exchange *exchange.Exchange
	cert     *x509.Certificate // planner's
}

// newHouse lets a test change the configuration before the endpoint is made.
func newHouse(t testing.TB, change ...func(*house)) *house {
	t.Helper()
	h := &house{
		t: t, now: noon, idpKey: newKey(t), revoked: &denyList{}, recorder: &recorder{}, cert: certificate(t, planner),
		policy: &policy{delegable: delegation.Scope{"mcp:crm:refund_case", "mcp:crm:get_case", "mcp:ledger:read_entry"}},
	}
	var err error
	if h.keys, err = trust.GenerateSigningKeys("ES256"); err != nil {
		t.Fatal(err)
	}
	if h.hopKeys, err = trust.GenerateSigningKeys("ES256"); err != nil {
		t.Fatal(err)
	}
	users, err := oauth.NewVerifier(oauth.Config{Keys: idpKeys{h.idpKey.Public()}, Providers: []oauth.Provider{
		{Issuer: idp, Audiences: []string{webApp}, Clients: []string{webApp}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	peers, err := peer.NewReader(peer.Config{Source: peer.Certificate, TrustDomains: domains()})
	if err != nil {
		t.Fatal(err)
	}
	h.config = exchange.Config{
		Issuer: issuer, TrustDomain: "acme.example", Prefixes: map[string]string{idp: ""}, Users: users, Peers: peers,
		Policies: h.policy, Revocations: h.revoked, Recorder: h.recorder, Keys: h.keys, Clock: func() time.Time { return h.now },
	}
	for _, c := range change {
		c(h)
	}
	if h.exchange, err = exchange.New(h.config); err != nil {
		t.Fatal(err)
	}
	return h
}

func domains() []spiffeid.TrustDomain {
	return []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}
}

// decide asks with a form, as planner.
func (h *house) decide(form url.Values) exchange.Outcome {
	return h.exchange.Decide(context.Background(), h.request(form.Encode()))
}

func (h *house) request(body string) *exchange.Request {
	return &exchange.Request{
		Certificate: h.cert, Source: netip.MustParseAddr("192.0.2.7"), Method: http.MethodPost, Host: "tts.acme.example",
		Path: "/token", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(body),
	}
}

// form is a good request for two tools, with some parameters changed: pairs of name and value. A name whose value is
// "-" is taken out.
func (h *house) form(change ...string) url.Values {
	f := url.Values{
		"grant_type":           {exchange.GrantType},
		"subject_token":        {h.access(nil)},
		"subject_token_type":   {exchange.TypeAccessToken},
		"requested_token_type": {exchange.TypeTxnToken},
		"audience":             {"acme.example"},
		"scope":                {"mcp:crm:refund_case mcp:ledger:read_entry"},
		"request_details":      {`{"task":"case-4711","purpose":"refund-review"}`},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if f.Set(change[i], change[i+1]); change[i+1] == "-" {
			f.Del(change[i])
		}
	}
	return f
}

type claims map[string]any

// access is a user's access token, with some claims changed; those that are nil are taken out.
func (h *house) access(change claims) string {
	return h.sign("at+jwt", claims{
		"iss": idp, "sub": "alice", "aud": issuer, "client_id": webApp, "jti": "at-1",
		"iat": h.now.Unix(), "exp": h.now.Add(time.Hour).Unix(),
	}, change)
}

func (h *house) id() string {
	return h.sign("JWT", claims{
		"iss": idp, "sub": "alice", "aud": webApp, "iat": h.now.Unix(), "exp": h.now.Add(time.Hour).Unix(),
	}, nil)
}

func (h *house) sign(typ string, c, change claims) string { return sign(h.t, h.idpKey, typ, c, change) }

func sign(t testing.TB, key jose.JSONWebKey, typ string, c, change claims) string {
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		new(jose.SignerOptions).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// verify reads a token as Countersign does when it is presented.
func (h *house) verify(token, by string) (delegation.Claims, error) {
	store, err := trust.NewStore(context.Background(), nil, trust.Own{
		Issuer: "spiffe://acme.example/countersign", Keys: h.hopKeys, Root: trust.OwnRoot{Issuer: issuer, Keys: h.keys},
	}, nil)
	if err != nil {
		return delegation.Claims{}, err
	}
	verifier, err := delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: store, RequireRoot: true})
	if err != nil {
		return delegation.Claims{}, err
	}
	presenter := peer.Peer{ID: spiffeid.RequireFromString(by), CertificateHash: hashOf(h.cert)}
	verified, err := verifier.Verify(context.Background(), token, presenter, h.now)
	if err != nil {
		return delegation.Claims{}, err
	}
	return verified.Claims(), nil
}

func hashOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func newKey(t testing.TB) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certificate makes an X.509-SVID, as the TLS stack would have verified it.
func certificate(t testing.TB, ids ...string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	for _, id := range ids {
		u, err := url.Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// idpKeys is the identity provider with its one key.
type idpKeys struct{ key jose.JSONWebKey }

func (k idpKeys) Issuer(iss string) (trust.Issuer, bool) {
	return trust.Issuer{ID: idp, Role: trust.Entry, Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.RS256}}, iss == idp
}

func (k idpKeys) Key(_ context.Context, _, kid string) (jose.JSONWebKey, error) {
	if kid != k.key.KeyID {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "no key %.40q", kid)
	}
	return k.key, nil
}

// policy grants what is on its list to whoever asks, and keeps what it was asked.
type policy struct {
	missing   bool
	delegable delegation.Scope
	instead   delegation.Scope // answered whatever was asked
	err       error
	panics    bool

	mu    sync.Mutex
	asked []authz.Query
	by    []spiffeid.ID
}

func (p *policy) Snapshot() (authz.Policy, bool)                       { return p, !p.missing }
func (p *policy) Revision() string                                     { return "rev-1" }
func (p *policy) ParamHeaders(string) mcp.ParamHeaders                 { return nil }
func (p *policy) Authorize(context.Context, authz.Query) authz.Verdict { return authz.Verdict{} }

func (p *policy) MayDelegate(_ context.Context, q authz.Query, by spiffeid.ID, scope delegation.Scope) (delegation.Scope, error) {
	if p.panics {
		panic("policy broke")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	copied := *q.Delegation
	q.Delegation = &copied
	p.asked, p.by = append(p.asked, q), append(p.by, by)
	if p.instead != nil {
		return p.instead, nil
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return !slices.Contains(p.delegable, s) }), p.err
}

// denyList has one value of each kind at most, or fails.
type denyList struct {
	actor, subject, task, jti, kid string
	before                         time.Time
	err                            error
}

func (d *denyList) Revoked(_ context.Context, m revoke.Marks, _ time.Time) (revoke.Entry, bool, error) {
	in := func(list []string, v string) bool { return v != "" && slices.Contains(list, v) }
	hit := in(m.Actors, d.actor) || in([]string{m.Subject}, d.subject) || in([]string{m.Task}, d.task) ||
		in(m.JTIs, d.jti) || in(m.KeyIDs, d.kid) ||
		slices.ContainsFunc(m.Issued, func(i revoke.Issued) bool { return i.Issuer == idp && i.At.Before(d.before) })
	return revoke.Entry{Kind: "test", Value: "x", Reason: "stolen"}, hit, d.err
}

// recorder keeps records, or fails.
type recorder struct {
	mu      sync.Mutex
	records []audit.Record
	err     error
}

func (r *recorder) Record(_ context.Context, record audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record)
	return r.err
}
