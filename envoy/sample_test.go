package envoy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A user copies the sample, puts SVID and bundle in place, and starts Envoy.
func TestEnvoyAcceptsTheSample(t *testing.T) {
	envoy := os.Getenv("COUNTERSIGN_ENVOY")
	if envoy == "" {
		t.Fatal("COUNTERSIGN_ENVOY is not set: it must name an Envoy binary (the Makefile sets it)")
	}
	sample, err := os.ReadFile("sample/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeIdentity(t, dir, "spiffe://acme.example/gateway")
	config := filepath.Join(dir, "envoy.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(sample), "/etc/envoy", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), envoy, "--mode", "validate", "-c", config, "-l", "warning")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, complaint := range []string{"deprecated", "Deprecated", "unknown field"} {
		if strings.Contains(string(out), complaint) {
			t.Errorf("Envoy complains about the sample:\n%s", out)
		}
	}
}

// writeIdentity writes a self-signed SVID that is its own bundle.
func writeIdentity(t *testing.T, dir, id string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	uri, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"acme"}}, URIs: []*url.URL{uri},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"svid.pem":     {Type: "CERTIFICATE", Bytes: certificate},
		"bundle.pem":   {Type: "CERTIFICATE", Bytes: certificate},
		"svid.key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
