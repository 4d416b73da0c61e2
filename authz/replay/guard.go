package replay

import (
	"container/heap"
	"context"
	"strings"
	"sync"
	"time"
)

// Guard remembers uses in memory. It is safe for concurrent use.
type Guard struct {
	config Config
	since  time.Time

	mu        sync.Mutex
	spent     map[string]*spent
	order     byForgetting
	peers     map[string]int // how many uses are remembered of each workload
	forgotten time.Time      // the latest time up to which uses were dropped
}

// spent is a use that happened.
type spent struct {
	digest, peer string
	requestID    string
	forget       time.Time
}

// NewGuard returns a guard that knows of no use. Delegations that were issued before since are refused: whether they
// were used it cannot know.
func NewGuard(config Config, since time.Time) *Guard {
	return &Guard{config: config.Complete(), since: since, spent: make(map[string]*spent), peers: make(map[string]int)}
}

// Spend notes a use. The refusals are [denial.Replayed] for one that happened before, unless it is the same request of
// Envoy; [denial.ReplayUncertain] for one that may have; and [denial.ReplayLimit] when there is no room for it.
func (g *Guard) Spend(_ context.Context, use Use, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	digest := use.Digest()
	if known := g.spent[digest]; known != nil {
		if use.RequestID != "" && use.RequestID == known.requestID {
			return nil
		}
		return use.Replayed()
	}
	g.forget(now)
	switch {
	case use.IssuedAt.Before(g.since):
		return use.Uncertain(TooOld)
	case use.IssuedAt.After(now):
		return use.Uncertain(TooNew)
	case !use.Forget().After(g.forgotten):
		return use.Uncertain(ClockBack)
	}
	peer := use.PeerDigest()
	if g.peers[peer] >= g.config.PerPeer || len(g.spent) >= g.config.Total {
		return Full()
	}
	// Cloned, so that an id does not keep a whole request in memory.
	added := &spent{digest, peer, strings.Clone(use.RequestID), use.Forget()}
	g.spent[digest] = added
	g.peers[peer]++
	heap.Push(&g.order, added)
	return nil
}

// Len returns how many uses are remembered.
func (g *Guard) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.spent)
}

// forget drops the uses of delegations that are not accepted any more.
func (g *Guard) forget(now time.Time) {
	for len(g.order) > 0 && !g.order[0].forget.After(now) {
		old := heap.Pop(&g.order).(*spent) //nolint:errcheck // nothing else is in it
		delete(g.spent, old.digest)
		if old.forget.After(g.forgotten) {
			g.forgotten = old.forget
		}
		g.peers[old.peer]--
		if g.peers[old.peer] == 0 {
			delete(g.peers, old.peer)
		}
	}
}

// byForgetting is a heap with the use that is forgotten first on top.
type byForgetting []*spent

func (h byForgetting) Len() int           { return len(h) }
func (h byForgetting) Less(i, j int) bool { return h[i].forget.Before(h[j].forget) }
func (h byForgetting) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byForgetting) Push(x any) { *h = append(*h, x.(*spent)) } //nolint:errcheck // only the guard pushes

// Pop implements heap.Interface.
func (h *byForgetting) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
