package verify_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

// keyServer is Countersign's JWK Set behind an https URL.
type keyServer struct {
	*httptest.Server
	ca      string
	set     atomic.Pointer[jose.JSONWebKeySet] // nil: out of order
	fetches atomic.Int64
}

func newKeyServer(t *testing.T, keys ...jose.JSONWebKey) *keyServer {
	t.Helper()
	s := &keyServer{ca: filepath.Join(t.TempDir(), "ca.pem")}
	s.publish(keys...)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.fetches.Add(1)
		set := s.set.Load()
		if set == nil {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *keyServer) publish(keys ...jose.JSONWebKey) {
	set := &jose.JSONWebKeySet{}
	for _, key := range keys {
		set.Keys = append(set.Keys, key.Public())
	}
	s.set.Store(set)
}

func (s *keyServer) crm(ctx context.Context, t *testing.T, w *acmeWorld) *verify.Verifier {
	t.Helper()
	v, err := verify.New(ctx, verify.Config{
		Self: crmID, Server: "crm", Clock: func() time.Time { return w.now }, Log: quiet,
		Issuers: []trust.IssuerConfig{{Issuer: countersign, Role: trust.Hop, KeysURL: s.URL, CAFile: s.ca, Stale: time.Hour}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// check has crm verify a token of the newest key.
func check(t *testing.T, v *verify.Verifier, w *acmeWorld) denial.Reason {
	t.Helper()
	_, err := v.Verify(t.Context(), http.MethodPost, withToken(w.refund()), []byte(refund))
	return reason(err)
}

func TestKeysBehindAURL(t *testing.T) {
	w := newWorld(t)
	server := newKeyServer(t, w.hop)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		v := server.crm(ctx, t, w)
		if got := check(t, v, w); got != "" {
			t.Fatalf("the first key: %s", got)
		}
		// Countersign signs with a new key, which an unknown kid makes us ask for: once in a while.
		time.Sleep(10 * time.Second)
		old := w.hop
		w.hop = newKey(t)
		server.publish(old, w.hop)
		for range 5 {
			if got := check(t, v, w); got != "" {
				t.Errorf("the new key: %s", got)
			}
		}
		w.hop = newKey(t)
		for range 5 {
			if got := check(t, v, w); got != denial.TokenUnknownKey {
				t.Errorf("a key that is not published: %q", got)
			}
		}
		if n := server.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
		// While it is out of order the last good keys do, for an hour.
		w.hop = old
		server.set.Store(nil)
		time.Sleep(59 * time.Minute)
		if got := check(t, v, w); got != "" {
			t.Errorf("the last good keys: %s", got)
		}
		time.Sleep(2 * time.Minute)
		if got := check(t, v, w); got != denial.TokenUnknownKey {
			t.Errorf("stale keys: %q", got)
		}
		server.publish(old)
		time.Sleep(10 * time.Second)
		if got := check(t, v, w); got != "" {
			t.Errorf("Countersign is back: %s", got)
		}
		stop()
	})
}

func TestKeysInAFileThatChanges(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		v, err := verify.New(ctx, verify.Config{
			Self: crmID, Server: "crm", Clock: func() time.Time { return w.now }, Log: quiet, Issuers: w.issuers()[1:],
		})
		if err != nil {
			t.Fatal(err)
		}
		w.hop = newKey(t)
		keyFile(t, w.files+"/countersign.jwks.json", w.hop)
		if got := check(t, v, w); got != denial.TokenUnknownKey {
			t.Errorf("before it is read again: %q", got)
		}
		time.Sleep(trust.DefaultRefresh + time.Second)
		synctest.Wait()
		if got := check(t, v, w); got != "" {
			t.Errorf("after: %s", got)
		}
		stop()
	})
}
