package bundle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"countersign.dev/authz/trust"
)

// signatureType is the typ of every signature.
const signatureType = "countersign-bundle+jws"

// Trust says whose bundles are taken. The zero value takes none.
type Trust struct {
	keys    map[string]jose.JSONWebKey // by kid
	anybody bool
}

// TrustFile takes bundles that one of the keys in a file (JWK Set) has signed, and no others; without a file, those of
// anybody.
func TrustFile(path string) (Trust, error) {
	if path == "" {
		return TrustAnybody(), nil
	}
	keys, err := trust.LoadKeySet(path)
	if err != nil {
		return Trust{}, err
	}
	t, err := TrustKeys(keys)
	if err != nil {
		return Trust{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// TrustKeys takes bundles that one of the keys has signed, and no others. Every key is public and says in Algorithm what it is
// for, ES256 or EdDSA, as those of authz/trust do.
func TrustKeys(keys []jose.JSONWebKey) (Trust, error) {
	t := Trust{keys: make(map[string]jose.JSONWebKey, len(keys))}
	for _, key := range keys {
		alg := jose.SignatureAlgorithm(key.Algorithm)
		switch _, twice := t.keys[key.KeyID]; {
		case key.KeyID == "" || twice:
			return Trust{}, fmt.Errorf("key %.80q: every key has a kid of its own", key.KeyID)
		case alg != jose.ES256 && alg != jose.EdDSA:
			return Trust{}, fmt.Errorf("key %.80q is for %.20q: want ES256 or EdDSA", key.KeyID, key.Algorithm)
		case !key.IsPublic() || !key.Valid():
			return Trust{}, fmt.Errorf("key %.80q is not a public key", key.KeyID)
		}
		t.keys[key.KeyID] = key
	}
	if len(t.keys) == 0 {
		return Trust{}, errors.New("no keys")
	}
	return t, nil
}

// TrustAnybody takes every bundle, signed or not, and does not look at signatures. It is for looking into bundles, and where
// something else says who they are from.
func TrustAnybody() Trust { return Trust{anybody: true} }

// Verify reports whether the bundle would be taken.
func (t Trust) Verify(data []byte) error {
	_, err := Read(data, t)
	return err
}

// protected is the header of a signature.
type protected struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

// verify returns the kid of the key that signed the manifest; none, and no error, if anybody's bundles are taken.
func (t Trust) verify(manifest, signature []byte) (kid string, err error) {
	if t.anybody {
		return "", nil
	}
	header, err := readHeader(signature)
	if err != nil {
		return "", err
	}
	key, known := t.keys[header.KeyID]
	switch {
	case !known:
		return "", fmt.Errorf("the bundle is signed with key %.80q, which is not trusted", header.KeyID)
	case header.Algorithm != key.Algorithm:
		return "", fmt.Errorf("the bundle is signed with %.20q, but key %.80q is for %s", header.Algorithm, header.KeyID, key.Algorithm)
	}
	jws, err := jose.ParseDetached(string(signature), manifest, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return "", fmt.Errorf("reading the signature: %w", err)
	}
	if err := jws.DetachedVerify(manifest, key.Key); err != nil {
		return "", fmt.Errorf("the signature with key %.80q does not fit the manifest: %w", header.KeyID, err)
	}
	return header.KeyID, nil
}

// readHeader takes the signature apart. It has one spelling: base64url decoders let others pass.
func readHeader(signature []byte) (protected, error) {
	var h protected
	if len(signature) == 0 {
		return h, errors.New("the bundle is not signed")
	}
	parts := strings.Split(string(signature), ".")
	if len(parts) != 3 || parts[1] != "" {
		return h, errors.New("the signature is not one compact JWS with detached content")
	}
	text, err := canonical(parts[0])
	if err != nil {
		return h, err
	}
	if _, err := canonical(parts[2]); err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h, json.RejectUnknownMembers(true)); err != nil {
		return h, fmt.Errorf("the header of the signature has alg, kid and typ, and nothing else: %w", err)
	}
	switch {
	case h.Type != signatureType:
		return h, fmt.Errorf("the signature is of type %.80q, which is not that of a bundle, %s", h.Type, signatureType)
	case h.KeyID == "":
		return h, errors.New("the signature does not say with which key: it has no kid")
	}
	return h, nil
}

func canonical(segment string) ([]byte, error) {
	data, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil || segment == "" || base64.RawURLEncoding.EncodeToString(data) != segment {
		return nil, errors.New("the signature is not written in canonical base64url")
	}
	return data, nil
}

// unchecked returns the kid that a signature names, which may be anything.
func unchecked(signature []byte) string {
	if h, err := readHeader(signature); err == nil {
		return h.KeyID
	}
	return ""
}

// Sign returns the bundle with a signature of the key, in place of the one that it may have. The key is private and says in
// Algorithm what it is for.
func Sign(data []byte, key jose.JSONWebKey) ([]byte, error) {
	b, err := Read(data, TrustAnybody())
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType(signatureType),
	)
	if err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	jws, err := signer.Sign(b.manifest)
	if err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	signature, err := jws.DetachedCompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	signed, err := pack(b.manifest, []byte(signature), b.Files)
	if err != nil {
		return nil, err
	}
	trust, err := TrustKeys([]jose.JSONWebKey{key.Public()})
	if err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	// What would not be taken must not be published.
	if err := trust.Verify(signed); err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	return signed, nil
}
