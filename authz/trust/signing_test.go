package trust_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

func TestGeneratedKeys(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			keys, err := trust.GenerateSigningKeys(alg)
			if err != nil {
				t.Fatal(err)
			}
			key := keys.Current()
			set := keys.Public()
			public := set.Key(key.KeyID)
			if key.IsPublic() || key.Algorithm != alg || key.Use != "sig" || len(key.KeyID) != 43 || len(public) != 1 {
				t.Fatalf("got a %s key %q for %s, published %d times", key.Algorithm, key.KeyID, key.Use, len(public))
			}
			if !verifies(t, key, public[0]) {
				t.Error("the published key does not verify what the private key signs")
			}
			if err := keys.Reload(); err != nil || keys.Current().KeyID != key.KeyID || keys.Dir() != "" || keys.Warnings() != nil {
				t.Errorf("a reload of keys in memory: %v", err)
			}
		})
	}
	for _, alg := range []string{"", "RS256", "HS256", "none", "es256", "Ed25519"} {
		_, err := trust.GenerateSigningKeys(alg)
		wantError(t, err, "keys are generated for ES256 and EdDSA")
	}
}

func TestWhatIsPublishedHasNoSecrets(t *testing.T) {
	dir := t.TempDir()
	for _, alg := range []string{"ES256", "EdDSA"} {
		signingFile(t, filepath.Join(dir, alg+".jwk"), newKey(t, alg, ""), time.Time{})
	}
	data, err := json.Marshal(load(t, dir).Public())
	if err != nil {
		t.Fatal(err)
	}
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	for _, key := range published.Keys {
		for name := range key {
			if !slices.Contains([]string{"kty", "crv", "x", "y", "kid", "alg", "use"}, name) {
				t.Errorf("member %s is published", name)
			}
		}
	}
	// Another Countersign must accept it as a hop issuer's set.
	c := fileIssuer(t, string(data))
	c.Algorithms = []string{"ES256", "EdDSA"}
	newStore(t, own(t), c)
}

func load(t *testing.T, dir string) *trust.SigningKeys {
	t.Helper()
	keys, err := trust.LoadSigningKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTheNewestKeyThatMaySignSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		now := time.Now()
		old, current, next := newKey(t, "ES256", ""), newKey(t, "EdDSA", ""), newKey(t, "ES256", "")
		signingFile(t, filepath.Join(dir, "z-old.jwk"), old, time.Time{})
		signingFile(t, filepath.Join(dir, "m-current.json"), current, now.Add(-time.Hour))
		signingFile(t, filepath.Join(dir, "a-next.jwk"), next, now.Add(time.Hour))
		keys := load(t, dir)
		replica := load(t, dir)
		if keys.Current().KeyID != current.KeyID || replica.Current().KeyID != current.KeyID {
			t.Error("the key that signs is not the newest of those that may")
		}
		if n := len(keys.Public().Keys); n != 3 {
			t.Errorf("%d keys are published, want all 3", n)
		}
		time.Sleep(time.Hour - time.Second)
		if keys.Current().KeyID != current.KeyID {
			t.Error("the next key signs too early")
		}
		time.Sleep(time.Second)
		if keys.Current().KeyID != next.KeyID {
			t.Error("the next key does not take over at its nbf")
		}
	})
}

func TestOfKeysWithTheSameAgeTheLowestKeyIDSigns(t *testing.T) {
	dir := t.TempDir()
	var kids []string
	for i := range 5 {
		key := newKey(t, "ES256", "")
		kids = append(kids, key.KeyID)
		signingFile(t, filepath.Join(dir, fmt.Sprintf("%d.jwk", i)), key, time.Time{})
	}
	if got, want := load(t, dir).Current().KeyID, slices.Min(kids); got != want {
		t.Errorf("%s signs, want %s", got, want)
	}
}

func TestAClockSetBackToBeforeEveryKeySignsNothing(t *testing.T) {
	dir := t.TempDir()
	signingFile(t, filepath.Join(dir, "k.jwk"), newKey(t, "ES256", ""), time.Now().Add(-time.Hour))
	keys := load(t, dir)
	synctest.Test(t, func(t *testing.T) { // a bubble begins in the year 2000
		if key := keys.Current(); key.Key != nil || key.KeyID != "" {
			t.Errorf("key %s signs before its nbf", key.KeyID)
		}
	})
}

