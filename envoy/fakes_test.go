package envoy_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"countersign.dev/authz"
	"countersign.dev/envoy"
)

var update = flag.Bool("update", false, "write golden files")

// decide is a Decider that is a function.
type decide func(context.Context, *authz.Request) authz.Decision

func (f decide) Decide(ctx context.Context, req *authz.Request) authz.Decision { return f(ctx, req) }

// always decides the same, whatever is asked.
func always(d authz.Decision) *envoy.Server {
	return &envoy.Server{Decider: decide(func(context.Context, *authz.Request) authz.Decision { return d })}
}

// check asks the server and fails the test on a gRPC error, which to Envoy is no answer at all.
func check(t testing.TB, server *envoy.Server, in *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	out, err := server.Check(t.Context(), in)
	if err != nil {
		t.Fatalf("Check returned an error: %v", err)
	}
	return out
}

// convert returns what the Decider got to see.
func convert(t testing.TB, in *authv3.CheckRequest) *authz.Request {
	t.Helper()
	var seen *authz.Request
	check(t, &envoy.Server{Decider: decide(func(_ context.Context, req *authz.Request) authz.Decision {
		seen = req
		return authz.Decision{}
	})}, in)
	return seen
}

// rawField is one header of a header_map.
type rawField struct{ name, value string }

// rawRequest is a request as Envoy sends it with encode_raw_headers.
func rawRequest(method string, fields ...rawField) *authv3.CheckRequest {
	headers := &corev3.HeaderMap{}
	for _, f := range fields {
		headers.Headers = append(headers.Headers, &corev3.HeaderValue{Key: f.name, RawValue: []byte(f.value)})
	}
	return httpRequest(&authv3.AttributeContext_HttpRequest{Method: method, HeaderMap: headers})
}

func httpRequest(http *authv3.AttributeContext_HttpRequest) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: http},
	}}
}

// render writes a CheckResponse the way a reviewer wants to read it.
func render(out *authv3.CheckResponse) string {
	var b strings.Builder
	fmt.Fprintf(&b, "grpc: %s\n", codes.Code(out.GetStatus().GetCode())) //nolint:gosec // a small code
	if ok := out.GetOkResponse(); ok != nil {
		for _, h := range ok.GetHeaders() {
			appends := "unset"
			if a := h.GetAppend(); a != nil { //nolint:staticcheck // both forms of append must be there
				appends = fmt.Sprint(a.GetValue())
			}
			fmt.Fprintf(&b, "set %s (append %s, %s)\n", renderHeader(h), appends, h.GetAppendAction())
		}
		for _, name := range ok.GetHeadersToRemove() {
			fmt.Fprintf(&b, "remove %s\n", name)
		}
	}
	if denied := out.GetDeniedResponse(); denied != nil {
		fmt.Fprintf(&b, "http: %d\n", denied.GetStatus().GetCode())
		for _, h := range denied.GetHeaders() {
			fmt.Fprintf(&b, "%s\n", renderHeader(h))
		}
		if denied.GetBody() != "" {
			fmt.Fprintf(&b, "\n%s\n", denied.GetBody())
		}
	}
	return b.String()
}

func renderHeader(h *corev3.HeaderValueOption) string {
	return h.GetHeader().GetKey() + ": " + h.GetHeader().GetValue()
}

// headerOf returns the value of a header that a denial carries.
func headerOf(out *authv3.CheckResponse, name string) string {
	headers := out.GetDeniedResponse().GetHeaders()
	i := slices.IndexFunc(headers, func(h *corev3.HeaderValueOption) bool { return h.GetHeader().GetKey() == name })
	if i < 0 {
		return ""
	}
	return headers[i].GetHeader().GetValue()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is different (-want +got), -update writes it anew:\n%s", file, diff)
	}
}
