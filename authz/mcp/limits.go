package mcp

// The maxima of everything that a caller controls.
const (
	DefaultMaxBody   = 1 << 20 // bytes of a body, when Rules does not say
	MaxDepth         = 32      // nested arrays and objects, the outermost included
	MaxElements      = 10_000  // elements of one array, or members of one object
	MaxValues        = 100_000 // values in one body
	MaxNumber        = 128     // bytes of a number's text
	MaxBatch         = 50      // messages in a batch
	MaxIDLength      = 1 << 10 // bytes of a string id
	MaxSessionID     = 1 << 10 // bytes of Mcp-Session-Id
	MaxToolName      = 256     // bytes of a tool name; SEP-986 recommends at most 128 characters
	MaxName          = 1 << 10 // bytes of a prompt name or task id
	MaxURI           = 8 << 10 // bytes of a resource URI or template
	MaxSubscriptions = 100     // resources in one subscriptions/listen
	MaxVersion       = 64      // bytes of a protocol version
)
