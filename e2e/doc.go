// Package e2e tests Countersign as it is run: real Envoy, real SPIRE, MCP servers and agents with the official Go SDK.
//
// A test fails, and is never skipped, when a component is missing; see package stage for where they are looked for.
package e2e
