package delegation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/trust"
)

// fuzzWorld is a world in which the same input takes the same path: signatures are deterministic, nothing is cached.
func fuzzWorld(f *testing.F) (*world, *delegation.Verifier) {
	f.Helper()
	w := newWorld(f)
	w.keys[tts], w.keys[own] = w.keys[foreign], w.keys[west]
	return w, w.verifier(f, func(c *delegation.Config) { c.CacheSize = 0 })
}

// FuzzVerify holds that nothing verifies but what was signed, and that every refusal has a reason of its own.
func FuzzVerify(f *testing.F) {
	w, v := fuzzWorld(f)
	d0, d1, d2 := w.chain(f)
	signed := map[string]bool{}
	for _, token := range []string{d0, d1, d2, w.contextToken(f)} {
		signed[hashOf(f, token)] = true
		f.Add(token)
		f.Add(strings.Replace(token, ".", "..", 1))
		f.Add(token + "=")
	}
	f.Fuzz(func(t *testing.T, compact string) {
		for _, presenter := range []string{"planner", "crm", "ledger"} {
			token, err := v.Verify(t.Context(), compact, workload(presenter), now)
			if err == nil && (!signed[token.Hash()] || token.Hash() != hashOf(t, compact)) {
				t.Fatalf("verified what nobody signed: %s", compact)
			}
			if err != nil && (token != nil || reason(err) == denial.Internal) {
				t.Fatalf("refused with token %v and error %v", token, err)
			}
		}
	})
}

// FuzzClaims gives the key of the root issuer to the fuzzer: any payload, well signed. What verifies must fit the
// profile, and be what Mint makes of its claims.
func FuzzClaims(f *testing.F) {
	w, v := fuzzWorld(f)
	d0, d1, _ := w.chain(f)
	f.Add(payloadOf(f, d0))
	f.Add(payloadOf(f, d1))
	f.Add(payloadOf(f, w.contextToken(f)))
	f.Add(edited(f, payloadOf(f, d0), `,"tctx"`,
		`,"authorization_details":[{"type":"mcp_tools","server":"crm","tools":{"a":{"b":{"type":"range","max":9}}}}],"tctx"`))
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := v.Verify(t.Context(), w.resign(tts, payload), planner, now)
		if err != nil {
			if reason(err) == denial.Internal {
				t.Fatal(err)
			}
			return
		}
		c := token.Claims()
		switch {
		case c.Presenter() != planner.ID.String(), c.Issuer != tts, c.Audience != "acme.example":
			t.Fatalf("not for us: %+v", c)
		case c.Depth != 0, c.MaxDepth > 4, c.Root != "", c.ParentHash != "":
			t.Fatalf("not a root: %+v", c)
		case !now.Before(c.Expiry), !now.Before(c.Task.Expiry), c.Expiry.Sub(c.IssuedAt) > 15*time.Minute:
			t.Fatalf("not in force: %+v", c)
		case c.ID == "", c.Txn == "", c.Subject == "", c.Task.Task == "":
			t.Fatalf("not complete: %+v", c)
		}
		again, err := delegation.Parse(w.mint(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again.Claims, equateObjects); diff != "" {
			t.Fatalf("written and read again: %s", diff)
		}
	})
}

// FuzzParse holds that a token has one text, and that parsing it is all that Parse does.
func FuzzParse(f *testing.F) {
	w := newWorld(f)
	d0, d1, d2 := w.chain(f)
	for _, token := range []string{d0, d1, d2, flipUnusedBit(d0), ""} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, compact string) {
		u, err := delegation.Parse(compact)
		if err != nil {
			if r := reason(err); r != denial.TokenMalformed && r != denial.TokenClaims {
				t.Fatal(err)
			}
			return
		}
		segments := strings.Split(compact, ".")
		if len(segments) != 3 || b64(string(u.Payload)) != segments[1] || u.Hash != hashOf(t, compact) {
			t.Fatalf("%q has another text", compact)
		}
		if u.Header.Type != "txntoken+jwt" || u.Header.KeyID == "" {
			t.Fatalf("got header %+v", u.Header)
		}
		if (u.Root == nil) != (u.Claims.Root == "") {
			t.Fatal("the root was not read")
		}
	})
}

