// Package policytest runs tests of policies: tables of requests, in YAML files beside the policies, with what should come
// of each.
//
//	defaults:                                 # of every case below
//	  trust_domain: acme.example
//	  peer: /planner
//	  server: ledger
//	  delegation: {subject: alice}
//	cases:
//	- name: a small transfer
//	  tool: transfer
//	  arguments: {amount: 100}
//	  expect: allow
//	  policies: [planner-transfers]           # exactly these decide
//	- name: too much, whoever asks
//	  for: {peer: [/planner, /crm], arguments.amount: [10001, 10001.5]}   # four cases
//	  tool: transfer
//	  expect: deny
//	  policies: [transfer-cap]
//	  reason: Transfers over 10,000 need a person.
//
// The members of a request are those of [scenario.Request]. Those of a case stand before the defaults, member by member;
// in http and delegation too. What a request is about (tool, prompt, resource, task, method, arguments) is one: a case that
// names it takes nothing of it from the defaults. A member that is null is as if the defaults did not have it.
//
// # Expectations
//
// Expect is allow or deny, as policy answers, or refused: then the request is one that never gets as far as policy. Its
// delegation has expired, does not cover the tool, is from the future or somebody else's, or it is one that cannot be passed
// on. Such a case has no other expectations.
//
// Policies are the ids of all that decide; left out, it may be any, and [] means that none does. Errors are the policies that cannot be evaluated, and skipped the permits among them that do not count (on_error: cedar);
// left out, there must be none, so that nothing is denied by accident. Reason is what the caller is told, and single_use
// whether the delegation is used up.
//
// A case cannot expect what will never be: that a request is allowed which would be refused before policy is asked, that
// policy denies it when it does not, a policy that does not exist, or a permit that denies.
//
// # Names
//
// What nobody knows is denied by whatever the policies are, so that a case about a misspelt name would pass and prove nothing.
// A case is wrong that names a server which is not configured; a tool that is not pinned although the server's tools are,
// unless the case says unpinned: true; and a peer or backend of a trust domain that no policy, no entity and no case that is
// allowed names, unless it says stranger: true. Where policies and entities name no trust domain, any will do. Workloads and
// users need not be known.
//
// # Where the policies are
//
// A file is named *_test.yaml, or *_test.yaml.gz if it is compressed. It lies in the directory of the policies, above a
// directory policies, or in a directory tests in one of these. The entities are in entities.json and the pinned tools of a server in tools/<server>.json, beside
// the policies or beside their directory. The members policies, entities, tools, servers and on_error of the file say
// otherwise.
//
// # Before policies take effect
//
// [Acceptance] runs the tests beside policies whenever these are loaded; see "Tests that come along" in package cedar.
//
// # Coverage
//
// A policy is covered when it decided once, and each of its conditions when it was seen true and seen false. A condition
// counts whenever the scope of its policy covers a question, also if another condition has already settled what it comes to.
// Of policies that no test is about, nothing is seen; see [Untested].
package policytest
