package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
)

// authority is an X.509 authority of a trust domain.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newECKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	return authority{sign(t, template, template, key.Public(), key), key}
}

// issue returns a leaf valid from an hour ago for an hour, or what change makes of it, and its key.
func (a authority) issue(t *testing.T, id string, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	uri, err := url.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), URIs: []*url.URL{uri}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	key := newECKey(t)
	return sign(t, template, a.certificate, key.Public(), a.key), key
}

func certificatePEM(certificates ...*x509.Certificate) string {
	var out strings.Builder
	for _, c := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return out.String()
}

func keyPEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER(t, key)}))
}

func keyDER(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// identityFiles writes the three files of an identity, an empty one where the content is empty.
func identityFiles(t *testing.T, certificate, key, bundle string) identityConfig {
	t.Helper()
	dir := t.TempDir()
	c := identityConfig{
		Certificate: filepath.Join(dir, "svid.pem"), Key: filepath.Join(dir, "svid.key.pem"),
		Bundle: filepath.Join(dir, "bundle.pem"),
	}
	for path, content := range map[string]string{c.Certificate: certificate, c.Key: key, c.Bundle: bundle} {
		replaceFile(t, path, content)
	}
	return c
}

func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const countersignID = "spiffe://acme.example/countersign"

func TestIdentityFromFiles(t *testing.T) {
	ca := newAuthority(t)
	leaf, key := ca.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf), keyPEM(t, key), certificatePEM(ca.certificate))
	source, files, err := openIdentity(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	svid, err := source.GetX509SVID()
	if err != nil || svid.ID.String() != countersignID {
		t.Fatalf("SVID %v, %v", svid, err)
	}
	if _, err := source.GetX509BundleForTrustDomain(svid.ID.TrustDomain()); err != nil {
		t.Error(err)
	}
	other := spiffeid.RequireTrustDomainFromString("partner.example")
	if _, err := source.GetX509BundleForTrustDomain(other); err == nil {
		t.Error("there is a bundle for another trust domain")
	}
	if got := files.Files(); !slices.Equal(got, []string{c.Certificate, c.Key, c.Bundle}) {
		t.Errorf("files to watch: %v", got)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
}

func TestIdentityThroughAnIntermediate(t *testing.T) {
	root := newAuthority(t)
	key := newECKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(3), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	middle := authority{sign(t, template, root.certificate, key.Public(), root.key), key}
	leaf, leafKey := middle.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf, middle.certificate), keyPEM(t, leafKey), certificatePEM(root.certificate))
	if _, err := openSVIDFiles(c); err != nil {
		t.Error(err)
	}
	replaceFile(t, c.Certificate, certificatePEM(leaf))
	if _, err := openSVIDFiles(c); err == nil {
		t.Error("a chain without its intermediate is taken")
	}
}

func TestBadIdentityFiles(t *testing.T) {
	ca := newAuthority(t)
	leaf, key := ca.issue(t, countersignID, nil)
	_, otherKey := ca.issue(t, countersignID, nil)
	made := func(change func(*x509.Certificate)) (string, string) {
		leaf, key := ca.issue(t, countersignID, change)
		return certificatePEM(leaf), keyPEM(t, key)
	}
	expired, expiredKey := made(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	early, earlyKey := made(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
	two, twoKey := made(func(c *x509.Certificate) {
		c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "acme.example", Path: "/gateway"})
	})
	none, noneKey := made(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"countersign.acme.example"} })
	web, webKey := made(func(c *x509.Certificate) { c.URIs[0].Scheme = "https" })
	domain, domainKey := made(func(c *x509.Certificate) { c.URIs[0].Path = "" })
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	good, goodKey, bundle := certificatePEM(leaf), keyPEM(t, key), certificatePEM(ca.certificate)
	for name, test := range map[string]struct {
		certificate, key, bundle string
		file, want               string
	}{
		"empty certificate":    {"", goodKey, bundle, "svid.pem", "certificate"},
		"garbage certificate":  {"x", goodKey, bundle, "svid.pem", "no PEM blocks"},
		"files swapped":        {goodKey, good, bundle, "svid.pem", "certificate"},
		"empty key":            {good, "", bundle, "svid.key.pem", "private key"},
		"key not in PKCS #8":   {good, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), bundle, "svid.key.pem", "PKCS #8"},
		"key of another":       {good, keyPEM(t, otherKey), bundle, "svid.key.pem", "does not match"},
		"expired":              {expired, expiredKey, bundle, "svid.pem", "expired at"},
		"not yet valid":        {early, earlyKey, bundle, "svid.pem", "is not valid before"},
		"two SPIFFE IDs":       {two, twoKey, bundle, "svid.pem", "more than one URI SAN"},
		"no SPIFFE ID":         {none, noneKey, bundle, "svid.pem", "no URI SAN"},
		"a web URL":            {web, webKey, bundle, "svid.pem", "scheme is missing or invalid"},
		"a trust domain":       {domain, domainKey, bundle, "svid.pem", "non-root path"},
		"empty bundle":         {good, goodKey, "", "bundle.pem", "no certificate"},
		"garbage bundle":       {good, goodKey, "x", "bundle.pem", "bundle"},
		"bundle without certs": {good, goodKey, goodKey, "bundle.pem", "no certificate"},
		"bundle of another":    {good, goodKey, certificatePEM(newAuthority(t).certificate), "bundle.pem", "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			c := identityFiles(t, test.certificate, test.key, test.bundle)
			_, _, err := openIdentity(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.file) {
				t.Errorf("got %v, want %q about %s", err, test.want, test.file)
			}
		})
	}
	for _, missing := range []int{0, 1, 2} {
		c := identityFiles(t, good, goodKey, bundle)
		path := []string{c.Certificate, c.Key, c.Bundle}[missing]
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := openSVIDFiles(c); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("without %s: %v", path, err)
		}
	}
}

