package remote_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign.dev/cedar/bundle"
	"countersign.dev/cedar/bundle/remote"
)

// follow runs the source until the test ends, and puts what comes in force.
func follow(t *testing.T, w *world, s *remote.Source) (changes <-chan uint64) {
	ctx, stop := context.WithCancel(t.Context())
	active := make(chan uint64, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(ctx context.Context) {
			_, err := w.load(s)
			s.Settle(ctx, err)
			if r := s.Status().Active; r != nil {
				active <- r.Counter
			} else {
				active <- 0
			}
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	return active
}

func TestPollsBringNews(t *testing.T) {
	w := newWorld(t)
	w.cfg.Poll = time.Second
	w.serves(w.bundle(1, "one"))
	changes := follow(t, w, w.source())
	if got := <-changes; got != 1 {
		t.Fatalf("%d is active", got)
	}
	w.serves(w.bundle(2, "two"))
	if got := <-changes; got != 2 {
		t.Fatalf("%d is active", got)
	}
	w.fails(http.StatusInternalServerError)
	if got := <-changes; got != 2 {
		t.Fatalf("after an error %d is active", got)
	}
}

// A network that is there at once, so that only the waiting takes time.
func TestFailuresAreRepeatedLessAndLess(t *testing.T) {
	w := newWorld(t)
	w.cfg.URL, w.cfg.Poll = "https://127.0.0.1:1/closed", 10*time.Second
	synctest.Test(t, func(t *testing.T) {
		s := w.source()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		began := time.Now()
		var polls []time.Duration
		go func() {
			defer close(done)
			s.Run(ctx, func(context.Context) {})
		}()
		for len(polls) < 9 {
			time.Sleep(10 * time.Millisecond)
			if n := s.Status().Errors; int(n) > len(polls) {
				polls = append(polls, time.Since(began))
			}
		}
		stop()
		<-done
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			pause := polls[i+1] - polls[i]
			if want *= time.Second; pause < want*8/10 || pause > want*12/10 {
				t.Errorf("pause %d is %s, want about %s", i+1, pause, want)
			}
		}
	})
}

// Nobody can keep an old policy in force by keeping new ones away.
func TestABundleEnds(t *testing.T) {
	w := newWorld(t)
	// Certificates and files are of the real time, in which the bubble would not begin.
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	w.serves(w.bundle(1, "one", func(m *bundle.Manifest) { m.NotAfter = end }))
	s := w.source()
	if _, err := w.poll(s); err != nil {
		t.Fatal(err)
	}
	if status := s.Status(); !status.Usable || !status.Active.NotAfter.Equal(end) {
		t.Errorf("status %+v", status)
	}
	synctest.Test(t, func(t *testing.T) {
		// The clock of a bubble stands in the past.
		time.Sleep(time.Until(end.Add(bundle.Skew)) - time.Second)
		if !s.Usable() {
			t.Error("it ended early")
		}
		time.Sleep(time.Second)
		if s.Usable() || s.Status().Usable {
			t.Error("it goes on deciding")
		}
		if _, err := w.load(s); err != nil && !strings.Contains(err.Error(), "not valid after") {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		if _, err := w.load(s); err == nil || !strings.Contains(err.Error(), "not valid after") {
			t.Errorf("got %v", err)
		}
	})
	w.serves(w.bundle(2, "two"))
	if _, err := w.poll(s); err != nil || !s.Usable() || active(s) != 2 {
		t.Errorf("a new one: %v", err)
	}
}

func TestTheEndIsNoticedBetweenPolls(t *testing.T) {
	w := newWorld(t)
	w.cfg.Poll = time.Hour
	end := time.Now().Add(2*time.Second - bundle.Skew).Truncate(time.Second)
	w.serves(w.bundle(1, "one", func(m *bundle.Manifest) { m.NotAfter = end }))
	s := w.source()
	changes := follow(t, w, s)
	if got := <-changes; got != 1 || !s.Usable() {
		t.Fatalf("%d is active", got)
	}
	<-changes
	if s.Usable() {
		t.Error("it goes on deciding")
	}
}
