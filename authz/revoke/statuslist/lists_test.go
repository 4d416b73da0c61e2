package statuslist_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/statuslist"
	"countersign.dev/authz/trust"
)

const tts = "https://tts.acme.example"

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// publisher is an issuer that publishes a list over HTTPS.
type publisher struct {
	*httptest.Server
	t       testing.TB
	key     jose.JSONWebKey
	ca      string
	ahead   atomic.Int64 // of noon, in nanoseconds
	fetches atomic.Int64

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request)
}

func newPublisher(t testing.TB) *publisher {
	t.Helper()
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{t: t, key: key}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	p.StartTLS()
	t.Cleanup(p.Close)
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p.publish(1, []byte{0})
	return p
}

func (p *publisher) uri() string { return p.URL + "/status/1" }

func (p *publisher) now() time.Time { return noon.Add(time.Duration(p.ahead.Load())) }

// pass lets time pass.
func (p *publisher) pass(d time.Duration) { p.ahead.Add(int64(d)) }

func (p *publisher) serve(answer func(w http.ResponseWriter, r *http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *publisher) text(text string) {
	p.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// claims are those of a good list, to be changed into those of a bad one.
func (p *publisher) claims(bits int, list []byte) map[string]any {
	return map[string]any{
		"sub": p.uri(), "iat": p.now().Unix(), "ttl": 60,
		"status_list": map[string]any{"bits": bits, "lst": compress(list)},
	}
}

func (p *publisher) publish(bits int, list []byte) {
	p.text(p.sign(p.claims(bits, list), "statuslist+jwt"))
}

func (p *publisher) sign(claims any, typ string) string {
	p.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.signText(string(payload), map[jose.HeaderKey]any{"typ": typ, "kid": p.key.KeyID})
}

func (p *publisher) signText(payload string, header map[jose.HeaderKey]any) string {
	p.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key.Key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		p.t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		p.t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return compact
}

func compress(list []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(list) // to memory
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// Issuer implements statuslist.Keys.
func (p *publisher) Issuer(iss string) (trust.Issuer, bool) {
	return trust.Issuer{ID: tts, Algorithms: []jose.SignatureAlgorithm{jose.ES256}}, iss == tts
}

// Key implements statuslist.Keys.
func (p *publisher) Key(_ context.Context, _, kid string) (jose.JSONWebKey, error) {
	if kid != p.key.KeyID {
		return jose.JSONWebKey{}, errors.New("no such key")
	}
	return p.key.Public(), nil
}

func (p *publisher) lists(change ...func(*statuslist.Config)) *statuslist.Lists {
	p.t.Helper()
	c := statuslist.Config{
		Issuers: []statuslist.Issuer{{Issuer: tts, Lists: []string{p.uri()}, CAFile: p.ca}},
		Keys:    p, Log: slog.New(slog.DiscardHandler), Clock: p.now,
	}
	for _, f := range change {
		f(&c)
	}
	l, err := statuslist.New(c)
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// ask asks for one status: "valid", what the entry says, or the error.
func (p *publisher) ask(l *statuslist.Lists, index int) string {
	p.t.Helper()
	e, revoked, err := l.Revoked(p.t.Context(), revoke.Marks{Statuses: []revoke.Status{{Issuer: tts, URI: p.uri(), Index: index}}}, noon)
	switch {
	case err != nil:
		return err.Error()
	case revoked:
		return e.Reason
	default:
		return "valid"
	}
}

// The list of section 4.1 of the specification, and the same with two bits a status.
func TestStatuses(t *testing.T) {
	p := newPublisher(t)
	for _, test := range []struct {
		name string
		bits int
		list []byte
		want []string
	}{
		{"one bit", 1, []byte{0xb9, 0xa3}, strings.Fields("INVALID valid valid INVALID INVALID INVALID valid INVALID INVALID INVALID valid valid valid INVALID valid INVALID")},
		{"two bits", 2, []byte{0xc9, 0x44, 0xf9}, strings.Fields("INVALID SUSPENDED valid 0x03 valid INVALID valid INVALID INVALID SUSPENDED 0x03 0x03")},
		{"four bits", 4, []byte{0x21, 0xf0}, strings.Fields("INVALID SUSPENDED valid 0x0f")},
		{"eight bits", 8, []byte{0, 1, 2, 3, 0x80}, strings.Fields("valid INVALID SUSPENDED 0x03 0x80")},
	} {
		t.Run(test.name, func(t *testing.T) {
			p.publish(test.bits, test.list)
			l := p.lists()
			for i, want := range test.want {
				if got := strings.TrimPrefix(p.ask(l, i), "status "); got != want {
					t.Errorf("status %d is %s, want %s", i, got, want)
				}
			}
			if got := p.ask(l, len(test.want)); !strings.Contains(got, "no status") {
				t.Errorf("behind the end: %s", got)
			}
			if got := p.ask(l, -1); !strings.Contains(got, "no status") {
				t.Errorf("before the beginning: %s", got)
			}
		})
	}
}

func TestOnlyListsOfTheConfigurationAreAsked(t *testing.T) {
	p := newPublisher(t)
	l := p.lists()
	for _, s := range []revoke.Status{
		{Issuer: tts, URI: p.URL + "/status/2"}, {Issuer: tts, URI: p.uri() + "?x"}, {Issuer: "https://evil.example", URI: p.uri()},
		{Issuer: tts, URI: ""}, {Issuer: tts, URI: strings.ToUpper(p.uri())},
	} {
		if _, _, err := l.Revoked(t.Context(), revoke.Marks{Statuses: []revoke.Status{s}}, noon); err == nil {
			t.Errorf("%+v: no error", s)
		}
	}
	if n := p.fetches.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
	if _, revoked, err := l.Revoked(t.Context(), revoke.Marks{Task: "a"}, noon); revoked || err != nil {
		t.Errorf("a token without a status: %t, %v", revoked, err)
	}
	none := p.lists(func(c *statuslist.Config) { c.Issuers = nil })
	if got := p.ask(none, 0); !strings.Contains(got, "not one that the configuration names") {
		t.Errorf("without any list: %s", got)
	}
}

func TestListsThatAreNotBelieved(t *testing.T) {
	p := newPublisher(t)
	edit := func(change func(c map[string]any)) func() string {
		return func() string {
			c := p.claims(1, []byte{0})
			change(c)
			return p.sign(c, "statuslist+jwt")
		}
	}
	list := func(bits any, lst string) func() string {
		return edit(func(c map[string]any) { c["status_list"] = map[string]any{"bits": bits, "lst": lst} })
	}
	for name, text := range map[string]func() string{
		"no JWS":             func() string { return "<html>" },
		"another typ":        func() string { return p.sign(p.claims(1, []byte{0}), "jwt") },
		"a typ that goes on": func() string { return p.sign(p.claims(1, []byte{0}), "application/statuslist+jwt") },
		"no kid":             func() string { return p.signText("{}", map[jose.HeaderKey]any{"typ": "statuslist+jwt"}) },
		"another key":        func() string { return p.signText("{}", map[jose.HeaderKey]any{"typ": "statuslist+jwt", "kid": "x"}) },
		"a critical parameter": func() string {
			return p.signText("{}", map[jose.HeaderKey]any{"typ": "statuslist+jwt", "kid": p.key.KeyID, "crit": []string{"b64"}, "b64": true})
		},
		"a touched payload": func() string {
			s := p.sign(p.claims(1, []byte{0}), "statuslist+jwt")
			i := strings.IndexByte(s, '.')
			return s[:i+9] + "A" + s[i+10:]
		},
		"claims that are no JSON": func() string {
			return p.signText("{", map[jose.HeaderKey]any{"typ": "statuslist+jwt", "kid": p.key.KeyID})
		},
		"a claim twice": func() string {
			return p.signText(`{"sub":"a","sub":"b"}`, map[jose.HeaderKey]any{"typ": "statuslist+jwt", "kid": p.key.KeyID})
		},
		"another list":             edit(func(c map[string]any) { c["sub"] = p.uri() + "2" }),
		"no sub":                   edit(func(c map[string]any) { delete(c, "sub") }),
		"another issuer":           edit(func(c map[string]any) { c["iss"] = "https://evil.example" }),
		"no iat":                   edit(func(c map[string]any) { delete(c, "iat") }),
		"issued in the future":     edit(func(c map[string]any) { c["iat"] = p.now().Add(time.Minute).Unix() }),
		"not valid yet":            edit(func(c map[string]any) { c["nbf"] = p.now().Add(time.Minute).Unix() }),
		"valid from no time":       edit(func(c map[string]any) { c["nbf"] = -1 }),
		"expired":                  edit(func(c map[string]any) { c["exp"] = p.now().Unix() }),
		"an exp that is no time":   edit(func(c map[string]any) { c["exp"] = 1e18 }),
		"a ttl of nothing":         edit(func(c map[string]any) { c["ttl"] = -1 }),
		"a ttl that is text":       edit(func(c map[string]any) { c["ttl"] = "60" }),
		"no list":                  edit(func(c map[string]any) { delete(c, "status_list") }),
		"three bits":               list(3, compress([]byte{0})),
		"no bits":                  list(0, compress([]byte{0})),
		"not base64url":            list(1, "+/=="),
		"padded base64url":         list(1, compress([]byte{0})+"=="),
		"not compressed":           list(1, base64.RawURLEncoding.EncodeToString([]byte{0, 0})),
		"compressed and cut off":   list(1, compress(bytes.Repeat([]byte("abc"), 1000))[:20]),
		"something behind the end": list(1, base64.RawURLEncoding.EncodeToString(append(decode(compress([]byte{0})), 0))),
		"a bomb":                   list(1, compress(make([]byte, statuslist.MaxList+1))),
	} {
		t.Run(name, func(t *testing.T) {
			p.text(text())
			if got := p.ask(p.lists(), 0); got == "valid" || got == "INVALID" {
				t.Errorf("believed: %s", got)
			}
		})
	}
	p.publish(1, []byte{0})
	if got := p.ask(p.lists(), 0); got != "valid" {
		t.Fatalf("a good list: %s", got)
	}
	p.publish(1, make([]byte, statuslist.MaxList))
	if got := p.ask(p.lists(), 8*statuslist.MaxList-1); got != "valid" {
		t.Errorf("the largest list: %s", got)
	}
	p.text(p.sign(map[string]any{"iss": tts, "sub": p.uri(), "iat": p.now().Unix(), "x": 1, "status_list": map[string]any{
		"bits": 1, "lst": compress([]byte{0}), "aggregation_uri": p.uri(),
	}}, "statuslist+jwt") + "\n")
	if got := p.ask(p.lists(), 0); got != "valid" {
		t.Errorf("a list with more than it must have: %s", got)
	}
}

func decode(text string) []byte {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

func TestAnswersThatAreNoList(t *testing.T) {
	p := newPublisher(t)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, p.URL+"/elsewhere", http.StatusFound)
		},
		"one that breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"one cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "a")
		},
		"one without end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("a"), statuslist.MaxToken+1))
		},
		"an empty one":     func(http.ResponseWriter, *http.Request) {},
		"nothing modified": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
	} {
		t.Run(name, func(t *testing.T) {
			p.serve(answer)
			l := p.lists()
			if got := p.ask(l, 0); got == "valid" {
				t.Error("taken for a list")
			}
			if s := l.Status()[0]; s.Usable || s.Age != -1 || s.Error == "" || s.Failures != 1 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// A list is used until its time is over, and not longer, whether or not there is a newer one.
func TestHowLongAListIsBelieved(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(p *publisher, c map[string]any)
		lasts  time.Duration
	}{
		{"ttl", func(_ *publisher, c map[string]any) { c["ttl"] = 600 }, 10 * time.Minute},
		{"exp", func(p *publisher, c map[string]any) { delete(c, "ttl"); c["exp"] = p.now().Add(time.Hour).Unix() }, time.Hour},
		{"exp before ttl", func(p *publisher, c map[string]any) { c["ttl"] = 600; c["exp"] = p.now().Add(time.Minute).Unix() }, time.Minute},
		{"neither", func(_ *publisher, c map[string]any) { delete(c, "ttl") }, 5 * time.Minute},
		{"too long a ttl", func(_ *publisher, c map[string]any) { c["ttl"] = 1e15 }, 24 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPublisher(t)
			c := p.claims(1, []byte{0})
			test.change(p, c)
			p.text(p.sign(c, "statuslist+jwt"))
			l := p.lists()
			for range 3 {
				if got := p.ask(l, 0); got != "valid" {
					t.Fatal(got)
				}
			}
			p.text("gone")
			p.pass(test.lasts - time.Second)
			if got := p.ask(l, 0); got != "valid" || p.fetches.Load() != 1 {
				t.Errorf("near the end: %s after %d fetches", got, p.fetches.Load())
			}
			p.pass(time.Second)
			if got := p.ask(l, 0); got == "valid" || p.fetches.Load() != 2 {
				t.Errorf("at the end: %s after %d fetches", got, p.fetches.Load())
			}
			if got := p.ask(l, 0); got == "valid" || p.fetches.Load() != 2 {
				t.Errorf("again at once: %s after %d fetches", got, p.fetches.Load())
			}
			p.publish(1, []byte{1})
			p.pass(time.Second)
			if got := p.ask(l, 0); got != "INVALID" {
				t.Errorf("with a new list: %s", got)
			}
		})
	}
}

// Many requests at once cause one fetch, and one that gives up does not end it for the others.
func TestRequestsShareAFetch(t *testing.T) {
	p := newPublisher(t)
	good := p.sign(p.claims(1, []byte{0}), "statuslist+jwt")
	release := make(chan struct{})
	p.serve(func(w http.ResponseWriter, _ *http.Request) { <-release; _, _ = io.WriteString(w, good) })
	l := p.lists()
	hurried, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	marks := revoke.Marks{Statuses: []revoke.Status{{Issuer: tts, URI: p.uri()}}}
	go func() { _, _, err := l.Revoked(hurried, marks, noon); gone <- err }()
	for p.fetches.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the hurried one: %v", err)
	}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if got := p.ask(l, 0); got != "valid" {
				t.Error(got)
			}
		})
	}
	close(release)
	wait.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestConfigurationErrors(t *testing.T) {
	p := newPublisher(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	issuer := func(change func(*statuslist.Issuer)) func(*statuslist.Config) {
		return func(c *statuslist.Config) { change(&c.Issuers[0]) }
	}
	for name, change := range map[string]func(*statuslist.Config){
		"no keys":         func(c *statuslist.Config) { c.Keys = nil },
		"no log":          func(c *statuslist.Config) { c.Log = nil },
		"plain http":      issuer(func(i *statuslist.Issuer) { i.Lists = []string{"http://tts.acme.example/1"} }),
		"no URL":          issuer(func(i *statuslist.Issuer) { i.Lists = []string{"https://tts.acme.example:port"} }),
		"no host":         issuer(func(i *statuslist.Issuer) { i.Lists = []string{"https:///1"} }),
		"a password":      issuer(func(i *statuslist.Issuer) { i.Lists = []string{"https://a:b@tts.acme.example/1"} }),
		"a fragment":      issuer(func(i *statuslist.Issuer) { i.Lists = []string{"https://tts.acme.example/1#2"} }),
		"twice":           issuer(func(i *statuslist.Issuer) { i.Lists = append(i.Lists, i.Lists[0]) }),
		"a missing CA":    issuer(func(i *statuslist.Issuer) { i.CAFile = empty + "x" }),
		"an empty CA":     issuer(func(i *statuslist.Issuer) { i.CAFile = empty }),
		"a CA of folders": issuer(func(i *statuslist.Issuer) { i.CAFile = filepath.Dir(empty) }),
	} {
		c := statuslist.Config{
			Issuers: []statuslist.Issuer{{Issuer: tts, Lists: []string{p.uri()}, CAFile: p.ca}}, Keys: p, Log: slog.New(slog.DiscardHandler),
		}
		change(&c)
		if _, err := statuslist.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Trust that changed after the start: nothing is believed.
func TestTrustThatIsGone(t *testing.T) {
	p := newPublisher(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	data, err := os.ReadFile(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l := p.lists(func(c *statuslist.Config) { c.Issuers[0].CAFile = ca })
	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	if got := p.ask(l, 0); !strings.Contains(got, ca) {
		t.Errorf("without the CA file: %s", got)
	}
	system := p.lists(func(c *statuslist.Config) { c.Issuers[0].CAFile = "" })
	if got := p.ask(system, 0); !strings.Contains(got, "certificate") {
		t.Errorf("a server that nobody vouches for: %s", got)
	}
	strangers := p.lists(func(c *statuslist.Config) { c.Keys = nobody{} })
	if got := p.ask(strangers, 0); !strings.Contains(got, "not configured") {
		t.Errorf("an issuer that is not configured: %s", got)
	}
	other := p.lists(func(c *statuslist.Config) { c.Keys = otherAlgorithm{p} })
	if got := p.ask(other, 0); !strings.Contains(got, "alg") {
		t.Errorf("a key for another algorithm: %s", got)
	}
}

type nobody struct{}

func (nobody) Issuer(string) (trust.Issuer, bool) { return trust.Issuer{}, false }
func (nobody) Key(context.Context, string, string) (jose.JSONWebKey, error) {
	return jose.JSONWebKey{}, fmt.Errorf("nobody has keys")
}

type otherAlgorithm struct{ *publisher }

func (o otherAlgorithm) Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error) {
	key, err := o.publisher.Key(ctx, iss, kid)
	key.Algorithm = "EdDSA"
	return key, err
}
