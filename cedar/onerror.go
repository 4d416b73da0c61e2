package cedar

import "fmt"

// OnError says what a policy does that cannot be evaluated, or whose facts are in doubt. A forbid always denies.
type OnError int

const (
	// Deny makes any such policy deny.
	Deny OnError = iota
	// SkipPermits leaves permits out that cannot be evaluated, as Cedar does; others may still allow.
	SkipPermits
)

var onErrorNames = [...]string{Deny: "deny", SkipPermits: "cedar"}

// String returns the word for it in a configuration: deny or cedar.
func (o OnError) String() string {
	if o < 0 || int(o) >= len(onErrorNames) {
		return fmt.Sprintf("OnError(%d)", int(o))
	}
	return onErrorNames[o]
}

// MarshalText implements encoding.TextMarshaler.
func (o OnError) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *OnError) UnmarshalText(text []byte) error {
	for i, name := range onErrorNames {
		if string(text) == name {
			*o = OnError(i)
			return nil
		}
	}
	return fmt.Errorf("on_error %q: use deny or cedar", text)
}
