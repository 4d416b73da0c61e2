package delegation

import "time"

// The maxima of everything that a caller controls.
const (
	MaxSize       = 8192 // bytes of a compact token, the embedded root included
	MaxKeyID      = 128  // bytes of kid
	MaxNesting    = 16   // nested JSON objects and arrays of a payload
	MaxIdentifier = 256  // bytes of jti, txn, sub_profile, task, purpose and other names, and of a sub that is no SPIFFE ID
	MaxURI        = 2048 // bytes of a SPIFFE ID (SPIFFE-ID, section 2.3) or an issuer
	MaxRaw        = 512  // bytes of one member of rctx that is copied as it is
	MaxScope      = 64   // items of a scope
	MaxDetails    = 64   // authorization details
	MaxTools      = 128  // tools of one detail
	MaxArguments  = 128  // constrained arguments of one tool
	MaxValues     = 256  // values, or constraints, that one constraint lists
)

// DepthLimit is the greatest del_max_depth that can be configured.
const DepthLimit = 8

// Defaults of [Config].
const (
	DefaultMaxDepth = 4
	DefaultSkew     = 30 * time.Second
)

// lastDate is the greatest NumericDate: the end of the year 9999 (RFC 3339 has no later one).
const lastDate = 253402300799
