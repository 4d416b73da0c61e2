package recipes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

const (
	tts         = "https://tts.acme.example"
	countersign = "spiffe://acme.example/countersign"
	self        = "spiffe://acme.example/crm"
	server      = "crm"
	audience    = "acme.example"
)

var acme = []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString(audience)}

func id(workload string) spiffeid.ID { return spiffeid.RequireFromPath(acme[0], "/"+workload) }

// request is what reaches the backend.
type request struct {
	Name   string   `json:"name"`
	Method string   `json:"method"`
	Tokens []string `json:"tokens"`
	Body   []byte   `json:"body"`
	Now    int64    `json:"now"`
}

// draft is a countersigned request that can still be taken apart.
type draft struct {
	*world
	request
	header  map[string]any
	payload string
	alg     string
}

// world makes countersigned requests as they come, all different and the same every time but for keys and signatures.
type world struct {
	*mathrand.Rand
	t    testing.TB
	root jose.JSONWebKey
	hops map[string]jose.JSONWebKey // by algorithm
	now  time.Time
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		Rand: mathrand.New(mathrand.NewPCG(seed, 1)), t: t, root: newKey(t, "ES256"),
		hops: map[string]jose.JSONWebKey{"ES256": newKey(t, "ES256"), "EdDSA": newKey(t, "EdDSA")},
		now:  time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
	}
	return w
}

func newKey(t testing.TB, alg string) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// publicKeys are those of Countersign.
func (w *world) publicKeys() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, alg := range []string{"ES256", "EdDSA"} {
		key := w.hops[alg]
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

func pick[T any](w *world, from ...T) T { return from[w.IntN(len(from))] }

// message is a request as a client may send it.
func (w *world) message() (method, body, mth, tool string) {
	id := w.IntN(1000)
	switch w.IntN(8) {
	case 0:
		return "GET", "", "stream", ""
	case 1:
		return "DELETE", "", "end", ""
	case 2:
		return "POST", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, id), "tools/list", ""
	case 3:
		return "POST", pick(w, " [", "[", "\n\t[") + fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}]`, id), "batch", ""
	case 4:
		return "POST", fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id), "response", ""
	default:
		return w.toolCall()
	}
}

func (w *world) toolCall() (method, body, mth, tool string) {
	tool = pick(w, "refund_case", "read_case", "löschen", "a.b/c", "名前")
	body = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"note":%q,"amount":%d}}}`,
		w.IntN(1000), tool, pick(w, "", "x", `"}{`, "ä\u2028", strings.Repeat("long ", 200)), w.IntN(500))
	return "POST", body + pick(w, "", "\n"), "tools/call", tool
}

// good is a request that Countersign let through.
func (w *world) good(kinds ...func() (method, body, mth, tool string)) *draft {
	w.t.Helper()
	message := w.message
	if len(kinds) > 0 {
		message = kinds[0]
	}
	d := &draft{world: w, alg: pick(w, "ES256", "EdDSA")}
	method, body, mth, tool := message()
	d.request = request{Method: method, Body: []byte(body), Now: w.now.Unix()}
	var parent *delegation.Token
	depth := w.IntN(3)
	if len(kinds) > 0 {
		depth = 1 + w.IntN(2) // what is broken on purpose has a delegation to begin with
	}
	caller := id("planner")
	if depth > 0 {
		parent = w.verified(w.grant(), caller)
	}
	if depth == 2 {
		parent = w.verified(w.sign(parent, caller, id("desk"), delegation.Binding{
			Server: "desk", Method: "ping", RequestHash: sha256Text([]byte("{}"))}, "ES256"), id("desk"))
		caller = id("desk")
	}
	token := w.sign(parent, caller, id("crm"), delegation.Binding{Server: server, Method: mth, Tool: tool, RequestHash: sha256Text(d.Body)}, d.alg)
	d.Tokens = []string{token}
	parts := strings.Split(token, ".")
	if err := json.Unmarshal([]byte(d.decode(parts[0])), &d.header); err != nil {
		w.t.Fatal(err)
	}
	d.payload = d.decode(parts[1])
	return d
}

