package delegation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/trust"
)

func TestCountersignRefuses(t *testing.T) {
	w := newWorld(t)
	d0, d1, d2 := w.chain(t)
	v := w.verifier(t)
	terminal := root()
	terminal.MaxDepth = 0
	huge := root()
	huge.Task = delegation.Task{Raw: []byte(`{"task":"t","purpose":"p","task_exp":1795309200,"x":"` + strings.Repeat("x", 3500) + `"}`)}
	ahead := root()
	ahead.IssuedAt = now.Add(20 * time.Second)
	for _, c := range []struct {
		name   string
		parent string
		hop    delegation.Hop
		change func(*delegation.Hop)
		want   denial.Reason
	}{
		{"more than the parent has", d0, w.hop(planner, crm, "mcp:hr:fire"), nil, denial.TokenNotNarrower},
		{"a wildcard over a tool", d0, w.hop(planner, crm, "mcp:ledger:*"), nil, denial.TokenNotNarrower},
		{"a scope item that is none", d0, w.hop(planner, crm, "openid"), nil, denial.SigningFailed},
		{"a peer that is not the presenter", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Peer = intern }, denial.TokenHolder},
		{"no peer", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Peer.ID = spiffeid.ID{} }, denial.SigningFailed},
		{"no backend", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Backend = spiffeid.ID{} }, denial.SigningFailed},
		{"a backend that calls itself", d1, w.hop(crm, crm), nil, denial.TokenLoop},
		{"back to the agent", d1, w.hop(crm, planner), nil, denial.TokenLoop},
		{"beyond the end of the chain", d2, w.hop(ledger, gateway), nil, denial.TokenDepth},
		{"a root that may not be used", w.mint(t, terminal), w.hop(planner, crm), nil, denial.TokenDepth},
		{"a context token as the parent", w.contextToken(t), w.hop(crm, ledger), nil, denial.TokenDepth},
		{"no life", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.TTL = 999 * time.Millisecond }, denial.SigningFailed},
		{"after the parent ended", d1, w.hop(crm, ledger), func(h *delegation.Hop) { h.Now = now.Add(time.Hour) }, denial.TokenExpired},
		{"a parent from a clock that is further ahead than the new life", w.mint(t, ahead), w.hop(planner, crm), func(h *delegation.Hop) { h.TTL = 20 * time.Second }, denial.TokenExpired},
		{"a binding without a body hash", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Binding.RequestHash = "" }, denial.SigningFailed},
		{"a binding that is not UTF-8", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Binding.Tool = "\xff" }, denial.SigningFailed},
		{"no issuer", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Issuer = "" }, denial.SigningFailed},
		{"a token that gets too large", w.mint(t, huge), w.hop(planner, crm), nil, denial.SigningFailed},
		{"no key", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Key = jose.JSONWebKey{} }, denial.SigningFailed},
		{"a key for RS256", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Key.Algorithm = "RS256" }, denial.SigningFailed},
		{"a key without a name", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Key.KeyID = "" }, denial.SigningFailed},
		{"a public key", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Key = h.Key.Public() }, denial.SigningFailed},
		{"a key that is of another type than it says", d0, w.hop(planner, crm), func(h *delegation.Hop) { h.Key.Algorithm = "EdDSA" }, denial.SigningFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			presenter := c.hop.Peer
			if c.change != nil {
				c.change(&c.hop)
			}
			parent, err := v.Verify(t.Context(), c.parent, presenter, now)
			if err != nil {
				t.Fatal(err)
			}
			compact, claims, err := delegation.Countersign(parent, "acme.example", c.hop)
			if reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if compact != "" || claims.ID != "" {
				t.Error("a refusal came with a token")
			}
		})
	}
	t.Run("the size is named", func(t *testing.T) {
		parent, err := v.Verify(t.Context(), w.mint(t, huge), planner, now)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = delegation.Countersign(parent, "acme.example", w.hop(planner, crm))
		if err == nil || !strings.Contains(err.Error(), "at most 8192") {
			t.Errorf("got %v", err)
		}
	})
}

