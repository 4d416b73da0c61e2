package oauth

import "time"

// Kinds of tokens, as [User].Kind has them.
const (
	// KindAccessToken is a JWT access token (RFC 9068).
	KindAccessToken = "at+jwt"
	// KindIDToken is an ID token (OpenID Connect Core 1.0, section 2).
	KindIDToken = "id_token"
)

// User is what a verified token says about a user. What it points to must not be changed.
type User struct {
	// Issuer is iss: the identity provider. Subject alone is nobody; a user is Issuer and Subject together.
	Issuer string
	// Subject is sub. If it is ClientID, the token was issued to a client for itself, and there is no user (RFC 9068,
	// section 2.2).
	Subject string
	// ClientID is the OAuth client that the token was issued to: client_id of an access token; of an ID token azp, or
	// else its only audience.
	ClientID string
	// ID is jti; empty in most ID tokens.
	ID string
	// Audience is aud, always as a list.
	Audience []string
	// Scope is scope (RFC 8693, section 4.2), split; nil in ID tokens.
	Scope []string
	// AuthTime is auth_time: when the user was authenticated. Zero if unknown.
	AuthTime time.Time
	// ACR is acr: how strongly the user was authenticated. Empty if unknown.
	ACR string
	// AMR is amr: by which methods (RFC 8176). Nil if unknown.
	AMR []string
	// Expiry and IssuedAt are exp and iat.
	Expiry, IssuedAt time.Time
	// CertificateHash is cnf.x5t#S256 (RFC 8705, section 3.1): base64url SHA-256 of the certificate of the one client
	// that may use the token. Empty if it is not bound; whoever takes the token must compare.
	CertificateHash string
	// MayAct is may_act (RFC 8693, section 4.4): the one party that may act for the user. Nil if the token says nothing.
	MayAct *Party
	// KeyID is the kid of the key that the token is signed with.
	KeyID string
	// Hash is the base64url SHA-256 of the JWS signing input. The signature does not count, because an ECDSA signature
	// can be changed into another valid one.
	Hash string
	// Kind is [KindAccessToken] or [KindIDToken].
	Kind string
}

// Party is one party as may_act names it.
type Party struct {
	// Issuer is iss; empty if absent.
	Issuer string
	// Subject is sub.
	Subject string
}
