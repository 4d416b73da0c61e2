package main

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/trust"
)

// site is a directory with a configuration, and the root issuer that it trusts.
type site struct {
	t      *testing.T
	dir    string
	issuer jose.JSONWebKey
	config string // to which a test adds
}

func newSite(t *testing.T, issuer string) *site {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: t.TempDir(), issuer: key}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	s.write("issuers.json", string(keys))
	s.config = `trust_domain: acme.example
listen: {grpc: {address: "unix:///tmp/countersign.sock"}}
servers: [{name: crm, backend: "spiffe://acme.example/crm"}]
policy: {directory: policies}
issuers: [{issuer: "https://tts.acme.example", role: root, keys: {file: issuers.json}` + issuer + `}]
`
	return s
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// verify is what token verify says about the planner's token.
func (s *site) verify(status *delegation.Status) string {
	s.t.Helper()
	now := time.Now().Truncate(time.Second)
	token, err := delegation.Mint(delegation.Claims{
		Issuer: "https://tts.acme.example", Audience: "acme.example", ID: "a", Txn: "b", Subject: "alice",
		RequestingWorkload: "spiffe://acme.example/planner", IssuedAt: now, Expiry: now.Add(time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: "spiffe://acme.example/planner"},
		Task:  delegation.Task{Task: "case-4711", Purpose: "test", Expiry: now.Add(time.Minute)}, Status: status,
	}, s.issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	out, _, err := command(s.t, "token", "verify", "--config", s.write("countersign.yaml", s.config), "--peer", "spiffe://acme.example/planner", token)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

// statusServer publishes the status list of an issuer.
func (s *site) statusServer(list []byte) (url, ca string) {
	s.t.Helper()
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		_, _ = z.Write(list) // to memory
		_ = z.Close()
		claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"ttl":60,"status_list":{"bits":1,"lst":%q}}`,
			server.URL+"/1", time.Now().Unix(), base64.RawURLEncoding.EncodeToString(packed.Bytes()))
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: s.issuer}, (&jose.SignerOptions{}).WithType("statuslist+jwt"))
		if err != nil {
			s.t.Error(err)
			return
		}
		jws, err := signer.Sign([]byte(claims))
		if err != nil {
			s.t.Error(err)
			return
		}
		compact, err := jws.CompactSerialize()
		if err != nil {
			s.t.Error(err)
		}
		_, _ = io.WriteString(w, compact)
	}))
	s.t.Cleanup(server.Close)
	return server.URL + "/1", s.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

func TestStatusListsOfTheConfigurationAreAsked(t *testing.T) {
	s := newSite(t, "")
	if got := s.verify(&delegation.Status{URI: "https://tts.acme.example/1"}); !strings.Contains(got, "status_unknown") {
		t.Errorf("a list that is not configured: %s", got)
	}
	if got := s.verify(nil); got != "ok" {
		t.Errorf("without a status: %s", got)
	}
	url, ca := s.statusServer([]byte{2})
	s.config = strings.Replace(s.config, "issuers.json}", fmt.Sprintf("issuers.json}, status_lists: [%q], status_ca: %q", url, ca), 1)
	for index, want := range []string{"ok", "revoked: status 1 in " + url + " is revoked: INVALID", "ok"} {
		if got := s.verify(&delegation.Status{URI: url, Index: index}); got != want {
			t.Errorf("status %d: %s, want %s", index, got, want)
		}
	}
	if got := s.verify(&delegation.Status{URI: url, Index: 8}); !strings.Contains(got, "status_unknown") {
		t.Errorf("behind the list: %s", got)
	}
}

func TestSharedRevocationsCountForCommandsToo(t *testing.T) {
	s := newSite(t, "")
	redis := redistest.Start(t)
	s.config += fmt.Sprintf("store: {redis: {url: %q}}\n", redis.URL())
	if got := s.verify(nil); !strings.Contains(got, "status_unknown") || !strings.Contains(got, "countersign revoke init") {
		t.Errorf("before it is initialised: %s", got)
	}
	for _, want := range []string{"the store is initialised: generation 1\n", "the store was in order: generation 1\n"} {
		if out, _, err := command(t, "revoke", "init", "--config", filepath.Join(s.dir, "countersign.yaml")); err != nil || out != want {
			t.Errorf("%q %v, want %q", out, err, want)
		}
	}
	if got := s.verify(nil); got != "ok" {
		t.Errorf("after: %s", got)
	}
	redis.Kill()
	if got := s.verify(nil); !strings.Contains(got, "status_unknown") {
		t.Errorf("without the store: %s", got)
	}
	redis.Run()
}

func TestWhatTheCommandLineRevokes(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 500, time.UTC)
	for _, test := range []struct {
		flags revokeFlags
		want  revoke.Entry
	}{
		{revokeFlags{task: "a", reason: "b"}, revoke.Entry{Kind: "task", Value: "a", Reason: "b"}},
		{revokeFlags{txn: "a", expires: "24h"}, revoke.Entry{Kind: "txn", Value: "a", Expires: now.Add(24 * time.Hour).Truncate(time.Second)}},
		{revokeFlags{jti: "a", expires: "2026-12-01T00:00:00Z"}, revoke.Entry{Kind: "jti", Value: "a", Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}},
		{revokeFlags{subject: "a"}, revoke.Entry{Kind: "sub", Value: "a"}},
		{revokeFlags{kid: "a"}, revoke.Entry{Kind: "kid", Value: "a"}},
		{revokeFlags{actor: "spiffe://acme.example/a/*"}, revoke.Entry{Kind: "actor", Value: "spiffe://acme.example/a/*"}},
		{revokeFlags{before: "now", ofSubject: "alice", ofIssuer: "x"}, revoke.Entry{Kind: "before", Value: "2026-11-25T12:00:00Z", Issuer: "x", Subject: "alice"}},
	} {
		got, err := test.flags.entry(now)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v %s", test.flags, err, diff)
		}
	}
}

func TestAnEntryIsOneLine(t *testing.T) {
	e := revoke.Entry{Kind: "task", Value: "a", Reason: "b\x1b[2J", By: "spiffe://acme.example/oncall", Expires: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
	got := describeEntry(e)
	if strings.Contains(got, "\x1b") || !strings.HasSuffix(got, "; by spiffe://acme.example/oncall; until 2026-12-01T00:00:00Z (id "+e.ID()+")") {
		t.Errorf("got %q", got)
	}
}
