package main

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"countersign.dev/authz/trust"
)

// config check is for build pipelines, where the hosts that serve keys are out of reach.
func TestConfigCheckAsksNobody(t *testing.T) {
	var asked atomic.Int32
	keys := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer keys.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ca.pem":           string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: keys.Certificate().Raw})),
		"policies/p.cedar": `@id("p") permit (principal, action in Action::"lifecycle", resource);`,
		"countersign.yaml": `
trust_domain: acme.example
listen: {grpc: {address: "unix:///tmp/countersign.sock"}}
servers: [{name: crm, backend: "spiffe://acme.example/crm"}]
issuers: [{issuer: "https://tts.acme.example", role: root, keys: {url: "` + keys.URL + `", ca: ca.pem}}]
identity_providers: [{issuer: "` + keys.URL + `", keys: {discovery: true, ca: ca.pem}}]
policy: {directory: policies}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := loadConfig(filepath.Join(dir, "countersign.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkFiles(t.Context(), c, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
	// The same with a context that goes on does ask: the test can fail.
	if _, err := openParts(t.Context(), c, nil, trust.NewStore, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if asked.Load() == 0 {
		t.Error("the keys were never asked for")
	}
}
