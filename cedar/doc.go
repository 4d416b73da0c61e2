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
// # Arguments
//
// Every pinned tool has an action "call_tool:<server>/<tool>" whose context.input has the arguments with the types of
// the tool's input schema: strings, integers (Long), booleans, numbers (decimal), lists of strings or integers (Set),
// objects (record). Members of the schema that Cedar cannot express are not in it. Arguments that do not fit the schema
// (a required one is missing, a type is wrong, a number has more than four digits behind the point, a list more than
// 1,024 elements) are asked about as plain "call_tool" with context.arguments.complete == false. A null for a member
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
// The id of a User is the subject alone. With root issuers whose subjects may coincide, compare
// context.delegation.subject.issuer as well: the root issuer, the same on every hop.
//
// The id of a Resource is the URI as sent, and UriPath has every URI above it, cut at "/", on any server: add
// "resource in Server::…" to a condition to mean one server. A URI that can be read in more than one way (dot segments,
// encoded slashes, capitals in the host) has no UriPath: permits for one do not apply, forbids deny.
//
// The entities file declares groups (WorkloadGroup, UserGroup, ServerGroup, ToolGroup) and puts workloads, SPIFFE
// paths, users, servers and tools into them; their attributes come from the request. Only parents and tags of an entry
// are used: they are added to the parents that the request gives.
//
// # Loading
//
// A load is all or nothing. Every policy must pass Cedar's strict validation, so that a misspelt attribute or an
// unguarded optional one is found before it can make a forbid fail; the entities file must conform to the schema; a
// file without a policy, and a directory without a file, are refused. The error lists everything, one problem a line,
// as file:line:column: message.
package cedar
