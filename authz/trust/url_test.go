package trust_test

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// keyServer is an issuer's https server. What it answers can be exchanged.
type keyServer struct {
	*httptest.Server
	answer  atomic.Pointer[http.HandlerFunc]
	fetches atomic.Int64
	ca      string // file with its certificate
}

func newKeyServer(t *testing.T, body string) *keyServer {
	t.Helper()
	s := &keyServer{ca: filepath.Join(t.TempDir(), "ca.pem")}
	s.body(body)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		(*s.answer.Load())(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	write(t, s.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

func (s *keyServer) handle(h http.HandlerFunc) { s.answer.Store(&h) }

func (s *keyServer) body(body string) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain") // not looked at
		_, _ = w.Write([]byte(body))
	})
}

func (s *keyServer) fails() {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
}

func (s *keyServer) issuer() trust.IssuerConfig {
	return trust.IssuerConfig{Issuer: tts, KeysURL: s.URL + "/jwks.json", CAFile: s.ca}
}

func TestKeysOverHTTPS(t *testing.T) {
	server := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	store := newStore(t, own(t), server.issuer())
	if _, err := store.Key(t.Context(), tts, "k1"); err != nil {
		t.Fatal(err)
	}
	status := store.Status()[0]
	want := trust.IssuerStatus{Issuer: tts, Role: trust.Root, Keys: []string{"k1"}, Updated: status.Updated}
	if diff := cmp.Diff(want, status); diff != "" || status.Updated.IsZero() {
		t.Error(diff)
	}
	if files := store.Files(); len(files) != 0 {
		t.Errorf("files to watch: %v", files)
	}
}

func TestAnswersThatAreNotTaken(t *testing.T) {
	good := set(t, newKey(t, "ES256", "k1"))
	elsewhere := newKeyServer(t, good)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"not found":           {http.NotFound, "404"},
		"no content":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "204"},
		"redirect to a place": {http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, "redirects are refused"},
		"redirect to itself":  {http.RedirectHandler("/jwks2.json", http.StatusPermanentRedirect).ServeHTTP, "redirects are refused"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(good + strings.Repeat(" ", trust.MaxKeySetSize)))
		}, "larger than 262144 bytes"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte(good))
		}, "reading the answer"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "fetching keys"},
		"HTML":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "not a JWK Set"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newKeyServer(t, "")
			server.handle(test.answer)
			store := newStore(t, own(t), server.issuer())
			if got := store.Status()[0]; !strings.Contains(got.Error, test.want) || !got.Updated.IsZero() || got.Stale {
				t.Errorf("status %+v does not say %q", got, test.want)
			}
			_, err := store.Key(t.Context(), tts, "k1")
			wantDenied(t, err, denial.TokenUnknownKey, "never arrived")
		})
	}
	if n := elsewhere.fetches.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

func TestAServerThatTheCADoesNotKnow(t *testing.T) {
	server := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	c := server.issuer()
	c.CAFile = "" // the system's
	store := newStore(t, own(t), c)
	if got := store.Status()[0].Error; !strings.Contains(got, "certificate") {
		t.Errorf("the error is %q", got)
	}
	if n := server.fetches.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestACAFileThatBecomesUnreadable(t *testing.T) {
	server := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, own(t), server.issuer())
		write(t, server.ca, "garbage")
		time.Sleep(10 * time.Second)
		_, err := store.Key(t.Context(), tts, "k2")
		wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		if got := store.Status()[0]; !strings.Contains(got.Error, "no PEM certificate") || len(got.Keys) != 1 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestRotationIsSeenAtTheNextTick(t *testing.T) {
	first, second := newKey(t, "ES256", "k1"), newKey(t, "ES256", "k2")
	server := newKeyServer(t, set(t, first))
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		store := newStore(t, own(t), server.issuer())
		done := make(chan error)
		go func() { done <- store.Run(ctx) }()
		synctest.Wait()
		server.body(set(t, second))

		time.Sleep(trust.DefaultRefresh - time.Second)
		if n := server.fetches.Load(); n != 1 {
			t.Fatalf("%d fetches before the first tick", n)
		}
		fetched := server.fetches.Load()
		time.Sleep(2 * time.Second)
		waitForKeys(t, store, "k2")
		if n := server.fetches.Load() - fetched; n != 1 || store.Generation() != 1 {
			t.Errorf("%d fetches at the tick, generation %d", n, store.Generation())
		}
		_, err := store.Key(t.Context(), tts, "k1")
		wantDenied(t, err, denial.TokenUnknownKey, "has no key")

		stop()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// waitForKeys lets a fetch over the loopback network end. Time in the bubble stands still meanwhile.
func waitForKeys(t *testing.T, store *trust.Store, kids string) {
	t.Helper()
	for strings.Join(store.Status()[0].Keys, " ") != kids {
		time.Sleep(time.Millisecond)
	}
}

func TestAnUnknownKeyCausesOneFetch(t *testing.T) {
	first, second := newKey(t, "ES256", "k1"), newKey(t, "ES256", "k2")
	server := newKeyServer(t, set(t, first))
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, own(t), server.issuer())
		time.Sleep(10 * time.Second)
		server.body(set(t, first, second))
		if _, err := store.Key(t.Context(), tts, "k2"); err != nil {
			t.Fatalf("a key published a moment ago: %v", err)
		}
		if store.Generation() != 0 {
			t.Error("a new key counts as a loss")
		}
		// Forged tokens with made-up kids come in numbers.
		for range 100 {
			_, err := store.Key(t.Context(), tts, "made-up")
			wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		}
		if n := server.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want the first and one more", n)
		}
		time.Sleep(10 * time.Second)
		for _, kid := range []string{"", strings.Repeat("k", 300), "k\n"} {
			_, err := store.Key(t.Context(), tts, kid)
			wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		}
		if n := server.fetches.Load(); n != 2 {
			t.Errorf("a kid that can not exist caused a fetch")
		}
		_, err := store.Key(t.Context(), tts, "made-up")
		wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		if n := server.fetches.Load(); n != 3 {
			t.Errorf("%d fetches after ten more seconds, want 3", n)
		}
	})
}

