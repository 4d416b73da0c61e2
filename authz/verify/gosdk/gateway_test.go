package gosdk_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

const (
	tts         = "https://tts.acme.example"
	countersign = "spiffe://acme.example/countersign"
	plannerID   = "spiffe://acme.example/planner"
	crmID       = "spiffe://acme.example/crm"
)

var acme = []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}

// gateway is a client's connection to crm with Countersign on the way: every request goes on with a token for it.
type gateway struct {
	t    testing.TB
	keys map[string]jose.JSONWebKey // by issuer
	// user is on whose behalf the next request is; none if empty.
	user string
	// spoil changes a request after it was countersigned.
	spoil func(*http.Request)
}

func newGateway(t testing.TB) *gateway {
	g := &gateway{t: t, user: "alice", keys: map[string]jose.JSONWebKey{}}
	for _, iss := range []string{tts, countersign} {
		key, err := trust.GenerateKey("ES256")
		if err != nil {
			t.Fatal(err)
		}
		g.keys[iss] = key
	}
	return g
}

func (g *gateway) verifier() *verify.Verifier {
	g.t.Helper()
	key := g.keys[countersign]
	keys, err := verify.FixedKeys(trust.Issuer{ID: countersign, ActorTrustDomains: acme}, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		g.t.Fatal(err)
	}
	v, err := verify.New(g.t.Context(), verify.Config{Self: crmID, Server: "crm", Keys: keys, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// RoundTrip implements [http.RoundTripper].
func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	token, err := g.countersign(r.Context(), r.Method, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set(verify.Header, token)
	if g.spoil != nil {
		g.spoil(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (g *gateway) countersign(ctx context.Context, method string, body []byte) (string, error) {
	now := time.Now()
	planner := peer.Peer{ID: spiffeid.RequireFromString(plannerID)}
	parent, err := g.delegation(ctx, planner, now)
	if err != nil {
		return "", err
	}
	token, _, err := delegation.Countersign(parent, "acme.example", delegation.Hop{
		Issuer: countersign, Key: g.keys[countersign], Peer: planner, Backend: spiffeid.RequireFromString(crmID),
		TTL: time.Minute, Now: now, Binding: bindingOf(method, body),
	})
	return token, err
}

// delegation is the user's to planner, nil if there is no user.
func (g *gateway) delegation(ctx context.Context, planner peer.Peer, now time.Time) (*delegation.Token, error) {
	if g.user == "" {
		return nil, nil
	}
	root, err := delegation.Mint(delegation.Claims{
		Issuer: tts, Audience: "acme.example", ID: "1", Txn: "1", Subject: g.user, RequestingWorkload: plannerID,
		IssuedAt: now, Expiry: now.Add(time.Minute), Actor: &delegation.Actor{Issuer: acme[0].IDString(), Subject: plannerID},
		Task: delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: now.Add(time.Hour)}, MaxDepth: 2,
	}, g.keys[tts])
	if err != nil {
		return nil, err
	}
	verifier, err := delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: rootKeys{g}})
	if err != nil {
		return nil, err
	}
	return verifier.Verify(ctx, root, planner, now)
}

func bindingOf(method string, body []byte) delegation.Binding {
	sum := sha256.Sum256(body)
	b := delegation.Binding{Server: "crm", RequestHash: base64.RawURLEncoding.EncodeToString(sum[:])}
	var m struct {
		Method string
		Params struct{ Name string }
	}
	switch {
	case method == http.MethodGet:
		b.Method = "stream"
	case method == http.MethodDelete:
		b.Method = "end"
	case json.Unmarshal(body, &m) != nil:
		b.Method = "batch"
	case m.Method == "":
		b.Method = "response"
	default:
		b.Method = m.Method
		if m.Method == "tools/call" {
			b.Tool = m.Params.Name
		}
	}
	return b
}

// rootKeys know the token service alone.
type rootKeys struct{ *gateway }

func (g rootKeys) Issuer(iss string) (trust.Issuer, bool) {
	return trust.Issuer{
		ID: iss, Role: trust.Root, Algorithms: []jose.SignatureAlgorithm{jose.ES256}, MaxTTL: time.Minute, MaxDepth: 2,
		ActorTrustDomains: acme,
	}, iss == tts
}

func (g rootKeys) Key(_ context.Context, iss, _ string) (jose.JSONWebKey, error) {
	key := g.keys[iss]
	return key.Public(), nil
}

func (rootKeys) Generation() uint64 { return 0 }
