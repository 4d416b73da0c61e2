package redisfeed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/revoke"
)

var errBroken = errors.New("the connection broke")

// fault fails one command or pipeline, counted from 1, before it gets to the server or after.
type fault struct {
	at, seen int
	after    bool
}

// DialHook implements redis.Hook.
func (f *fault) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (f *fault) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "hello" { // of a new connection; the library does without
			return next(ctx, cmd)
		}
		return f.around(func() error { return next(ctx, cmd) }, func() { cmd.SetErr(errBroken) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (f *fault) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return f.around(func() error { return next(ctx, cmds) }, func() {
			for _, cmd := range cmds {
				cmd.SetErr(errBroken)
			}
		})
	}
}

func (f *fault) around(do func() error, fail func()) error {
	if f.seen++; f.seen != f.at {
		return do()
	}
	if f.after {
		_ = do() // nobody gets to know
	}
	fail()
	return errBroken
}

// Whichever exchange with the server fails, and whether or not it had an effect: a replica that does not know says so,
// what it holds stays in force, and the next look puts everything right.
func TestWhicheverExchangeFails(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	fresh := func(t *testing.T, store *redisstore.Store) *replica { return newReplica(t, store) }
	for _, scene := range []struct {
		name string
		// prepare makes the replica that syncs; store is the one that fails, and does not yet.
		prepare func(t *testing.T, store *redisstore.Store) *replica
	}{
		{"a fresh replica", func(t *testing.T, store *redisstore.Store) *replica {
			hold(t, server, "a", "b")
			return fresh(t, store)
		}},
		{"one that puts back what an empty server lost", func(t *testing.T, store *redisstore.Store) *replica {
			hold(t, server, "a", "b")
			r := synced(t, store)
			server.Empty()
			return r
		}},
		{"one that puts back what a server lost in part", func(t *testing.T, store *redisstore.Store) *replica {
			hold(t, server, "a", "b")
			r := synced(t, store)
			if err := server.Store().HDel(t.Context(), "countersign:revocations:entries", task("a").ID()).Err(); err != nil {
				t.Fatal(err)
			}
			return r
		}},
		{"one that was cut off while another put right the server", func(t *testing.T, store *redisstore.Store) *replica {
			hold(t, server, "a", "b")
			r, other := synced(t, store), synced(t, server.Store())
			server.Empty()
			if err := other.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			return r
		}},
		{"one that was cut off while more was revoked", func(t *testing.T, store *redisstore.Store) *replica {
			hold(t, server, "a")
			r := synced(t, store)
			add(t, server, "b")
			return r
		}},
	} {
		t.Run(scene.name, func(t *testing.T) {
			for n := 1; ; n++ {
				failed := false
				for _, after := range []bool{false, true} {
					store, f := server.Store(), &fault{after: after}
					store.AddHook(f)
					r := scene.prepare(t, store)
					held := values(r.Entries())
					f.seen, f.at = 0, n
					err := r.Sync(t.Context())
					f.at = 0
					if err != nil {
						failed = true
						if !errors.Is(err, errBroken) {
							t.Errorf("exchange %d, after %t: %v", n, after, err)
						}
					}
					for _, name := range held {
						if r.answer(name) != "revoked" {
							t.Errorf("exchange %d, after %t: %s is %s", n, after, name, r.answer(name))
						}
					}
					if got := r.answer("other"); err != nil && len(held) == 0 && got != "unknown" {
						t.Errorf("exchange %d, after %t: without a copy, it says %s", n, after, got)
					}
					if err := r.Sync(t.Context()); err != nil {
						t.Errorf("exchange %d, after %t: the next look: %v", n, after, err)
					}
					if got := fmt.Sprint(values(r.Entries()), values(synced(t, server.Store()).Entries())); got != "[a b] [a b]" {
						t.Errorf("exchange %d, after %t: in the end %s", n, after, got)
					}
				}
				if !failed {
					t.Logf("%d exchanges", n-1)
					return
				}
			}
		})
	}
}

// hold empties the server and revokes tasks.
func hold(t *testing.T, server *redistest.Server, tasks ...string) {
	t.Helper()
	server.Empty()
	initialise(t, server)
	add(t, server, tasks...)
}

func add(t *testing.T, server *redistest.Server, tasks ...string) {
	t.Helper()
	r := startReplica(t, server.Store())
	<-r.Synced()
	for _, name := range tasks {
		r.add(t, task(name))
	}
	r.stop()
}

func synced(t *testing.T, store *redisstore.Store) *replica {
	t.Helper()
	r := newReplica(t, store)
	if err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChangesThatFail(t *testing.T) {
	server := redistest.Start(t)
	hold(t, server, "a")
	for _, after := range []bool{false, true} {
		store, f := server.Store(), &fault{after: after}
		store.AddHook(f)
		r := synced(t, store)
		for name, change := range map[string]func() error{
			"add":    func() error { return r.Add(t.Context(), task("b")) },
			"remove": func() error { return r.Remove(t.Context(), task("a").ID()) },
			"init":   func() error { _, _, err := r.Initialise(t.Context()); return err },
		} {
			f.seen, f.at = 0, 1
			if err := change(); !errors.Is(err, errBroken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A change that this replica does not read back is not confirmed.
		f.at = 0
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Add(ended, task("c")); err == nil {
			t.Error("confirmed without a store")
		}
	}
	for n := 1; n <= 3; n++ {
		server.Empty()
		store, f := server.Store(), &fault{at: n}
		store.AddHook(f)
		if _, fresh, err := newReplica(t, store).Initialise(t.Context()); !errors.Is(err, errBroken) || fresh {
			t.Errorf("initialising, exchange %d: fresh %t, %v", n, fresh, err)
		}
	}
	// A replica that does not follow the server can not confirm.
	hold(t, server)
	r := synced(t, server.Store())
	ctx, cancel := context.WithCancel(t.Context())
	stored := make(chan error)
	go func() { stored <- r.Add(ctx, task("d")) }()
	eventually(t, "it is stored", func() bool {
		return server.Store().HLen(context.Background(), "countersign:revocations:entries").Val() == 1
	})
	cancel()
	if err := <-stored; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.Revoked(t.Context(), revoke.Marks{Task: "d"}, r.clock()); err != nil {
		t.Error(err)
	}
	if err := r.Sync(t.Context()); err != nil || r.answer("d") != "revoked" {
		t.Errorf("%v, it is %s", err, r.answer("d"))
	}
}
