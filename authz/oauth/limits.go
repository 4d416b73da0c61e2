package oauth

import "time"

// The maxima of everything that a caller controls.
const (
	MaxSize       = 16 << 10 // bytes of a compact token: group claims make those of some providers large
	MaxKeyID      = 128      // bytes of kid
	MaxURI        = 2048     // bytes of iss
	MaxIdentifier = 256      // bytes of sub (OpenID Connect Core 1.0, section 2: 255), jti, client_id and other names
	MaxAudiences  = 64       // values of aud
	MaxMethods    = 16       // values of amr
	MaxScope      = 256      // items of scope
)

// DefaultSkew is how far the clock of a provider may be ahead.
const DefaultSkew = 30 * time.Second

// lastDate is the greatest NumericDate: the end of the year 9999 (RFC 3339 has no later one).
const lastDate = 253402300799