func TestIdentityRotation(t *testing.T) {
	ca := newAuthority(t)
	leaf, key := ca.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf), keyPEM(t, key), certificatePEM(ca.certificate))
	files, err := openSVIDFiles(c)
	if err != nil {
		t.Fatal(err)
	}
	inUse := func() *x509.Certificate {
		svid, err := files.GetX509SVID()
		if err != nil {
			t.Fatal(err)
		}
		return svid.Certificates[0]
	}
	next, nextKey := ca.issue(t, countersignID, nil)
	replaceFile(t, c.Certificate, certificatePEM(next)) // the key is still the old one
	if err := files.Reload(t.Context()); err == nil || !inUse().Equal(leaf) {
		t.Errorf("half a rotation: %v", err)
	}
	replaceFile(t, c.Key, keyPEM(t, nextKey))
	if err := files.Reload(t.Context()); err != nil || !inUse().Equal(next) {
		t.Errorf("the whole rotation: %v", err)
	}
}

func TestClientMatcher(t *testing.T) {
	matcher, err := clientMatcher([]string{"spiffe://acme.example/gateway", "spiffe://acme.example/edge/*"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{
		"spiffe://acme.example/gateway":       true,
		"spiffe://acme.example/edge/a":        true,
		"spiffe://acme.example/edge/a/b":      true,
		"spiffe://acme.example/edge":          false, // only what is below
		"spiffe://acme.example/edges/a":       false, // a segment that begins alike
		"spiffe://acme.example/gateway/a":     false,
		"spiffe://acme.example/Gateway":       false,
		"spiffe://acme.example/planner":       false,
		"spiffe://acme.example":               false,
		"spiffe://evil.example/gateway":       false,
		"spiffe://evil.example/edge/a":        false,
		"spiffe://acme.example.evil/edge/a":   false,
		"spiffe://acme.example/x/edge/a":      false,
		"spiffe://acme.example/gateway-other": false,
	} {
		if err := matcher(spiffeid.RequireFromString(id)); (err == nil) != want {
			t.Errorf("%s: %v, want match %t", id, err, want)
		} else if err != nil && !strings.Contains(err.Error(), id) {
			t.Errorf("the refusal of %s says %q", id, err)
		}
	}
	if err := matcher(spiffeid.ID{}); err == nil {
		t.Error("no SPIFFE ID matches")
	}
}

func TestClientPatternErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                              "begins with spiffe://",
		"*":                             "only be the whole last segment",
		"acme.example/gateway":          "begins with spiffe://, as in spiffe://",
		"https://acme.example/gateway":  "begins with spiffe://",
		"spiffe://acme.example":         "names a trust domain, not a workload: name a path, as in spiffe://acme.example/gateway",
		"spiffe://acme.example/*":       "would let every workload",
		"spiffe://acme.example/":        "not a SPIFFE ID",
		"spiffe://acme.example/gate*":   "only be the whole last segment",
		"spiffe://acme.example/*/proxy": "only be the whole last segment",
		"spiffe://*.example/gateway":    "only be the whole last segment",
		"spiffe://acme.example/a/**":    "only be the whole last segment",
		"spiffe://acme.example/a/*/*":   "only be the whole last segment",
		"spiffe://acme.example/a/../b":  "not a SPIFFE ID",
		"spiffe://acme.example/a b":     "not a SPIFFE ID",
		"spiffe://acme.example//*":      "not a SPIFFE ID",
	} {
		_, err := clientMatcher([]string{"spiffe://acme.example/ok", pattern})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", pattern, err, want)
		}
	}
	if _, err := clientMatcher(nil); err == nil || !strings.Contains(err.Error(), "nobody may connect") {
		t.Errorf("no patterns: %v", err)
	}
}

// workloadAPI is a Workload API that knows one SVID.
type workloadAPI struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	response *workload.X509SVIDResponse
}

func (w *workloadAPI) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if err := stream.Send(w.response); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func TestIdentityFromTheWorkloadAPI(t *testing.T) {
	ca := newAuthority(t)
	leaf, key := ca.issue(t, countersignID, nil)
	agent := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(agent, &workloadAPI{response: &workload.X509SVIDResponse{
		Svids: []*workload.X509SVID{{
			SpiffeId: countersignID, X509Svid: leaf.Raw, X509SvidKey: keyDER(t, key), Bundle: ca.certificate.Raw,
		}},
	}})
	socket := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = agent.Serve(listener) }()
	defer agent.Stop()

	source, files, err := openIdentity(t.Context(), identityConfig{WorkloadAPI: "unix://" + socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	svid, err := source.GetX509SVID()
	if err != nil || svid.ID.String() != countersignID || files != nil {
		t.Errorf("SVID %v, files %v, %v", svid, files, err)
	}
}

func TestNoWorkloadAPI(t *testing.T) {
	socket := "unix://" + filepath.Join(t.TempDir(), "agent.sock")
	t.Run("the agent never comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // half a minute passes at once
			_, _, err := openIdentity(t.Context(), identityConfig{WorkloadAPI: socket})
			if err == nil || !strings.Contains(err.Error(), "is the agent running") || !strings.Contains(err.Error(), socket) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("the start is cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := openIdentity(ctx, identityConfig{WorkloadAPI: socket})
		if err == nil || strings.Contains(err.Error(), "is the agent running") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not an address", func(t *testing.T) {
		_, _, err := openIdentity(t.Context(), identityConfig{WorkloadAPI: "/run/spire/agent.sock"})
		if err == nil || !strings.Contains(err.Error(), "/run/spire/agent.sock") {
			t.Errorf("got %v", err)
		}
	})
}