// FuzzConstraint holds that a constraint is what its text says, subsumes itself, and accepts what an exact constraint
// for the same value accepts only if it accepts the value.
func FuzzConstraint(f *testing.F) {
	for _, text := range []string{
		`{"type":"wildcard"}`, `{"type":"exact","value":{"a":[1,2.5,null]}}`, `{"type":"range","min":0,"max":500}`,
		`{"type":"one_of","values":["a","b"],"optional":true}`, `{"type":"not_one_of","values":[1]}`,
		`{"type":"contains","values":["a"]}`, `{"type":"subset","values":["a"]}`,
		`{"type":"all","constraints":[{"type":"range","min":1},{"type":"any","constraints":[{"type":"wildcard"}]}]}`,
	} {
		f.Add([]byte(text), []byte(`{"v":1,"w":["a"],"x":{"y":null}}`))
	}
	f.Fuzz(func(t *testing.T, text, args []byte) {
		c, err := delegation.ParseConstraint(text)
		if err != nil {
			return
		}
		written, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := delegation.ParseConstraint(written)
		if err != nil {
			t.Fatalf("%s became %s: %v", text, written, err)
		}
		if diff := cmp.Diff(c, again, equateObjects); diff != "" {
			t.Fatal(diff)
		}
		if !c.Subsumes(c) || !c.Subsumes(again) {
			t.Fatalf("%s does not subsume itself", text)
		}
		call, err := mcp.ParseObject(args)
		if err != nil {
			return
		}
		limits := delegation.Arguments{"v": c}
		for name, v := range call.All() {
			exact := delegation.Constraint{Type: delegation.Exact, Value: v}
			if !exact.Accepts(v) || c.Subsumes(exact) && !c.Accepts(v) {
				t.Fatalf("%s and %s", text, args)
			}
			if name != "v" {
				continue
			}
			if _, why := limits.Accepts(mcp.NewObject(mcp.Member{Name: "v", Value: v})); (why == "") != c.Accepts(v) {
				t.Fatalf("%s and %s", text, args)
			}
		}
	})
}

// FuzzHopKey gives the key of a hop issuer to the fuzzer, who edits the payload of a genuine token. What the root
// protects stays as it was.
func FuzzHopKey(f *testing.F) {
	w, v := fuzzWorld(f)
	d0, d1, _ := w.chain(f)
	payload := payloadOf(f, d1)
	f.Add(payload)
	f.Add(strings.Replace(payload, "u-8821", "u-0001", 1))
	f.Add(strings.Replace(payload, "read_entry", "post_refund", 1))
	f.Add(strings.Replace(payload, `"del_max_depth":3`, `"del_max_depth":1`, 1))
	genuine, err := delegation.Parse(d0)
	if err != nil {
		f.Fatal(err)
	}
	r := genuine.Claims
	f.Fuzz(func(t *testing.T, payload string) {
		token, err := v.Verify(t.Context(), w.resign(own, payload), crm, now)
		if err != nil || token.Claims().Depth == 0 {
			return
		}
		c := token.Claims()
		chain := c.Actor.Chain()
		switch {
		case w.issuers[c.Issuer].Role != trust.Hop, token.RootID() != r.ID:
			t.Fatalf("without the root: %+v", c)
		case c.Subject != r.Subject, c.Txn != r.Txn, string(c.Task.Raw) != string(r.Task.Raw), chain[len(chain)-1] != r.Presenter():
			t.Fatalf("altered: %+v", c)
		case c.Expiry.After(r.Expiry), c.MaxDepth > r.MaxDepth:
			t.Fatalf("wider: %+v", c)
		}
		for _, item := range c.Scope {
			if !r.Scope.Covers(item) {
				t.Fatalf("wider: %s", item)
			}
		}
	})
}
