package delegation

import "countersign.dev/authz/mcp"

// MaxStatusIndex is the greatest index into a Token Status List: the last one of a list of 16 MiB with one bit each.
const MaxStatusIndex = 16<<20*8 - 1

// Status is status.status_list (draft-ietf-oauth-status-list, section 6): where the issuer says whether the token is
// still valid.
type Status struct {
	// Index is idx, the place in the list; from 0 to [MaxStatusIndex].
	Index int
	// URI is uri, the list. Whether it may be asked is for the configuration to say.
	URI string
}

// status reads the claim. It has one way of saying where the status is, and no other.
func (m *members) status(parent *members) *Status {
	list, ok := m.nested("status_list")
	if !ok {
		m.fail("status_list", "is missing")
		parent.adopt(m.close())
		return nil
	}
	s := &Status{URI: list.text("uri", MaxURI)}
	n, ok := list.required("idx").(mcp.Int)
	if !ok || n < 0 || n > MaxStatusIndex {
		list.fail("idx", "is not an integer from 0 to %d", MaxStatusIndex)
	}
	s.Index = int(n)
	m.adopt(list.close())
	parent.adopt(m.close())
	return s
}

func (w *writer) status(s *Status) {
	if s == nil {
		return
	}
	w.object("status", func() {
		w.object("status_list", func() {
			w.integer("idx", int64(s.Index))
			w.string("uri", s.URI)
		})
	})
}
