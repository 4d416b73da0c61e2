package authz_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
)

// guarded is a server that takes access tokens for a resource.
func guarded(name, resource string, change ...func(*authz.Bearer)) authz.Server {
	bearer := &authz.Bearer{Resource: resource, IdentityProviders: []string{idp}, InitialScopes: []string{"cases.read"}}
	for _, c := range change {
		c(bearer)
	}
	return authz.Server{Name: name, Backend: crmID, MaxBody: 1 << 20, Bearer: bearer}
}

func TestMetadataDocument(t *testing.T) {
	servers, err := authz.NewServers([]authz.Server{guarded("crm", crmResource)})
	if err != nil {
		t.Fatal(err)
	}
	document, ok := servers.Metadata("", "crm.acme.example", "/.well-known/oauth-protected-resource/mcp")
	if !ok {
		t.Fatal("not found")
	}
	var got map[string]any
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"resource": crmResource, "authorization_servers": []any{idp}, "scopes_supported": []any{"cases.read"},
		"bearer_methods_supported": []any{"header"}, "resource_name": "crm",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for resource, url := range map[string]string{
		crmResource:                       "https://crm.acme.example/.well-known/oauth-protected-resource/mcp",
		"https://crm.acme.example":        "https://crm.acme.example/.well-known/oauth-protected-resource",
		"https://127.0.0.1:8443/a/b/mcp":  "https://127.0.0.1:8443/.well-known/oauth-protected-resource/a/b/mcp",
		"https://[2001:db8::1]:8443/mcp/": "",
	} {
		server := guarded("crm", resource)
		if got := server.MetadataURL(); url != "" && got != url {
			t.Errorf("the document of %s is at %s, want %s", resource, got, url)
		}
	}
	if url := (&authz.Server{ResourceMetadata: "https://elsewhere.example/doc"}).MetadataURL(); url != "https://elsewhere.example/doc" {
		t.Errorf("a document that somebody else serves is at %s", url)
	}
}

