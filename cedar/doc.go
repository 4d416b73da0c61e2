// Package cedar is the policy side of Countersign: it loads Cedar policies, entities and pinned tools, checks them
// against one schema, keeps the last good revision, and answers the questions of package authz. No other package sees
// types of cedar-go.
//
// # Writing policies
//
// The guide in examples/README.md teaches this in fifteen minutes, with six sets of policies to copy and their tests.
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
// the tool's input schema. "countersign schema generate" writes them down. They are
//
//   - String, Long, Bool and decimal for strings, integers, booleans and numbers; enum and const also say which values
//     there are;
//   - Set for lists of these and of objects, a record for an object with known members;
//   - of a union, a record with one member that is named for the type of the value: string, long, bool, decimal, set, record
//     or map. Test it first: context.input.id has long && context.input.id.long > 7. Alternatives of one type are joined:
//     objects have the members of all, each optional unless all require it;
//   - StrArgs, NumArgs, BoolArgs or ListArgs for an object with any names and values of one type, with the members as tags:
//     context.input.labels.hasTag("env") && context.input.labels.getTag("env") == "prod".
//
// References within the schema are followed, and the parts of allOf put together. What Cedar cannot express is not in
// context.input: lists of lists, lists whose elements differ by their place, objects without known members, what may be
// anything, and what contains itself. No policy can name it.
//
// Arguments that do not fit are asked about as plain "call_tool" with context.arguments.complete == false. They do not fit
// if they violate the tool's input schema (JSON Schema 2020-12) anywhere, also in what is not in context.input: a required
// member is missing, a type is wrong, a value is not among the constants, too large, too long, does not match its pattern,
// has no alternative, or a closed object has another member. Nor do they if policies could not see them as they are: a
// number has more than four digits behind the point, a list or object with any names more than 1,024 elements, all texts
// together more than 256 KiB, to which each object in a list, each of its members, and each element of a list in an
// object with any names adds 128 bytes. A null for a member whose schema allows null is as if it were absent in
// context.input. A permit for the typed action does then not apply; a forbid for it, or an "unless" that names it, counts
// as a policy that could not be evaluated, which denies.
//
// Some keywords cannot be checked: a pattern that RE2 (package regexp) does not have, or that other implementations read in
// another way, $dynamicRef, references to other schemas, and a value that makes no sense; unevaluatedProperties and
// unevaluatedItems only where another part of the schema could have seen to the member. A call with a member that could not
// be checked does not fit if the member is in context.input. Otherwise it is asked about as the typed action, and
// context.arguments.complete is false. What takes too long, such as a pattern of ten parts and a text of 13 KB, does not
// fit. A format is taken for a comment, as by default in 2020-12. "countersign schema generate" lists what is not checked.
//
// A pinned file may have hashes ("countersign tools pull" and "tools pin" write them). Then it must say what they are of: a
// file that was edited is refused.
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
// cores of an AMD EPYC, Go 1.26.8 with its default garbage collection, November 2026; the slower of two runs, one of
// BenchmarkLinear and e2e/bench). The step is everything from [authz.Query] to [authz.Verdict] for a call with five arguments and a delegation
// of two hops:
//
//   - 10 policies cover the request: 5.6 µs of 10, 6.0 µs of 1,000, 7.2 µs of 10,000, 7.5 µs of 50,000; 69 allocations
//   - 20 policies: 9.3 µs of 20, 10.0 µs of 10,000, 9.8 µs of 50,000; 77 allocations
//   - 200 policies: 41 µs of 10,000; 83 allocations
//   - without index, everything translated and evaluated: 26 µs for 10, 1,900 µs for 10,000; 321 and 1,820 allocations
//
// One rule of 10,000 about a tool, a group and a scope is decided in 5 µs; OPA takes 25 µs, and CEL with a program for every
// rule 2,300 µs. Of one rule CEL is faster: 0.9 µs to 4 µs. A list of 8,000 pairs that were chosen to be slow, which cedar-go
// alone would take seconds for, costs 3 µs, and 1,024 chosen strings 29 µs. Typed arguments that were chosen to be slow
// (objects, choices, maps: as many as fit, all with one hash) take 0.3 ms to 0.5 ms.
//
// # Loading
//
// A load is all or nothing. Every policy must pass Cedar's strict validation, so that a misspelt attribute or an
// unguarded optional one is found before it can make a forbid fail; the entities file must conform to the schema; a
// file without a policy, and a directory without a file, are refused. The error lists everything, one problem a line,
// as file:line:column: message. A comment with a carriage return in it is refused, because implementations of Cedar do not
// agree on where it ends.
//
// A policy is one directory. A *.cedar file in a directory below it is refused, and not overlooked: a forbid there would be
// lost. So are more than 10,000 files below it, of which nobody knows what they are. Hidden directories such as .git and the
// ..data of a mounted ConfigMap are left out; a directory with tests or pinned tools may lie there.
//
// Decisions go on during a load, which leaves one processor to them. Files that did not change are not checked again. With
// 10,000 policies in 100 files, of which five in every file look at typed arguments, and 0, 100 or 1,000 pinned tools
// (BenchmarkReload, the slower of two runs):
//
//   - everything, at the start: 0.26 s, 0.33 s, 0.42 s; 224 MB to 444 MB are allocated
//   - one file was edited: 25 ms, 27 ms, 33 ms; 18 MB to 21 MB
//   - one pinned tool has changed, and all policies are validated again: 0.20 s with 100 tools, 0.29 s with 1,000
//
// # Tests that come along
//
// Files named *_test.yaml that lie beside the policies, and the tests in a bundle, are run whenever policies or tests change,
// before these take effect: see package policytest. One that fails keeps in force what is, like any other mistake, and so
// does one that cannot be read. What they may not do is surprise: tests of servers that are not configured are skipped, since
// several installations can share one set of policies; all together may take 10 seconds; other policies than those that are
// loaded are not tested, whatever a file says. The tests have no part in the revision. policy.tests is run by default, require
// where policies without tests must not count, or ignore.
//
// # Where policies come from
//
// A directory of *.cedar and *.cedar.gz files, with a file of entities and one of pinned tools for each server, which may be
// compressed too; messages refer to the text. A mounted ConfigMap holds 1 MiB: several of them in one projected volume are
// one directory, and compressed files go into binaryData. All files together have up to 16 MiB of text. Or a [Source]:
// package bundle packs everything into one signed file, and package bundle/remote fetches it.
package cedar
