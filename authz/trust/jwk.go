package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Limits of what is read. They bound the work that a foreign key set can cause.
const (
	// MaxKeySetSize is the greatest size of a JWK Set or a private JWK file in bytes.
	MaxKeySetSize = 256 << 10
	// MaxKeys is the greatest number of keys of one issuer, and of our own keys.
	MaxKeys = 64
	// MaxKeyIDLength is the greatest length of a kid in bytes.
	MaxKeyIDLength = 128

	minRSABits = 2048
	maxRSABits = 4096 // the most that go-jose verifies with; the time grows with the square of the size
)

// members are the members of one JWK before any is interpreted.
type members map[string]json.RawMessage

// secretMembers carry private or symmetric key material (RFC 7518, section 6; RFC 9964 for priv).
var secretMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// text returns the string value of a member, "" if it is absent.
func (m members) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok {
		return "", nil
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return *value, nil
}

// checkUse refuses keys that are not meant for signatures (RFC 7517, sections 4.2 and 4.3). Operation is the one
// that key_ops must list if it is present.
func (m members) checkUse(operation string) error {
	use, err := m.text("use")
	if err != nil {
		return err
	}
	if _, present := m["use"]; present && use != "sig" {
		return fmt.Errorf("use is %q, must be absent or sig", use)
	}
	raw, present := m["key_ops"]
	if !present {
		return nil
	}
	var operations []string
	if err := json.Unmarshal(raw, &operations); err != nil {
		return errors.New("key_ops is not a list of strings")
	}
	for _, o := range operations {
		if o == operation {
			return nil
		}
	}
	return fmt.Errorf("key_ops does not list %s", operation)
}

// checkAlgorithm compares the member alg, if present, with what the key is for.
func (m members) checkAlgorithm(key jose.JSONWebKey, want jose.SignatureAlgorithm) error {
	if _, present := m["alg"]; present && key.Algorithm != string(want) {
		return fmt.Errorf("alg is %q, but a key of this type is for %s", key.Algorithm, want)
	}
	return nil
}

// checkKeyID keeps out what can not be written into a log or a header as it is.
func checkKeyID(kid string) error {
	switch {
	case kid == "":
		return errors.New("kid is missing")
	case len(kid) > MaxKeyIDLength:
		return fmt.Errorf("kid is longer than %d bytes", MaxKeyIDLength)
	case strings.ContainsFunc(kid, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return fmt.Errorf("kid %q has characters that are not printable ASCII", kid)
	}
	return nil
}

// algorithmOf returns the one algorithm that a public key is for (RFC 7518, section 3.1; RFC 8037, section 3.1).
func algorithmOf(key any) (jose.SignatureAlgorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return "", fmt.Errorf("curve %s: the only ECDSA curve is P-256", key.Params().Name)
		}
		return jose.ES256, nil
	case ed25519.PublicKey:
		return jose.EdDSA, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("an RSA key of %d bits: must have %d to %d", bits, minRSABits, maxRSABits)
		}
		return jose.RS256, nil
	default:
		return "", errors.New("not a public key of type EC P-256, OKP Ed25519 or RSA")
	}
}

// thumbprint is the kid of our own keys: SHA-256 in base64url without padding (RFC 7638).
func thumbprint(key jose.JSONWebKey) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("computing the thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
