package envoy

import (
	"context"
	"crypto/tls"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// headerAllowance is what a CheckRequest may hold beside the body, in bytes: Envoy's headers (60 KiB by default),
	// the peer's certificate and metadata.
	headerAllowance = 256 << 10
	// maxConcurrentChecks is how many checks one connection may have under way. Envoy opens another one for more.
	maxConcurrentChecks = 1000
	// connectionGrace is how long checks may go on after their connection has reached its age.
	connectionGrace  = 30 * time.Second
	handshakeTimeout = 10 * time.Second
	pingAfter        = time.Minute
	pingTimeout      = 20 * time.Second
	// minPingInterval is how often Envoy may ping; its own default is off.
	minPingInterval = 10 * time.Second
)

// ServerConfig is what [NewGRPCServer] serves and how.
type ServerConfig struct {
	// Authorization answers the checks. It is required.
	Authorization *Server
	// Credentials secure the transport. Nil refuses every connection: where there is nothing to secure, on a Unix
	// socket, say so with [google.golang.org/grpc/credentials/insecure.NewCredentials].
	Credentials credentials.TransportCredentials
	// MaxBody is the largest request body of all MCP servers, in bytes.
	MaxBody int
	// MaxConnectionAge is when a connection is asked to go away, so that Envoys spread over new replicas. Zero or less
	// lets connections live for ever.
	MaxConnectionAge time.Duration
}

// NewGRPCServer returns a gRPC server with the authorization and the health service. It is not serving until
// [SetServing] says so. It has no reflection: nobody but Envoy has business here.
func NewGRPCServer(config ServerConfig) (*grpc.Server, *health.Server) {
	creds := config.Credentials
	if creds == nil {
		// A server without a certificate fails every handshake.
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13})
	}
	server := grpc.NewServer(
		grpc.Creds(creds),
		grpc.MaxRecvMsgSize(max(config.MaxBody, 0)+headerAllowance),
		grpc.MaxConcurrentStreams(maxConcurrentChecks),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      max(config.MaxConnectionAge, 0), // zero is for ever
			MaxConnectionAgeGrace: connectionGrace,
			Time:                  pingAfter,
			Timeout:               pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(config.Authorization.recoverUnary),
	)
	authv3.RegisterAuthorizationServer(server, config.Authorization)
	healthServer := health.NewServer()
	healthv1.RegisterHealthServer(server, healthServer)
	SetServing(healthServer, false)
	return server, healthServer
}

// SetServing sets the health of the server as a whole and of the authorization service.
func SetServing(server *health.Server, serving bool) {
	state := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthv1.HealthCheckResponse_SERVING
	}
	server.SetServingStatus("", state)
	server.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, state)
}

// recoverUnary turns a panic outside [Server.Check], which has its own answer to one, into an error.
func (s *Server) recoverUnary(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, status.Error(codes.Internal, "internal error")
			s.report(p)
		}
	}()
	return handler(ctx, req)
}