func TestSigningKeyDirectoryErrors(t *testing.T) {
	key := newKey(t, "ES256", "")
	ed := newKey(t, "EdDSA", "")
	other := edit(t, newKey(t, "ES256", ""), nil)
	var otherMembers map[string]any
	if err := json.Unmarshal([]byte(other), &otherMembers); err != nil {
		t.Fatal(err)
	}
	file := func(content string) map[string]string { return map[string]string{"k.jwk": content} }
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty directory":         {nil, "no *.jwk or *.json file"},
		"only other files":        {map[string]string{"README": "x", "k.pem": "x", "..k.jwk": "x"}, "no *.jwk or *.json file"},
		"not JSON":                {file("-----BEGIN PRIVATE KEY-----"), "k.jwk: not a JWK"},
		"a member twice":          {file(strings.Replace(edit(t, key, nil), "{", `{"use":"sig",`, 1)), "k.jwk: not a JWK"},
		"a key set":               {file(set(t, key)), "k.jwk: reading the key"},
		"null":                    {file("null"), "k.jwk: reading the key"},
		"a public key":            {file(edit(t, public(key), nil)), "k.jwk: not a private key"},
		"an RSA key":              {file(edit(t, newKey(t, "RS256", ""), nil)), "k.jwk: not a private key of type EC P-256 or OKP Ed25519"},
		"a symmetric key":         {file(`{"kty":"oct","k":"c2VjcmV0"}`), "k.jwk: not a private key"},
		"another curve":           {file(edit(t, newKey(t, "P-384", ""), nil)), "the only ECDSA curve is P-256"},
		"a key for encryption":    {file(edit(t, key, map[string]any{"use": "enc"})), `use is "enc"`},
		"key_ops without sign":    {file(edit(t, key, map[string]any{"key_ops": []string{"verify"}})), "key_ops does not list sign"},
		"another algorithm":       {file(edit(t, ed, map[string]any{"alg": "ES256"})), "a key of this type is for EdDSA"},
		"kid of its own":          {file(edit(t, key, map[string]any{"kid": "2026-11"})), "must be the RFC 7638 thumbprint " + key.KeyID},
		"nbf in quotes":           {file(edit(t, key, map[string]any{"nbf": "1795305600"})), "nbf is not a time"},
		"nbf null":                {file(strings.Replace(edit(t, key, nil), "{", `{"nbf":null,`, 1)), "nbf is not a time"},
		"nbf negative":            {file(edit(t, key, map[string]any{"nbf": -1})), "nbf is not a time"},
		"nbf with a fraction":     {file(edit(t, key, map[string]any{"nbf": 1.5})), "nbf is not a time"},
		"nbf in nanoseconds":      {file(edit(t, key, map[string]any{"nbf": 1795305600000000000})), "nbf is not a time"},
		"every nbf in the future": {file(edit(t, key, map[string]any{"nbf": 4102444800})), "no key may sign yet"},
		"halves of two keys":      {file(edit(t, key, map[string]any{"d": otherMembers["d"]})), "k.jwk"},
		"the same key twice":      {map[string]string{"a.jwk": edit(t, key, nil), "b.json": edit(t, key, nil)}, "b.json is the same key as a.jwk"},
		"one bad file of two":     {map[string]string{"a.jwk": edit(t, key, nil), "b.jwk": "{"}, "b.jwk: not a JWK"},
		"too large":               {file(edit(t, key, nil) + strings.Repeat(" ", trust.MaxKeySetSize)), "larger than 262144 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range test.files {
				write(t, filepath.Join(dir, name), content)
			}
			_, err := trust.LoadSigningKeys(dir)
			wantError(t, err, "signing keys", dir, test.want)
		})
	}
	t.Run("no directory given", func(t *testing.T) {
		_, err := trust.LoadSigningKeys("")
		wantError(t, err, "no directory given")
	})
	t.Run("no such directory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "keys")
		_, err := trust.LoadSigningKeys(dir)
		wantError(t, err, dir)
	})
	t.Run("a directory that is named like a key", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "k.jwk"), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := trust.LoadSigningKeys(dir)
		wantError(t, err, "k.jwk: not a regular file")
	})
	t.Run("a dangling link", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("gone", filepath.Join(dir, "k.jwk")); err != nil {
			t.Fatal(err)
		}
		_, err := trust.LoadSigningKeys(dir)
		wantError(t, err, "k.jwk")
	})
	t.Run("too many keys", func(t *testing.T) {
		dir := t.TempDir()
		for i := range trust.MaxKeys + 1 {
			signingFile(t, filepath.Join(dir, fmt.Sprintf("%d.jwk", i)), newKey(t, "EdDSA", ""), time.Time{})
		}
		_, err := trust.LoadSigningKeys(dir)
		wantError(t, err, "more than 64 keys")
	})
}

func TestAKeyWithoutKeyIDGetsItsThumbprint(t *testing.T) {
	key := newKey(t, "ES256", "")
	path := filepath.Join(t.TempDir(), "k.jwk")
	write(t, path, edit(t, key, map[string]any{"kid": nil, "alg": nil, "use": nil, "key_ops": []string{"sign"}}))
	got, err := trust.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.KeyID != key.KeyID || got.Algorithm != "ES256" || got.Use != "sig" {
		t.Errorf("got kid %s, alg %s, use %s", got.KeyID, got.Algorithm, got.Use)
	}
	_, err = trust.LoadKey(path + ".missing")
	wantError(t, err, "private key", path)
}

