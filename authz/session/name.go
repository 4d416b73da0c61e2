package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"countersign.dev/authz/denial"
)

// MaxID is the longest id in bytes. The MCP specification sets no limit; real ids are UUIDs, hashes or JWTs.
const MaxID = 1 << 10

// Kind is the kind of thing that belongs to its first user.
type Kind byte

// The kinds. Equal ids of different kinds are different things.
const (
	// Session is a legacy session: Mcp-Session-Id, protocol versions up to 2025-11-25.
	Session Kind = iota
	// Task is a task: params.taskId of tasks/get, tasks/result, tasks/update and tasks/cancel.
	Task
	// Handle is the value of a tool's argument that stands for state at the server, such as a cart or a connection. All
	// tools of a server share one space of handles, whatever their arguments are called.
	Handle
)

var kindNames = [...]string{"session", "task", "handle"}

// String returns the kind in lower case.
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// Name names one thing.
type Name struct {
	// Server is the MCP backend that knows it.
	Server string
	// Kind is what it is.
	Kind Kind
	// ID is what callers name it by, 1 to [MaxID] characters of visible ASCII. Case does not count: a backend that does
	// not mind it would let somebody in under a name that nobody claimed.
	ID string
}

// Check refuses an id that is too long or has characters other than visible ASCII, as [denial.HeaderInvalid] for a
// session (MCP 2025-11-25, Transports, Session Management) and [denial.ParamsInvalid] for the others, which are opaque
// strings. Text in which one thing can be written in two ways must not become a name.
func (n Name) Check() error {
	reason := denial.ParamsInvalid
	if n.Kind == Session {
		reason = denial.HeaderInvalid
	}
	if n.ID == "" || len(n.ID) > MaxID {
		return denial.New(reason, "the %s id has %d bytes: 1 to %d are allowed", n.Kind, len(n.ID), MaxID)
	}
	for i := range len(n.ID) {
		if n.ID[i] < 0x21 || n.ID[i] > 0x7e {
			return denial.New(reason, "the %s id has a character other than visible ASCII", n.Kind)
		}
	}
	return nil
}

// Foreign is the refusal of something that belongs to somebody else. The reason is [denial.SessionForeign],
// [denial.TaskForeign] or [denial.HandleForeign].
func (n Name) Foreign() error {
	reason := [...]denial.Reason{denial.SessionForeign, denial.TaskForeign, denial.HandleForeign}[min(n.Kind, Handle)]
	return denial.New(reason, "the %s %s of server %q belongs to somebody else", n.Kind, n.shown(), n.Server)
}

// Unknown is the refusal of something that nobody claimed: [denial.SessionUnknown], whatever the kind.
func (n Name) Unknown() error {
	return denial.New(denial.SessionUnknown, "the %s %s is not known for server %q", n.Kind, n.shown(), n.Server)
}

// shown names it in a detail without revealing the whole id, which is a bearer value.
func (n Name) shown() string { return n.ID[:min(len(n.ID)/2, 8)] + "…" }

// Digest stands for the name where it is kept: an id is a bearer value, and is stored nowhere.
func (n Name) Digest() Digest { return digest(byte(n.Kind), n.Server, strings.ToLower(n.ID)) }

// Owner is who may use something.
type Owner struct {
	// Peer is the SPIFFE ID of the workload.
	Peer string
	// Subject is the user of the delegation, with who vouches for it; empty without one.
	Subject string
}

// Digest stands for the owner where it is kept.
func (o Owner) Digest() Digest { return digest('o', o.Peer, o.Subject) }

// PeerDigest stands for the owner's workload.
func (o Owner) PeerDigest() Digest { return digest('p', o.Peer, "") }

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// String returns the digest in 43 characters of base64url.
func (d Digest) String() string { return base64.RawURLEncoding.EncodeToString(d[:]) }

// digest hashes two texts so that moving a character from one to the other makes a difference.
func digest(domain byte, first, second string) Digest {
	text := make([]byte, 0, 9+len(first)+len(second))
	text = append(text, domain)
	text = binary.BigEndian.AppendUint64(text, uint64(len(first)))
	text = append(text, first...)
	return sha256.Sum256(append(text, second...))
}
