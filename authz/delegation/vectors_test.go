package delegation_test

import (
	"context"
	"crypto/ed25519"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

var update = flag.Bool("update", false, "write the golden files anew")

// vectors are tokens for implementers of other verifiers: D0, D1 and D2 of the profile's worked example, signed with
// keys that are derived from fixed texts.
type vectors struct {
	Now     int64         `json:"now"` // Unix seconds at which all are valid
	Keys    []vectorKey   `json:"keys"`
	Tokens  []vectorToken `json:"tokens"`
	Comment string        `json:"comment"`
}

type vectorKey struct {
	Issuer string         `json:"issuer"`
	Role   string         `json:"role"`
	JWK    jsontext.Value `json:"jwk"`
}

type vectorToken struct {
	Name       string         `json:"name"`
	Presenter  string         `json:"presenter"`
	Thumbprint string         `json:"x5t#S256"`
	Hash       string         `json:"hash"` // par_hash of tokens made from this one
	Token      string         `json:"token"`
	Payload    jsontext.Value `json:"payload"`
}

const vectorFile = "testdata/vectors.json"

// TestVectors keeps the wire format: tokens that were signed once verify for ever.
func TestVectors(t *testing.T) {
	w := newWorld(t)
	for _, iss := range []string{tts, own} {
		seed := sha256Text("countersign test vectors: " + iss)[:ed25519.SeedSize]
		key := jose.JSONWebKey{Key: ed25519.NewKeyFromSeed([]byte(seed)), KeyID: "vector-" + w.issuers[iss].Role.String(), Algorithm: "EdDSA", Use: "sig"}
		w.keys[iss] = key
	}
	if *update {
		writeVectors(t, w)
	}
	text, err := os.ReadFile(filepath.FromSlash(vectorFile))
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, k := range file.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(k.JWK); err != nil {
			t.Fatal(err)
		}
		w.keys[k.Issuer] = key
	}
	v := w.verifier(t, func(c *delegation.Config) { c.Keys = published{w} })
	for _, c := range file.Tokens {
		t.Run(c.Name, func(t *testing.T) {
			var presenter peer.Peer
			for _, p := range []peer.Peer{planner, crm, ledger} {
				if p.ID.String() == c.Presenter {
					presenter = p
				}
			}
			token, err := v.Verify(t.Context(), c.Token, presenter, now)
			if err != nil {
				t.Fatal(err)
			}
			if token.Hash() != c.Hash {
				t.Errorf("the hash is %s, want %s", token.Hash(), c.Hash)
			}
			want := c.Payload
			if err := want.Compact(); err != nil {
				t.Fatal(err)
			}
			if got := payloadOf(t, c.Token); got != string(want) {
				t.Errorf("got payload %s\nwant %s", got, want)
			}
		})
	}
	if len(file.Tokens) != 3 {
		t.Errorf("%d tokens", len(file.Tokens))
	}
}

// published is a world whose keys are public ones.
type published struct{ *world }

func (p published) Key(_ context.Context, iss, _ string) (jose.JSONWebKey, error) {
	return p.keys[iss], nil
}

func writeVectors(t *testing.T, w *world) {
	t.Helper()
	d0, d1, d2 := w.chain(t)
	file := vectors{
		Now:     now.Unix(),
		Comment: "D0, D1 and D2 of the worked example. The keys are for tests only; the times are in 2026-11-22T00:00Z.",
	}
	for _, iss := range []string{tts, own} {
		key := w.keys[iss]
		public := key.Public()
		text, err := public.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		role := trust.Root
		if iss == own {
			role = trust.Hop
		}
		file.Keys = append(file.Keys, vectorKey{Issuer: iss, Role: role.String(), JWK: text})
	}
	for _, c := range []struct {
		name, token string
		presenter   peer.Peer
	}{{"D0", d0, planner}, {"D1", d1, crm}, {"D2", d2, ledger}} {
		file.Tokens = append(file.Tokens, vectorToken{
			Name: c.name, Presenter: c.presenter.ID.String(), Thumbprint: c.presenter.CertificateHash,
			Hash: hashOf(t, c.token), Token: c.token, Payload: jsontext.Value(payloadOf(t, c.token)),
		})
	}
	text, err := json.Marshal(file, jsontext.WithIndent("  "))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.FromSlash(vectorFile), append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}
