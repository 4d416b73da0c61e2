package delegation_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

// TestCachedTokensAreCheckedAgain changes something after a token was verified, and verifies it again.
func TestCachedTokensAreCheckedAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(w *world)
		presenter peer.Peer
		at        time.Time
		want      denial.Reason
		lookups   int // of keys, after the change
	}{
		{"nothing changed", func(*world) {}, crm, now, "", 0},
		{"another presenter", func(*world) {}, intern, now, denial.TokenHolder, 0},
		{"it expired", func(*world) {}, crm, now.Add(time.Minute), denial.TokenExpired, 0},
		{"the clock was set back", func(*world) {}, crm, start.Add(-time.Hour), denial.TokenNotYetValid, 0},
		{"some key was removed, not ours", func(w *world) { w.generation++ }, crm, now, "", 2},
		{"the key was removed", func(w *world) {
			w.generation++
			w.keys[own] = jose.JSONWebKey{KeyID: "next"}
		}, crm, now, denial.TokenUnknownKey, 1},
		{"the root's key was removed", func(w *world) {
			w.generation++
			w.keys[tts] = jose.JSONWebKey{KeyID: "next"}
		}, crm, now, denial.TokenUnknownKey, 2},
		{"the issuer is trusted no more", func(w *world) { delete(w.issuers, own) }, crm, now, denial.TokenUnknownIssuer, 0},
		{"the root's issuer is trusted no more", func(w *world) { delete(w.issuers, tts) }, crm, now, denial.TokenUnknownIssuer, 0},
		{"the root's issuer became a hop issuer", func(w *world) {
			w.changeIssuer(tts, func(i *trust.Issuer) { i.Role = trust.Hop })
		}, crm, now, denial.TokenClaims, 0},
		{"the issuer may not use the algorithm any more", func(w *world) {
			w.changeIssuer(own, func(i *trust.Issuer) { i.Algorithms = []jose.SignatureAlgorithm{jose.EdDSA} })
		}, crm, now, denial.TokenAlgorithm, 0},
		{"the issuer may grant less life", func(w *world) {
			w.changeIssuer(own, func(i *trust.Issuer) { i.MaxTTL = time.Second })
		}, crm, now, denial.TokenLifetime, 0},
		{"the issuer may grant less depth", func(w *world) {
			w.changeIssuer(own, func(i *trust.Issuer) { i.MaxDepth = 2 })
		}, crm, now, denial.TokenDepth, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			_, d1, _ := w.chain(t)
			v := w.verifier(t)
			if _, err := v.Verify(t.Context(), d1, crm, now); err != nil {
				t.Fatal(err)
			}
			c.change(w)
			w.lookups = 0
			if _, err := v.Verify(t.Context(), d1, c.presenter, c.at); reason(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if w.lookups != c.lookups {
				t.Errorf("%d keys were looked up, want %d", w.lookups, c.lookups)
			}
		})
	}
}

func (w *world) changeIssuer(iss string, change func(*trust.Issuer)) {
	i := w.issuers[iss]
	change(&i)
	w.issuers[iss] = i
}

func TestCacheStats(t *testing.T) {
	w := newWorld(t)
	d0, d1, _ := w.chain(t)
	v := w.verifier(t)
	verify := func(token string, p peer.Peer) {
		t.Helper()
		_, _ = v.Verify(t.Context(), token, p, now)
	}
	want := func(hits, misses uint64, size int) {
		t.Helper()
		if h, m, s := v.CacheStats(); h != hits || m != misses || s != size {
			t.Errorf("got %d hits, %d misses, size %d, want %d, %d, %d", h, m, s, hits, misses, size)
		}
	}
	verify(d0, planner)
	want(0, 1, 1)
	verify(d0, planner)
	want(1, 1, 1)
	verify(d1, crm) // its root is d0, which is known
	want(2, 2, 2)
	verify(d1+"x", crm) // nothing that was refused is kept
	verify(d0[:len(d0)-86]+d0[len(d0)-86:len(d0)-4]+"AAAA", planner)
	want(2, 4, 2)
}

func TestCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	for size, want := range map[int]int{0: 0, 1: 1, 3: 3} {
		v := w.verifier(t, func(c *delegation.Config) { c.CacheSize = size })
		for range 5 {
			token := w.mint(t, root()) // a new signature makes a new text
			for range 2 {
				if _, err := v.Verify(t.Context(), token, planner, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, _, got := v.CacheStats(); got != want {
			t.Errorf("%d tokens in a cache of %d", got, size)
		}
	}
}