// The document is found by exactly its place, and nobody else's path gets past the checks that come later.
func TestMetadataIsMatchedStrictly(t *testing.T) {
	servers, err := authz.NewServers([]authz.Server{
		guarded("crm", crmResource), guarded("ledger", "https://ledger.acme.example:8443/mcp"),
		guarded("root", "https://root.acme.example"), {Name: "plain", MaxBody: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	const at = "/.well-known/oauth-protected-resource"
	for _, tt := range []struct {
		server, host, path string
		want               string // resource, empty for none
	}{
		{"", "crm.acme.example", at + "/mcp", crmResource},
		{"", "CRM.acme.example:443", at + "/mcp", crmResource},
		{"", "ledger.acme.example:8443", at + "/mcp", "https://ledger.acme.example:8443/mcp"},
		{"", "root.acme.example", at, "https://root.acme.example"},
		{"crm", "behind.a.proxy", at + "/mcp", crmResource},

		{"", "crm.acme.example", at, ""},
		{"", "crm.acme.example", at + "/mcp?x=1", ""},
		{"", "crm.acme.example", at + "/mcp?", ""},
		{"", "crm.acme.example", at + "/mcp/", ""},
		{"", "crm.acme.example", at + "/mcp;x", ""},
		{"", "crm.acme.example", at + "//mcp", ""},
		{"", "crm.acme.example", at + "/./mcp", ""},
		{"", "crm.acme.example", at + "/%6dcp", ""},
		{"", "crm.acme.example", at + "/MCP", ""},
		{"", "crm.acme.example", "/mcp" + at, ""},
		{"", "crm.acme.example", "/mcp", ""},
		{"", "crm.acme.example:8443", at + "/mcp", ""},
		{"", "crm.acme.example.evil.example", at + "/mcp", ""},
		{"", "ledger.acme.example", at + "/mcp", ""},
		{"", "", at + "/mcp", ""},
		{"", "root.acme.example", at + "/", ""},
		{"crm", "root.acme.example", at, ""},
		{"plain", "crm.acme.example", at + "/mcp", ""},
		{"nowhere", "crm.acme.example", at + "/mcp", ""},
	} {
		document, ok := servers.Metadata(tt.server, tt.host, tt.path)
		if ok != (tt.want != "") || ok != (document != nil) || ok && !strings.Contains(string(document), `"`+tt.want+`"`) {
			t.Errorf("%q %s%s: %t %s, want %q", tt.server, tt.host, tt.path, ok, document, tt.want)
		}
	}
}

func TestBearerConfigurationsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server authz.Server
		want   string
	}{
		{"http", guarded("crm", "http://crm.acme.example/mcp"), "https URL"},
		{"no host", guarded("crm", "https:///mcp"), "https URL"},
		{"no URL", guarded("crm", "https://crm.acme.example:port/mcp"), "resource"},
		{"a user", guarded("crm", "https://alice@crm.acme.example/mcp"), "https URL"},
		{"a query", guarded("crm", crmResource+"?x"), "https URL"},
		{"a fragment", guarded("crm", crmResource+"#x"), "https URL"},
		{"an escape", guarded("crm", "https://crm.acme.example/%6dcp"), "https URL"},
		{"a quote", guarded("crm", crmResource+`"`), "https URL"},
		{"too long", guarded("crm", crmResource+strings.Repeat("x", 512)), "at most 512"},
		{"upper case", guarded("crm", "https://CRM.acme.example/mcp"), "canonical"},
		{"the default port", guarded("crm", "https://crm.acme.example:443/mcp"), "canonical"},
		{"other than ASCII", guarded("crm", "https://crm.acme.example/é"), "canonical"},
		{"a slash at the end", guarded("crm", crmResource+"/"), "slash"},
		{"a slash alone", guarded("crm", "https://crm.acme.example/"), "slash"},
		{"dots", guarded("crm", "https://crm.acme.example/a/../mcp"), "dots"},
		{"an empty segment", guarded("crm", "https://crm.acme.example//mcp"), "empty segments"},
		{"no provider", guarded("crm", crmResource, func(b *authz.Bearer) { b.IdentityProviders = nil }), "identity_providers"},
		{"a provider without a name", guarded("crm", crmResource, func(b *authz.Bearer) { b.IdentityProviders = []string{""} }), "empty"},
		{"a provider twice", guarded("crm", crmResource, func(b *authz.Bearer) { b.IdentityProviders = []string{idp, idp} }), "twice"},
		{"no such rule", guarded("crm", crmResource, func(b *authz.Bearer) { b.Both = 3 }), "no such rule"},
		{"a scope with a space", guarded("crm", crmResource, func(b *authz.Bearer) {
			b.Scopes = map[string]delegation.Scope{"a b": {"mcp:crm:*"}}
		}), "not an OAuth scope"},
		{"a scope that grants nothing", guarded("crm", crmResource, func(b *authz.Bearer) {
			b.Scopes = map[string]delegation.Scope{"a": nil}
		}), "must grant"},
		{"a scope that grants something else", guarded("crm", crmResource, func(b *authz.Bearer) {
			b.Scopes = map[string]delegation.Scope{"a": {"everything"}}
		}), "must grant"},
		{"an initial scope with a quote", guarded("crm", crmResource, func(b *authz.Bearer) { b.InitialScopes = []string{`a"`} }), "initial_scopes"},
		{"an empty initial scope", guarded("crm", crmResource, func(b *authz.Bearer) { b.InitialScopes = []string{""} }), "initial_scopes"},
		{"a client that is no workload", guarded("crm", crmResource, func(b *authz.Bearer) {
			b.Clients = map[string]spiffeid.Matcher{"desk": nil}
		}), "clients"},
		{"a document that is too long", guarded("crm", crmResource, func(b *authz.Bearer) {
			b.InitialScopes = slices.Repeat([]string{"scope-" + strings.Repeat("x", 58)}, 16)
		}), "too many"},
		{"a document elsewhere", authz.Server{
			Name: "crm", ResourceMetadata: "https://elsewhere.example/doc", Bearer: guarded("", crmResource).Bearer,
		}, "leave it out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := authz.NewServers([]authz.Server{tt.server}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something about %q", err, tt.want)
			}
		})
	}
	_, err := authz.NewServers([]authz.Server{guarded("crm", crmResource), guarded("crm2", crmResource)})
	if err == nil || !strings.Contains(err.Error(), `that of server "crm"`) {
		t.Errorf("two servers of one resource: %v", err)
	}
}

func TestAccessTokensNeedSomebodyToVerifyThem(t *testing.T) {
	h := newHouse(t)
	servers, err := authz.NewServers([]authz.Server{guarded("crm", crmResource)})
	if err != nil {
		t.Fatal(err)
	}
	config := h.authorizer.Config
	config.Servers = servers
	if _, err := authz.New(config); err == nil || !strings.Contains(err.Error(), "Users or Roots") {
		t.Errorf("got %v", err)
	}
}

func TestBothRuleAsText(t *testing.T) {
	for _, rule := range []authz.BothRule{authz.BothRefuse, authz.BothToken, authz.BothBearer} {
		text, err := rule.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back authz.BothRule
		if err := back.UnmarshalText(text); err != nil || back != rule {
			t.Errorf("%s became %v, %v", text, back, err)
		}
	}
	var rule authz.BothRule
	if err := rule.UnmarshalText([]byte("both")); err == nil {
		t.Error("no such rule")
	}
	if _, err := authz.BothRule(7).MarshalText(); err == nil || authz.BothRule(7).String() != "BothRule(7)" {
		t.Error("an undefined rule has a name")
	}
}
