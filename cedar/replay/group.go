package replay

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is kept of flips. Those beyond are counted by kind alone.
const (
	maxGroups    = 10_000
	maxGroupText = 64 << 20 // bytes of all groups together
	maxExample   = 128      // bytes of a decision id
)

// Group is all flips that have everything in common but when, and the arguments.
type Group struct {
	Kind Kind `json:"kind"`
	// Count is how many there are.
	Count int `json:"count"`
	// Peer asked, on behalf of User (as policy names it; empty for nobody).
	Peer string `json:"peer"`
	User string `json:"user,omitempty"`
	// Server, Method and Target say for what. Target is the name of a tool, prompt, resource or task; empty for the server.
	Server string `json:"server"`
	Method string `json:"method"`
	Target string `json:"target,omitempty"`
	// Old and New are the answers.
	Old Answer `json:"old"`
	New Answer `json:"new"`
	// First and Last are the earliest and the latest time.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Example is the decision_id of one of them.
	Example string `json:"example"`
	// Explanation says why the answers to the example are what they are; empty unless asked for.
	Explanation []string `json:"explanation,omitempty"`

	line []byte // of the example, if it is to be explained
}

// key tells groups apart.
func (g *Group) key() [sha256.Size]byte {
	var text []byte
	add := func(parts ...string) {
		text = strconv.AppendInt(text, int64(len(parts)), 10)
		for _, p := range parts {
			text = strconv.AppendQuote(text, p)
		}
	}
	add(string(g.Kind), g.Peer, g.User, g.Server, g.Method, g.Target)
	for _, a := range []*Answer{&g.Old, &g.New} {
		add(a.Decision, strconv.FormatBool(a.SingleUse))
		add(a.PolicyIDs...)
		add(a.Errors...)
		add(a.Skipped...)
		add(a.PassesOn...)
		add(a.PassOnError)
	}
	return sha256.Sum256(text)
}

// size is about how many bytes the group takes.
func (g *Group) size() int {
	n := 512 + len(g.Peer) + len(g.User) + len(g.Server) + len(g.Method) + len(g.Target) + len(g.Example) + len(g.line)
	for _, a := range []*Answer{&g.Old, &g.New} {
		n += 16 * (len(a.PolicyIDs) + len(a.Errors) + len(a.Skipped)) // the ids themselves are the snapshot's
		n += len(a.PassOnError)
		for _, item := range a.PassesOn {
			n += 16 + len(item)
		}
	}
	return n
}

// groups counts flips.
type groups struct {
	all  map[[sha256.Size]byte]*Group
	left int          // bytes
	rest map[Kind]int // flips that have no group
}

func newGroups() groups {
	return groups{make(map[[sha256.Size]byte]*Group), maxGroupText, make(map[Kind]int)}
}

// add counts one flip, which is a group of its own so far.
func (gs *groups) add(g *Group) {
	key := g.key()
	if known, ok := gs.all[key]; ok {
		known.Count++
		if g.First.Before(known.First) {
			known.First = g.First
		}
		if g.Last.After(known.Last) {
			known.Last = g.Last
		}
		return
	}
	size := g.size()
	if len(gs.all) == maxGroups || size > gs.left {
		gs.rest[g.Kind]++
		return
	}
	gs.left -= size
	g.line = slices.Clone(g.line)
	gs.all[key] = g
}

// sorted returns the groups, the largest first.
func (gs *groups) sorted() []*Group {
	all := make([]*Group, 0, len(gs.all))
	for _, g := range gs.all {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *Group) int {
		return cmp.Or(
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind.order(), b.Kind.order()),
			strings.Compare(a.Peer, b.Peer), strings.Compare(a.User, b.User), strings.Compare(a.Server, b.Server),
			strings.Compare(a.Method, b.Method), strings.Compare(a.Target, b.Target),
			a.First.Compare(b.First), strings.Compare(a.Example, b.Example),
		)
	})
	return all
}

// order puts what may do harm first.
func (k Kind) order() int { return slices.Index(kinds, k) }

// ofScope reports whether it is about what may be passed on.
func (k Kind) ofScope() bool { return k == ScopeWidened || k == ScopeNarrowed }

var kinds = []Kind{Widened, ScopeWidened, Narrowed, ScopeNarrowed, Erring, Mended, Reasons}
