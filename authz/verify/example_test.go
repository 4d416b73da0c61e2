package verify_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

// A backend that takes only what was countersigned for it, and calls the ledger on behalf of whoever called.
func Example() {
	// The world around: Countersign with its keys, and the ledger.
	gateway := newExampleGateway()
	ledger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("the ledger got", len(r.Header.Values("Txn-Token")), "token")
	}))

	// The backend. In earnest, give Issuers with a KeysURL instead of Keys.
	verifier, err := verify.New(context.Background(), verify.Config{
		Self: "spiffe://acme.example/crm", Server: "crm", Keys: gateway.publicKeys(),
	})
	if err != nil {
		log.Fatal(err)
	}
	transport, err := verify.NewTransport(http.DefaultTransport, ledger.URL)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	backend := verifier.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call, _ := verify.FromContext(r.Context())
		fmt.Println(call.Tool, "for", call.Subject, "by", call.Peer, "to do", call.Task)

		onward, err := http.NewRequestWithContext(r.Context(), http.MethodPost, ledger.URL, strings.NewReader("{}"))
		if err != nil {
			log.Fatal(err)
		}
		resp, err := client.Do(onward)
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
	}))

	// A request as it comes from the gateway, and one that came around it.
	body := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"refund_case","arguments":{}}}`
	for _, token := range []string{gateway.countersign(body), ""} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Txn-Token", token)
		w := httptest.NewRecorder()
		backend.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	ledger.Close()
	// Output:
	// refund_case for alice by spiffe://acme.example/planner to do case-4711
	// the ledger got 1 token
	// 200
	// 401
}

type exampleGateway struct{ key jose.JSONWebKey }

func newExampleGateway() exampleGateway {
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		log.Fatal(err)
	}
	return exampleGateway{key}
}

func (g exampleGateway) issuer(role trust.Role) trust.Issuer {
	return trust.Issuer{
		ID: "spiffe://acme.example/countersign", Role: role, MaxTTL: time.Minute, MaxDepth: 2,
		ActorTrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
	}
}

func (g exampleGateway) publicKeys() delegation.Keys {
	keys, err := verify.FixedKeys(g.issuer(trust.Hop), jose.JSONWebKeySet{Keys: []jose.JSONWebKey{g.key.Public()}})
	if err != nil {
		log.Fatal(err)
	}
	return keys
}

// countersign does what Countersign does with planner's request for alice.
func (g exampleGateway) countersign(body string) string {
	now := time.Now()
	planner := spiffeid.RequireFromString("spiffe://acme.example/planner")
	root, err := delegation.Mint(delegation.Claims{
		Issuer: "https://tts.acme.example", Audience: "acme.example", ID: "1", Txn: "1", Subject: "alice",
		RequestingWorkload: planner.String(), IssuedAt: now, Expiry: now.Add(time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner.String()},
		Scope: delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry"},
		Task:  delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: now.Add(time.Hour)}, MaxDepth: 2,
	}, g.key)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: exampleRoots{g}})
	if err != nil {
		log.Fatal(err)
	}
	parent, err := verifier.Verify(context.Background(), root, peer.Peer{ID: planner}, now)
	if err != nil {
		log.Fatal(err)
	}
	token, _, err := delegation.Countersign(parent, "acme.example", delegation.Hop{
		Issuer: "spiffe://acme.example/countersign", Key: g.key, Peer: peer.Peer{ID: planner}, TTL: time.Minute, Now: now,
		Backend: spiffeid.RequireFromString("spiffe://acme.example/crm"), Scope: delegation.Scope{"mcp:ledger:read_entry"},
		Binding: delegation.Binding{Server: "crm", Method: "tools/call", Tool: "refund_case", RequestHash: sha256Text(body)},
	})
	if err != nil {
		log.Fatal(err)
	}
	return token
}

// exampleRoots believes the one key of the example to be that of the token service.
type exampleRoots struct{ exampleGateway }

func (e exampleRoots) Issuer(string) (trust.Issuer, bool) {
	issuer := e.issuer(trust.Root)
	issuer.Algorithms = []jose.SignatureAlgorithm{jose.ES256}
	return issuer, true
}

func (e exampleRoots) Key(context.Context, string, string) (jose.JSONWebKey, error) {
	return e.key.Public(), nil
}

func (exampleRoots) Generation() uint64 { return 0 }
