package delegation

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// cache keeps tokens whose signature was checked and whose claims were read, never a decision: whether they are in
// force, for whom and how wide is asked anew each time. Tokens that were refused are not kept.
//
// The key is the hash of the whole text. A text is only kept after it passed as the canonical one, so a hit is that
// very text.
type cache struct {
	tokens       *lru.Cache[[sha256.Size]byte, entry] // nil if nothing is to be kept
	hits, misses atomic.Uint64
}

type entry struct {
	token      *Token
	generation uint64 // of the keys that it was checked with
}

func newCache(size int) (*cache, error) {
	if size == 0 {
		return &cache{}, nil
	}
	tokens, err := lru.New[[sha256.Size]byte, entry](size)
	if err != nil {
		return nil, fmt.Errorf("a cache of %d tokens: %w", size, err)
	}
	return &cache{tokens: tokens}, nil
}

// find returns a token that was checked with the present keys.
func (c *cache) find(compact string, generation uint64) (*Token, bool) {
	if c.tokens != nil && len(compact) <= MaxSize {
		if e, ok := c.tokens.Get(sha256.Sum256([]byte(compact))); ok && e.generation == generation {
			c.hits.Add(1)
			return e.token, true
		}
	}
	c.misses.Add(1)
	return nil, false
}

func (c *cache) keep(t *Token, generation uint64) {
	if c.tokens != nil {
		c.tokens.Add(sha256.Sum256([]byte(t.raw.Text)), entry{t, generation})
	}
}

func (c *cache) stats() (hits, misses uint64, size int) {
	if c.tokens != nil {
		size = c.tokens.Len()
	}
	return c.hits.Load(), c.misses.Load(), size
}
