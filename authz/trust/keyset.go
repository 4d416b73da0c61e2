package trust

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// LoadKeySet reads the public keys of whoever signs something else than tokens, sorted by kid, from a JWK Set in a file.
// Each is for ES256 or EdDSA, as its Algorithm says, and for nothing else. One key that is not right refuses the set.
func LoadKeySet(path string) ([]jose.JSONWebKey, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("public keys: %w", err)
	}
	set, err := parseKeySet(path, data, signingAlgorithms, false)
	if err != nil {
		return nil, fmt.Errorf("public keys: %w", err)
	}
	keys := make([]jose.JSONWebKey, 0, len(set))
	for _, kid := range slices.Sorted(maps.Keys(set)) {
		keys = append(keys, set[kid])
	}
	return keys, nil
}