// grant is a user's delegation to planner.
func (w *world) grant() string {
	w.t.Helper()
	claims := delegation.Claims{
		Issuer: tts, Audience: audience, ID: fmt.Sprintf("root-%d", w.Uint32()), Txn: fmt.Sprintf("txn-%d", w.Uint32()),
		Subject:            pick(w, "alice", "bob", "Zoë", `o"brien\`, "用户", "u-8821"),
		RequestingWorkload: id("planner").String(), IssuedAt: w.now.Add(-time.Minute), Expiry: w.now.Add(10 * time.Minute),
		Actor: &delegation.Actor{Issuer: acme[0].IDString(), Subject: id("planner").String(), SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:*", "mcp:ledger:read_entry", "mcp:desk:ping"},
		Task: delegation.Task{Raw: []byte(pick(w,
			`{"task":"case-4711","purpose":"refund-review","task_exp":1795611600}`,
			`{ "task" : "Fall 1", "purpose": "<b>&\u00e4</b>", "task_exp":1795611600, "1": [1.0, {"x": null}] }`,
			`{"task_exp":1795611600,"task":"a:b","purpose":"{\"}","intent_s256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}`))},
		MaxDepth: 3,
	}
	if w.IntN(2) == 0 {
		claims.Details = []delegation.Detail{{Server: "ledger", Tools: map[string]delegation.Arguments{
			"read_entry": {"*": {Type: delegation.Wildcard}}}}}
	}
	if w.IntN(2) == 0 {
		claims.SubjectProfile, claims.Request.IP = "user", []byte(`"203.0.113.7"`)
	}
	token, err := delegation.Mint(claims, w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) verified(token string, presenter spiffeid.ID) *delegation.Token {
	w.t.Helper()
	v, err := delegation.NewVerifier(delegation.Config{Audience: audience, Keys: everyKey{w}})
	if err != nil {
		w.t.Fatal(err)
	}
	parent, err := v.Verify(w.t.Context(), token, peer.Peer{ID: presenter}, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return parent
}

// sign countersigns a request; parent is nil without a delegation.
func (w *world) sign(parent *delegation.Token, from, to spiffeid.ID, b delegation.Binding, alg string) string {
	w.t.Helper()
	hop := delegation.Hop{
		Issuer: countersign, Key: w.hops[alg], Peer: peer.Peer{ID: from}, Backend: to, TTL: time.Minute, Now: w.now,
		Binding: b, RequestID: fmt.Sprintf("req-%d", w.Uint32()), Policy: "rev-1",
	}
	if parent != nil && (to.Path() == "/desk" || w.IntN(2) == 0) {
		hop.Scope = delegation.Scope{"mcp:ledger:read_entry"}
	}
	token, _, err := delegation.Countersign(parent, audience, hop)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// everyKey knows the token service and Countersign.
type everyKey struct{ *world }

func (e everyKey) Issuer(iss string) (trust.Issuer, bool) {
	issuer := trust.Issuer{
		ID: iss, Role: trust.Hop, Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}, MaxTTL: 15 * time.Minute,
		MaxDepth: 4, ActorTrustDomains: acme,
	}
	if iss == tts {
		issuer.Role = trust.Root
	}
	return issuer, true
}

func (e everyKey) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	key := e.root
	for _, hop := range e.hops {
		if iss != tts && hop.KeyID == kid {
			key = hop
		}
	}
	return key.Public(), nil
}

func (everyKey) Generation() uint64 { return 0 }

// replace changes a text of the payload, which must be in it.
func (d *draft) replace(old, with string) *draft {
	d.t.Helper()
	if !strings.Contains(d.payload, old) {
		d.t.Fatalf("no %s in %s", old, d.payload)
	}
	d.payload = strings.Replace(d.payload, old, with, 1)
	return d
}

// number returns the text of a member of the payload that is a number, name included.
func (d *draft) number(name string) string {
	d.t.Helper()
	_, rest, ok := strings.Cut(d.payload, `"`+name+`":`)
	if !ok {
		d.t.Fatalf("no %s in %s", name, d.payload)
	}
	return `"` + name + `":` + rest[:strings.IndexAny(rest, ",}")]
}

// signed makes the token anew, with Countersign's own key.
func (d *draft) signed() *draft { return d.signedWith(d.hops[d.alg].Key) }

func (d *draft) signedWith(key any) *draft {
	d.t.Helper()
	header, err := json.Marshal(d.header)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.compact(string(header), key)
}

func (d *draft) compact(header string, key any) *draft {
	input := encode([]byte(header)) + "." + encode([]byte(d.payload))
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			d.t.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(input))
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	}
	d.Tokens = []string{input + "." + encode(signature)}
	return d
}

// segments changes the text of the token.
func (d *draft) segments(change func(parts []string)) *draft {
	parts := strings.Split(d.Tokens[0], ".")
	change(parts)
	d.Tokens = []string{strings.Join(parts, ".")}
	return d
}

func (w *world) decode(text string) string {
	w.t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func sha256Text(data []byte) string {
	sum := sha256.Sum256(data)
	return encode(sum[:])
}

func segment(token string, n int) string { return strings.Split(token, ".")[n] }

// bindingTo binds a token to a notification.
func bindingTo(body []byte) delegation.Binding {
	return delegation.Binding{Server: server, Method: "notifications/initialized", RequestHash: sha256Text(body)}
}
