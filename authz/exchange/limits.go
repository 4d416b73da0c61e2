package exchange

import "time"

// The maxima of everything that a caller controls.
const (
	MaxBody       = 64 << 10 // bytes of a request
	MaxParameters = 64       // parameters of a request, those that are ignored included
	MaxDetails    = 8 << 10  // bytes of request_details
	MaxName       = 256      // bytes of task and purpose
	// MaxToken is the greatest size of a root token in bytes: half of what a token may have, because every token that is
	// made from it embeds it.
	MaxToken = 4 << 10
)

// Defaults of [Config].
const (
	DefaultTTL      = 15 * time.Minute
	DefaultMaxDepth = 3
)

// MaxTTL is the longest life of a root token that can be configured.
const MaxTTL = time.Hour

// timeLimit bounds one exchange, the fetch of an identity provider's keys included.
const timeLimit = 10 * time.Second
