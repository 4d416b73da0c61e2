package mcp

import (
	"countersign.dev/authz/header"
)

// Request is one HTTP request as the proxy saw it.
type Request struct {
	// Method is the HTTP method.
	Method string
	// Header is the header section.
	Header header.Fields
	// Body is the content.
	Body []byte
	// Sanitised says that the proxy hands over text, in which "!" stands for every byte that was not UTF-8. A body
	// with a "!" is then refused: what the backend receives may be something else.
	Sanitised bool
	// HasBody says that the proxy handed over a body, be it empty.
	HasBody bool
	// Size is the number of body bytes that the proxy received; -1 when it cannot tell.
	Size int64
}

// Rules is what a server's configuration says about reading its requests.
type Rules struct {
	// MaxBody is the largest body in bytes. Zero or less stands for [DefaultMaxBody]. It should be smaller than the
	// number of bytes that the proxy buffers: a body cut off at exactly that number is then too large for us as well.
	MaxBody int
	// AllowBatch allows JSON-RPC batches in protocol version 2025-03-26, the only one that has them.
	AllowBatch bool
	// MinVersion is the oldest protocol version that is accepted, one of [Versions]; empty for any.
	MinVersion string
	// ParamHeaders knows which arguments are mirrored in headers. Nil means that no tool is pinned.
	ParamHeaders ParamHeaders
}

// ParamHeaders knows the x-mcp-header annotations of a server's pinned tools (2026-07-28, transports, custom headers
// from tool parameters).
type ParamHeaders interface {
	// ParamHeaders returns, for each lower-case name after "mcp-param-", the path of the argument that it mirrors.
	// Pinned is false for a tool whose definition is not known.
	ParamHeaders(tool string) (paths map[string][]string, pinned bool)
}

// Kind is the kind of message that an HTTP request carries.
type Kind int

// The zero Kind is a message that could not be told apart.
const (
	KindInvalid      Kind = iota
	KindRequest           // a JSON-RPC request
	KindNotification      // a JSON-RPC notification
	KindResponse          // a JSON-RPC response to a server's request; not in 2026-07-28
	KindStream            // GET: opens a stream of server messages; not in 2026-07-28
	KindEnd               // DELETE: ends the session; not in 2026-07-28
	KindPreflight         // OPTIONS: a browser asks before it sends (Fetch standard, CORS-preflight request)
	KindBatch             // several JSON-RPC messages; 2025-03-26 only
)

var kindNames = [...]string{
	"invalid", "request", "notification", "response", "stream", "end", "preflight", "batch",
}

// String returns the kind in lower case.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[KindInvalid]
	}
	return kindNames[k]
}

// Call says what a request asks for. See [Read] for what is set when the request is refused.
type Call struct {
	// Kind is the kind of message.
	Kind Kind
	// Method is the JSON-RPC method of a request or notification, else empty.
	Method string
	// ID is the JSON-RPC id of a request or response, else zero.
	ID ID
	// Version is the protocol version that was named by the header or, in an initialize request, by its params; empty
	// when none was named, which means 2025-03-26. In an accepted call it is one of [Versions], but for initialize,
	// where the server answers an unknown version with one that it has.
	Version string
	// Modern says that the rules of 2026-07-28 apply.
	Modern bool
	// SessionID is the value of Mcp-Session-Id; empty when there is none and always in 2026-07-28.
	SessionID string
	// Targets is what the call is about. A method whose params name a target has exactly one, subscriptions/listen as
	// many as it names resources, and every other method none: it is about the server.
	Targets []Target
	// Arguments are the arguments of tools/call and prompts/get; zero when absent.
	Arguments Object
	// Batch has the messages of a batch.
	Batch []*Call
	// BodyHash is the SHA-256 of the body; of the empty string when there is none.
	BodyHash [32]byte
}

// TargetKind is the kind of thing that a call is about.
type TargetKind int

// The zero TargetKind stands for no particular thing: the call is about the server.
const (
	TargetNone TargetKind = iota
	TargetTool
	TargetPrompt
	TargetResource
	TargetTask
)

var targetNames = [...]string{"", "tool", "prompt", "resource", "task"}

// String returns the kind in lower case; empty for [TargetNone].
func (k TargetKind) String() string {
	if k < 0 || int(k) >= len(targetNames) {
		return ""
	}
	return targetNames[k]
}

// Target is one thing that a call is about.
type Target struct {
	// Kind says what Name is.
	Kind TargetKind
	// Name is a tool or prompt name, a resource URI (a URI template in completion/complete), or a task id, exactly as
	// in the body.
	Name string
}
