package trust

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign.dev/authz/denial"
)

// gatedSource answers when the test says so, and counts how often it was asked.
type gatedSource struct {
	asked   atomic.Int64
	answers chan keySet // closed: an error
}

func (s *gatedSource) load(ctx context.Context) (keySet, error) {
	s.asked.Add(1)
	select {
	case keys, ok := <-s.answers:
		if !ok {
			return nil, errors.New("the issuer is down")
		}
		return keys, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gatedStore has one URL issuer whose first set, with the key k1, has arrived.
func gatedStore(t *testing.T) (*Store, *gatedSource) {
	t.Helper()
	src := &gatedSource{answers: make(chan keySet, 1)}
	s := &Store{byID: make(map[string]*entry)}
	c := IssuerConfig{Issuer: "https://tts.acme.example", KeysURL: "x", Refresh: DefaultRefresh, Stale: DefaultStale}
	e := newEntry(c, Issuer{ID: c.Issuer}, src, &s.losses, slog.New(slog.DiscardHandler))
	s.entries, s.byID[c.Issuer] = []*entry{e}, e
	src.answers <- keysNamed(t, "k1")
	if err := e.load(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(demandGap)
	return s, src
}

func keysNamed(t *testing.T, kids ...string) keySet {
	t.Helper()
	keys := make(keySet)
	for _, kid := range kids {
		key, err := GenerateKey("ES256")
		if err != nil {
			t.Fatal(err)
		}
		keys[kid] = key.Public()
	}
	return keys
}

func TestConcurrentRequestsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, src := gatedStore(t)
		got := make(chan error)
		const requests = 50
		for range requests {
			go func() {
				_, err := s.Key(t.Context(), "https://tts.acme.example", "k2")
				got <- err
			}()
		}
		synctest.Wait() // all of them wait for the fetch
		if n := src.asked.Load(); n != 2 {
			t.Errorf("the issuer was asked %d times, want twice", n)
		}
		src.answers <- keysNamed(t, "k2")
		for range requests {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestARequestThatEndsDoesNotEndTheFetchOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, src := gatedStore(t)
		hurried, hangUp := context.WithCancel(t.Context())
		first, second := make(chan error), make(chan error)
		go func() {
			_, err := s.Key(hurried, "https://tts.acme.example", "k2")
			first <- err
		}()
		synctest.Wait() // the hurried request has started the fetch
		go func() {
			_, err := s.Key(t.Context(), "https://tts.acme.example", "k2")
			second <- err
		}()
		synctest.Wait()
		hangUp()
		if err := <-first; denial.ReasonOf(err) != denial.Cancelled || !errors.Is(err, context.Canceled) {
			t.Errorf("the request that ended got %v", err)
		}
		src.answers <- keysNamed(t, "k2")
		if err := <-second; err != nil {
			t.Errorf("the request that waited got %v", err)
		}
		if n := src.asked.Load(); n != 2 {
			t.Errorf("the issuer was asked %d times", n)
		}
	})
}

func TestKnownKeysNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, src := gatedStore(t)
		failed := make(chan error)
		go func() {
			_, err := s.Key(t.Context(), "https://tts.acme.example", "k2")
			failed <- err
		}()
		synctest.Wait()
		if _, err := s.Key(t.Context(), "https://tts.acme.example", "k1"); err != nil {
			t.Errorf("while a fetch is under way: %v", err)
		}
		close(src.answers)
		if err := <-failed; denial.ReasonOf(err) != denial.TokenUnknownKey {
			t.Errorf("after a failed fetch: %v", err)
		}
	})
}

// TestLookupsWhileKeysChange gives the race detector something to see.
func TestLookupsWhileKeysChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, src := gatedStore(t)
		sets := []keySet{keysNamed(t, "k1"), keysNamed(t, "k1")}
		stop := make(chan struct{})
		for range 4 {
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					before := s.Generation()
					if _, err := s.Key(t.Context(), "https://tts.acme.example", "k1"); err != nil {
						t.Error(err)
						return
					}
					if s.Generation() < before {
						t.Error("the generation shrank")
					}
					_ = s.Status()
				}
			}()
		}
		for i := range 50 {
			src.answers <- sets[i%2]
			if err := s.entries[0].load(t.Context(), 0); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		if g := s.Generation(); g != 50 {
			t.Errorf("generation %d after 50 changes", g)
		}
	})
}
