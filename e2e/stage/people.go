package stage

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
)

// peopleIssuer is where people log in.
const peopleIssuer = "https://login.acme.example"

// tokenIssuer gives out delegations for what people got there.
func tokenIssuer(domain string) string { return "https://countersign." + domain }

// People is where the company's people log in: it signs the access tokens that their agents trade for delegations.
type People struct{ key jose.JSONWebKey }

// newPeople makes an identity provider with a key of its own.
func newPeople() (*People, error) {
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		return nil, fmt.Errorf("making the key of the identity provider: %w", err)
	}
	return &People{key}, nil
}

// Login signs an access token (RFC 9068) of a user for the token endpoint.
func (p *People) Login(user string) (string, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": peopleIssuer, "sub": user, "aud": tokenIssuer(TrustDomain), "client_id": "workbench", "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(), "amr": []string{"hwk"},
	})
	if err != nil {
		return "", fmt.Errorf("encoding an access token: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, new(jose.SignerOptions).WithType("at+jwt"))
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", err)
	}
	return jws.CompactSerialize()
}

// trustPeople gives Countersign the keys of the identity provider.
func (s *Stage) trustPeople() error {
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.People.key.Public()}})
	if err != nil {
		return fmt.Errorf("encoding the keys of the identity provider: %w", err)
	}
	return replaceFile(filepath.Join(s.ConfigDir, "issuers/people.jwks.json"), keys)
}
