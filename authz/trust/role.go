package trust

import "fmt"

// Role says which tokens an issuer may sign. An issuer of one role can not act in another.
type Role int

const (
	// Root issuers start a delegation: they say who the user is and what the task is.
	Root Role = iota
	// Hop issuers countersign: they extend a delegation that a root issuer started.
	Hop
	// Entry issuers are identity providers: they say who a user is and sign no delegations. A [Store] for them is not
	// the one that delegations are verified with.
	Entry
)

// String returns "root", "hop" or "entry".
func (r Role) String() string {
	switch r {
	case Root:
		return "root"
	case Hop:
		return "hop"
	case Entry:
		return "entry"
	default:
		return fmt.Sprintf("Role(%d)", int(r))
	}
}

// MarshalText implements encoding.TextMarshaler. An undefined role is an error.
func (r Role) MarshalText() ([]byte, error) {
	if r < Root || r > Entry {
		return nil, fmt.Errorf("no such role: %d", int(r))
	}
	return []byte(r.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It accepts exactly "root" and "hop": nobody is given role entry by
// name, since identity providers are configured apart.
func (r *Role) UnmarshalText(text []byte) error {
	switch string(text) {
	case "root":
		*r = Root
	case "hop":
		*r = Hop
	default:
		return fmt.Errorf("role is %q, must be root or hop", text)
	}
	return nil
}
