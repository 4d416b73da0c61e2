package cedar

import "github.com/cedar-policy/cedar-go/types"

// alwaysSmall is a number of elements whose set is made quickly whatever they are.
const alwaysSmall = 16

// stringSet makes a set. It refuses two different strings with one hash: cedar-go's sets have unkeyed 64-bit hashes and
// probe linearly, so that a list of chosen strings would cost quadratic time, and nobody sends two such strings by
// accident. Strings with different hashes never meet.
func stringSet[S ~string](list []S) (types.Set, bool) {
	if len(list) > alwaysSmall {
		seen := make(map[uint64]S, len(list))
		for _, s := range list {
			h := hash(s)
			if other, met := seen[h]; met && other != s {
				return types.Set{}, false
			}
			seen[h] = s
		}
	}
	values := make([]types.Value, len(list))
	for i, v := range list {
		values[i] = types.String(v)
	}
	return types.NewSet(values...), true
}

// hash is FNV-1 with 64 bits (RFC 9923), cedar-go's hash of a string.
func hash[S ~string | ~[]byte](s S) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h *= 1099511628211
		h ^= uint64(s[i])
	}
	return h
}
