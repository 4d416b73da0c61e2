package remote_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar/bundle"
	"countersign.dev/cedar/bundle/remote"
)

// world is a publisher with a key and a server, and a directory for what we keep.
type world struct {
	t      *testing.T
	key    jose.JSONWebKey
	server *httptest.Server
	dir    string
	cfg    remote.Config
	answer atomic.Pointer[http.HandlerFunc]

	mu    sync.Mutex
	asked []http.Header // of every request
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, key: newKey(t), dir: t.TempDir()}
	w.fails(http.StatusNotFound)
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Header)
		w.mu.Unlock()
		(*w.answer.Load())(rw, r)
	}))
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.cfg = remote.Config{
		URL: w.server.URL + "/policies.tar.gz", CAFile: w.file("ca.pem"), KeysFile: w.file("signers.jwks.json"), StateFile: w.file("state"),
	}
	w.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw}))
	w.trusts(w.key)
	return w
}

func newKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(w.file(name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// trusts says whose bundles are taken from now on.
func (w *world) trusts(keys ...jose.JSONWebKey) {
	w.t.Helper()
	var set jose.JSONWebKeySet
	for _, key := range keys {
		set.Keys = append(set.Keys, key.Public())
	}
	data, err := json.Marshal(set)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("signers.jwks.json", data)
}

// source opens the source, as a start of the process does.
func (w *world) source() *remote.Source {
	w.t.Helper()
	s, err := remote.New(w.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// unsigned is a bundle whose one policy says which one it is.
func (w *world) unsigned(counter uint64, text string, change ...func(*bundle.Manifest)) []byte {
	w.t.Helper()
	m := bundle.Manifest{Counter: counter}
	for _, c := range change {
		c(&m)
	}
	data, err := bundle.Write(m, []bundle.File{{Path: "policies/a.cedar", Data: []byte(text)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *world) bundle(counter uint64, text string, change ...func(*bundle.Manifest)) []byte {
	return w.signedBy(w.key, w.unsigned(counter, text, change...))
}

func (w *world) signedBy(key jose.JSONWebKey, data []byte) []byte {
	w.t.Helper()
	data, err := bundle.Sign(data, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *world) handle(h http.HandlerFunc) { w.answer.Store(&h) }

func (w *world) fails(code int) {
	w.handle(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) })
}

// serves answers with the data, as a file server does.
func (w *world) serves(data []byte) {
	tag := fmt.Sprintf(`"%x"`, len(data)) + fmt.Sprintf("%p", data)
	tag = `"` + strings.Trim(strings.ReplaceAll(tag, `"`, "-"), "-") + `"`
	w.handle(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = rw.Write(data)
	})
}

// requests returns the headers of all requests so far.
func (w *world) requests() []http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]http.Header(nil), w.asked...)
}

// poll asks once and puts what came in force, as serve does.
func (w *world) poll(s *remote.Source) (news bool, err error) {
	news = s.Poll(w.t.Context())
	if news {
		_, err := w.load(s)
		s.Settle(w.t.Context(), err)
	}
	return news, s.Err()
}

// load reads the one policy that would be put in force.
func (w *world) load(s *remote.Source) (string, error) {
	files, err := s.Read(w.t.Context())
	if err != nil {
		return "", err
	}
	return string(files.Policies[0].Data), nil
}

// active is the counter of the bundle in force, 0 for none.
func active(s *remote.Source) uint64 {
	if r := s.Status().Active; r != nil {
		return r.Counter
	}
	return 0
}
