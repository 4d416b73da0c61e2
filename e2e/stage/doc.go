// Package stage sets up the real thing on loopback: Envoy in front of two MCP servers, Countersign beside it, agents
// that call, and a certificate authority or SPIRE that says who everybody is.
//
// The demo and the end-to-end tests play on the same stage. Nothing on it is faked: Envoy and SPIRE are the released
// programs, Countersign is built from this repository, the MCP servers and agents use the official Go SDK, and every
// workload is a process of its own, because a SPIFFE ID belongs to a process.
//
//	agent (planner, intern) ──mTLS──▶ Envoy :crm ────▶ crm ──mTLS──▶ Envoy :ledger ────▶ ledger
//	                                    └── ext_authz, mTLS ──▶ Countersign ◀── ext_authz ──┘
//
// [Build] makes the programs once; [Start] raises a stage; [Stage.Close] ends every process that it started.
package stage
