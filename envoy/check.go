package envoy

import (
	"context"
	"crypto/rand"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
)

// Decider decides requests. [authz.Authorizer] is one.
type Decider interface {
	Decide(ctx context.Context, req *authz.Request) authz.Decision
}

// Server implements envoy.service.auth.v3.Authorization.
type Server struct {
	authv3.UnimplementedAuthorizationServer

	// Decider decides. Without one every request is refused.
	Decider Decider
	// Resources answers requests for the metadata of protected resources. It may be nil.
	Resources Resources
	// Panicked is told what was recovered when a check panicked. It may be nil. It is called on the goroutine that
	// panicked, so that runtime/debug.Stack shows where.
	Panicked func(recovered any)
}

// Check answers one check. It returns no error: to Envoy that is a failed call, which failure_mode_allow turns into an
// allowed one, and the client would get no reason.
func (s *Server) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, _ error) {
	defer func() {
		if p := recover(); p != nil {
			out = answer(&authz.Request{}, authz.Decision{ID: rand.Text(), Reason: denial.Panicked})
			s.report(p)
		}
	}()
	if document, ok := s.resource(in); ok {
		return document, nil
	}
	req := newRequest(in)
	decision := s.Decider.Decide(ctx, req)
	if ctx.Err() != nil && decision.Token != "" {
		// Envoy has given up on this check and refused the request. No token goes out for it.
		decision.Allowed, decision.Reason = false, denial.Cancelled
	}
	return answer(req, decision), nil
}

func (s *Server) report(recovered any) {
	if s.Panicked != nil {
		s.Panicked(recovered)
	}
}
