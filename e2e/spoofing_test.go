package e2e_test

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
)

// What a caller writes into its header changes neither who it is nor what the server gets to hear.
func TestSpoofedHeaders(t *testing.T) {
	for _, form := range []struct {
		name    string
		options stage.Options
	}{
		{"header fields one by one", stage.Options{}},
		{"header fields joined", stage.Options{JoinedHeaders: true}},
	} {
		t.Run(form.name, func(t *testing.T) {
			st := raise(t, form.options)
			overEachHTTP(t, func(t *testing.T, version string) { spoofHeaders(t, st, version) })
		})
	}
}

func spoofHeaders(t *testing.T, st *stage.Stage, version string) {
	token, other := grant(t, st), grant(t, st)
	for _, c := range []struct {
		name   string
		change func(http.Header)
		// status and reason of the answer; status 200 means that it is allowed.
		status int
		reason denial.Reason
	}{
		{"nothing forged", func(http.Header) {}, 200, ""},
		{"two tokens", func(h http.Header) { h["Txn-Token"] = []string{token, other} }, 400, denial.HeaderDuplicated},
		{"the same token twice", func(h http.Header) { h["Txn-Token"] = []string{token, token} }, 400, denial.HeaderDuplicated},
		{"two tokens in one field", func(h http.Header) { h["Txn-Token"] = []string{token + "," + other} }, 0, ""},
		{"two names of different case", func(h http.Header) { h["TXN-TOKEN"] = []string{other} }, 400, denial.HeaderDuplicated},
		{"an empty token beside a good one", func(h http.Header) { h["Txn-Token"] = []string{"", token} }, 0, ""},
		{"a name in the wrong case", func(h http.Header) { delete(h, "Txn-Token"); h["tXN-tOKEN"] = []string{token} }, 200, ""},
		{"a name with an underscore", func(h http.Header) { h["Txn_Token"] = []string{other} }, 0, ""},
		{"our context header", func(h http.Header) { h["X-Countersign-Subject"] = []string{"root"} }, 200, ""},
		{"our context headers in odd case, twice", func(h http.Header) {
			h["x-cOUNTERSIGN-task"] = []string{"any", "all"}
			h["X-COUNTERSIGN-DECISION"] = []string{"allow"}
		}, 200, ""},
		{"a client certificate of somebody else", func(h http.Header) {
			h["X-Forwarded-Client-Cert"] = []string{"URI=" + stage.ID("crm"), "By=x;URI=" + stage.ID("ledger")}
		}, 200, ""},
		{"a passed authorization", func(h http.Header) { h["X-Envoy-Auth-Failure-Mode-Allowed"] = []string{"true"} }, 200, ""},
		{"a body said to be whole", func(h http.Header) { h["X-Envoy-Auth-Partial-Body"] = []string{"false"} }, 200, ""},
		{"a body said to be partial", func(h http.Header) { h["X-Envoy-Auth-Partial-Body"] = []string{"true"} }, 200, ""},
		{"another tool in the mirrored name", func(h http.Header) { h.Set("Mcp-Name", "delete_case") }, 400, denial.HeaderMismatch},
		{"another method in the mirrored name", func(h http.Header) { h.Set("Mcp-Method", "tools/list") }, 400, denial.HeaderMismatch},
		{"no token", func(h http.Header) { h.Del("Txn-Token") }, 200, denial.PolicyNoPermit},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached := watch(t, st, "crm")
			call := readCase(client(t, st, "planner", version), st, token)
			c.change(call.header)
			got, err := call.do(t)
			if err != nil && c.status != 0 {
				t.Fatal(err) // where no status is announced, Envoy may also end the stream
			}
			if c.status != 0 && (got.status != c.status || got.reason() != string(c.reason)) {
				t.Errorf("got %d %s, want %d with reason %q", got.status, got.body, c.status, c.reason)
			}
			if c.status == 200 && c.reason == "" {
				arrived := reached()
				if !got.succeeded() || len(arrived) != 1 || arrived[0].Refused != "" {
					t.Fatalf("got %d %s, and reached the server: %v", got.status, got.body, arrived)
				}
				checkArrived(t, arrived[0].Header, token)
				return
			}
			if got.succeeded() {
				t.Errorf("got %d %s, want it refused", got.status, got.body)
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
}

// checkArrived looks for what a backend must never see.
func checkArrived(t *testing.T, header map[string][]string, sent string) {
	t.Helper()
	for name := range header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-countersign-") || slices.Contains([]string{
			"x-forwarded-client-cert", "x-envoy-auth-failure-mode-allowed", "x-envoy-auth-partial-body",
		}, lower) {
			t.Errorf("%s reached the server: %q", name, header[name])
		}
	}
	if tokens := header["Txn-Token"]; len(tokens) != 1 || tokens[0] == sent || tokens[0] == "" {
		t.Errorf("tokens that reached the server: %q", tokens)
	}
}

