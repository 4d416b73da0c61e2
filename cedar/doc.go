// Package cedar is the policy side of Countersign: it loads Cedar policies, entities and pinned tools, checks them
// against one schema, keeps the last good revision, and answers the questions of package authz. No other package sees
// types of cedar-go.
//
// # Writing policies
//
// The principal is the mTLS peer, the action what it asks for, the resource the tool, prompt, resource, task or server.
// The user is context.delegation.subject. Every policy has an @id. With these two files in the policy directory, the
// planner may call the crm's tools that only read, for users in finance, and nobody may send more than 10,000:
//
//	@id("planner-reads-crm")
//	permit (principal == Workload::"spiffe://acme.example/planner",
//	        action in Action::"call_tool", resource in Server::"crm")
//	when { resource.hints.read_only && context has delegation &&
//	       context.delegation.subject in UserGroup::"finance" };
//
//	@id("transfer-cap") @reason("Transfers over 10,000 need a person.")
//	forbid (principal, action in Action::"call_tool", resource == Tool::"ledger/transfer")
//	unless { context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") <= 10000 };
//
// Before a tool can be called, a client opens a conversation and lists what there is:
//
//	@id("planner-uses-crm")
//	permit (principal == Workload::"spiffe://acme.example/planner",
//	        action in [Action::"lifecycle", Action::"list"], resource in Server::"crm");
//
// And what the crm may pass on to its own backends is a question of its own, asked for every item of the scope:
//
//	@id("crm-passes-on-balance")
//	permit (principal == Workload::"spiffe://acme.example/crm",
//	        action == Action::"delegate", resource == Tool::"ledger/balance");
//
// # Single use
//
// A permit with @single_use lets a delegation be used only once for the same call: the same delegation with the same
// body is refused the second time, and so is a call without a delegation. Any deciding permit with it is enough. It has
// no effect on other requests than tools/call.
//
//	@id("planner-transfers") @single_use
//	permit (principal == Workload::"spiffe://acme.example/planner",
//	        action in Action::"call_tool", resource == Tool::"ledger/transfer");
//
// # Revoking
//
// Who may revoke is asked as Action::"revoke", with the workload that asks as principal and our own issuer as resource.
// Here somebody on call may end tasks, for a day at most, and see what is revoked:
//
//	@id("oncall-ends-tasks")
//	permit (principal in WorkloadGroup::"oncall", action == Action::"revoke",
//	        resource == Issuer::"spiffe://acme.example/countersign")
//	when { context.operation == "list" ||
//	       context.operation == "add" && context has kind && context.kind == "task" && context has expires_at &&
//	       context.expires_at <= context.now.offset(duration("1d")) };
//
// # Arguments
//
// Every pinned tool has an action "call_tool:<server>/<tool>" whose context.input has the arguments with the types of
// the tool's input schema: strings, integers (Long), booleans, numbers (decimal), lists of strings or integers (Set),
// objects (record). Members of the schema that Cedar cannot express are not in it. Arguments that do not fit the schema
// (a required one is missing, a type is wrong, a number has more than four digits behind the point, a list more than
// 1,024 elements, its texts together more than 256 KiB) are asked about as plain "call_tool" with context.arguments.complete == false. A null for a member
// whose schema allows null counts as absent. A permit for the typed action does then not apply; a forbid for it, or an
// "unless" that names it, counts as a policy that could not be evaluated, which denies.
//
// context.arguments offers the arguments of any tool and prompt without types. Values that it cannot show are left
// out: numbers with a fraction, nulls, objects, mixed lists, and what exceeds 1,024 names, 1,024 elements of a list or
// 256 KiB of text. In a forbid, write what is fine behind "unless" and not what is wrong behind "when", or insist on
// context.arguments.complete: an amount of 10000.5 is not in context.arguments.num.
//
// # Users, resources, groups
//
// The id of a User is the subject, with the subject_prefix of the root issuer in front that vouches for it: User::"alice"
// is our own, and User::"partner:alice" somebody else. At most one root issuer has no prefix, and its subjects can not
// begin with the prefix of another; our own token endpoint is a root issuer too. The attribute subject is the bare subject,
// and issuer the root issuer, both the same on every hop: compare both or neither.
//
// The id of a Resource is the URI as sent, and UriPath has every URI above it, cut at "/", on any server: add
// "resource in Server::…" to a condition to mean one server. A URI that can be read in more than one way (dot segments,
// encoded slashes, capitals in the host) has no UriPath: permits for one do not apply, forbids deny.
//
// The entities file declares groups (WorkloadGroup, UserGroup, ServerGroup, ToolGroup) and puts workloads, SPIFFE
// paths, users, servers and tools into them; their attributes come from the request. Only parents and tags of an entry
// are used: they are added to the parents that the request gives.
//
// # Policies that fail
//
// A policy that cannot be evaluated for a request (a sum overflows, say) denies it, whatever the others say. Cedar would
// skip it, and a forbid would fail open. It is named in the record (policy_errors) and counted
// (countersign_policy_errors_total). With policy.on_error: cedar a permit that fails does not count and others may still
// allow, as Cedar has it; it is recorded as policy_skipped. A forbid that fails always denies. Two names stand for more
// than a policy: "*" for a request that could not be put into Cedar's terms, because an actor is no workload or a list
// was made to be slow to compare, and "*index" for a disagreement that policy.verify_index found.
//
// # What a decision takes
//
// Only the policies are evaluated whose scope (principal, action, resource) covers the request. They are found by an
// index, so that other policies cost nothing, however many there are; a policy without a scope is evaluated for every
// request, and the number that was (policy_candidates) is recorded and counted. Write the rarest thing that a policy is
// about into its scope and not behind "when": a tool, a server, a group. The answer is that of plain Cedar with all
// policies; policy.verify_index has a share of live decisions made both ways.
//
// Of the context and the arguments only what one of these policies reads is put into Cedar's terms. Comparing a whole
// record (context.delegation == …), or a tag whose name is not written out, reads all of it. Lists of lists are never
// converted, and a list is refused whose elements were chosen to have one hash.
//
// Measured with BenchmarkAuthorize, BenchmarkLinear and BenchmarkFlood of this package and with those of e2e/bench (two
// cores of an AMD EPYC, Go 1.26.8 with its default garbage collection, November 2026; the middle of three runs, of two for
// e2e/bench). The step is everything from [authz.Query] to [authz.Verdict] for a call with five arguments and a delegation
// of two hops:
//
//   - 10 policies cover the request: 5.2 µs of 10, 5.4 µs of 1,000, 6.1 µs of 10,000, 6.9 µs of 50,000; 69 allocations
//   - 20 policies: 7.6 µs of 20, 8.7 µs of 10,000, 8.9 µs of 50,000; 77 allocations
//   - 200 policies: 36 µs of 10,000; 83 allocations
//   - without index, everything translated and evaluated: 19 µs for 10, 1,700 µs for 10,000; 250 and 1,749 allocations
//
// One rule of 10,000 about a tool, a group and a scope is decided in 5 µs; OPA takes 24 µs, and CEL with a program for every
// rule 2,100 µs. Of one rule CEL is faster: 0.9 µs to 4 µs. A list of 8,000 pairs that were chosen to be slow, which cedar-go
// alone would take seconds for, costs 3 µs, and 1,024 chosen strings 31 µs.
//
// # Loading
//
// A load is all or nothing. Every policy must pass Cedar's strict validation, so that a misspelt attribute or an
// unguarded optional one is found before it can make a forbid fail; the entities file must conform to the schema; a
// file without a policy, and a directory without a file, are refused. The error lists everything, one problem a line,
// as file:line:column: message.
package cedar
