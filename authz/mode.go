package authz

import (
	"fmt"
	"slices"
)

// Mode says what a refusal at a server does.
type Mode int

const (
	// Enforce refuses the request. It is the zero value.
	Enforce Mode = iota
	// Shadow lets every request through that is found to be for the server, as if nobody had been asked, to see what would
	// be refused before it is. What would have been refused, for whatever reason, passes without a token, without anything
	// in the headers that only proxies may write, and is recorded with the reason; the rest passes as it does with Enforce.
	// Nothing is remembered of a request that would have been refused: it uses nothing up and owns nothing. As it is the
	// traffic that must go on, a decision that cannot be recorded passes as well, without a token.
	//
	// What stays refused is what no server is found for, and a request that the proxy could not be told to clean. What a
	// caller wrote into the body or the URL, where no token belongs, is not taken away.
	Shadow
)

var modes = []string{Enforce: "enforce", Shadow: "shadow"}

// String returns the name used in the configuration.
func (m Mode) String() string {
	if m < 0 || int(m) >= len(modes) {
		return fmt.Sprintf("Mode(%d)", int(m))
	}
	return modes[m]
}

// MarshalText implements encoding.TextMarshaler. An undefined mode is an error.
func (m Mode) MarshalText() ([]byte, error) {
	if m < 0 || int(m) >= len(modes) {
		return nil, fmt.Errorf("no such mode: %d", int(m))
	}
	return []byte(modes[m]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) error {
	i := slices.Index(modes, string(text))
	if i < 0 {
		return fmt.Errorf("unknown mode %q: use one of enforce, shadow", text)
	}
	*m = Mode(i)
	return nil
}

// isTriedOut reports whether the request is for a server in [Shadow] mode.
func (c *check) isTriedOut() bool { return c.server != nil && c.server.Mode == Shadow }

// findTriedOut finds the server of a request that was refused before its server was looked for, if it is one in [Shadow]
// mode: then it is let through. Any other server stays unknown, as ever.
func (c *check) findTriedOut() {
	if c.server != nil {
		return
	}
	defer func() { _ = recover() }() // what panicked before may do so again: no server is found
	if server, err := c.Servers.Find(c.req); err == nil && server.Mode == Shadow {
		c.server = server
	}
}
