package denial

// Reason names one rule that a request broke. The zero value means that nothing was refused.
type Reason string

// The caller: no workload identity could be established (SPIFFE X.509-SVID, section 2 and 5).
const (
	PeerMissing            Reason = "peer_missing"             // no mTLS peer at all
	PeerDNSName            Reason = "peer_dns_name"            // Envoy reported a DNS SAN: the certificate has no URI SAN
	PeerSubjectDN          Reason = "peer_subject_dn"          // Envoy reported the subject: the certificate has no SAN
	PeerSanitised          Reason = "peer_sanitised"           // Envoy replaced bytes by "!"
	PeerInvalid            Reason = "peer_invalid"             // not a well-formed SPIFFE ID of a workload
	PeerMultipleURISANs    Reason = "peer_multiple_uri_sans"   // the leaf has more than one URI SAN
	PeerNoURISAN           Reason = "peer_no_uri_san"          // the leaf has no URI SAN
	PeerCertificateMissing Reason = "peer_certificate_missing" // configured to read the certificate, none was sent
	PeerCertificateInvalid Reason = "peer_certificate_invalid" // the certificate does not parse, or is not a leaf
	PeerMismatch           Reason = "peer_mismatch"            // principal and certificate name different workloads
	PeerTrustDomain        Reason = "peer_trust_domain"        // trust domain not allowed
	PeerXFCCMissing        Reason = "peer_xfcc_missing"        // configured to read XFCC, none was sent
	PeerXFCCInvalid        Reason = "peer_xfcc_invalid"        // XFCC does not parse, or its last element names no or several URIs
	PeerXFCCUntrusted      Reason = "peer_xfcc_untrusted"      // XFCC from a proxy that is not on the list
)

// The server and the header section.
const (
	ServerUnknown    Reason = "server_unknown"    // no configured MCP server matches the route
	HeaderDuplicated Reason = "header_duplicated" // a single-value header came more than once
	HeaderInvalid    Reason = "header_invalid"    // a header value has bytes that it must not have
)

// The MCP request: HTTP and body as bytes.
const (
	HTTPMethod       Reason = "http_method"        // not POST, GET, DELETE or OPTIONS, or not one this protocol version has
	BodyMissing      Reason = "body_missing"       // POST without a body
	BodyUnexpected   Reason = "body_unexpected"    // GET, DELETE or OPTIONS with a body
	BodyPartial      Reason = "body_partial"       // Envoy handed over part of the body
	BodySize         Reason = "body_size_mismatch" // size, Content-Length and the bytes received do not agree
	BodyTooLarge     Reason = "body_too_large"     // over the server's limit
	BodySanitised    Reason = "body_sanitised"     // the proxy may have replaced bytes by "!"
	BodyEncoded      Reason = "body_encoded"       // Content-Encoding is set
	ContentType      Reason = "content_type"       // not application/json
	JSONSyntax       Reason = "json_syntax"        // not one JSON value
	JSONUTF8         Reason = "json_utf8"          // invalid UTF-8
	JSONDuplicateKey Reason = "json_duplicate_key" // the same member name twice
	JSONCaseVariant  Reason = "json_case_variant"  // two member names that differ only in case, or a known name in another case
	JSONNULKey       Reason = "json_nul_key"       // a member name with a NUL
	JSONTrailing     Reason = "json_trailing"      // bytes after the value
	JSONNumber       Reason = "json_number"        // a number that int64 or float64 cannot hold exactly
	JSONDepth        Reason = "json_depth"         // nested too deeply
	JSONLimit        Reason = "json_limit"         // too many members or elements
)

// The MCP request: JSON-RPC and protocol.
const (
	RPCInvalid         Reason = "rpc_invalid"         // not a JSON-RPC 2.0 request, notification or response
	RPCBatch           Reason = "rpc_batch"           // a batch where none is allowed
	MethodUnknown      Reason = "method_unknown"      // not a method of this protocol version
	ParamsInvalid      Reason = "params_invalid"      // params do not have the shape that the method demands
	VersionUnsupported Reason = "version_unsupported" // protocol version unknown, or older than the server allows
	VersionMismatch    Reason = "version_mismatch"    // header and _meta name different versions
	HeaderMismatch     Reason = "header_mismatch"     // Mcp-Method, Mcp-Name or Mcp-Param-* differ from the body
	HeaderMissing      Reason = "header_missing"      // a mirrored header that this protocol version demands is absent
	HeaderUnverifiable Reason = "header_unverifiable" // Mcp-Param-* for a tool that is not pinned, or has no such parameter
)

// The delegation token (names after the profile, section 8.3).
const (
	TokenMalformed     Reason = "malformed"
	TokenAlgorithm     Reason = "alg_not_allowed"
	TokenUnknownIssuer Reason = "unknown_issuer"
	TokenUnknownKey    Reason = "unknown_key"
	TokenSignature     Reason = "signature_invalid"
	TokenClaims        Reason = "claims_invalid"
	TokenNotYetValid   Reason = "issued_in_future"
	TokenExpired       Reason = "expired"
	TaskExpired        Reason = "task_expired"
	TokenLifetime      Reason = "lifetime_exceeded" // exp - iat is longer than the issuer may grant
	TokenAudience      Reason = "audience_mismatch"
	TokenDepth         Reason = "depth_invalid"
	TokenChain         Reason = "chain_invalid"
	TokenLoop          Reason = "chain_loop"
	TokenActorDomain   Reason = "actor_not_allowed" // the issuer may not name actors of this trust domain
	TokenHolder        Reason = "holder_binding_failed"
	TokenKeyBinding    Reason = "key_binding_failed" // cnf.x5t#S256 is not the peer's certificate
	TokenRootMissing   Reason = "root_missing"
	TokenNotNarrower   Reason = "not_narrower"
	TokenAltered       Reason = "principal_altered"
	TokenParentHash    Reason = "par_hash_mismatch"
	Revoked            Reason = "revoked"
	RevocationUnknown  Reason = "status_unknown"
	ScopeNotGranted    Reason = "scope_not_granted"
	CeilingExceeded    Reason = "ceiling_exceeded" // an argument is outside what the delegation grants
)

// Sessions.
const (
	SessionForeign Reason = "session_foreign" // the session belongs to somebody else
	SessionUnknown Reason = "session_unknown" // no such session
	SessionLimit   Reason = "session_limit"   // the table is full
)

// Policy.
const (
	PolicyForbidden   Reason = "policy_forbidden"   // a forbid applied
	PolicyNoPermit    Reason = "policy_no_permit"   // no permit applied
	PolicyError       Reason = "policy_error"       // a policy could not be evaluated
	PolicyUnavailable Reason = "policy_unavailable" // no valid policies were ever loaded
)

// Our own failures. They deny like everything else, but the caller may try again.
const (
	SigningFailed Reason = "signing_failed"
	AuditFailed   Reason = "audit_failed"
	Cancelled     Reason = "cancelled" // the deadline passed, or Envoy hung up
	Panicked      Reason = "panic"
	Internal      Reason = "internal"
)
