package trust

import (
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

// TestEveryReplicaPicksTheSameKey holds the documented rule for any keys, in whatever order their files are read.
func TestEveryReplicaPicksTheSameKey(t *testing.T) {
	keysDrawn := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) signingKey {
		return signingKey{
			JSONWebKey: jose.JSONWebKey{KeyID: rapid.StringMatching(`[a-c]{1,3}`).Draw(t, "kid")},
			notBefore:  rapid.Int64Range(0, 5).Draw(t, "nbf"),
		}
	}), 1, 8, func(k signingKey) string { return k.KeyID })
	rapid.Check(t, func(t *rapid.T) {
		keys := keysDrawn.Draw(t, "keys")
		now := time.Unix(rapid.Int64Range(0, 5).Draw(t, "now"), 0)
		got, ok := newHolding(slices.Clone(keys), nil).current(now)
		again, okAgain := newHolding(rapid.Permutation(keys).Draw(t, "other order"), nil).current(now)
		if got.KeyID != again.KeyID || ok != okAgain {
			t.Fatalf("%q on one replica, %q on another", got.KeyID, again.KeyID)
		}
		for _, key := range keys {
			mayDo := key.notBefore <= now.Unix()
			if mayDo && !ok {
				t.Fatalf("no key signs, but %q may", key.KeyID)
			}
			if !mayDo && ok && key.KeyID == got.KeyID {
				t.Fatalf("%q signs before its nbf", got.KeyID)
			}
		}
		if !ok {
			return
		}
		chosen := keys[slices.IndexFunc(keys, func(k signingKey) bool { return k.KeyID == got.KeyID })]
		for _, key := range keys {
			if key.notBefore > now.Unix() {
				continue
			}
			if key.notBefore > chosen.notBefore || key.notBefore == chosen.notBefore && key.KeyID < chosen.KeyID {
				t.Fatalf("%q signs, but %q comes first", chosen.KeyID, key.KeyID)
			}
		}
	})
}
