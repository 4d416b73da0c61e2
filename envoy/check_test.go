package envoy_test

import (
	"context"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/envoy"
)

func TestPanicIsARefusal(t *testing.T) {
	var recovered any
	server := &envoy.Server{
		Decider:  decide(func(context.Context, *authz.Request) authz.Decision { panic("out of luck") }),
		Panicked: func(p any) { recovered = p },
	}
	out := check(t, server, rawRequest("POST"))
	mustDeny(t, out)
	if status := out.GetDeniedResponse().GetStatus().GetCode(); status != 503 || recovered != "out of luck" {
		t.Errorf("HTTP %d, recovered %v", status, recovered)
	}
	if id := headerOf(out, "x-countersign-decision"); len(id) < 20 || out.GetDynamicMetadata().AsMap()["reason"] != "panic" {
		t.Errorf("decision %q, metadata %v", id, out.GetDynamicMetadata())
	}
	if strings.Contains(out.GetDeniedResponse().GetBody(), "luck") {
		t.Error("the caller is told what happened")
	}
}

func TestNobodyToDecideIsARefusal(t *testing.T) {
	mustDeny(t, check(t, new(envoy.Server), rawRequest("POST")))
}

func TestAllowedTooLateIsARefusal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := &envoy.Server{Decider: decide(func(context.Context, *authz.Request) authz.Decision {
		cancel()
		return allowed()
	})}
	out, err := server.Check(ctx, rawRequest("POST"))
	if err != nil {
		t.Fatal(err)
	}
	mustDeny(t, out)
	if reason := out.GetDynamicMetadata().AsMap()["reason"]; reason != string(denial.Cancelled) {
		t.Errorf("reason %v", reason)
	}
}

func TestDeciderGetsTheDeadline(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "envoy's")
	server := &envoy.Server{Decider: decide(func(ctx context.Context, _ *authz.Request) authz.Decision {
		if ctx.Value(key{}) != "envoy's" {
			t.Error("another context")
		}
		return authz.Decision{}
	})}
	if _, err := server.Check(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

// Whatever bytes are a CheckRequest: nothing is let through that was not allowed, and what is allowed loses its
// reserved headers.
func FuzzCheck(f *testing.F) {
	for _, in := range []*authv3.CheckRequest{
		{},
		rawRequest("POST", rawField{"txn-token", "a"}, rawField{"x-countersign-subject", "root"}, rawField{"x-forwarded-client-cert", "x"}),
		httpRequest(&authv3.AttributeContext_HttpRequest{
			Method: "POST", Headers: map[string]string{"content-type": "application/json", "content-length": "78"}, Size: 78,
			RawBody: []byte(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"refund_case"}}`),
		}),
		httpRequest(&authv3.AttributeContext_HttpRequest{
			Method: "POST", Headers: map[string]string{"content-type": "application/json"}, Size: -1,
			RawBody: []byte(`{"jsonrpc":"2.0","id":1,"ID":2,"method":"ping"}`),
		}),
		httpRequest(&authv3.AttributeContext_HttpRequest{Method: "GET", Headers: map[string]string{"mcp-session-id": "s"}}),
	} {
		wire, err := proto.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := new(authv3.CheckRequest)
		if proto.Unmarshal(wire, in) != nil {
			return
		}
		mustDeny(t, check(t, always(authz.Decision{}), in))
		mustDeny(t, check(t, &envoy.Server{Decider: decide(readAndRefuse)}, in))
		out := check(t, always(allowed()), in)
		if out.GetOkResponse() == nil {
			mustDeny(t, out)
			return
		}
		left := map[string]bool{"x-envoy-auth-partial-body": true} // always: the caller's copy is not seen
		for _, name := range convert(t, in).MCP.Header.Names() {
			left[strings.ToLower(name)] = true
		}
		for _, name := range out.GetOkResponse().GetHeadersToRemove() {
			if !left[name] {
				t.Errorf("%q is removed and was not there, or twice", name)
			}
			delete(left, name)
		}
		for name := range left {
			if strings.HasPrefix(name, "x-countersign-") || name == "x-forwarded-client-cert" {
				t.Errorf("%q survives", name)
			}
		}
	})
}

// readAndRefuse refuses as the real decider would that permits nothing.
func readAndRefuse(_ context.Context, req *authz.Request) authz.Decision {
	d := authz.Decision{ID: "D", Server: &authz.Server{Name: "crm", Denials: authz.DenyHide}, Reason: denial.PolicyNoPermit}
	var err error
	if d.Call, err = mcp.Read(req.MCP, mcp.Rules{AllowBatch: true}); err != nil {
		d.Reason = denial.ReasonOf(err)
	}
	return d
}
