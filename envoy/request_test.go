package envoy_test

import (
	"net/netip"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/envoy"
)

func TestEverythingThatEnvoyReportsArrives(t *testing.T) {
	body := `{"jsonrpc":"2.0","id":7,"method":"ping"}`
	in := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{
			Principal: "spiffe://acme.example/planner", Certificate: "-----BEGIN%20CERTIFICATE-----",
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
				SocketAddress: &corev3.SocketAddress{Address: "::ffff:203.0.113.7"},
			}},
		},
		Destination:       &authv3.AttributeContext_Peer{Principal: "spiffe://acme.example/gateway"},
		ContextExtensions: map[string]string{envoy.ServerExtension: "crm", "other": "x"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1234567890", Method: "POST", Host: "crm.acme.example:8443", Path: "/mcp?x=1", Size: int64(len(body)),
			RawBody: []byte(body),
			HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
				{Key: ":authority", RawValue: []byte("crm.acme.example:8443")},
				{Key: "x-forwarded-client-cert", RawValue: []byte("URI=spiffe://acme.example/intern")},
				{Key: "content-type", Value: "application/json"},
				{Key: "x-forwarded-client-cert", RawValue: []byte("URI=spiffe://acme.example/planner")},
			}},
		}},
	}}

	got := convert(t, in)

	fields := got.MCP.Header
	got.MCP.Header = mcp.Request{}.Header
	want := &authz.Request{
		ID: "1234567890", Server: "crm", Destination: "spiffe://acme.example/gateway",
		Host: "crm.acme.example", Path: "/mcp?x=1", SourceIP: netip.MustParseAddr("203.0.113.7"),
		Peer: peer.Evidence{
			Principal: "spiffe://acme.example/planner", Certificate: "-----BEGIN%20CERTIFICATE-----",
			XFCC: []string{"URI=spiffe://acme.example/intern", "URI=spiffe://acme.example/planner"},
		},
		MCP: mcp.Request{Method: "POST", Body: []byte(body), HasBody: true, Size: int64(len(body))},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mcp.Request{}.Header), cmp.Comparer(
		func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Content-Type", "X-Forwarded-Client-Cert"}, fields.Names()); diff != "" {
		t.Errorf("header names: %s", diff)
	}
}

func TestHeadersKeepTheirMultiplicity(t *testing.T) {
	joined := func(headers map[string]string) *authv3.CheckRequest {
		return httpRequest(&authv3.AttributeContext_HttpRequest{Method: "POST", Headers: headers})
	}
	for _, tt := range []struct {
		name   string
		in     *authv3.CheckRequest
		value  string
		reason denial.Reason
	}{
		{"one token, raw", rawRequest("POST", rawField{"txn-token", "a"}), "a", ""},
		{"one token, joined", joined(map[string]string{"txn-token": "a"}), "a", ""},
		{"two tokens, raw", rawRequest("POST", rawField{"txn-token", "a"}, rawField{"txn-token", "b"}), "", denial.HeaderDuplicated},
		{"two tokens, joined", joined(map[string]string{"txn-token": "a,b"}), "", denial.HeaderDuplicated},
		{"a comma in one raw field is part of it", rawRequest("POST", rawField{"txn-token", "a,b"}), "a,b", ""},
		{"a byte that is not UTF-8 stays", rawRequest("POST", rawField{"txn-token", "\xe9"}), "\xe9", ""},
		{"a second token in another case", rawRequest("POST", rawField{"txn-token", "a"}, rawField{"TXN-Token", "b"}), "", denial.HeaderDuplicated},
		{"a pseudo-header is no header", rawRequest("POST", rawField{":txn-token", "b"}, rawField{"", "c"}, rawField{"txn-token", "a"}), "a", ""},
		{"the joined map is ignored next to raw fields", httpRequest(&authv3.AttributeContext_HttpRequest{
			HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "txn-token", Value: "a"}}},
			Headers:   map[string]string{"txn-token": "b"},
		}), "a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			value, present, err := convert(t, tt.in).MCP.Header.One("Txn-Token")
			if tt.reason != "" {
				if got := denial.ReasonOf(err); err == nil || got != tt.reason {
					t.Fatalf("got %q, %v, want %s", value, err, tt.reason)
				}
				return
			}
			if err != nil || !present || value != tt.value {
				t.Errorf("got %q, %v, %v", value, present, err)
			}
		})
	}
}

func TestHostLosesItsPort(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "crm.acme.example": "crm.acme.example", "crm.acme.example:443": "crm.acme.example",
		"crm.acme.example:": "crm.acme.example", "[2001:db8::1]:8443": "[2001:db8::1]", "[2001:db8::1]": "[2001:db8::1]",
		"2001:db8::1": "2001:db8::1", "crm.acme.example:8443@evil.example": "crm.acme.example:8443@evil.example",
	} {
		if got := convert(t, httpRequest(&authv3.AttributeContext_HttpRequest{Host: host})).Host; got != want {
			t.Errorf("%q became %q, want %q", host, got, want)
		}
	}
}

func TestBodies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		http    *authv3.AttributeContext_HttpRequest
		want    string
		hasBody bool
	}{
		{"none", &authv3.AttributeContext_HttpRequest{}, "", false},
		{"bytes", &authv3.AttributeContext_HttpRequest{RawBody: []byte("\xff")}, "\xff", true},
		{"text, without pack_as_bytes", &authv3.AttributeContext_HttpRequest{Body: "{}"}, "{}", true},
		{"bytes win", &authv3.AttributeContext_HttpRequest{RawBody: []byte("a"), Body: "b"}, "a", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := convert(t, httpRequest(tt.http)).MCP
			if string(got.Body) != tt.want || got.HasBody != tt.hasBody {
				t.Errorf("got %q, %v", got.Body, got.HasBody)
			}
		})
	}
}

func TestStreamIDIsBounded(t *testing.T) {
	long := convert(t, httpRequest(&authv3.AttributeContext_HttpRequest{Id: strings.Repeat("€", 1000)})).ID
	if long != strings.Repeat("€", 42) {
		t.Errorf("got %d bytes", len(long))
	}
}

func TestNothingNeedsToBeThere(t *testing.T) {
	unixSocket := &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/run/envoy.sock"}}}
	for name, in := range map[string]*authv3.CheckRequest{
		"nil":           nil,
		"empty":         {},
		"no request":    {Attributes: &authv3.AttributeContext{}},
		"no http":       {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}}},
		"empty http":    httpRequest(&authv3.AttributeContext_HttpRequest{}),
		"empty headers": httpRequest(&authv3.AttributeContext_HttpRequest{HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{nil, {}}}}),
		"no addresses": {Attributes: &authv3.AttributeContext{
			Source: &authv3.AttributeContext_Peer{Address: unixSocket}, Destination: &authv3.AttributeContext_Peer{},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := convert(t, in)
			if got == nil || got.ID != "" || got.Server != "" || got.Peer.Principal != "" || got.SourceIP.IsValid() ||
				len(got.MCP.Header.Names()) != 0 || got.MCP.HasBody {
				t.Errorf("got %+v", got)
			}
		})
	}
}