func TestAKeyThatWouldNotLoadIsNotEncoded(t *testing.T) {
	key := newKey(t, "ES256", "")
	for name, test := range map[string]struct {
		key       jose.JSONWebKey
		notBefore time.Time
		want      string
	}{
		"public":             {public(key), time.Time{}, "not a private key"},
		"nothing":            {jose.JSONWebKey{}, time.Time{}, "encoding the key"},
		"before 1970":        {key, time.Unix(-1, 0), "nbf is not a time"},
		"a kid of their own": {newKey(t, "ES256", "mine"), time.Time{}, "thumbprint"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trust.EncodeSigningKey(test.key, test.notBefore)
			wantError(t, err, "encoding the key", test.want)
		})
	}
}

func TestPrivateKeysThatEverybodyCanRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "k.jwk")
	signingFile(t, path, newKey(t, "ES256", ""), time.Time{})
	keys := load(t, dir)
	if got := keys.Warnings(); len(got) != 0 {
		t.Errorf("warnings %q", got)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := keys.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := keys.Warnings(); len(got) != 1 || !strings.Contains(got[0], "k.jwk") || !strings.Contains(got[0], "0644") {
		t.Errorf("warnings %q", got)
	}
}

// mount lays out a directory as Kubernetes does for a Secret, and returns a function that swaps its contents.
func mount(t *testing.T) (dir string, swap func(files map[string]jose.JSONWebKey)) {
	t.Helper()
	dir = t.TempDir()
	generation := 0
	return dir, func(files map[string]jose.JSONWebKey) {
		t.Helper()
		generation++
		data := fmt.Sprintf("..2026_11_%02d", generation)
		if err := os.Mkdir(filepath.Join(dir, data), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, key := range files {
			signingFile(t, filepath.Join(dir, data, name), key, time.Time{})
			_ = os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)) // may be there already
		}
		if err := os.Symlink(data, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeysInAMountedSecret(t *testing.T) {
	first, second := newKey(t, "ES256", ""), newKey(t, "ES256", "")
	dir, swap := mount(t)
	swap(map[string]jose.JSONWebKey{"a.jwk": first})
	keys := load(t, dir)
	store := newStore(t, trust.Own{Issuer: self, Keys: keys})
	if got := store.Files(); !slices.Equal(got, []string{dir}) || keys.Dir() != dir {
		t.Errorf("files to watch: %v", got)
	}

	swap(map[string]jose.JSONWebKey{"a.jwk": first, "b.jwk": second})
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []jose.JSONWebKey{first, second} {
		if got, err := store.Key(t.Context(), self, key.KeyID); err != nil || !verifies(t, key, got) {
			t.Errorf("own key %s: %v", key.KeyID, err)
		}
	}
	if store.Generation() != 0 {
		t.Error("a new own key counts as a loss")
	}

	swap(map[string]jose.JSONWebKey{"b.jwk": second}) // a.jwk is now a dangling link
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := store.Key(t.Context(), self, first.KeyID)
	wantDenied(t, err, denial.TokenUnknownKey, "we have no key")
	if store.Generation() != 1 || keys.Current().KeyID != second.KeyID {
		t.Errorf("generation %d, %s signs", store.Generation(), keys.Current().KeyID)
	}

	swap(nil)
	wantError(t, store.Reload(t.Context()), "signing keys", dir)
	status := store.Status()
	want := []trust.IssuerStatus{{
		Issuer: self, Role: trust.Hop, Keys: []string{second.KeyID}, Updated: status[0].Updated, Error: status[0].Error,
	}}
	if diff := cmp.Diff(want, status); diff != "" || status[0].Error == "" || status[0].Updated.IsZero() {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if keys.Current().KeyID != second.KeyID || store.Generation() != 1 {
		t.Error("an empty directory took the last good key away")
	}
}

func TestWarningsAreLogged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "k.jwk")
	signingFile(t, path, newKey(t, "ES256", ""), time.Time{})
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	store, err := trust.NewStore(t.Context(), nil, trust.Own{Issuer: self, Keys: load(t, dir)}, textLog(&out))
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "everybody can read") {
		t.Errorf("log: %s", got)
	}
	signingFile(t, filepath.Join(dir, "second.jwk"), newKey(t, "ES256", ""), time.Time{})
	if err := os.Chmod(filepath.Join(dir, "second.jwk"), 0o604); err != nil {
		t.Fatal(err)
	}
	for range 3 { // every poll
		if err := store.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, "second.jwk") {
		t.Errorf("log: %s", got)
	}
}

func TestTheSameFailureIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	c := fileIssuer(t, set(t, newKey(t, "ES256", "k1")))
	store, err := trust.NewStore(t.Context(), []trust.IssuerConfig{c}, own(t), textLog(&out))
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"{", "{", "[]", "[]"} {
		write(t, c.KeysFile, content)
		wantError(t, store.Reload(t.Context()), "not a JWK Set")
	}
	if got := out.String(); strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, tts) {
		t.Errorf("log: %s", got)
	}
}
