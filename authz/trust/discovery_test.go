package trust_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/trust"
)

// provider is an identity provider that publishes metadata. Documents maps paths to what is there.
type provider struct {
	*keyServer
	documents atomic.Pointer[map[string]string]
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{keyServer: newKeyServer(t, "")}
	p.handle(func(w http.ResponseWriter, r *http.Request) {
		body, ok := (*p.documents.Load())[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	})
	return p
}

func (p *provider) publish(documents map[string]string) { p.documents.Store(&documents) }

func (p *provider) config(path string) trust.IssuerConfig {
	return trust.IssuerConfig{Issuer: p.URL + path, Role: trust.Entry, Discovery: true, CAFile: p.ca}
}

func metadata(issuer, keysURL string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"subject_types_supported":["public"]}`, issuer, keysURL)
}

func TestDiscovery(t *testing.T) {
	const openid, oauth = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
	for name, test := range map[string]struct{ path, document string }{
		"OpenID Connect":                     {"", openid},
		"OpenID Connect, below a path":       {"/realms/acme", "/realms/acme" + openid},
		"OpenID Connect, with a final slash": {"/realms/acme/", "/realms/acme" + openid},
		"RFC 8414":                           {"", oauth},
		"RFC 8414, below a path":             {"/realms/acme", oauth + "/realms/acme"},
		"RFC 8414, below one with a slash":   {"/realms/acme/", oauth + "/realms/acme"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.publish(map[string]string{
				test.document:     metadata(p.URL+test.path, p.URL+"/elsewhere/keys"),
				"/elsewhere/keys": set(t, newKey(t, "RS256", "k1")),
			})
			store := newStore(t, trust.Own{}, p.config(test.path))
			key, err := store.Key(t.Context(), p.URL+test.path, "k1")
			if err != nil || key.Algorithm != "RS256" {
				t.Fatalf("%+v, %v: %+v", key, err, store.Status())
			}
			issuer, _ := store.Issuer(p.URL + test.path)
			want := trust.Issuer{ID: p.URL + test.path, Role: trust.Entry, Algorithms: []jose.SignatureAlgorithm{jose.RS256, jose.ES256}}
			if diff := cmp.Diff(want, issuer); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a provider, or somebody who stands in for it, may publish to lead us elsewhere.
func TestDiscoveryThatIsNotFollowed(t *testing.T) {
	elsewhere := newKeyServer(t, set(t, newKey(t, "ES256", "k1")))
	const document = "/.well-known/openid-configuration"
	for name, test := range map[string]struct {
		answer func(p *provider) string
		want   string
	}{
		"another issuer":          {func(p *provider) string { return metadata("https://evil.example", p.URL+"/keys") }, "is about issuer"},
		"the issuer with a slash": {func(p *provider) string { return metadata(p.URL+"/", p.URL+"/keys") }, "is about issuer"},
		"no issuer":               {func(p *provider) string { return `{"jwks_uri":"` + p.URL + `/keys"}` }, "is about issuer"},
		"the issuer twice":        {func(p *provider) string { return `{"issuer":"x","issuer":"` + p.URL + `"}` }, "not the metadata"},
		"Issuer in capitals":      {func(p *provider) string { return `{"Issuer":"` + p.URL + `"}` }, "is about issuer"},
		"keys over http":          {func(p *provider) string { return metadata(p.URL, "http://169.254.169.254/keys") }, "must begin with https://"},
		"keys in a file":          {func(p *provider) string { return metadata(p.URL, "file:///etc/passwd") }, "must begin with https://"},
		"keys behind a login":     {func(p *provider) string { return metadata(p.URL, "https://u:p@"+p.URL[8:]+"/keys") }, "no user"},
		"keys nowhere":            {func(p *provider) string { return metadata(p.URL, "") }, "must begin with https://"},
		"keys that are no URL":    {func(p *provider) string { return metadata(p.URL, "https://%zz") }, "the URL of the keys"},
		"keys of another host": {func(p *provider) string {
			return metadata(p.URL, strings.Replace(p.URL, "127.0.0.1", "localhost", 1)+"/keys")
		}, "fetching keys"},
		"HTML":      {func(*provider) string { return "<html>" }, "not the metadata"},
		"too large": {func(*provider) string { return strings.Repeat(" ", trust.MaxKeySetSize+1) }, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.publish(map[string]string{document: test.answer(p), "/keys": set(t, newKey(t, "ES256", "k1"))})
			store := newStore(t, trust.Own{}, p.config(""))
			if got := store.Status()[0].Error; !strings.Contains(got, test.want) {
				t.Errorf("error %q does not say %q", got, test.want)
			}
			_, err := store.Key(t.Context(), p.URL, "k1")
			wantDenied(t, err, denial.TokenUnknownKey, "never arrived")
		})
	}
	t.Run("nothing published", func(t *testing.T) {
		p := newProvider(t)
		p.publish(nil)
		if got := newStore(t, trust.Own{}, p.config("")).Status()[0].Error; !strings.Contains(got, "publishes no metadata") {
			t.Errorf("error %q", got)
		}
	})
	t.Run("an outage is not the absence of a document", func(t *testing.T) {
		p := newProvider(t)
		p.fails()
		got := newStore(t, trust.Own{}, p.config("")).Status()[0].Error
		if !strings.Contains(got, "openid-configuration: answered 500") || p.fetches.Load() != 1 {
			t.Errorf("error %q after %d fetches", got, p.fetches.Load())
		}
	})
	t.Run("a redirect", func(t *testing.T) {
		p := newProvider(t)
		p.handle(http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP)
		if got := newStore(t, trust.Own{}, p.config("")).Status()[0].Error; !strings.Contains(got, "redirects are refused") {
			t.Errorf("error %q", got)
		}
	})
}

// A provider that changes its keys, and the place where they are, is followed at the first token with a new kid.
func TestDiscoveryAfterRotation(t *testing.T) {
	p := newProvider(t)
	const document = "/.well-known/openid-configuration"
	p.publish(map[string]string{document: metadata(p.URL, p.URL+"/2025"), "/2025": set(t, newKey(t, "RS256", "old"))})
	c := p.config("")
	c.Refresh, c.Stale = trust.MinRefresh, time.Hour
	store := newStore(t, trust.Own{}, c)
	moved := map[string]string{document: metadata(p.URL, p.URL+"/2026"), "/2026": set(t, newKey(t, "RS256", "new"))}
	fetched := make(chan struct{}, 100)
	p.publish(moved)
	p.handle(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(moved[r.URL.Path]))
		if r.URL.Path == "/2026" {
			fetched <- struct{}{}
		}
	})
	ctx := t.Context()
	go func() { _ = store.Run(ctx) }()
	<-fetched
	<-fetched // the answer before this one was taken
	if _, err := store.Key(ctx, p.URL, "new"); err != nil {
		t.Fatal(err)
	}
	_, err := store.Key(ctx, p.URL, "old")
	wantDenied(t, err, denial.TokenUnknownKey, "has no key")
}
