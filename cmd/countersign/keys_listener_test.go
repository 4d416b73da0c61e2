package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// The keys are for every workload whose authorities we know, and for nobody else.
func TestKeysListener(t *testing.T) {
	ours, partners, evil := newAuthority(t), newAuthority(t), newAuthority(t)
	leaf, key := ours.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf), keyPEM(t, key), certificatePEM(ours.certificate))
	c.Federated = map[string]string{"partner.example": filepath.Join(t.TempDir(), "partner.pem")}
	replaceFile(t, c.Federated["partner.example"], certificatePEM(partners.certificate))
	source, err := openSVIDFiles(c)
	if err != nil {
		t.Fatal(err)
	}
	server := newKeysServer(source, func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "the keys") })
	server.ErrorLog = log.New(io.Discard, "", 0)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = server.Close() })

	get := func(path, method string, config *tls.Config) (int, string, error) {
		config.InsecureSkipVerify = true // what counts here is what the server thinks of us
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+l.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	as := func(ca authority, id string, change func(*x509.Certificate)) *tls.Config {
		leaf, key := ca.issue(t, id, change)
		return &tls.Config{
			MaxVersion:   tls.VersionTLS13,
			Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}},
		}
	}
	for name, test := range map[string]struct {
		client  *tls.Config
		refused bool
	}{
		"a workload of ours":                      {as(ours, "spiffe://acme.example/crm", nil), false},
		"the partner's Countersign":               {as(partners, "spiffe://partner.example/countersign", nil), false},
		"nobody":                                  {&tls.Config{MaxVersion: tls.VersionTLS13}, true},
		"a trust domain that we do not know":      {as(evil, "spiffe://evil.example/crm", nil), true},
		"our name from the partner's authority":   {as(partners, "spiffe://acme.example/crm", nil), true},
		"the partner's name from our authority":   {as(ours, "spiffe://partner.example/countersign", nil), true},
		"a certificate that expired":              {as(ours, "spiffe://acme.example/crm", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), true},
		"a workload of ours with an old protocol": {&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: as(ours, "spiffe://acme.example/crm", nil).Certificates}, true},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, err := get(publicKeysPath, http.MethodGet, test.client)
			if test.refused {
				if err == nil {
					t.Errorf("got %d %s, want no connection", code, body)
				}
				return
			}
			if err != nil || code != http.StatusOK || body != "the keys" {
				t.Errorf("got %d %s, %v", code, body, err)
			}
		})
	}
	crm := as(ours, "spiffe://acme.example/crm", nil)
	if code, _, err := get("/status", http.MethodGet, crm.Clone()); err != nil || code != http.StatusNotFound {
		t.Errorf("another path: %d, %v", code, err)
	}
	if code, _, err := get(publicKeysPath, http.MethodPost, crm.Clone()); err != nil || code != http.StatusMethodNotAllowed {
		t.Errorf("another method: %d, %v", code, err)
	}
}

func TestFederatedBundles(t *testing.T) {
	ours, partners := newAuthority(t), newAuthority(t)
	leaf, key := ours.issue(t, countersignID, nil)
	c := identityFiles(t, certificatePEM(leaf), keyPEM(t, key), certificatePEM(ours.certificate))
	file := filepath.Join(t.TempDir(), "partner.pem")
	c.Federated = map[string]string{"partner.example": file}
	if _, err := openSVIDFiles(c); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	replaceFile(t, file, "")
	if _, err := openSVIDFiles(c); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("an empty file: %v", err)
	}
	replaceFile(t, file, certificatePEM(partners.certificate))
	files, err := openSVIDFiles(c)
	if err != nil {
		t.Fatal(err)
	}
	partner := spiffeid.RequireTrustDomainFromString("partner.example")
	authorities := func() []*x509.Certificate {
		bundle, err := files.GetX509BundleForTrustDomain(partner)
		if err != nil {
			t.Fatal(err)
		}
		return bundle.X509Authorities()
	}
	if got := authorities(); len(got) != 1 || !got[0].Equal(partners.certificate) {
		t.Errorf("authorities of the partner: %d", len(got))
	}
	if !slices.Contains(files.Files(), file) {
		t.Errorf("files to watch: %v", files.Files())
	}
	// The partner rotates its authority.
	replaceFile(t, file, certificatePEM(partners.certificate, newAuthority(t).certificate))
	if err := files.Reload(t.Context()); err != nil || len(authorities()) != 2 {
		t.Errorf("after the rotation: %d, %v", len(authorities()), err)
	}
	replaceFile(t, file, "x")
	if err := files.Reload(t.Context()); err == nil || len(authorities()) != 2 {
		t.Errorf("a broken file: %d, %v", len(authorities()), err)
	}
	c.Federated = map[string]string{"Not A Name": file}
	if _, err := openSVIDFiles(c); err == nil {
		t.Error("a trust domain that is none")
	}
}

func TestNoIdentity(t *testing.T) {
	own, err := (&config{}).checkIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.GetX509SVID(); err == nil {
		t.Error("there is an SVID")
	}
	if _, err := own.GetX509BundleForTrustDomain(spiffeid.RequireTrustDomainFromString("acme.example")); err == nil {
		t.Error("there is a bundle")
	}
	c := &config{Identity: identityConfig{Certificate: "nowhere.pem", Key: "nowhere.pem", Bundle: "nowhere.pem"}}
	if _, err := c.checkIdentity(); err == nil || !strings.Contains(err.Error(), "nowhere.pem") {
		t.Errorf("got %v", err)
	}
}
