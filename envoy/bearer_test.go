package envoy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/envoy"
)

// protected is a server that takes access tokens.
func protected() *authz.Server {
	return &authz.Server{Name: "crm", Bearer: &authz.Bearer{
		Resource: "https://crm.acme.example/mcp", IdentityProviders: []string{"https://idp.acme.example"},
	}}
}

// The challenges that an OAuth client acts on, as it gets to see them.
func TestChallenges(t *testing.T) {
	var b strings.Builder
	for _, tt := range []struct {
		name   string
		method string
		d      authz.Decision
	}{
		{"log in", "POST", authz.Decision{Reason: denial.CredentialMissing, Call: toolCall("refund_case", true), NeededScope: []string{"cases.write"}}},
		{"log in, before anything is called", "POST", authz.Decision{Reason: denial.CredentialMissing, Call: request("initialize", mcp.TargetNone, "", false)}},
		{"log in, for a stream", "GET", authz.Decision{Reason: denial.CredentialMissing, Call: &mcp.Call{Kind: mcp.KindStream}, NeededScope: []string{"cases.read"}}},
		{"log in, for a notification", "POST", authz.Decision{Reason: denial.CredentialMissing, Call: notification(), NeededScope: []string{"cases.read"}}},
		{"another scheme", "POST", authz.Decision{Reason: denial.AuthorizationScheme, Call: toolCall("refund_case", false), NeededScope: []string{"cases.write"}}},
		{"expired", "POST", authz.Decision{Reason: denial.TokenExpired, Call: toolCall("refund_case", false), NeededScope: []string{"cases.write"}}},
		{"for another resource", "POST", authz.Decision{Reason: denial.TokenAudience, Call: toolCall("refund_case", false), NeededScope: []string{"cases.write"}}},
		{"of another client", "POST", authz.Decision{Reason: denial.TokenHolder, Call: toolCall("refund_case", false), NeededScope: []string{"cases.write"}}},
		{"step up", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: toolCall("refund_case", true), NeededScope: []string{"cases.read", "mcp:crm:refund_case"}}},
		{"step up for a batch", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: batch(toolCall("a", false), toolCall("b", false)), NeededScope: []string{"mcp:crm:a", "mcp:crm:b"}}},
		{"two credentials", "POST", authz.Decision{Reason: denial.CredentialsAmbiguous, Call: toolCall("refund_case", false)}},
		{"in the URL", "POST", authz.Decision{Reason: denial.TokenInQuery, Call: toolCall("refund_case", false)}},
		{"a user that no plain header can carry", "POST", authz.Decision{Reason: denial.PlainHeader, Call: toolCall("refund_case", false)}},
		{"policy has the last word", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: toolCall("refund_case", false)}},
	} {
		tt.d.ID, tt.d.Server = "JBSWY3DPEHPK3PXPJBSWY3DPEH", protected()
		out := check(t, always(tt.d), rawRequest(tt.method))
		mustDeny(t, out)
		fmt.Fprintf(&b, "== %s\n%s\n", tt.name, render(out))
	}
	golden(t, "challenges.golden", b.String())
}

func TestAccessTokensAreConsumed(t *testing.T) {
	d := allowed()
	d.Server = protected()
	out := check(t, always(d), rawRequest("POST", rawField{"authorization", "Bearer secret"}, rawField{"Authorization", "Basic x"}))
	if removed := out.GetOkResponse().GetHeadersToRemove(); !slices.Equal(removed, []string{"authorization", "x-envoy-auth-partial-body"}) {
		t.Errorf("removed %q", removed)
	}
	for _, h := range out.GetOkResponse().GetHeaders() {
		if strings.Contains(h.GetHeader().GetValue(), "secret") {
			t.Errorf("goes on in %s", h.GetHeader().GetKey())
		}
	}
}

var plainFields = []authz.PlainField{
	{Name: "x-countersign-actor", Value: "spiffe://acme.example/planner"}, {Name: "x-countersign-expires", Value: "1795305665"},
	{Name: "x-countersign-subject", Value: "u-8821"}, {Name: "x-countersign-task", Value: "case-4711"},
}

func TestPlainHeadersReplaceThoseOfTheCaller(t *testing.T) {
	d := allowed()
	d.Plain = plainFields
	out := check(t, always(d), rawRequest("POST",
		rawField{"x-countersign-subject", "root"}, rawField{"X-Countersign-Subject", "admin"}, rawField{"x_countersign_subject", "both"},
		rawField{"x-countersign-task", "any"}, rawField{"x-countersign-scope", "all"},
	))
	golden(t, "plain.golden", render(out))
}

func TestPlainHeadersThatMustNotBeSet(t *testing.T) {
	for _, f := range []authz.PlainField{
		{Name: "x-countersign-subject", Value: "a\r\nx-admin: true"}, {Name: "x-countersign-subject", Value: ""},
		{Name: "x-countersign-subject", Value: "é"}, {Name: "x-admin", Value: "true"}, {Name: "authorization", Value: "x"},
		{Name: "txn-token", Value: "x"}, {Name: "x-countersign-a b", Value: "x"}, {Name: "X-Countersign-Subject", Value: "x"},
	} {
		d := allowed()
		d.Plain = []authz.PlainField{f}
		out := check(t, always(d), rawRequest("POST"))
		mustDeny(t, out)
	}
}

