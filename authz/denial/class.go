package denial

// Class groups reasons by what the caller can do about them. It decides the form of the answer.
type Class int

// The zero Class is our own failure: a reason that nobody classified is never blamed on the caller.
const (
	// ClassInternal is our own failure; the same request may succeed later.
	ClassInternal Class = iota
	// ClassPeer means that the caller did not prove a workload identity.
	ClassPeer
	// ClassMalformed means that the request breaks HTTP, JSON, JSON-RPC or MCP rules.
	ClassMalformed
	// ClassCredential means that the delegation token is not acceptable.
	ClassCredential
	// ClassScope means that the delegation does not cover the call; a wider one may.
	ClassScope
	// ClassPolicy means that the call is well-formed and understood, and may not happen.
	ClassPolicy
	// ClassSession means that the session, task or handle is not the caller's.
	ClassSession
)

// Class returns the group that r belongs to.
func (r Reason) Class() Class { return classes[r] }

var classes = map[Reason]Class{
	PeerMissing: ClassPeer, PeerDNSName: ClassPeer, PeerSubjectDN: ClassPeer, PeerSanitised: ClassPeer,
	PeerInvalid: ClassPeer, PeerMultipleURISANs: ClassPeer, PeerNoURISAN: ClassPeer,
	PeerCertificateMissing: ClassPeer, PeerCertificateInvalid: ClassPeer, PeerMismatch: ClassPeer,
	PeerTrustDomain: ClassPeer, PeerXFCCMissing: ClassPeer, PeerXFCCInvalid: ClassPeer, PeerXFCCUntrusted: ClassPeer,

	ServerUnknown: ClassPolicy, HeaderDuplicated: ClassMalformed, HeaderInvalid: ClassMalformed,

	HTTPMethod: ClassMalformed, BodyMissing: ClassMalformed, BodyUnexpected: ClassMalformed, BodyPartial: ClassMalformed,
	BodySize: ClassMalformed, BodyTooLarge: ClassMalformed, BodySanitised: ClassMalformed, BodyEncoded: ClassMalformed, ContentType: ClassMalformed,
	JSONSyntax: ClassMalformed, JSONUTF8: ClassMalformed, JSONDuplicateKey: ClassMalformed,
	JSONCaseVariant: ClassMalformed, JSONNULKey: ClassMalformed, JSONTrailing: ClassMalformed,
	JSONNumber: ClassMalformed, JSONDepth: ClassMalformed, JSONLimit: ClassMalformed,

	RPCInvalid: ClassMalformed, RPCBatch: ClassMalformed, MethodUnknown: ClassMalformed, ParamsInvalid: ClassMalformed,
	VersionUnsupported: ClassMalformed, VersionMismatch: ClassMalformed, HeaderMismatch: ClassMalformed,
	HeaderMissing: ClassMalformed, HeaderUnverifiable: ClassMalformed,

	TokenMalformed: ClassCredential, TokenAlgorithm: ClassCredential, TokenUnknownIssuer: ClassCredential,
	TokenUnknownKey: ClassCredential, TokenSignature: ClassCredential, TokenClaims: ClassCredential,
	TokenNotYetValid: ClassCredential, TokenExpired: ClassCredential, TaskExpired: ClassCredential,
	TokenLifetime: ClassCredential, TokenAudience: ClassCredential, TokenDepth: ClassCredential,
	TokenChain: ClassCredential, TokenLoop: ClassCredential, TokenActorDomain: ClassCredential,
	TokenHolder: ClassCredential, TokenKeyBinding: ClassCredential, TokenRootMissing: ClassCredential,
	TokenNotNarrower: ClassCredential, TokenAltered: ClassCredential, TokenParentHash: ClassCredential,
	Revoked: ClassCredential, ScopeNotGranted: ClassScope, CeilingExceeded: ClassPolicy,
	RevocationUnknown: ClassInternal,

	TokenMissing: ClassCredential, TokenUnbound: ClassCredential, TokenServer: ClassCredential,
	TokenMethod: ClassCredential, TokenTool: ClassCredential, TokenRequestHash: ClassCredential,

	CredentialMissing: ClassCredential, CredentialsAmbiguous: ClassMalformed, AuthorizationScheme: ClassCredential,
	TokenInQuery: ClassMalformed, PlainHeader: ClassPolicy,

	UserTokenClient: ClassCredential, UserTokenActor: ClassCredential,

	ExchangeMalformed: ClassMalformed, ExchangeDuplicate: ClassMalformed, ExchangeClient: ClassMalformed,
	ExchangeGrantType: ClassMalformed, ExchangeActorToken: ClassMalformed, ExchangeTokenType: ClassMalformed,
	ExchangeTarget: ClassMalformed, ExchangeScope: ClassMalformed, ExchangeDetails: ClassMalformed,

	SessionForeign: ClassSession, SessionUnknown: ClassSession, SessionLimit: ClassSession,
	TaskForeign: ClassSession, HandleForeign: ClassSession, SessionUnavailable: ClassInternal,

	DelegationRequired: ClassPolicy, Replayed: ClassPolicy, ReplayUncertain: ClassPolicy,
	ReplayLimit: ClassInternal, ReplayUnavailable: ClassInternal,

	PolicyForbidden: ClassPolicy, PolicyNoPermit: ClassPolicy, PolicyError: ClassPolicy,
	PolicyUnavailable: ClassInternal,

	SigningFailed: ClassInternal, AuditFailed: ClassInternal, Cancelled: ClassInternal,
	Panicked: ClassInternal, Internal: ClassInternal,
}