// A token is of use to its holder only, and only as it was signed.
func TestTokensInOtherHands(t *testing.T) {
	st := raise(t, stage.Options{UpstreamTLS: true})
	root := grant(t, st)
	reached := watch(t, st, "crm")
	if got := readCase(client(t, st, "planner", "2"), st, root).must(t); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	hop := reached()[0].Header["Txn-Token"][0]
	header, rest, _ := strings.Cut(hop, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	rootHeader, rest, _ := strings.Cut(root, ".")
	rootPayload, _, _ := strings.Cut(rest, ".")

	for _, c := range []struct {
		name, presenter, token string
		reason                 denial.Reason
	}{
		{"the planner's token with the intern", "intern", root, denial.TokenHolder},
		{"the planner's token with the crm", "crm", root, denial.TokenHolder},
		{"the crm's token with the planner", "planner", hop, denial.TokenHolder},
		{"the crm's token with the intern", "intern", hop, denial.TokenHolder},
		{"a payload under another signature", "planner", rootHeader + "." + rootPayload + "." + signature, denial.TokenSignature},
		{"a header of another issuer's key", "crm", rootHeader + "." + payload + "." + signature, denial.TokenUnknownKey},
		{"no signature", "planner", rootHeader + "." + rootPayload + ".", denial.TokenMalformed},
		{"a padded signature", "crm", header + "." + payload + "." + signature + "=", denial.TokenMalformed},
		{"no token at all", "planner", "none", denial.TokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached, records := watch(t, st, "crm"), decided(t, st)
			got := readCase(client(t, st, c.presenter, "2"), st, c.token).must(t)
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("got %d %v %s, want 401 with a challenge", got.status, got.header, got.body)
			}
			if strings.Contains(got.body, string(c.reason)) {
				t.Errorf("the answer tells how far the token got: %s", got.body)
			}
			if r := records(); len(r) != 1 || r[0].Decision != "deny" || r[0].Reason != string(c.reason) {
				t.Errorf("got records %+v, want one with reason %s", r, c.reason)
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
}

// Certificates that no SPIFFE authority would issue, or that another one did.
func TestOddCertificates(t *testing.T) {
	st := raise(t, stage.Options{})
	foreign, err := stage.NewCA(t.TempDir(), stage.TrustDomain)
	if err != nil {
		t.Fatal(err)
	}
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct {
		name   string
		ca     *stage.CA
		change func(*x509.Certificate)
		reason denial.Reason // empty: there is no connection at all
	}{
		{"two SPIFFE IDs", st.CA, func(c *x509.Certificate) {
			c.URIs = append(c.URIs, uri(stage.ID("supervisor")))
		}, denial.PeerMultipleURISANs},
		{"a SPIFFE ID and a web address", st.CA, func(c *x509.Certificate) {
			c.URIs = append(c.URIs, uri("https://planner.acme.example/"))
		}, denial.PeerMultipleURISANs},
		{"a trailing slash", st.CA, func(c *x509.Certificate) {
			c.URIs = []*url.URL{uri(stage.ID("planner/"))}
		}, denial.PeerInvalid},
		{"a parent directory", st.CA, func(c *x509.Certificate) {
			c.URIs = []*url.URL{uri(stage.ID("intern/../planner"))}
		}, denial.PeerInvalid},
		{"a DNS name only", st.CA, func(c *x509.Certificate) {
			c.URIs, c.DNSNames = nil, []string{"planner.acme.example"}
		}, ""},
		{"a subject only", st.CA, func(c *x509.Certificate) { c.URIs = nil }, ""},
		{"another trust domain", st.CA, func(c *x509.Certificate) {
			c.URIs = []*url.URL{uri("spiffe://evil.example/planner")}
		}, ""},
		{"a trust domain that begins alike", st.CA, func(c *x509.Certificate) {
			c.URIs = []*url.URL{uri("spiffe://acme.example.evil.example/planner")}
		}, ""},
		{"another authority", foreign, func(*x509.Certificate) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			svid, err := c.ca.Issue("planner-"+strings.ReplaceAll(c.name, " ", "-"), func(cert *x509.Certificate) {
				cert.URIs = []*url.URL{uri(stage.ID("planner"))}
				c.change(cert)
			})
			if err != nil {
				t.Fatal(err)
			}
			svid.Bundle = st.SVIDs["planner"].Bundle
			reached, records := watch(t, st, "crm"), decided(t, st)
			got, err := readCase(clientAs(t, st, svid, "2"), st, grant(t, st)).do(t)
			if c.reason == "" {
				if err == nil {
					t.Errorf("got %d %s, want no connection", got.status, got.body)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if r := records(); got.status != http.StatusForbidden || len(r) != 1 || r[0].Reason != string(c.reason) {
					t.Errorf("got %d %s and records %+v, want 403 for %s", got.status, got.body, r, c.reason)
				}
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
}
