// Package authz decides whether one MCP request may reach its backend, and countersigns the delegation it carries.
//
// [Authorizer.Decide] takes a [Request] and returns a [Decision]. It knows nothing of Envoy, gRPC, Cedar or files: the
// edge converts once, and policy is asked through [Policy]. The order of its steps is a security property. Nothing that
// the caller controls is decoded into structs before its grammar or its signature was checked, and every step that
// cannot say yes says no, with one typed [denial.Reason]:
//
//  1. peer: the SPIFFE ID of the mTLS peer ([peer]), which must not be revoked
//  2. server: which MCP backend the request is for ([Servers])
//  3. MCP: the request, read strictly ([mcp])
//  4. delegation: the Txn-Token, if there is one, presented by this peer ([delegation]); or what an access token of a
//     configured identity provider ([oauth]) begins, where the server takes one in its place
//  5. revocation: everything the token names ([revoke])
//  6. session: a legacy session, a task or a handle belongs to its owner ([session])
//  7. granted scope: the delegation covers the tool and its arguments
//  8. policy: permits the call, for every target
//  9. single use: where it was asked for, the delegation was not used for the same request before ([replay])
//  10. countersign: a token for the backend, bound to this request
//  11. record: one audit record ([audit])
//
// Two things can be tried out before they count. A server in [Shadow] mode refuses nothing, and the records say what it
// would have refused. Policies in [Config.Shadows] are asked what the live ones decide, after they did, and the records
// say where they differ. Neither is ever on by itself: the zero value of everything refuses, and asks nobody.
package authz
