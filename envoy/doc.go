// Package envoy is the edge: it speaks Envoy's external authorization protocol (envoy.service.auth.v3, over gRPC) and
// nothing else of Countersign does.
//
// One check goes through the files in this order:
//
//   - check.go receives a CheckRequest and returns a CheckResponse, whatever happens in between
//   - resource.go answers requests for the metadata of protected resources, which nobody decides about
//   - request.go turns the CheckRequest into an [authz.Request], once
//   - the [Decider] decides
//   - answer.go builds the CheckResponse, and is the only place that does: to Envoy an empty one is an allow
//   - reserved.go says which headers of the caller never reach a backend
//   - refusal.go, malformed.go, wording.go and body.go say how a denial looks to an MCP client
//   - metadata.go says what Envoy's access log gets to know
//
// The directory sample has an Envoy configuration to copy from.
package envoy
