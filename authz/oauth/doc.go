// Package oauth verifies what an identity provider says about a user: JWT access tokens (RFC 9068) and OpenID Connect
// ID tokens (OpenID Connect Core 1.0, section 2).
//
// Such a token is where a delegation may begin, at the token endpoint or at the first hop. It is read more strictly
// than the specifications demand, because it comes from a caller: one compact JWS in canonical base64url, a JOSE header
// without anything that changes how it is to be read (crit, b64) or names a key (jku, jwk, x5u, x5c), no member twice,
// and an algorithm from the provider's list. Keys come from configuration only, through package trust in role entry.
//
// Which provider may speak for whom, and what may be delegated, are not questions of this package.
package oauth