func TestContextToken(t *testing.T) {
	w := newWorld(t)
	compact, claims, err := delegation.Countersign(nil, "acme.example", w.hop(planner, crm))
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.verifier(t).Verify(t.Context(), compact, crm, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claims, token.Claims()); diff != "" {
		t.Error(diff)
	}
	if claims.Subject != planner.ID.String() || claims.Presenter() != crm.ID.String() || claims.Txn == "" {
		t.Errorf("got %+v", claims)
	}
	if err := token.Covers("crm", "refund_case", mcp.Object{}); reason(err) != denial.ScopeNotGranted {
		t.Errorf("it grants something: %v", err)
	}
	if token.RootID() != "" || token.RootKeyID() != "" {
		t.Error("it has a root")
	}
	if _, _, err := delegation.Countersign(nil, "acme.example", w.hop(planner, crm, "mcp:crm:refund_case")); reason(err) != denial.TokenNotNarrower {
		t.Errorf("with a scope: %v", err)
	}
}

// TestLife shows that no token outlives what it was made from.
func TestLife(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	for _, c := range []struct {
		name         string
		iat, exp     time.Duration // of the root, from start
		task         time.Duration
		at           time.Duration
		ttl          time.Duration
		wantIssuedAt time.Duration
		wantExpiry   time.Duration
	}{
		{"the hop's own limit", 0, 15 * time.Minute, time.Hour, 5 * time.Second, time.Minute, 5 * time.Second, 65 * time.Second},
		{"the parent ends first", 0, 30 * time.Second, time.Hour, 5 * time.Second, time.Minute, 5 * time.Second, 30 * time.Second},
		{"the task ends first", 0, 15 * time.Minute, 20 * time.Second, 5 * time.Second, time.Minute, 5 * time.Second, 20 * time.Second},
		{"parts of seconds do not add up", 0, 15 * time.Minute, time.Hour, 5900 * time.Millisecond, 2900 * time.Millisecond, 5 * time.Second, 7 * time.Second},
		{"the parent's clock is ahead", 20 * time.Second, 15 * time.Minute, time.Hour, 5 * time.Second, time.Minute, 20 * time.Second, 65 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := root()
			r.IssuedAt, r.Expiry, r.Task.Expiry = start.Add(c.iat), start.Add(c.exp), start.Add(c.task)
			hop := w.hop(planner, crm)
			hop.Now, hop.TTL = start.Add(c.at), c.ttl
			token, err := v.Verify(t.Context(), w.pass(t, v, w.mint(t, r), hop), crm, hop.Now)
			if err != nil {
				t.Fatal(err)
			}
			claims := token.Claims()
			if got := claims.IssuedAt.Sub(start); got != c.wantIssuedAt {
				t.Errorf("iat is start + %s, want %s", got, c.wantIssuedAt)
			}
			if got := claims.Expiry.Sub(start); got != c.wantExpiry {
				t.Errorf("exp is start + %s, want %s", got, c.wantExpiry)
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for sent, want := range map[string]string{
		"req-1f":                 "req-1f",
		"":                       "",
		"a\nb":                   "",
		"\xff":                   "",
		strings.Repeat("r", 256): strings.Repeat("r", 256),
		strings.Repeat("r", 257): "",
	} {
		hop := w.hop(planner, crm)
		hop.RequestID = sent
		_, claims, err := delegation.Countersign(nil, "acme.example", hop)
		if err != nil || claims.Request.RequestID != want {
			t.Errorf("%.10q became %.10q, %v", sent, claims.Request.RequestID, err)
		}
	}
}

// TestSigner uses the keys that the server has.
func TestSigner(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA"} {
		w := newWorld(t)
		keys, err := trust.GenerateSigningKeys(alg)
		if err != nil {
			t.Fatal(err)
		}
		w.keys[own] = keys.Current()
		parent, err := w.verifier(t).Verify(t.Context(), w.mint(t, root()), planner, now)
		if err != nil {
			t.Fatal(err)
		}
		hop := w.hop(planner, crm)
		hop.Issuer, hop.Key, hop.Proxy = "", jose.JSONWebKey{}, ""
		compact, claims, err := delegation.NewSigner(own, "acme.example", keys).Countersign(parent, hop)
		if err != nil {
			t.Fatal(err)
		}
		if claims.Issuer != own || claims.RequestingWorkload != own {
			t.Errorf("%s: issuer %q, requested by %q", alg, claims.Issuer, claims.RequestingWorkload)
		}
		if _, err := w.verifier(t).Verify(t.Context(), compact, crm, now); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	w := newWorld(t)
	endless := &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner.ID.String()}
	endless.Actor = endless
	for name, change := range map[string]func(*delegation.Claims){
		"no subject":           func(c *delegation.Claims) { c.Subject = "" },
		"no task":              func(c *delegation.Claims) { c.Task.Task = "" },
		"a task that is none":  func(c *delegation.Claims) { c.Task.Raw = []byte(`[]`) },
		"a task that escapes":  func(c *delegation.Claims) { c.Task.Raw = []byte(`{},"sub":"u-0001"`) },
		"text that is no UTF8": func(c *delegation.Claims) { c.Subject = "\xff" },
		"a depth":              func(c *delegation.Claims) { c.Depth = 1 },
		"a parent":             func(c *delegation.Claims) { c.ParentHash = sha256Text("x") },
		"two actors": func(c *delegation.Claims) {
			c.Actor = &delegation.Actor{Issuer: "spiffe://acme.example", Subject: crm.ID.String(), Actor: c.Actor}
		},
		"actors without end": func(c *delegation.Claims) { c.Actor = endless },
		"may_act is a chain": func(c *delegation.Claims) { c.MayAct = endless },
		"may_act of another": func(c *delegation.Claims) { c.MayAct = &delegation.Actor{Subject: crm.ID.String()} },
		"an agent by name":   func(c *delegation.Claims) { c.Actor.Subject = "planner" },
		"expired at birth":   func(c *delegation.Claims) { c.Expiry = c.IssuedAt },
		"too deep":           func(c *delegation.Claims) { c.MaxDepth = 9 },
		"a hop's context":    func(c *delegation.Claims) { c.Request.Policy = "ps" },
		"a scope item twice": func(c *delegation.Claims) { c.Scope = append(c.Scope, c.Scope[0]) },
	} {
		c := root()
		change(&c)
		if _, err := delegation.Mint(c, w.keys[tts]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	key := w.keys[tts]
	if _, err := delegation.Mint(root(), key.Public()); reason(err) != denial.SigningFailed {
		t.Errorf("a public key: %v", err)
	}
}

func TestParse(t *testing.T) {
	w := newWorld(t)
	d0, d1, _ := w.chain(t)
	u, err := delegation.Parse(d1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (delegation.Header{Algorithm: "ES256", KeyID: w.keys[own].KeyID, Type: "txntoken+jwt"}); u.Header != want {
		t.Errorf("got header %+v", u.Header)
	}
	if u.Hash != hashOf(t, d1) || u.Root.Hash != hashOf(t, d0) || u.Claims.ParentHash != u.Root.Hash || u.Root.Root != nil {
		t.Errorf("got hash %s, parent %s", u.Hash, u.Claims.ParentHash)
	}
	if string(u.Payload) != payloadOf(t, d1) {
		t.Errorf("got payload %s", u.Payload)
	}
	if u.Root.Claims.Subject != "u-8821" {
		t.Errorf("got root %+v", u.Root.Claims)
	}
	for name, c := range map[string]struct {
		token string
		want  denial.Reason
	}{
		"no signature is checked":     {d0[:len(d0)-86] + strings.Repeat("A", 86), ""},
		"no issuer is looked up":      {w.edit(t, tts, d0, tts+`"`, `https://tts.evil.example"`), ""},
		"the form is checked":         {d0 + "=", denial.TokenMalformed},
		"the claims are checked":      {w.edit(t, tts, d0, `"sub":"u-8821"`, `"sub":1`), denial.TokenClaims},
		"the root's form is checked":  {w.edit(t, own, d1, d0, d0+"="), denial.TokenMalformed},
		"the root's claims, likewise": {w.edit(t, own, d1, d0, w.edit(t, tts, d0, `"sub":"u-8821"`, `"sub":1`)), denial.TokenClaims},
	} {
		if _, err := delegation.Parse(c.token); reason(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
