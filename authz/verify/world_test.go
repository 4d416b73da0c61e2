package verify_test

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

const (
	tts         = "https://tts.acme.example"
	countersign = "spiffe://acme.example/countersign"
	plannerID   = "spiffe://acme.example/planner"
	crmID       = "spiffe://acme.example/crm"
	ledgerID    = "spiffe://acme.example/ledger"
)

var (
	acme  = spiffeid.RequireTrustDomainFromString("acme.example")
	noon  = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	quiet = slog.New(slog.DiscardHandler)
)

const refund = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"refund_case","arguments":{"case_id":"4711"}}}`

// acmeWorld is what happens before a request reaches crm: alice's delegation to planner, and Countersign.
type acmeWorld struct {
	t        testing.TB
	now      time.Time
	root     jose.JSONWebKey
	hop      jose.JSONWebKey
	verifier *delegation.Verifier
	files    string
}

func newWorld(t testing.TB) *acmeWorld {
	t.Helper()
	w := &acmeWorld{t: t, now: noon, root: newKey(t), hop: newKey(t), files: t.TempDir()}
	keys, err := trust.NewStore(t.Context(), w.issuers(), trust.Own{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier, err = delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: keys, RequireRoot: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newKey(t testing.TB) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issuers are the two issuers with their keys in files.
func (w *acmeWorld) issuers() []trust.IssuerConfig {
	td := []spiffeid.TrustDomain{acme}
	return []trust.IssuerConfig{
		{Issuer: tts, Role: trust.Root, KeysFile: keyFile(w.t, w.files+"/tts.jwks.json", w.root), ActorTrustDomains: td},
		{Issuer: countersign, Role: trust.Hop, KeysFile: keyFile(w.t, w.files+"/countersign.jwks.json", w.hop), ActorTrustDomains: td},
	}
}

// fixed are Countersign's public keys as given.
func (w *acmeWorld) fixed() delegation.Keys {
	w.t.Helper()
	keys, err := verify.FixedKeys(trust.Issuer{ID: countersign, ActorTrustDomains: []spiffeid.TrustDomain{acme}},
		jose.JSONWebKeySet{Keys: []jose.JSONWebKey{w.hop.Public()}})
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// crm is the backend's verifier.
func (w *acmeWorld) crm(change ...func(*verify.Config)) *verify.Verifier {
	w.t.Helper()
	config := verify.Config{Self: crmID, Server: "crm", Keys: w.fixed(), Clock: func() time.Time { return w.now }, Log: quiet}
	for _, c := range change {
		c(&config)
	}
	v, err := verify.New(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// grant is alice's delegation to planner.
func (w *acmeWorld) grant(change ...func(*delegation.Claims)) string {
	w.t.Helper()
	claims := delegation.Claims{
		Issuer: tts, Audience: "acme.example", ID: "root-1", Txn: "txn-1", Subject: "alice", SubjectProfile: "user",
		RequestingWorkload: plannerID, IssuedAt: noon.Add(-time.Minute), Expiry: noon.Add(10 * time.Minute),
		Actor: &delegation.Actor{Issuer: acme.IDString(), Subject: plannerID, SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry"},
		Details: []delegation.Detail{{Server: "ledger", Tools: map[string]delegation.Arguments{
			"read_entry": {"*": {Type: delegation.Wildcard}}}}},
		Task:     delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: noon.Add(time.Hour)},
		MaxDepth: 3,
	}
	for _, c := range change {
		c(&claims)
	}
	token, err := delegation.Mint(claims, w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// hopTo is a hop from planner to crm with a request.
func (w *acmeWorld) hopTo(method, tool, body string, scope ...string) delegation.Hop {
	return delegation.Hop{
		Issuer: countersign, Key: w.hop, Peer: peer.Peer{ID: spiffeid.RequireFromString(plannerID)},
		Backend: spiffeid.RequireFromString(crmID), Scope: scope, TTL: time.Minute, Now: noon, RequestID: "req-1", Policy: "rev-1",
		Binding: delegation.Binding{Server: "crm", Method: method, Tool: tool, RequestHash: sha256Text(body)},
	}
}

// sign countersigns a hop, of a delegation or of none.
func (w *acmeWorld) sign(grant string, hop delegation.Hop) string {
	w.t.Helper()
	var parent *delegation.Token
	if grant != "" {
		var err error
		if parent, err = w.verifier.Verify(w.t.Context(), grant, hop.Peer, noon); err != nil {
			w.t.Fatal(err)
		}
	}
	token, _, err := delegation.Countersign(parent, "acme.example", hop)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// refund is the token of planner's call of refund_case, with the ledger to pass on.
func (w *acmeWorld) refund() string {
	return w.sign(w.grant(), w.hopTo("tools/call", "refund_case", refund, "mcp:ledger:read_entry"))
}

// context is the token of the same call without a delegation.
func (w *acmeWorld) context() string {
	return w.sign("", w.hopTo("tools/call", "refund_case", refund))
}

// withToken is a header section with a Txn-Token.
func withToken(tokens ...string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Txn-Token": tokens}
}

func sha256Text(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// forge signs a payload anew after replacing parts of it, as whoever stole Countersign's key could.
func (w *acmeWorld) forge(token string, replace ...string) string {
	w.t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		w.t.Fatal(err)
	}
	changed := strings.NewReplacer(replace...).Replace(string(payload))
	if changed == string(payload) {
		w.t.Fatalf("nothing of %q is in %s", replace, payload)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: w.hop},
		new(jose.SignerOptions).WithType("txntoken+jwt"))
	if err != nil {
		w.t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(changed))
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return compact
}

func reason(err error) denial.Reason {
	if err == nil {
		return ""
	}
	return denial.ReasonOf(err)
}
