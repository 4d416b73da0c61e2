package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/verify"
)

// serve has a request go through the middleware, and tells what the handler behind it saw.
func serve(t *testing.T, v *verify.Verifier, r *http.Request) (answer *httptest.ResponseRecorder, seen *http.Request, body string, call *verify.Call) {
	t.Helper()
	answer = httptest.NewRecorder()
	v.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen, body = r, string(text)
		call, _ = verify.FromContext(r.Context())
	})).ServeHTTP(answer, r)
	return answer, seen, body, call
}

func post(body io.Reader, tokens ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "https://crm.acme.example/mcp", body)
	r.Header = withToken(tokens...)
	return r
}

func TestTheHandlerGetsTheBodyAndTheCall(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]io.Reader{
		"of known length": strings.NewReader(refund),
		"chunked":         struct{ io.Reader }{strings.NewReader(refund)},
		"byte by byte":    iotest.OneByteReader(strings.NewReader(refund)),
	} {
		t.Run(name, func(t *testing.T) {
			r := post(body, w.refund())
			r.Header.Set("X-Countersign-Call", "forged")
			answer, seen, got, call := serve(t, w.crm(), r)
			if answer.Code != http.StatusOK || got != refund || seen.ContentLength != int64(len(refund)) {
				t.Errorf("%d, body %q of length %d", answer.Code, got, seen.ContentLength)
			}
			if call == nil || call.Subject != "alice" {
				t.Errorf("call %+v", call)
			}
			for _, name := range []string{"Txn-Token", "X-Countersign-Call"} {
				if seen.Header.Get(name) != "" {
					t.Errorf("the handler sees %s", name)
				}
			}
			if r.Header.Get("Txn-Token") == "" {
				t.Error("the caller's request was changed")
			}
		})
	}
}

func TestARequestWithoutABody(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://crm.acme.example/mcp", http.NoBody)
	r.Header = withToken(w.sign(w.grant(), w.hopTo("stream", "", "")))
	if answer, _, _, call := serve(t, w.crm(), r); answer.Code != http.StatusOK || call == nil {
		t.Errorf("status %d", answer.Code)
	}
	r.Body = nil // as a client would make it
	if answer, _, _, call := serve(t, w.crm(), r); answer.Code != http.StatusOK || call == nil {
		t.Errorf("with a nil body: %d", answer.Code)
	}
}

// Whoever is refused learns that, and no more; the log says why.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	token := w.refund()
	for _, test := range []struct {
		name   string
		r      *http.Request
		after  time.Duration
		status int
		log    string
	}{
		{"no token", post(strings.NewReader(refund)), 0, 401, "reason=token_missing"},
		{"an expired token", post(strings.NewReader(refund), token), time.Hour, 401, "reason=expired"},
		{"two tokens", post(strings.NewReader(refund), token, token), 0, 400, "reason=header_duplicated"},
		{"another body", post(strings.NewReader("{}"), token), 0, 403, "reason=request_hash_mismatch"},
		{"a body that is too large", post(strings.NewReader(refund+strings.Repeat(" ", 1000)), token), 0, 413, "reason=body_too_large"},
		{"a body that breaks off", post(iotest.ErrReader(errors.New("reset")), token), 0, 400, "reason=body_partial"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.now = noon.Add(test.after)
			var log bytes.Buffer
			v := w.crm(func(c *verify.Config) {
				c.Log, c.MaxBody = slog.New(slog.NewTextHandler(&log, nil)), 500
			})
			answer, seen, _, _ := serve(t, v, test.r)
			if answer.Code != test.status || seen != nil {
				t.Errorf("%d, handler reached: %v", answer.Code, seen != nil)
			}
			if body := answer.Body.String(); body != "not countersigned for this request\n" {
				t.Errorf("the answer says %q", body)
			}
			if challenge := answer.Header().Get("WWW-Authenticate"); (challenge == "Txn-Token") != (test.status == 401) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if !strings.Contains(log.String(), test.log) || strings.Contains(log.String(), strings.Split(token, ".")[2]) {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}

func TestOurOwnFailureIsNotTheCallers(t *testing.T) {
	w := newWorld(t)
	v := w.crm(func(c *verify.Config) { c.Keys = brokenKeys{c.Keys} })
	if answer, _, _, _ := serve(t, v, post(strings.NewReader(refund), w.refund())); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", answer.Code)
	}
}

func TestNothingPrintsTheToken(t *testing.T) {
	w := newWorld(t)
	token := w.refund()
	_, _, _, call := serve(t, w.crm(), post(strings.NewReader(refund), token))
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, call); strings.Contains(text, token) {
			t.Errorf("%s prints the token", format)
		}
		if text := fmt.Sprintf(format, *call); strings.Contains(text, token) {
			t.Errorf("%s of the value prints the token", format)
		}
	}
}

func TestSealedCalls(t *testing.T) {
	w := newWorld(t)
	v := w.crm()
	token := w.refund()
	_, _, _, call := serve(t, v, post(strings.NewReader(refund), token))
	h := http.Header{}
	v.Seal(call, h)
	if strings.Contains(fmt.Sprint(h), strings.Split(token, ".")[1]) {
		t.Error("the header shows the token")
	}
	opened, err := v.Unseal(h)
	if err != nil || opened.Subject != "alice" || opened.SubjectIssuer != tts || opened.ID != call.ID {
		t.Errorf("got %+v, %v", opened, err)
	}
	_, _, _, alone := serve(t, v, post(strings.NewReader(refund), w.context()))
	v.Seal(alone, h)
	if opened, err = v.Unseal(h); err != nil || opened.HasDelegation || opened.Peer != plannerID {
		t.Errorf("of a call without a delegation: %+v, %v", opened, err)
	}

	sealed := h.Get("X-Countersign-Call")
	v.Seal(&verify.Call{Subject: "mallory"}, h)
	if _, err := v.Unseal(h); reason(err) != denial.TokenMissing {
		t.Errorf("a call that nobody verified: %v", err)
	}
	v.Seal(call, h)

	other := "A"
	if sealed[0] == 'A' {
		other = "B"
	}
	for name, h := range map[string]http.Header{
		"none":             {},
		"twice":            {"X-Countersign-Call": {sealed, sealed}},
		"not base64":       {"X-Countersign-Call": {"!"}},
		"too short":        {"X-Countersign-Call": {"AAAA"}},
		"changed":          {"X-Countersign-Call": {other + sealed[1:]}},
		"a bare token":     {"X-Countersign-Call": {token}},
		"the wrong header": {"Txn-Token": {token}},
	} {
		if call, err := v.Unseal(h); err == nil || call != nil {
			t.Errorf("%s: %+v", name, call)
		}
	}
	if _, err := w.crm().Unseal(h); err == nil {
		t.Error("another verifier opens it")
	}
	w.now = noon.Add(time.Minute)
	if _, err := v.Unseal(h); reason(err) != "expired" {
		t.Errorf("after the end: %v", err)
	}
}

// brokenKeys fail in a way that nobody foresaw.
type brokenKeys struct{ delegation.Keys }

func (brokenKeys) Key(context.Context, string, string) (jose.JSONWebKey, error) {
	return jose.JSONWebKey{}, errors.New("the disk is on fire")
}
