package trust

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// keySet holds the public keys of one issuer by kid.
type keySet map[string]jose.JSONWebKey

// parseKeySet reads a JWK Set (RFC 7517, section 5) strictly: every key in it must be one that the issuer may sign
// with. One bad key refuses the set, because a set that holds a private key, or a key for another purpose, shows
// that its publisher lost track. Members that the RFC does not define are ignored. From is the file or URL that the
// errors name.
//
// A foreign set is one of an identity provider, and may have keys of no use to us, which are left out: see
// [members.ofNoUse]. A secret key refuses that too.
func parseKeySet(from string, data []byte, algorithms []jose.SignatureAlgorithm, foreign bool) (keySet, error) {
	if len(data) > MaxKeySetSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", from, MaxKeySetSize)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	// This decoder compares names exactly and refuses duplicate names and trailing bytes.
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%s: not a JWK Set: %w", from, err)
	}
	switch {
	case len(set.Keys) == 0:
		return nil, fmt.Errorf("%s: no keys in the set", from)
	case len(set.Keys) > MaxKeys:
		return nil, fmt.Errorf("%s: %d keys, at most %d are allowed", from, len(set.Keys), MaxKeys)
	}
	keys := make(keySet, len(set.Keys))
	for i, raw := range set.Keys {
		var m members
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("%s: keys[%d]: not a JWK: %w", from, i, err)
		}
		if err := m.checkPublic(); err != nil {
			return nil, fmt.Errorf("%s: keys[%d], kid %s: %w", from, i, m.label(), err)
		}
		if foreign && m.ofNoUse(algorithms) {
			continue
		}
		key, err := publicKey(raw, m, algorithms)
		if err != nil {
			return nil, fmt.Errorf("%s: keys[%d], kid %s: %w", from, i, m.label(), err)
		}
		if _, ok := keys[key.KeyID]; ok {
			return nil, fmt.Errorf("%s: keys[%d], kid %q: this kid came before", from, i, key.KeyID)
		}
		keys[key.KeyID] = key
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no key in the set is one to verify tokens with", from)
	}
	return keys, nil
}

func (m members) checkPublic() error {
	for _, name := range secretMembers {
		if _, ok := m[name]; ok {
			return fmt.Errorf("member %s: private and symmetric keys must not be published", name)
		}
	}
	return nil
}

// publicKey reads one key of a set. Certificates and URLs that come with it are dropped: nothing may follow them.
func publicKey(raw []byte, m members, algorithms []jose.SignatureAlgorithm) (jose.JSONWebKey, error) {
	kid, err := m.text("kid")
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	if err := errors.Join(checkKeyID(kid), m.checkUse("verify")); err != nil {
		return jose.JSONWebKey{}, err
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(raw); err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("reading the key: %w", err)
	}
	algorithm, err := algorithmOf(key.Key)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	if err := m.checkAlgorithm(key, algorithm); err != nil {
		return jose.JSONWebKey{}, err
	}
	if !slices.Contains(algorithms, algorithm) {
		return jose.JSONWebKey{}, fmt.Errorf("a key for %s, but the issuer may use only %v", algorithm, algorithms)
	}
	return jose.JSONWebKey{Key: key.Key, KeyID: kid, Algorithm: string(algorithm), Use: "sig"}, nil
}

// label returns the kid for an error message, whatever it is.
func (m members) label() string {
	if raw, ok := m["kid"]; ok {
		return fmt.Sprintf("%.80s", raw)
	}
	return "(none)"
}

// lost reports whether a key of old is gone or changed in next: what it signed must no longer verify.
func lost(old, next keySet) bool {
	for kid, key := range old {
		other, ok := next[kid]
		if !ok || !sameKey(key, other) {
			return true
		}
	}
	return false
}

func sameKey(a, b jose.JSONWebKey) bool {
	x, errX := thumbprint(a)
	y, errY := thumbprint(b)
	return errX == nil && errY == nil && x == y
}
