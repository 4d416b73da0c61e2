package verify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz/verify"
)

// wire is what goes out.
type wire struct{ sent *http.Request }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.sent = r
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// closer tells whether a request's body was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

// received is the context of a handler that serves a call. Its token is in force by the machine's clock.
func received(t *testing.T, w *acmeWorld, token string) context.Context {
	t.Helper()
	call, err := w.crm().Verify(t.Context(), http.MethodPost, withToken(token), []byte(refund))
	if err != nil {
		t.Fatal(err)
	}
	return verify.NewContext(t.Context(), call)
}

func TestTheTokenGoesToListedPlacesOnly(t *testing.T) {
	w := newWorld(t)
	token := w.refund()
	ctx := received(t, w, token)
	for _, test := range []struct {
		to, url string
		want    bool
	}{
		{"https://ledger.acme.example", "https://ledger.acme.example/mcp", true},
		{"https://ledger.acme.example", "https://ledger.acme.example", true},
		{"https://ledger.acme.example/", "https://ledger.acme.example:443/a/../b", true},
		{"https://ledger.acme.example:443", "https://LEDGER.acme.example/mcp?q=1", true},
		{"http://127.0.0.1:15001", "http://127.0.0.1:15001/mcp", true},
		{"http://ledger", "http://ledger:80/", true},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp", true},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp/", true},
		{"https://ledger.acme.example/mcp/", "https://ledger.acme.example/mcp", true},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp/v2", true},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp2", false},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/", false},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp/../admin", false},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp/%2e%2e/admin", false},
		{"https://ledger.acme.example/mcp", "https://ledger.acme.example/mcp//x", false},
		{"https://ledger.acme.example", "http://ledger.acme.example/mcp", false},
		{"https://ledger.acme.example", "https://ledger.acme.example:8443/mcp", false},
		{"https://ledger.acme.example", "https://ledger.acme.example.evil.example/mcp", false},
		{"https://ledger.acme.example", "https://evil.example/ledger.acme.example", false},
		{"https://ledger.acme.example", "https://ledger.acme.example@evil.example/", false},
	} {
		t.Run(test.to+" "+test.url, func(t *testing.T) {
			out := &wire{}
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, test.url, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport(t, out, noon, test.to).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			got := out.sent.Header.Values("Txn-Token")
			if sent := len(got) == 1 && got[0] == token; sent != test.want || len(got) > 1 {
				t.Errorf("the token was sent: %v, want %v", sent, test.want)
			}
			if len(r.Header) != 0 {
				t.Errorf("the caller's request was changed: %v", r.Header)
			}
		})
	}
}

func TestWhatIsNotSent(t *testing.T) {
	w := newWorld(t)
	delegated := received(t, w, w.refund())
	short := received(t, w, w.forge(w.refund(), `"task_exp":1795611600`, `"task_exp":1795608030`))
	for _, test := range []struct {
		name   string
		ctx    context.Context
		now    time.Time
		url    string
		header http.Header
		want   error
	}{
		{"outside of any call", t.Context(), noon, ledgerURL, nil, verify.ErrNoCall},
		{"a call that nobody verified", verify.NewContext(t.Context(), &verify.Call{HasDelegation: true}), noon, ledgerURL, nil, verify.ErrNoCall},
		{"a nil call", verify.NewContext(t.Context(), nil), noon, ledgerURL, nil, verify.ErrNoCall},
		{"a call without a delegation", received(t, w, w.context()), noon, ledgerURL, nil, verify.ErrNoDelegation},
		{"a delegation that ends here", received(t, w, w.sign(w.grant(), w.hopTo("tools/call", "refund_case", refund))), noon, ledgerURL, nil, verify.ErrEnds},
		{"at the end of the token", delegated, noon.Add(time.Minute), ledgerURL, nil, verify.ErrExpired},
		{"at the end of the task", short, noon.Add(30 * time.Second), ledgerURL, nil, verify.ErrExpired},
		{"over a token that is there already", delegated, noon, ledgerURL, http.Header{"Txn-Token": {"mine"}}, verify.ErrTokenPresent},
		{"over one in another spelling", delegated, noon, ledgerURL, http.Header{"txn-token": {"mine"}}, verify.ErrTokenPresent},
		{"over an empty one", delegated, noon, ledgerURL, http.Header{"Txn-Token": nil}, verify.ErrTokenPresent},
		{"somebody's token to another place", delegated, noon, "https://evil.example/", http.Header{"Txn-Token": {"mine"}}, verify.ErrTokenPresent},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, body := &wire{}, &closer{Reader: strings.NewReader("{}")}
			r, err := http.NewRequestWithContext(test.ctx, http.MethodPost, test.url, body)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != nil {
				r.Header = test.header
			}
			client := &http.Client{Transport: transport(t, out, test.now, ledgerURL)}
			resp, err := client.Do(r)
			if err == nil {
				_ = resp.Body.Close()
			}
			if !errors.Is(err, test.want) || out.sent != nil || !body.closed {
				t.Errorf("got %v, want %v; sent: %v, body closed: %v", err, test.want, out.sent != nil, body.closed)
			}
		})
	}
}

const ledgerURL = "https://ledger.acme.example/mcp"

func transport(t *testing.T, base http.RoundTripper, now time.Time, to ...string) *verify.Transport {
	t.Helper()
	transport, err := verify.NewTransport(base, to...)
	if err != nil {
		t.Fatal(err)
	}
	return verify.AtTime(transport, now)
}

// A listed server that answers with a redirect does not choose who gets the token.
func TestARedirectDoesNotTakeTheTokenAlong(t *testing.T) {
	w := newWorld(t)
	ctx := received(t, w, w.refund())
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Values("Txn-Token")...)
	}))
	defer thief.Close()
	var seen []string
	ledger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Values("Txn-Token")...)
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	defer ledger.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, ledger.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport(t, nil, noon, ledger.URL)}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(seen) != 1 || len(stolen) != 0 {
		t.Errorf("the ledger got %d tokens, the thief %d", len(seen), len(stolen))
	}
}

func TestPlacesThatCanNotBeListed(t *testing.T) {
	for name, places := range map[string][]string{
		"none":        {},
		"a host":      {"ledger.acme.example"},
		"a scheme":    {"ftp://ledger.acme.example"},
		"no host":     {"https:///mcp"},
		"a user":      {"https://me@ledger.acme.example"},
		"a query":     {"https://ledger.acme.example/?x"},
		"a fragment":  {"https://ledger.acme.example/#x"},
		"not a URL":   {"https://ledger.acme.example:port"},
		"one of many": {ledgerURL, ""},
	} {
		if _, err := verify.NewTransport(nil, places...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
