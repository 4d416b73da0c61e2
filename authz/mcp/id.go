package mcp

import (
	"strconv"
)

// ID is a JSON-RPC id: a string or an integer. It is comparable; 7 and "7" are different ids. The zero ID stands for
// an absent one.
type ID struct{ text string }

// IntID returns an integer id.
func IntID(n int64) ID { return ID{strconv.FormatInt(n, 10)} }

// StringID returns a string id. Bytes that are not UTF-8 become U+FFFD.
func StringID(s string) ID { return ID{string(appendString(nil, s))} }

// IsZero reports whether there is no id.
func (id ID) IsZero() bool { return id.text == "" }

// JSON returns the id as JSON text, 7 or "a", nil when there is none. Of a string it is the shortest text, which has
// the same meaning as the one received.
func (id ID) JSON() []byte {
	if id.IsZero() {
		return nil
	}
	return []byte(id.text)
}

// String returns the JSON text of the id; empty when there is none.
func (id ID) String() string { return id.text }

// readID returns the id that v is, or false when it cannot be one: MCP allows no null and no fraction, and a long id
// would come back in every answer.
func readID(v Value) (ID, bool) {
	switch v := v.(type) {
	case Int:
		return IntID(int64(v)), true
	case String:
		if len(v) <= MaxIDLength {
			return StringID(string(v)), true
		}
	}
	return ID{}, false
}
