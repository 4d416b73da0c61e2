package delegation_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

const (
	tts     = "https://tts.acme.example"
	foreign = "https://tts.globex.example" // a root issuer for another trust domain's workloads
	own     = "spiffe://acme.example/countersign"
	west    = "spiffe://acme.example/countersign-west" // another hop issuer
)

var (
	acme    = spiffeid.RequireTrustDomainFromString("acme.example")
	globex  = spiffeid.RequireTrustDomainFromString("globex.example")
	planner = workload("planner")
	crm     = workload("crm")
	ledger  = workload("ledger")
	gateway = workload("gateway")
	intern  = workload("intern")

	start = time.Unix(1795305600, 0).UTC() // 2026-11-22T00:00:00Z
	now   = start.Add(5 * time.Second)
)

func workload(name string) peer.Peer {
	return peer.Peer{ID: spiffeid.RequireFromPath(acme, "/"+name), CertificateHash: sha256Text(name)}
}

// world is a set of issuers with their keys: the trust of a verifier, and what an attacker has who stole one of them.
type world struct {
	issuers    map[string]trust.Issuer
	keys       map[string]jose.JSONWebKey // by issuer, private
	generation uint64
	lookups    int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{issuers: map[string]trust.Issuer{}, keys: map[string]jose.JSONWebKey{}}
	for _, i := range []struct {
		issuer trust.Issuer
		alg    string
	}{
		{trust.Issuer{ID: tts, Role: trust.Root, MaxTTL: 15 * time.Minute, ActorTrustDomains: []spiffeid.TrustDomain{acme}}, "ES256"},
		{trust.Issuer{ID: foreign, Role: trust.Root, MaxTTL: 15 * time.Minute, ActorTrustDomains: []spiffeid.TrustDomain{globex}}, "EdDSA"},
		{trust.Issuer{ID: own, Role: trust.Hop, MaxTTL: 5 * time.Minute, ActorTrustDomains: []spiffeid.TrustDomain{acme}}, "ES256"},
		{trust.Issuer{ID: west, Role: trust.Hop, MaxTTL: 5 * time.Minute, ActorTrustDomains: []spiffeid.TrustDomain{acme}}, "EdDSA"},
	} {
		key, err := trust.GenerateKey(i.alg)
		if err != nil {
			t.Fatal(err)
		}
		i.issuer.Algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}
		i.issuer.MaxDepth = 4
		w.issuers[i.issuer.ID], w.keys[i.issuer.ID] = i.issuer, key
	}
	return w
}

func (w *world) Issuer(iss string) (trust.Issuer, bool) {
	i, ok := w.issuers[iss]
	return i, ok
}

func (w *world) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	w.lookups++
	key, ok := w.keys[iss]
	if !ok || key.KeyID != kid {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "no key %q", kid)
	}
	return key.Public(), nil
}

func (w *world) Generation() uint64 { return w.generation }

func (w *world) verifier(t testing.TB, change ...func(*delegation.Config)) *delegation.Verifier {
	t.Helper()
	config := delegation.Config{Audience: "acme.example", Keys: w, RequireRoot: true, CacheSize: 100}
	for _, c := range change {
		c(&config)
	}
	v, err := delegation.NewVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// root is what the token service of acme issues to planner on behalf of a user.
func root() delegation.Claims {
	return delegation.Claims{
		Issuer: tts, Audience: "acme.example", ID: "01jd7w3k9q2m5x8t4v6z0b1c2d",
		Txn: "97053963-771d-49cc-a4e3-20aad399c312", Subject: "u-8821", SubjectProfile: "user",
		RequestingWorkload: planner.ID.String(), IssuedAt: start, Expiry: start.Add(15 * time.Minute),
		Actor: &delegation.Actor{Issuer: acme.IDString(), Subject: planner.ID.String(), SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry", "mcp:ledger:post_refund"},
		Task: delegation.Task{
			Task: "case-4711", Purpose: "refund-review", Expiry: start.Add(time.Hour),
			IntentHash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		},
		Request:         delegation.RequestContext{IP: []byte(`"203.0.113.7"`), Authentication: []byte(`"hwk"`)},
		CertificateHash: planner.CertificateHash, MaxDepth: 3,
	}
}

func (w *world) mint(t testing.TB, c delegation.Claims) string {
	t.Helper()
	compact, err := delegation.Mint(c, w.keys[c.Issuer])
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	return compact
}

func (w *world) hop(from, to peer.Peer, scope ...string) delegation.Hop {
	return delegation.Hop{
		Issuer: own, Key: w.keys[own], Peer: from, Backend: to.ID, Scope: scope, TTL: time.Minute, Now: now,
		Binding: delegation.Binding{
			Server: "crm", Method: "tools/call", Tool: "refund_case", RequestHash: sha256Text("body"), ArgumentsHash: sha256Text("args"),
		},
		Proxy: to.ID.String(), RequestID: "req-1f", Policy: "ps-9c2e",
	}
}

// chain is D0, D1 and D2 of the profile's example: planner calls crm, crm calls ledger.
func (w *world) chain(t testing.TB) (d0, d1, d2 string) {
	t.Helper()
	v := w.verifier(t)
	d0 = w.mint(t, root())
	d1 = w.pass(t, v, d0, w.hop(planner, crm, "mcp:ledger:read_entry"))
	d2 = w.pass(t, v, d1, w.hop(crm, ledger))
	return d0, d1, d2
}

func (w *world) pass(t testing.TB, v *delegation.Verifier, compact string, hop delegation.Hop) string {
	t.Helper()
	parent, err := v.Verify(t.Context(), compact, hop.Peer, hop.Now)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	next, _, err := delegation.Countersign(parent, "acme.example", hop)
	if err != nil {
		t.Fatalf("Countersign: %v", err)
	}
	return next
}

// forge signs any header and payload text, the way an attacker with a key and without our code would.
func forge(key any, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(input))
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	}
	return input + "." + b64(string(signature))
}

// resign signs a payload text as an issuer.
func (w *world) resign(iss, payload string) string {
	return forge(w.keys[iss].Key, w.header(iss), payload)
}

func (w *world) header(iss string) string {
	return `{"alg":"` + w.keys[iss].Algorithm + `","kid":"` + w.keys[iss].KeyID + `","typ":"txntoken+jwt"}`
}

// edit replaces a part of a token's payload, old and new in turn, and signs it again with the issuer's own key.
func (w *world) edit(t testing.TB, iss, compact string, replace ...string) string {
	t.Helper()
	payload := payloadOf(t, compact)
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(payload, replace[i]) != 1 {
			t.Fatalf("%q is not once in %s", replace[i], payload)
		}
		payload = strings.Replace(payload, replace[i], replace[i+1], 1)
	}
	return w.resign(iss, payload)
}

func payloadOf(t testing.TB, compact string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func sha256Text(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// reason is the reason of an error, "" for none.
func reason(err error) denial.Reason {
	if err == nil {
		return ""
	}
	return cmp.Or(denial.ReasonOf(err), "?")
}
