// Package bundle packs policies, entities, pinned tools and tests into one file that can be signed, published anywhere, and
// checked as a whole before any of it counts.
//
// A bundle is a gzip-compressed tar archive (RFC 1952; POSIX.1-2017, pax, section ustar), which tar -xzf unpacks. Its
// members come in this order:
//
//	manifest.json        what the bundle is, and every other file with its size and SHA-256: see [Manifest]
//	manifest.jws         the signature of manifest.json; left out of a bundle that is not signed
//	entities.json        one by one the files of the manifest, in its order, which is that of their paths
//	policies/<name>.cedar
//	tests/<name>.yaml    or .yml, .json: run wherever the bundle is to take effect, unless policy.tests is ignore
//	tools/<server>.json  the pinned tools/list result of a server
//
// The signature is a compact JWS with detached content (RFC 7515, section 7.1 and appendix F) over the bytes of
// manifest.json. Its header has exactly alg, kid and typ; typ is "countersign-bundle+jws", so that nothing else that the
// same key signed passes for a bundle, and alg is what the key with that kid is for: ES256 or EdDSA.
//
// There is one spelling of everything. A member that the manifest does not name, or a missing one, another order, a name
// twice, links, extended headers, anything behind the end, and everything larger than the limits of this package is
// refused. Nothing of the manifest is interpreted before its signature was checked, and no file before its digest was.
//
// # Old bundles
//
// Every bundle of a name has a counter that grows. Whoever takes bundles remembers the highest one and refuses what is below,
// so that nobody can bring back a policy that was right once: see [Floor].
package bundle
