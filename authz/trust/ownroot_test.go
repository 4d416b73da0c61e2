package trust_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

func TestOwnRoot(t *testing.T) {
	o := own(t)
	o.Root = trust.OwnRoot{
		Issuer: "https://begin.acme.example", Keys: own(t).Keys, SubjectPrefix: "desk:", MaxTTL: 10 * time.Minute, MaxDepth: 3,
	}
	store := newStore(t, o)
	root, ok := store.Issuer("https://begin.acme.example")
	want := trust.Issuer{ID: "https://begin.acme.example", Role: trust.Root, MaxTTL: 10 * time.Minute, MaxDepth: 3,
		SubjectPrefix: "desk:",
		Algorithms:    []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA}, ActorTrustDomains: acme}
	if diff := cmp.Diff(want, root, cmpopts.EquateComparable(spiffeid.TrustDomain{})); diff != "" || !ok {
		t.Error(diff)
	}
	if hop, _ := store.Issuer(self); hop.Role != trust.Hop {
		t.Errorf("countersigning as %s", hop.Role)
	}
	kids := map[string]string{self: o.Keys.Current().KeyID, "https://begin.acme.example": o.Root.Keys.Current().KeyID}
	for iss := range kids {
		for of, kid := range kids {
			_, err := store.Key(t.Context(), iss, kid)
			if of == iss && err != nil || of != iss && denial.ReasonOf(err) != denial.TokenUnknownKey {
				t.Errorf("the key of %s under the name %s: %v", of, iss, err)
			}
		}
	}
	var listed []string
	for _, status := range store.Status() {
		listed = append(listed, status.Issuer+" "+strings.Join(status.Keys, " "))
	}
	if diff := cmp.Diff([]string{self + " " + kids[self], root.ID + " " + kids[root.ID]}, listed); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if _, ok := newStore(t, own(t)).Issuer(""); ok {
		t.Error("without a root, nobody is it")
	}
}

func TestOwnRootErrors(t *testing.T) {
	for name, test := range map[string]struct {
		root trust.OwnRoot
		want string
	}{
		"the hop issuer":   {trust.OwnRoot{Issuer: "https://one.acme.example"}, "a root needs another name"},
		"a SPIFFE ID":      {trust.OwnRoot{Issuer: "spiffe://acme.example/tts"}, "must be an https URL"},
		"no issuer at all": {trust.OwnRoot{Issuer: "tts"}, "https URL or a SPIFFE ID"},
		"no keys":          {trust.OwnRoot{Issuer: "https://begin.acme.example"}, "no signing keys"},
		"a negative depth": {trust.OwnRoot{Issuer: "https://begin.acme.example", MaxDepth: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			o := own(t)
			o.Issuer, o.ActorTrustDomains, o.Root = "https://one.acme.example", acme, test.root
			if name != "no keys" {
				o.Root.Keys = own(t).Keys
			}
			_, err := trust.NewStore(t.Context(), nil, o, quiet)
			wantError(t, err, "as a root", test.want)
		})
	}
	o := own(t)
	o.Root.Issuer, o.Root.Keys = tts, own(t).Keys
	_, err := trust.NewStore(t.Context(), []trust.IssuerConfig{fileIssuer(t, set(t, newKey(t, "ES256", "k")))}, o, quiet)
	wantError(t, err, "our own issuer")
}

// Whoever has a key that countersigns can not begin delegations with it: no key is in both places, whenever it is put there.
func TestKeysThatBeginAndCountersignAreApart(t *testing.T) {
	hop, root := t.TempDir(), t.TempDir()
	shared := newKey(t, "ES256", "")
	signingFile(t, filepath.Join(hop, "a.jwk"), shared, time.Time{})
	signingFile(t, filepath.Join(root, "a.jwk"), shared, time.Time{})
	o := trust.Own{Issuer: self, Keys: load(t, hop)}
	o.Root = trust.OwnRoot{Issuer: "https://begin.acme.example", Keys: load(t, root)}
	_, err := trust.NewStore(t.Context(), nil, o, quiet)
	wantError(t, err, "as a root", shared.KeyID, "needs keys of its own")
	o.Root.Keys = o.Keys
	_, err = trust.NewStore(t.Context(), nil, o, quiet)
	wantError(t, err, "needs keys of its own")

	beginning := newKey(t, "ES256", "")
	if err := os.Remove(filepath.Join(root, "a.jwk")); err != nil {
		t.Fatal(err)
	}
	signingFile(t, filepath.Join(root, "b.jwk"), beginning, time.Time{})
	o.Root.Keys = load(t, root)
	store := newStore(t, o)
	if diff := cmp.Diff([]string{hop, root}, store.Files()); diff != "" {
		t.Error(diff)
	}
	// A copy that comes later is not taken over, in neither direction.
	for _, copied := range []struct {
		dir, iss string
		key      jose.JSONWebKey
	}{
		{root, o.Root.Issuer, shared}, {hop, self, beginning},
	} {
		path := filepath.Join(copied.dir, "copy.jwk")
		signingFile(t, path, copied.key, time.Time{})
		wantError(t, store.Reload(t.Context()), copied.key.KeyID, "needs keys of its own")
		_, err := store.Key(t.Context(), copied.iss, copied.key.KeyID)
		if denial.ReasonOf(err) != denial.TokenUnknownKey {
			t.Errorf("as %s: %v", copied.iss, err)
		}
		if !slices.ContainsFunc(store.Status(), func(s trust.IssuerStatus) bool { return s.Issuer == copied.iss && s.Error != "" }) {
			t.Errorf("the status of %s shows no error", copied.iss)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := store.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// A root key that is taken away is gone from what was verified.
	before := store.Generation()
	signingFile(t, filepath.Join(root, "c.jwk"), newKey(t, "ES256", ""), time.Time{})
	if err := os.Remove(filepath.Join(root, "b.jwk")); err != nil {
		t.Fatal(err)
	}
	if err := store.Reload(t.Context()); err != nil || store.Generation() == before {
		t.Errorf("generation %d, %v", store.Generation(), err)
	}
}
