package exchange_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/exchange"
)

// send serves one request as planner.
func (h *house) send(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{h.cert}}
	w := httptest.NewRecorder()
	h.exchange.Handler().ServeHTTP(w, r)
	return w
}

// body reads a JSON answer.
func body(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return answer
}

// uncached checks what RFC 6749, section 5.1, demands of every answer.
func uncached(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Pragma") != "no-cache" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestTheAnswerWithAToken(t *testing.T) {
	h := newHouse(t)
	w := h.send(http.MethodPost, "/token", h.form("scope", "mcp:crm:refund_case mcp:crm:delete_all").Encode())
	uncached(t, w)
	answer := body(t, w)
	if _, err := h.verify(answer["access_token"].(string), planner); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v", w.Code, err)
	}
	delete(answer, "access_token")
	want := map[string]any{
		"issued_token_type": "urn:ietf:params:oauth:token-type:txn_token", "token_type": "N_A", "expires_in": 900.0,
		"scope": "mcp:crm:refund_case", "dropped_scope": "mcp:crm:delete_all", "decision_id": h.recorder.records[0].DecisionID,
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	if answer := body(t, h.send(http.MethodPost, "/token", h.form().Encode())); answer["dropped_scope"] != nil {
		t.Errorf("nothing was dropped: %v", answer)
	}
}

// The errors of RFC 6749, section 5.2, and RFC 8693, section 2.2.2.
func TestTheAnswerWithout(t *testing.T) {
	h := newHouse(t)
	for name, test := range map[string]struct {
		method, body         string
		status               int
		code, reason, detail string
	}{
		"not a POST":       {http.MethodGet, "", 405, "invalid_request", "http_method", "takes POST"},
		"too large":        {http.MethodPost, strings.Repeat("a", exchange.MaxBody+1), 413, "invalid_request", "body_too_large", "more than 65536"},
		"no grant type":    {http.MethodPost, "a=b", 400, "invalid_request", "exchange_malformed", "grant_type is missing"},
		"other grant type": {http.MethodPost, "grant_type=password", 400, "unsupported_grant_type", "exchange_grant_type", "must be"},
		"an actor token":   {http.MethodPost, h.form("actor_token", "x").Encode(), 400, "invalid_request", "exchange_actor_token", "the actor is the mTLS peer"},
		"a client secret":  {http.MethodPost, h.form("client_secret", "x").Encode(), 401, "invalid_client", "exchange_client", "mTLS alone"},
		"others' audience": {http.MethodPost, h.form("audience", "other.example").Encode(), 400, "invalid_target", "exchange_target", "must be acme.example"},
		"a bad scope":      {http.MethodPost, h.form("scope", "\"a\\").Encode(), 400, "invalid_scope", "exchange_scope", "?"},
		"nothing granted":  {http.MethodPost, h.form("scope", "mcp:crm:x").Encode(), 400, "invalid_scope", "policy_no_permit", "policy grants nothing"},
		"a bad token":      {http.MethodPost, h.form("subject_token", "x").Encode(), 400, "invalid_request", "malformed", "the subject token is not accepted: malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := h.send(test.method, "/token", test.body)
			uncached(t, w)
			answer := body(t, w)
			if w.Code != test.status || answer["error"] != test.code || answer["reason"] != test.reason ||
				!strings.Contains(answer["error_description"].(string), test.detail) || len(answer) != 4 {
				t.Errorf("%d %v", w.Code, answer)
			}
			if last := h.recorder.records[len(h.recorder.records)-1]; answer["decision_id"] != last.DecisionID {
				t.Errorf("decision %v, recorded %s", answer["decision_id"], last.DecisionID)
			}
			for _, r := range answer["error_description"].(string) {
				if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
					t.Errorf("a character that RFC 6749 does not allow: %q", r)
				}
			}
		})
	}
	if w := h.send(http.MethodGet, "/token", ""); w.Header().Get("Allow") != "POST" {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
}

// What is none of the caller's business stays with us.
func TestAnswersThatTellLittle(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*house)
		status int
		code   string
	}{
		"revoked":          {func(h *house) { h.revoked.subject = "alice" }, 400, "invalid_request"},
		"a strange peer":   {func(h *house) { h.cert = certificate(h.t, "spiffe://other.example/x") }, 401, "invalid_client"},
		"a broken policy":  {func(h *house) { h.policy.panics = true }, 503, "temporarily_unavailable"},
		"no record":        {func(h *house) { h.recorder.err = http.ErrAbortHandler }, 503, "temporarily_unavailable"},
		"no policies yet":  {func(h *house) { h.policy.missing = true }, 503, "temporarily_unavailable"},
		"an erring policy": {func(h *house) { h.policy.err = http.ErrAbortHandler }, 400, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, test.change)
			w := h.send(http.MethodPost, "/token", h.form().Encode())
			answer := body(t, w)
			if w.Code != test.status || answer["error"] != test.code {
				t.Errorf("%d %v", w.Code, answer)
			}
			for _, secret := range []string{"stolen", "alice", "goroutine", "abort", "policy broke"} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("the answer says %q: %s", secret, w.Body)
				}
			}
		})
	}
}

func TestMetadataAndKeys(t *testing.T) {
	for base, paths := range map[string][2]string{
		"":        {"/.well-known/oauth-authorization-server", "/.well-known/jwks.json"},
		"/begin":  {"/.well-known/oauth-authorization-server/begin", "/begin/.well-known/jwks.json"},
		"/begin/": {"/.well-known/oauth-authorization-server/begin", "/begin/.well-known/jwks.json"},
	} {
		h := newHouse(t, func(h *house) { h.config.Issuer += base })
		root := strings.TrimSuffix(issuer+base, "/")
		want := map[string]any{
			"issuer": issuer + base, "token_endpoint": root + "/token", "jwks_uri": root + "/.well-known/jwks.json",
			"grant_types_supported": []any{exchange.GrantType}, "response_types_supported": []any{},
			"token_endpoint_auth_methods_supported": []any{"tls_client_auth"}, "authorization_details_types_supported": []any{"mcp_tools"},
		}
		if diff := cmp.Diff(want, body(t, h.send(http.MethodGet, paths[0], ""))); diff != "" {
			t.Errorf("%q: %s", base, diff)
		}
		keys := body(t, h.send(http.MethodGet, paths[1], ""))["keys"].([]any)
		if key := keys[0].(map[string]any); len(keys) != 1 || key["kid"] != h.keys.Current().KeyID || key["d"] != nil {
			t.Errorf("%q: keys %v", base, keys)
		}
		form := h.form("subject_token", h.access(claims{"aud": issuer + base})).Encode()
		if w := h.send(http.MethodPost, strings.TrimSuffix(base, "/")+"/token", form); w.Code != http.StatusOK {
			t.Errorf("%q: %s", base, w.Body)
		}
	}
}