// Nothing reserved survives, whatever the caller sends and whatever is set: each reserved field of the caller is removed
// or overwritten, and none of ours is removed again.
func TestNothingReservedSurvives(t *testing.T) {
	name := rapid.OneOf(
		rapid.SampledFrom([]string{
			"authorization", "Authorization", "txn-token", "x-countersign-subject", "x-countersign-actor", "x-countersign-task",
			"x-countersign-expires", "X-COUNTERSIGN-TASK", "x_countersign_subject", "txn_token", "x-forwarded-client-cert", "accept",
		}),
		rapid.StringMatching(`[xX][-_][cC]ountersign[-_][a-z]{1,8}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		fields := make([]rawField, 0, 20)
		for _, n := range rapid.SliceOfN(name, 0, 20).Draw(t, "names") {
			fields = append(fields, rawField{n, "v"})
		}
		d := allowed()
		d.Server = protected()
		d.Plain = rapid.SliceOfNDistinct(rapid.SampledFrom(plainFields), 0, 4, rapid.ID[authz.PlainField]).Draw(t, "plain")
		out, err := always(d).Check(t.Context(), rawRequest("POST", fields...))
		if err != nil || out.GetStatus().GetCode() != int32(codes.OK) {
			t.Fatalf("%v %v", out, err)
		}
		removed := out.GetOkResponse().GetHeadersToRemove()
		var set []string
		for _, h := range out.GetOkResponse().GetHeaders() {
			set = append(set, h.GetHeader().GetKey())
		}
		if len(set) != len(d.Plain)+1 {
			t.Errorf("set %q", set)
		}
		for _, n := range set {
			if slices.Contains(removed, n) {
				t.Errorf("%s is set and removed", n)
			}
		}
		for _, f := range fields {
			n := strings.ToLower(f.name)
			gone := slices.Contains(removed, n) || slices.Contains(set, n)
			if ours := n != "accept"; gone != ours {
				t.Errorf("%s: removed or replaced %t, want %t", n, gone, ours)
			}
		}
	})
}

// library has one document.
type library struct{ server, authority, path string }

func (l library) Metadata(server, authority, path string) ([]byte, bool) {
	return []byte(`{"resource":"https://crm.acme.example/mcp"}`), l == library{server, authority, path}
}

// A metadata document is answered before anybody decides; everything else is decided.
func TestMetadataIsAnsweredAtOnce(t *testing.T) {
	const path = "/.well-known/oauth-protected-resource/mcp"
	ask := func(change func(*authv3.AttributeContext_HttpRequest)) *authv3.CheckRequest {
		request := &authv3.AttributeContext_HttpRequest{Method: http.MethodGet, Host: "crm.acme.example:8443", Path: path, Size: -1}
		change(request)
		return httpRequest(request)
	}
	server := always(authz.Decision{ID: "D", Reason: denial.PeerMissing})
	server.Resources = library{"", "crm.acme.example:8443", path}
	out := check(t, server, ask(func(*authv3.AttributeContext_HttpRequest) {}))
	golden(t, "metadata.golden", render(out))
	if out.GetOkResponse() != nil || out.GetStatus().GetCode() == int32(codes.OK) {
		t.Error("the request goes on to the backend")
	}
	if got := out.GetDynamicMetadata().AsMap()["decision"]; got != "metadata" {
		t.Errorf("the access log is told %v", got)
	}
	for name, change := range map[string]func(*authv3.AttributeContext_HttpRequest){
		"POST":         func(r *authv3.AttributeContext_HttpRequest) { r.Method = http.MethodPost },
		"HEAD":         func(r *authv3.AttributeContext_HttpRequest) { r.Method = http.MethodHead },
		"get":          func(r *authv3.AttributeContext_HttpRequest) { r.Method = "get" },
		"with a body":  func(r *authv3.AttributeContext_HttpRequest) { r.Body = "x" },
		"with bytes":   func(r *authv3.AttributeContext_HttpRequest) { r.RawBody = []byte("x") },
		"with a size":  func(r *authv3.AttributeContext_HttpRequest) { r.Size = 1 },
		"with a query": func(r *authv3.AttributeContext_HttpRequest) { r.Path += "?x" },
		"another host": func(r *authv3.AttributeContext_HttpRequest) { r.Host = "crm.acme.example" },
	} {
		if out := check(t, server, ask(change)); out.GetDeniedResponse().GetStatus().GetCode() != http.StatusForbidden {
			t.Errorf("%s: %s", name, render(out))
		}
	}
	named := ask(func(*authv3.AttributeContext_HttpRequest) {})
	named.Attributes.ContextExtensions = map[string]string{envoy.ServerExtension: "crm"}
	if out := check(t, server, named); out.GetDeniedResponse().GetStatus().GetCode() != http.StatusForbidden {
		t.Errorf("the server that the route names was not asked for: %s", render(out))
	}
	server.Resources = library{"crm", "crm.acme.example:8443", path}
	if out := check(t, server, named); out.GetDeniedResponse().GetStatus().GetCode() != http.StatusOK {
		t.Error(render(out))
	}
	if out := check(t, always(authz.Decision{}), nil); out.GetDeniedResponse() == nil {
		t.Error("without documents nothing is answered")
	}
}
