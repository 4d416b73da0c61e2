package delegation_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// Alice lets her agent, planner, work on a refund. The agent calls the MCP backend crm, which in turn calls ledger. At
// each hop the token is replaced: it names the next workload as its only presenter, and less of everything.
func Example() {
	ctx := context.Background()
	issuers := newExampleIssuers()
	at := time.Date(2026, 11, 22, 0, 0, 5, 0, time.UTC)
	agents := func(name string) peer.Peer {
		return peer.Peer{ID: spiffeid.RequireFromString("spiffe://acme.example/" + name)}
	}
	planner, crm, ledger := agents("planner"), agents("crm"), agents("ledger")

	// The token service of acme.example starts the delegation.
	d0, err := delegation.Mint(delegation.Claims{
		Issuer: "https://tts.acme.example", Audience: "acme.example", ID: "01jd7w3k9q2m5x8t4v6z0b1c2d",
		Txn: "97053963-771d-49cc-a4e3-20aad399c312", Subject: "u-8821", SubjectProfile: "user",
		RequestingWorkload: planner.ID.String(),
		IssuedAt:           at.Add(-5 * time.Second), Expiry: at.Add(15*time.Minute - 5*time.Second),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner.ID.String(), SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry", "mcp:ledger:post_refund"},
		Task:  delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: at.Add(time.Hour)}, MaxDepth: 3,
	}, issuers["https://tts.acme.example"].key)
	if err != nil {
		log.Fatal(err)
	}

	verifier, err := delegation.NewVerifier(delegation.Config{Audience: "acme.example", Keys: issuers, RequireRoot: true})
	if err != nil {
		log.Fatal(err)
	}
	next := func(token *delegation.Token, from, to peer.Peer, scope ...string) string {
		compact, _, err := delegation.Countersign(token, "acme.example", delegation.Hop{
			Issuer: "spiffe://acme.example/countersign", Key: issuers["spiffe://acme.example/countersign"].key,
			Peer: from, Backend: to.ID, Scope: scope, TTL: time.Minute, Now: at,
			Binding: delegation.Binding{Server: "crm", Method: "tools/call", Tool: "refund_case", RequestHash: sha256Text("{}")},
		})
		if err != nil {
			log.Fatal(err)
		}
		return compact
	}
	show := func(name, compact string, presenter peer.Peer) *delegation.Token {
		token, err := verifier.Verify(ctx, compact, presenter, at)
		if err != nil {
			fmt.Println(name, "refused:", denial.ReasonOf(err))
			return nil
		}
		c := token.Claims()
		fmt.Printf("%s for %v: %v, depth %d of %d, until %s\n", name, c.Actor.Chain(), cmp.Or(c.Scope.String(), "no scope"), c.Depth, c.MaxDepth,
			c.Expiry.Format(time.TimeOnly))
		return token
	}

	t0 := show("D0", d0, planner)
	fmt.Println("refund_case granted:", t0.Covers("crm", "refund_case", mcp.Object{}) == nil)
	d1 := next(t0, planner, crm, "mcp:ledger:read_entry") // policy lets crm pass on no more
	t1 := show("D1", d1, crm)
	fmt.Println("post_refund granted:", t1.Covers("ledger", "post_refund", mcp.Object{}) == nil)
	show("D2", next(t1, crm, ledger), ledger)
	show("D0 presented by crm", d0, crm)
	show("D1 presented by planner", d1, planner)

	// Output:
	// D0 for [spiffe://acme.example/planner]: mcp:crm:refund_case mcp:ledger:read_entry mcp:ledger:post_refund, depth 0 of 3, until 00:15:00
	// refund_case granted: true
	// D1 for [spiffe://acme.example/crm spiffe://acme.example/planner]: mcp:ledger:read_entry, depth 1 of 3, until 00:01:05
	// post_refund granted: false
	// D2 for [spiffe://acme.example/ledger spiffe://acme.example/crm spiffe://acme.example/planner]: no scope, depth 2 of 2, until 00:01:05
	// D0 presented by crm refused: holder_binding_failed
	// D1 presented by planner refused: holder_binding_failed
}

type exampleIssuer struct {
	trust.Issuer
	key jose.JSONWebKey
}

type exampleIssuers map[string]exampleIssuer

func newExampleIssuers() exampleIssuers {
	issuers := exampleIssuers{}
	for iss, role := range map[string]trust.Role{
		"https://tts.acme.example": trust.Root, "spiffe://acme.example/countersign": trust.Hop,
	} {
		key, err := trust.GenerateKey("ES256")
		if err != nil {
			log.Fatal(err)
		}
		issuers[iss] = exampleIssuer{key: key, Issuer: trust.Issuer{
			ID: iss, Role: role, Algorithms: []jose.SignatureAlgorithm{jose.ES256}, MaxTTL: 15 * time.Minute, MaxDepth: 4,
			ActorTrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
		}}
	}
	return issuers
}

func (e exampleIssuers) Issuer(iss string) (trust.Issuer, bool) {
	i, ok := e[iss]
	return i.Issuer, ok
}

func (e exampleIssuers) Key(_ context.Context, iss, kid string) (jose.JSONWebKey, error) {
	i, ok := e[iss]
	if !ok || i.key.KeyID != kid {
		return jose.JSONWebKey{}, denial.New(denial.TokenUnknownKey, "no key %q of %s", kid, iss)
	}
	return i.key.Public(), nil
}

func (exampleIssuers) Generation() uint64 { return 0 }
