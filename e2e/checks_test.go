package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"countersign.dev/e2e/stage"
)

// mutualTLS is how a workload of the stage connects to Countersign.
func mutualTLS(t *testing.T, svid stage.SVID) *tls.Config {
	t.Helper()
	own, err := x509svid.Load(svid.Certificate, svid.Key)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := x509bundle.Load(spiffeid.RequireTrustDomainFromString(stage.TrustDomain), svid.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	return tlsconfig.MTLSClientConfig(own, bundle, tlsconfig.AuthorizeID(spiffeid.RequireFromString(stage.ID("countersign"))))
}

// asker asks one replica as Envoy would, without Envoy's load balancing in between.
func asker(t *testing.T, st *stage.Stage, replica int) authv3.AuthorizationClient {
	t.Helper()
	conn, err := grpc.NewClient(st.CheckAddresses[replica], grpc.WithTransportCredentials(credentials.NewTLS(mutualTLS(t, st.SVIDs["gateway"]))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

// question is the check of a call that is allowed.
func question(token string) *authv3.CheckRequest {
	body := toolCall("read_case", map[string]any{"case_id": "4711"})
	header := callHeader("read_case", token)
	header.Set("Content-Length", fmt.Sprint(len(body)))
	fields := &corev3.HeaderMap{}
	for name, values := range header {
		for _, value := range values {
			fields.Headers = append(fields.Headers, &corev3.HeaderValue{Key: http.CanonicalHeaderKey(name), RawValue: []byte(value)})
		}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:            &authv3.AttributeContext_Peer{Principal: stage.ID("planner")},
		Destination:       &authv3.AttributeContext_Peer{Principal: stage.ID("gateway")},
		ContextExtensions: map[string]string{"countersign.server": "crm"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "1", Method: http.MethodPost, Path: "/mcp", Host: "127.0.0.1", Size: int64(len(body)), RawBody: body, HeaderMap: fields,
		}},
	}}
}

// verdict is "allowed", or the reason why not.
func verdict(ctx context.Context, t *testing.T, ask authv3.AuthorizationClient, q *authv3.CheckRequest) string {
	t.Helper()
	answer, err := ask.Check(ctx, q)
	if err != nil {
		t.Errorf("asking: %v", err)
		return err.Error()
	}
	if codes.Code(answer.GetStatus().GetCode()) == codes.OK && answer.GetOkResponse() != nil {
		return "allowed"
	}
	reason, _ := answer.GetDynamicMetadata().AsMap()["reason"].(string)
	return reason
}
