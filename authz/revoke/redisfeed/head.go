package redisfeed

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"countersign.dev/authz/revoke"
)

// head is what there is: at the server, or in the copy.
type head struct {
	// generation and version are zero if nobody vouches for it.
	generation, version int64
	// last is the place of the last change in the stream.
	last string
}

// beginning is before the first change.
const beginning = "0-0"

// place is how the server names a place in a stream.
var place = regexp.MustCompile(`^[0-9]{1,20}-[0-9]{1,20}$`)

// ask returns what the server says about itself, and whether it has all entries that it should have.
func (f *Feed) ask(ctx context.Context) (at head, whole bool, err error) {
	pipe := f.Store.TxPipeline()
	meta := pipe.HMGet(ctx, f.keys[0], "generation", "version", "last", "entries")
	count := pipe.HLen(ctx, f.keys[1])
	if _, err := pipe.Exec(ctx); err != nil {
		return head{}, false, fmt.Errorf("reading the version: %w", err)
	}
	at, entries, err := parseHead(meta.Val())
	return at, entries == count.Val(), err
}

// parseHead takes what is not there for zero.
func parseHead(values []any) (h head, entries int64, err error) {
	var texts [4]string
	for i := range min(len(values), len(texts)) {
		texts[i], _ = values[i].(string)
	}
	for i, to := range map[int]*int64{0: &h.generation, 1: &h.version, 3: &entries} {
		if texts[i] == "" {
			continue
		}
		if *to, err = strconv.ParseInt(texts[i], 10, 64); err != nil || *to < 0 {
			return head{}, 0, fmt.Errorf("the store says %.40q where a number is expected", texts[i])
		}
	}
	switch h.last = texts[2]; {
	case h.last == "":
		h.last = beginning
	case !place.MatchString(h.last):
		return head{}, 0, fmt.Errorf("the store says %.40q where a place in the stream is expected", h.last)
	}
	return h, entries, nil
}

// change is one element of the stream.
type change struct {
	head
	after   string // the place of the change before
	put     revoke.Entry
	removed string // an ID; empty when something was put
}

func parseChange(m redis.XMessage) (c change, err error) {
	text := func(name string) string { value, _ := m.Values[name].(string); return value }
	c.last, c.after, c.removed = m.ID, text("after"), text("remove")
	if c.version, err = strconv.ParseInt(text("version"), 10, 64); err != nil {
		return c, fmt.Errorf("change %s of the store has no version", m.ID)
	}
	if c.removed != "" {
		return c, nil
	}
	if c.put, err = revoke.ParseRecord([]byte(text("put"))); err != nil {
		return c, fmt.Errorf("change %s of the store: %w", m.ID, err)
	}
	return c, nil
}

// follows reports whether the change is the next one.
func (c change) follows(at head) bool { return c.version == at.version+1 && c.after == at.last }

// mine is the copy's head.
func (f *Feed) mine() head {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// become notes what the copy is now.
func (f *Feed) become(at head) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = at
	close(f.moved)
	f.moved = make(chan struct{})
}

// confirm notes that the copy is what the server had when it was asked.
func (f *Feed) confirm(asked time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.equal = asked
	select {
	case <-f.synced:
	default:
		close(f.synced)
	}
}

// note keeps the outcome of a look at the server, and logs when it changes.
func (f *Feed) note(err error) error {
	f.mu.Lock()
	before := f.err
	if f.err = err; err != nil {
		f.failures++
	}
	f.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.Log.Error("the shared revocations cannot be read", "error", err)
	case err == nil && before != nil:
		f.Log.Info("the shared revocations are read again")
	}
	return err
}

// cause is why nothing newer is known. The caller holds mu.
func (f *Feed) cause() error {
	if f.err != nil {
		return f.err
	}
	return errors.New("the store has not been read since")
}
