package envoy_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"countersign.dev/authz"
	"countersign.dev/envoy"
)

// serve runs a server in memory and returns a connection to it.
func serve(t *testing.T, config envoy.ServerConfig) (*grpc.ClientConn, *health.Server) {
	t.Helper()
	server, healthServer := envoy.NewGRPCServer(config)
	listener := bufconn.Listen(1 << 16)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///countersign",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn, healthServer
}

func TestServesNothingUntilToldSo(t *testing.T) {
	conn, healthServer := serve(t, envoy.ServerConfig{
		Authorization: always(authz.Decision{}), Credentials: insecure.NewCredentials(), MaxConnectionAge: 5 * time.Minute,
	})
	client := healthv1.NewHealthClient(conn)
	expect := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
			got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%q is %v, %v, want %v", service, got, err, want)
			}
		}
	}
	expect(healthv1.HealthCheckResponse_NOT_SERVING)
	envoy.SetServing(healthServer, true)
	expect(healthv1.HealthCheckResponse_SERVING)
	envoy.SetServing(healthServer, false)
	expect(healthv1.HealthCheckResponse_NOT_SERVING)
}

func TestChecksOfTheLargestBodyPassAndNoLarger(t *testing.T) {
	const maxBody = 100_000
	conn, _ := serve(t, envoy.ServerConfig{
		Authorization: always(allowed()), Credentials: insecure.NewCredentials(), MaxBody: maxBody,
	})
	client := authv3.NewAuthorizationClient(conn)
	in := rawRequest("POST", rawField{"cookie", strings.Repeat("c", 60<<10)})
	in.Attributes.Request.Http.RawBody = make([]byte, maxBody)
	out, err := client.Check(t.Context(), in)
	if err != nil || out.GetOkResponse() == nil {
		t.Fatalf("%v, %v", out, err)
	}
	in.Attributes.Request.Http.RawBody = make([]byte, maxBody+256<<10)
	if _, err := client.Check(t.Context(), in); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

// A program that forgot the credentials must not serve in the clear.
func TestWithoutCredentialsNobodyGetsIn(t *testing.T) {
	conn, _ := serve(t, envoy.ServerConfig{Authorization: always(allowed())})
	if _, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), rawRequest("POST")); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestPanicInTheLastResortIsAnError(t *testing.T) {
	panics := 0
	authorization := &envoy.Server{Panicked: func(any) {
		if panics++; panics == 1 {
			panic("the metric is broken as well")
		}
	}}
	conn, _ := serve(t, envoy.ServerConfig{Authorization: authorization, Credentials: insecure.NewCredentials()})
	_, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), rawRequest("POST"))
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "metric") {
		t.Errorf("got %v", err)
	}
}
