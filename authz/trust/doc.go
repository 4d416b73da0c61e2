// Package trust holds what Countersign believes in: the issuers of delegation tokens with their public keys, and
// the private keys that it countersigns with.
//
// A [Store] is built from the configured issuers. The keys of an issuer come from a JWK Set (RFC 7517, section 5) in a
// file or behind an https URL, which may be asked of the issuer itself, and never from a token: the header members jku,
// jwk, x5u and x5c are not followed anywhere. What an issuer may do (its role, algorithms, lifetimes) is fixed for the
// life of the Store; only keys change. A set with anything wrong in it is refused as a whole and the last good one stays
// in use. Only the set of an identity provider may have keys that are of no use here.
//
// [SigningKeys] are our own keys. They make Countersign a hop issuer to itself, so that the token of one hop is
// understood at the next, and a root issuer, by another name and with other keys, where its token endpoint begins delegations.
package trust
