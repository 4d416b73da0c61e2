package trust_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/trust"
)

// keyAt writes a key that was put into the directory at a time.
func keyAt(t *testing.T, dir, name string, written, notBefore time.Time) jose.JSONWebKey {
	t.Helper()
	key := newKey(t, "ES256", "")
	path := filepath.Join(dir, name)
	signingFile(t, path, key, notBefore)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
	return key
}

// states lists the states by file, with the time until they end.
func states(t *testing.T, dir string, now time.Time, keep time.Duration) map[string]string {
	t.Helper()
	files, err := trust.ListKeyFiles(dir, now, keep)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		got[f.File] = string(f.State)
		if !f.Until.IsZero() {
			got[f.File] += " for " + f.Until.Sub(now).String()
		}
	}
	return got
}

func TestALifeOfAKey(t *testing.T) {
	dir := t.TempDir()
	const keep = 5 * time.Minute
	begin := time.Now().Truncate(time.Second)
	keyAt(t, dir, "1.jwk", begin.Add(-time.Hour), time.Time{})
	check := func(at time.Duration, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, states(t, dir, begin.Add(at), keep)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", at, diff)
		}
	}
	check(0, map[string]string{"1.jwk": "signing"})
	keyAt(t, dir, "2.jwk", begin, begin.Add(10*time.Minute))
	check(0, map[string]string{"1.jwk": "signing for 10m0s", "2.jwk": "published for 10m0s"})
	check(10*time.Minute-time.Second, map[string]string{"1.jwk": "signing for 1s", "2.jwk": "published for 1s"})
	check(10*time.Minute, map[string]string{"1.jwk": "retiring for 5m0s", "2.jwk": "signing"})
	check(15*time.Minute-time.Second, map[string]string{"1.jwk": "retiring for 1s", "2.jwk": "signing"})
	check(15*time.Minute, map[string]string{"1.jwk": "retirable", "2.jwk": "signing"})
	// The next one is published before the oldest was removed.
	keyAt(t, dir, "3.jwk", begin.Add(16*time.Minute), begin.Add(20*time.Minute))
	check(16*time.Minute, map[string]string{"1.jwk": "retirable", "2.jwk": "signing for 4m0s", "3.jwk": "published for 4m0s"})
	check(21*time.Minute, map[string]string{"1.jwk": "retirable", "2.jwk": "retiring for 4m0s", "3.jwk": "signing"})
	// Two that are to come.
	keyAt(t, dir, "4.jwk", begin.Add(21*time.Minute), begin.Add(50*time.Minute))
	keyAt(t, dir, "5.jwk", begin.Add(21*time.Minute), begin.Add(40*time.Minute))
	check(30*time.Minute, map[string]string{
		"1.jwk": "retirable", "2.jwk": "retirable", "3.jwk": "signing for 10m0s",
		"4.jwk": "published for 20m0s", "5.jwk": "published for 10m0s",
	})
}

// Without an nbf there is only the time of the file to go by.
func TestKeysWithoutANotBefore(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second)
	first := keyAt(t, dir, "1.jwk", now.Add(-time.Hour), time.Time{})
	second := keyAt(t, dir, "2.jwk", now.Add(-time.Hour), time.Time{})
	signs, rests := "1.jwk", "2.jwk"
	if second.KeyID < first.KeyID {
		signs, rests = rests, signs
	}
	came := now.Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(dir, signs), came, came); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{signs: "signing", rests: "retiring for 4m0s"}
	if diff := cmp.Diff(want, states(t, dir, now, 5*time.Minute)); diff != "" {
		t.Error(diff)
	}
	// The one that signed is replaced as well, and the one before it is not kept longer for that.
	keyAt(t, dir, "3.jwk", now, now.Add(-30*time.Second))
	want = map[string]string{"3.jwk": "signing", signs: "retiring for 4m30s", rests: "retiring for 4m0s"}
	if diff := cmp.Diff(want, states(t, dir, now, 5*time.Minute)); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyKeysToCome(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second)
	key := keyAt(t, dir, "1.jwk", now, now.Add(time.Hour))
	files, err := trust.ListKeyFiles(dir, now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	at := now.Add(time.Hour)
	want := []trust.KeyFile{{
		KeyID: key.KeyID, Algorithm: "ES256", File: "1.jwk", NotBefore: at, State: trust.Published, Until: at,
	}}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	_, err = trust.ListKeyFiles(t.TempDir(), now, time.Minute)
	wantError(t, err, "signing keys", "no *.jwk or *.json file")
}

// Two replicas whose clocks differ by 20 s sign with different keys for a while. Each knows the key of the other.
func TestClocksThatDifferWhileKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const skew = 20 * time.Second
		dir, ahead := t.TempDir(), t.TempDir()
		old, next := newKey(t, "ES256", ""), newKey(t, "EdDSA", "")
		takeover := time.Now().Add(10 * time.Minute)
		signingFile(t, filepath.Join(dir, "1.jwk"), old, time.Time{})
		signingFile(t, filepath.Join(dir, "2.jwk"), next, takeover)
		// To a clock that is ahead every time comes earlier.
		signingFile(t, filepath.Join(ahead, "1.jwk"), old, time.Time{})
		signingFile(t, filepath.Join(ahead, "2.jwk"), next, takeover.Add(-skew))
		replicas := []*trust.SigningKeys{load(t, dir), load(t, ahead)}
		stores := []*trust.Store{
			newStore(t, trust.Own{Issuer: self, Keys: replicas[0]}), newStore(t, trust.Own{Issuer: self, Keys: replicas[1]}),
		}
		differed := 0
		for range 60 {
			time.Sleep(15 * time.Second)
			signers := map[string]bool{}
			for i, replica := range replicas {
				key := replica.Current()
				signers[key.KeyID] = true
				got, err := stores[1-i].Key(t.Context(), self, key.KeyID)
				if err != nil || !verifies(t, key, got) {
					t.Fatalf("replica %d does not know the key of the other: %v", 1-i, err)
				}
			}
			if len(signers) == 2 {
				differed++
			}
		}
		if differed == 0 || replicas[0].Current().KeyID != next.KeyID {
			t.Errorf("they differed %d times, and %s signs at the end", differed, replicas[0].Current().KeyID)
		}
	})
}
