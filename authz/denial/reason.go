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

// What stands in for the token: an access token of an identity provider (RFC 6750, RFC 9068). What is wrong with the
// token itself has the names above.
const (
	CredentialMissing    Reason = "credential_missing"    // not without a delegation, and the server takes access tokens
	CredentialsAmbiguous Reason = "credentials_ambiguous" // Txn-Token and Authorization, and nothing says which one counts
	AuthorizationScheme  Reason = "authorization_scheme"  // Authorization of another scheme than Bearer
	TokenInQuery         Reason = "token_in_query"        // an access token in the URL (RFC 6750, section 2.3)
)

// What goes to the backend.
const (
	PlainHeader Reason = "plain_header_unfit" // a value that a plain header can not carry
)

// The token at the backend: what a countersigned token says about the request that it came with.
const (
	TokenMissing     Reason = "token_missing"         // there is none
	TokenUnbound     Reason = "token_unbound"         // bound to no request: not a countersigned one
	TokenServer      Reason = "server_mismatch"       // countersigned for another server
	TokenMethod      Reason = "method_mismatch"       // countersigned for another method
	TokenTool        Reason = "tool_mismatch"         // countersigned for another tool
	TokenRequestHash Reason = "request_hash_mismatch" // countersigned for another body
)

// Sessions, and what else callers name by an id that belongs to its first user.
const (
	SessionForeign     Reason = "session_foreign"     // the session belongs to somebody else
	SessionUnknown     Reason = "session_unknown"     // no such session
	SessionLimit       Reason = "session_limit"       // the table is full
	SessionUnavailable Reason = "session_unavailable" // the store of owners cannot be asked
	TaskForeign        Reason = "task_foreign"        // the task belongs to somebody else
	HandleForeign      Reason = "handle_foreign"      // what an argument names belongs to somebody else
)

// Single use.
const (
	DelegationRequired Reason = "delegation_required" // a tool of single use was called without a delegation to use up
	Replayed           Reason = "replayed"            // the delegation was used for the same request before
	ReplayUncertain    Reason = "replay_uncertain"    // it may have been: a new delegation is needed
	ReplayLimit        Reason = "replay_limit"        // no more uses can be remembered
	ReplayUnavailable  Reason = "replay_unavailable"  // the store of uses cannot be asked
)

// Policy.
const (
	PolicyForbidden   Reason = "policy_forbidden"   // a forbid applied
	PolicyNoPermit    Reason = "policy_no_permit"   // no permit applied
	PolicyError       Reason = "policy_error"       // a policy could not be evaluated
	PolicyUnavailable Reason = "policy_unavailable" // no valid policies were ever loaded
)

// The token of an identity provider, besides the reasons of delegation tokens that it shares.
const (
	UserTokenClient Reason = "user_token_client" // issued to a client that is not on the provider's list
	UserTokenActor  Reason = "user_token_actor"  // names an actor already, or may_act names another one
)

// The request to the token endpoint (RFC 8693, section 2.1).
const (
	ExchangeMalformed  Reason = "exchange_malformed"   // not the form that it has to be, or a parameter is missing or invalid
	ExchangeDuplicate  Reason = "exchange_duplicate"   // a parameter comes twice (RFC 6749, section 3.2)
	ExchangeClient     Reason = "exchange_client"      // another client authentication than mTLS, or another client_id than the peer
	ExchangeGrantType  Reason = "exchange_grant_type"  // not token exchange
	ExchangeActorToken Reason = "exchange_actor_token" // the actor is the peer: a token for another one would splice chains
	ExchangeTokenType  Reason = "exchange_token_type"  // a token type that is not taken or not given
	ExchangeTarget     Reason = "exchange_target"      // a token for somebody else than our trust domain
	ExchangeScope      Reason = "exchange_scope"       // scope is missing or not made of mcp:<server>:<tool>
	ExchangeDetails    Reason = "exchange_details"     // request_details or authorization_details are invalid
)

// Our own failures. They deny like everything else, but the caller may try again.
const (
	SigningFailed Reason = "signing_failed"
	AuditFailed   Reason = "audit_failed"
	Cancelled     Reason = "cancelled" // the deadline passed, or Envoy hung up
	Panicked      Reason = "panic"
	Internal      Reason = "internal"
)
