package trust

import (
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// ofNoUse reports whether a key in the set of an identity provider is none that its tokens are verified with. Such a
// provider publishes one set for everything it does: keys to encrypt with, and for algorithms that we do not know,
// stand beside those that count, and are to be ignored (RFC 7517, section 5).
func (m members) ofNoUse(algorithms []jose.SignatureAlgorithm) bool {
	if m.checkUse("verify") != nil {
		return true
	}
	kty, errType := m.text("kty")
	curve, errCurve := m.text("crv")
	kid, errID := m.text("kid")
	alg, errAlgorithm := m.text("alg")
	if errType != nil || errCurve != nil || errID != nil || errAlgorithm != nil || kid == "" {
		return true
	}
	var only jose.SignatureAlgorithm
	switch {
	case kty == "RSA":
		only = jose.RS256
	case kty == "EC" && curve == "P-256":
		only = jose.ES256
	}
	return !slices.Contains(algorithms, only) || alg != "" && alg != string(only)
}
