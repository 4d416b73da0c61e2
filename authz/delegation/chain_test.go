package delegation_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
)

// TestNoChainWidens takes random hops from random roots. Whatever is asked for, a token that is signed grants nothing
// that its root does not, lives no longer, and can be verified.
func TestNoChainWidens(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	servers, tools := []string{"crm", "ledger"}, []string{"read", "post", "*"}
	hops := 0
	rapid.Check(t, func(t *rapid.T) {
		r := root()
		r.MaxDepth = rapid.IntRange(0, 4).Draw(t, "max depth")
		r.Expiry = start.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "life")) * time.Second)
		r.Task.Expiry = start.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "task")) * time.Second)
		r.Scope = scopes(servers, tools).Draw(t, "scope")
		r.Details = details().Draw(t, "details")
		token := drawMint(t, w, r)
		at := start
		presenter := planner
		parent, err := v.Verify(t.Context(), token, presenter, at)
		if err != nil {
			t.Fatal(err)
		}
		first := parent
		for {
			hop := delegation.Hop{
				Issuer: own, Key: w.keys[own], Peer: presenter, Now: at,
				Backend: workload(rapid.SampledFrom([]string{"planner", "crm", "ledger", "gateway", "intern"}).Draw(t, "backend")).ID,
				Scope:   scopes(servers, tools).Draw(t, "passed on"),
				TTL:     time.Duration(rapid.IntRange(1, 300).Draw(t, "ttl")) * time.Second,
				Binding: delegation.Binding{Server: "crm", Method: "tools/call", Tool: "read", RequestHash: sha256Text("body")},
			}
			compact, claims, err := delegation.Countersign(parent, "acme.example", hop)
			if err != nil {
				return
			}
			hops++
			presenter = peer.Peer{ID: hop.Backend}
			child, err := v.Verify(t.Context(), compact, presenter, at)
			if err != nil {
				t.Fatalf("what was signed does not verify: %v", err)
			}
			if diff := cmp.Diff(claims, child.Claims(), equateObjects); diff != "" {
				t.Fatalf("what was signed is not what was verified: %s", diff)
			}
			mustBeNarrower(t, parent, child)
			mustBeNarrower(t, first, child)
			parent = child
			if elapsed := rapid.IntRange(0, 30).Draw(t, "elapsed"); at.Add(time.Duration(elapsed) * time.Second).Before(claims.Expiry) {
				at = at.Add(time.Duration(elapsed) * time.Second)
			}
		}
	})
	if hops == 0 {
		t.Error("no hop was ever taken")
	}
}

func mustBeNarrower(t *rapid.T, parent, child *delegation.Token) {
	p, c := parent.Claims(), child.Claims()
	switch {
	case c.Expiry.After(p.Expiry), c.Expiry.After(p.Task.Expiry), c.IssuedAt.Before(p.IssuedAt):
		t.Fatalf("life: %s to %s, parent %s to %s", c.IssuedAt, c.Expiry, p.IssuedAt, p.Expiry)
	case c.Depth <= p.Depth, c.MaxDepth > p.MaxDepth, c.Depth > c.MaxDepth:
		t.Fatalf("depth: %d of %d, parent %d of %d", c.Depth, c.MaxDepth, p.Depth, p.MaxDepth)
	case c.Subject != p.Subject, c.Txn != p.Txn, !bytes.Equal(c.Task.Raw, p.Task.Raw):
		t.Fatalf("altered: %+v, parent %+v", c, p)
	case c.ID == p.ID:
		t.Fatal("two tokens of one jti")
	}
	for _, item := range c.Scope {
		if !p.Scope.Covers(item) {
			t.Fatalf("scope: %s", item)
		}
	}
	chain := c.Actor.Chain()
	for i, subject := range p.Actor.Chain() {
		if chain[c.Depth-p.Depth+i] != subject {
			t.Fatalf("chain: %v, parent %v", chain, p.Actor.Chain())
		}
	}
	for range 5 {
		server := rapid.SampledFrom([]string{"crm", "ledger"}).Draw(t, "server")
		tool := rapid.SampledFrom([]string{"read", "post", "list"}).Draw(t, "tool")
		call := calls().Draw(t, "call")
		if child.Covers(server, tool, call) == nil && parent.Covers(server, tool, call) != nil {
			t.Fatalf("%s/%s %s: granted, and not by the parent", server, tool, call.AppendJSON(nil))
		}
	}
}

func scopes(servers, tools []string) *rapid.Generator[delegation.Scope] {
	return rapid.Custom(func(t *rapid.T) delegation.Scope {
		var scope delegation.Scope
		for _, server := range servers {
			for _, tool := range tools {
				if rapid.Bool().Draw(t, server+tool) {
					scope = append(scope, fmt.Sprintf("mcp:%s:%s", server, tool))
				}
			}
		}
		return scope
	})
}

func details() *rapid.Generator[[]delegation.Detail] {
	return rapid.Custom(func(t *rapid.T) []delegation.Detail {
		var list []delegation.Detail
		for _, server := range []string{"crm", "ledger"} {
			d := delegation.Detail{Server: server, Tools: map[string]delegation.Arguments{}}
			for _, tool := range []string{"read", "post"} {
				if rapid.Bool().Draw(t, server+tool) {
					d.Tools[tool] = limitsOf(t)
				}
			}
			if len(d.Tools) > 0 {
				list = append(list, d)
			}
		}
		return list
	})
}

// limitsOf returns constraints that a token can carry: no name in two spellings, and a min that is not over the max.
func limitsOf(t *rapid.T) delegation.Arguments {
	a := arguments().Draw(t, "arguments")
	delete(a, "ID")
	for name, c := range a {
		if text, err := c.MarshalJSON(); err != nil || len(text) > 200 {
			delete(a, name)
		} else if _, err := delegation.ParseConstraint(text); err != nil {
			delete(a, name)
		}
	}
	return a
}

func drawMint(t *rapid.T, w *world, c delegation.Claims) string {
	compact, err := delegation.Mint(c, w.keys[c.Issuer])
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	return compact
}

// TestMintAndVerify is that what comes out is what went in.
func TestMintAndVerify(t *testing.T) {
	w := newWorld(t)
	full := root()
	full.MayAct = &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner.ID.String(), SubjectProfile: "ai_agent"}
	full.Request.AuthenticationClass, full.Request.AuthenticationTime = []byte(`{"loa": 3}`), []byte(`1795305000`)
	full.Details = []delegation.Detail{{Server: "crm", Tools: map[string]delegation.Arguments{
		"refund_case": {"case_id": parse(t, `{"type":"exact","value":"4711"}`), "max_amount": parse(t, `{"type":"range","min":0,"max":500.5,"optional":true}`)},
	}}}
	bare := root()
	bare.SubjectProfile, bare.Task.IntentHash, bare.CertificateHash, bare.Scope = "", "", "", nil
	bare.Request = delegation.RequestContext{}
	for name, claims := range map[string]delegation.Claims{"everything": full, "no more than needed": bare} {
		t.Run(name, func(t *testing.T) {
			token, err := w.verifier(t).Verify(t.Context(), w.mint(t, claims), planner, now)
			if err != nil {
				t.Fatal(err)
			}
			got := token.Claims()
			if claims.Task.Raw = got.Task.Raw; claims.Task.Raw == nil {
				t.Error("no raw task")
			}
			if diff := cmp.Diff(claims, got, equateObjects); diff != "" {
				t.Error(diff)
			}
		})
	}
}
