package delegation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

// signingKey is always the same.
type signingKey struct{ key jose.JSONWebKey }

func (k signingKey) Current() jose.JSONWebKey { return k.key }

// begun is what somebody who converts an access token asks for.
func begun() delegation.Claims {
	c := root()
	c.Issuer, c.Audience, c.Txn, c.MaxDepth = "", "", "", 0
	c.Expiry = now.Add(time.Hour)
	c.Request.AccessTokenHash = sha256Text("an access token")
	return c
}

func rootSigner(t testing.TB, w *world, change ...func(*delegation.RootConfig)) *delegation.RootSigner {
	t.Helper()
	config := delegation.RootConfig{
		Issuer: tts, Audience: "acme.example", Key: signingKey{w.keys[tts]}, TTL: 15 * time.Minute, MaxDepth: 3,
	}
	for _, c := range change {
		c(&config)
	}
	s, err := delegation.NewRootSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBeginMakesARoot(t *testing.T) {
	w := newWorld(t)
	s := rootSigner(t, w)
	compact, err := s.Begin(begun(), now.Add(300*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.verifier(t).Verify(t.Context(), compact, planner, now)
	if err != nil {
		t.Fatal(err)
	}
	got, want := token.Claims(), begun()
	want.Issuer, want.Audience, want.MaxDepth, want.IssuedAt, want.Expiry = tts, "acme.example", 3, now, now.Add(15*time.Minute)
	want.Txn, want.Task.Raw = got.Txn, got.Task.Raw
	if diff := cmp.Diff(want, got); diff != "" || got.Txn == "" {
		t.Error(diff)
	}
	again, err := s.Begin(begun(), now)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := delegation.Parse(again); err != nil || other.Claims.Txn == got.Txn || other.Claims.ID != got.ID {
		t.Errorf("a second request is in the same transaction, or has another jti: %v", err)
	}
}

func TestBeginEndsInTime(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name   string
		at     time.Time
		expiry time.Time
		want   time.Time // zero: refused
	}{
		{"longer than allowed", now, now.Add(time.Hour), now.Add(15 * time.Minute)},
		{"shorter", now, now.Add(time.Minute), now.Add(time.Minute)},
		{"a fraction of a second does not count", now, now.Add(time.Minute + 999*time.Millisecond), now.Add(time.Minute)},
		{"over", now, now, time.Time{}},
		{"long over", now, now.Add(-time.Hour), time.Time{}},
		{"less than a second left", now.Add(100 * time.Millisecond), now.Add(900 * time.Millisecond), time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := begun()
			c.Expiry = tt.expiry
			compact, err := rootSigner(t, w).Begin(c, tt.at)
			if tt.want.IsZero() {
				if denial.ReasonOf(err) != denial.TokenExpired {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token, err := delegation.Parse(compact); err != nil || !token.Claims.Expiry.Equal(tt.want) {
				t.Errorf("expires %v, want %s (%v)", token, tt.want, err)
			}
		})
	}
}

func TestBeginRefusesWhatIsNoRoot(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*delegation.Claims){
		"no task":           func(c *delegation.Claims) { c.Task.Task = "" },
		"no subject":        func(c *delegation.Claims) { c.Subject = "" },
		"a control char":    func(c *delegation.Claims) { c.Subject = "a\nb" },
		"a long subject":    func(c *delegation.Claims) { c.Subject = strings.Repeat("a", 257) },
		"a parent":          func(c *delegation.Claims) { c.ParentHash = sha256Text("x") },
		"no hash":           func(c *delegation.Claims) { c.Request.AccessTokenHash = "not a hash" },
		"no id":             func(c *delegation.Claims) { c.ID = "" },
		"a request of ours": func(c *delegation.Claims) { c.Request.Peer = planner.ID.String() },
	} {
		c := begun()
		change(&c)
		_, err := rootSigner(t, w).Begin(c, now)
		if refused, ok := errors.AsType[*denial.Error](err); !ok || refused.Reason.Class() != denial.ClassCredential {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rootSigner(t, w, func(c *delegation.RootConfig) { c.Key = signingKey{} }).Begin(begun(), now); denial.ReasonOf(err) != denial.SigningFailed {
		t.Errorf("without a key: %v", err)
	}
}

func TestRootSignerConfiguration(t *testing.T) {
	key := signingKey{newWorld(t).keys[tts]}
	good := delegation.RootConfig{Issuer: tts, Audience: "acme.example", Key: key, TTL: time.Minute, MaxDepth: 3}
	for name, change := range map[string]func(*delegation.RootConfig){
		"no issuer":      func(c *delegation.RootConfig) { c.Issuer = "" },
		"no audience":    func(c *delegation.RootConfig) { c.Audience = "" },
		"no key":         func(c *delegation.RootConfig) { c.Key = nil },
		"no life":        func(c *delegation.RootConfig) { c.TTL = 999 * time.Millisecond },
		"no depth":       func(c *delegation.RootConfig) { c.MaxDepth = 0 },
		"too much depth": func(c *delegation.RootConfig) { c.MaxDepth = delegation.DepthLimit + 1 },
	} {
		config := good
		change(&config)
		if _, err := delegation.NewRootSigner(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The hash of the access token goes along the chain, and nobody on the way can change it.
func TestTheAccessTokenIsRememberedAlongTheChain(t *testing.T) {
	w := newWorld(t)
	d0, err := rootSigner(t, w).Begin(begun(), now)
	if err != nil {
		t.Fatal(err)
	}
	v := w.verifier(t)
	d1 := w.pass(t, v, d0, w.hop(planner, crm, "mcp:ledger:read_entry"))
	d2 := w.pass(t, v, d1, w.hop(crm, ledger))
	hash := sha256Text("an access token")
	for i, compact := range []string{d0, d1, d2} {
		if token, err := delegation.Parse(compact); err != nil || token.Claims.Request.AccessTokenHash != hash {
			t.Errorf("D%d: %v %v", i, token, err)
		}
	}
	member := `,"at_s256":"` + hash + `"`
	_, plain, _ := w.chain(t)
	for _, tt := range []struct {
		name, token string
		want        denial.Reason
	}{
		{"as it is", w.edit(t, own, d1, member, member), ""},
		{"gone", w.edit(t, own, d1, member, ""), denial.TokenAltered},
		{"another", w.edit(t, own, d1, member, `,"at_s256":"`+sha256Text("another")+`"`), denial.TokenAltered},
		{"invented", w.edit(t, own, plain, `"pol":"ps-9c2e"`, `"pol":"ps-9c2e"`+member), denial.TokenAltered},
		{"no hash", w.edit(t, own, d1, member, `,"at_s256":"x"`), denial.TokenClaims},
		{"empty", w.edit(t, own, d1, member, `,"at_s256":""`), denial.TokenClaims},
		// A context token has no root that would vouch for it.
		{"in a context token", w.edit(t, own, w.contextToken(t), `"pol":"ps-9c2e"`, `"pol":"ps-9c2e"`+member), denial.TokenClaims},
	} {
		if _, err := v.Verify(t.Context(), tt.token, crm, now); reason(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