func TestAnIssuerThatWasDownAtTheStart(t *testing.T) {
	server := newKeyServer(t, "")
	server.fails()
	synctest.Test(t, func(t *testing.T) {
		store := newStore(t, own(t), server.issuer())
		_, err := store.Key(t.Context(), tts, "k1")
		wantDenied(t, err, denial.TokenUnknownKey, "never arrived")
		server.body(set(t, newKey(t, "ES256", "k1")))
		time.Sleep(10 * time.Second)
		if _, err := store.Key(t.Context(), tts, "k1"); err != nil {
			t.Error(err)
		}
	})
}

func TestKeysOfAnUnreachableIssuerGoStale(t *testing.T) {
	server := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	good := server.answer.Load()
	synctest.Test(t, func(t *testing.T) {
		c := server.issuer()
		c.Stale = 30 * time.Minute
		store := newStore(t, own(t), c)
		server.fails()

		time.Sleep(20 * time.Minute)
		_, err := store.Key(t.Context(), tts, "made-up") // causes a fetch, which fails
		wantDenied(t, err, denial.TokenUnknownKey, "has no key")
		if _, err := store.Key(t.Context(), tts, "k1"); err != nil {
			t.Errorf("last good keys: %v", err)
		}
		if status := store.Status()[0]; status.Stale || !strings.Contains(status.Error, "500") || store.Generation() != 0 {
			t.Errorf("status %+v, generation %d", status, store.Generation())
		}

		time.Sleep(10*time.Minute + time.Second)
		// A cache that looks at the generation first must let go as well, and only once.
		if a, b := store.Generation(), store.Generation(); a != 1 || b != 1 {
			t.Errorf("generations %d and %d after the keys went stale", a, b)
		}
		_, err = store.Key(t.Context(), tts, "k1")
		wantDenied(t, err, denial.TokenUnknownKey, "stale")
		if store.Generation() != 1 {
			t.Error("a failed fetch of stale keys counts as another loss")
		}
		if status := store.Status()[0]; !status.Stale {
			t.Errorf("status %+v", status)
		}

		server.answer.Store(good)
		time.Sleep(10 * time.Second)
		if _, err := store.Key(t.Context(), tts, "k1"); err != nil {
			t.Errorf("the issuer is back: %v", err)
		}
		if status := store.Status()[0]; status.Stale || status.Error != "" {
			t.Errorf("status %+v", status)
		}

		server.fails()
		time.Sleep(31 * time.Minute)
		if g := store.Generation(); g != 2 {
			t.Errorf("generation %d after the keys went stale again", g)
		}
	})
}

func TestReloadLeavesURLsAlone(t *testing.T) {
	server := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	store := newStore(t, own(t), server.issuer())
	if err := store.Reload(t.Context()); err != nil || server.fetches.Load() != 1 {
		t.Errorf("%v after %d fetches", err, server.fetches.Load())
	}
}
