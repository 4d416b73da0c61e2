package authz_test

import (
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
)

var (
	crmID    = spiffeid.RequireFromString("spiffe://acme.example/crm")
	ledgerID = spiffeid.RequireFromString("spiffe://acme.example/ledger")
)

func TestServersFind(t *testing.T) {
	servers, err := authz.NewServers([]authz.Server{
		{Name: "crm", Backend: crmID, Hosts: []string{"CRM.acme.example"}, Paths: []string{"/mcp"}},
		{Name: "ledger", Backend: ledgerID, Paths: []string{"/ledger"}},
		{Name: "wiki", Hosts: []string{"wiki.acme.example"}},
		{Name: "twin-a", Backend: spiffeid.RequireFromString("spiffe://acme.example/twins")},
		{Name: "twin-b", Backend: spiffeid.RequireFromString("spiffe://acme.example/twins")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		req  authz.Request
		want string // empty: refused
	}{
		{"the route names it", authz.Request{Server: "ledger", Host: "crm.acme.example", Path: "/ledger?x=1"}, "ledger"},
		{"the route names it, at a path where it is not", authz.Request{Server: "ledger", Host: "crm.acme.example", Path: "/mcp"}, ""},
		{"the route names it, at a host where it is not", authz.Request{Server: "crm", Host: "evil.example", Path: "/mcp"}, ""},
		{"the route names nobody", authz.Request{Server: "hr", Host: "crm.acme.example", Path: "/mcp"}, ""},
		{"Envoy is its sidecar", authz.Request{Destination: "spiffe://acme.example/crm", Host: "crm.acme.example", Path: "/mcp"}, "crm"},
		{"Envoy is its sidecar, for the admin page", authz.Request{Destination: "spiffe://acme.example/crm", Host: "crm.acme.example", Path: "/admin"}, ""},
		{"a sidecar of two servers does not tell", authz.Request{Destination: "spiffe://acme.example/twins"}, ""},
		{"a gateway's identity is no server's", authz.Request{Destination: "spiffe://acme.example/gateway"}, ""},
		{"host and path", authz.Request{Host: "crm.acme.example", Path: "/mcp?x=1"}, "crm"},
		{"host in capitals", authz.Request{Host: "Crm.Acme.Example", Path: "/mcp"}, "crm"},
		{"host only", authz.Request{Host: "wiki.acme.example", Path: "/anything"}, "wiki"},
		{"path only", authz.Request{Host: "elsewhere", Path: "/ledger"}, "ledger"},
		{"right host, wrong path", authz.Request{Host: "crm.acme.example", Path: "/mcp/"}, ""},
		{"path with a parameter", authz.Request{Host: "crm.acme.example", Path: "/mcp;x=1"}, ""},
		{"path with dots", authz.Request{Host: "crm.acme.example", Path: "/x/../mcp"}, ""},
		{"nothing at all", authz.Request{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, err := servers.Find(&tt.req)
			switch {
			case tt.want == "" && denial.ReasonOf(err) != denial.ServerUnknown:
				t.Errorf("got %v, %v; want %s", server, err, denial.ServerUnknown)
			case tt.want != "" && (err != nil || server.Name != tt.want):
				t.Errorf("got %v, %v; want %s", server, err, tt.want)
			}
		})
	}
}

func TestServersRefuseBadConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name    string
		servers []authz.Server
		want    string
	}{
		{"none", nil, "at least one"},
		{"empty name", []authz.Server{{}}, "server name"},
		{"name with a colon", []authz.Server{{Name: "a:b"}}, "server name"},
		{"name with a slash", []authz.Server{{Name: "a/b"}}, "server name"},
		{"name with a star", []authz.Server{{Name: "*"}}, "server name"},
		{"name that ends in a dot", []authz.Server{{Name: "crm."}}, "server name"},
		{"name of 65 letters", []authz.Server{{Name: strings.Repeat("a", 65)}}, "server name"},
		{"twice", []authz.Server{{Name: "crm"}, {Name: "crm"}}, "twice"},
		{"the same path", []authz.Server{{Name: "a", Paths: []string{"/x"}}, {Name: "b", Paths: []string{"/x"}}}, "both match"},
		{"metadata over http", []authz.Server{{Name: "a", ResourceMetadata: "http://a"}}, "https"},
		{"metadata with a quote", []authz.Server{{Name: "a", ResourceMetadata: `https://a/"`}}, "https"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := authz.NewServers(tt.servers); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDenialStyleText(t *testing.T) {
	for _, name := range []string{"rpc-error", "tool-error", "hide", "http"} {
		var style authz.DenialStyle
		if err := style.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
		if text, _ := style.MarshalText(); string(text) != name {
			t.Errorf("%s came back as %s", name, text)
		}
	}
	var style authz.DenialStyle
	if err := style.UnmarshalText([]byte("silent")); err == nil {
		t.Error("an unknown style was taken")
	}
}
