package remote_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/trust/trusttest"
	"countersign.dev/cedar/bundle/remote"
)

func TestABundleOverMutualTLS(t *testing.T) {
	acme := trusttest.NewAuthority(t, "acme.example")
	us, publisher := acme.Issue(t, "spiffe://acme.example/countersign"), acme.Issue(t, "spiffe://acme.example/publisher")
	w := newWorld(t)
	data := w.bundle(1, "one")
	var client string
	w.cfg.URL = trusttest.Serve(t, trusttest.Know(publisher, acme), func(rw http.ResponseWriter, r *http.Request) {
		client = r.TLS.PeerCertificates[0].URIs[0].String()
		_, _ = rw.Write(data)
	})
	w.cfg.CAFile = ""
	w.cfg.Identity, w.cfg.Server = trusttest.Know(us, acme), publisher.ID
	if _, err := w.poll(w.source()); err != nil || client != "spiffe://acme.example/countersign" {
		t.Errorf("client %q, error %v", client, err)
	}
	w.cfg.Server = spiffeid.RequireFromString("spiffe://acme.example/crm")
	if _, err := w.poll(w.source()); err == nil || !strings.Contains(err.Error(), "unexpected ID") {
		t.Errorf("the crm is not the publisher: %v", err)
	}
	for name, tc := range map[string]struct {
		change func(*remote.Config)
		want   string
	}{
		"and a CA":           {func(c *remote.Config) { c.CAFile = w.file("ca.pem") }, "not by both"},
		"only a domain":      {func(c *remote.Config) { c.Server = spiffeid.RequireFromString("spiffe://acme.example") }, "names no server"},
		"nobody to be there": {func(c *remote.Config) { c.Identity = nil }, "needs an identity"},
	} {
		cfg := w.cfg
		tc.change(&cfg)
		if _, err := remote.New(cfg, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A file that was right at the start can be wrong later.
func TestFilesThatBecomeUnreadable(t *testing.T) {
	for _, name := range []string{"ca.pem", "token", "signers.jwks.json"} {
		w := newWorld(t)
		w.cfg.BearerFile = w.file("token")
		w.write("token", []byte("secret"))
		s := w.source()
		w.serves(w.bundle(1, "one"))
		if _, err := w.poll(s); err != nil {
			t.Fatal(err)
		}
		w.write(name, make([]byte, 300<<10))
		if _, err := w.poll(s); err == nil || active(s) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
