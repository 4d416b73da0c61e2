package lint_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The cases of each rule beyond its examples: what it must find, and what looks alike and is fine.
func TestRules(t *testing.T) {
	for name, test := range map[string]struct {
		rule    string
		options []string
		text    string
		want    []string
	}{
		"ids with odd characters": {
			rule: "malformed-id",
			text: `@id("") permit (principal, action, resource); @id("a\nb") permit (principal, action, resource);
@id("\u{202e}") permit (principal, action, resource); @id permit (principal, action, resource); @id("a.b:c_d-1") permit (principal, action, resource);`,
			want: []string{
				`1:1 malformed-id: id "" can not be used`, `1:47 malformed-id: id "a\nb" can not be used`,
				`2:1 malformed-id: id "\u202e" can not be used`, `2:55 malformed-id: id "" can not be used`,
			},
		},
		"ids that are equal although they are written differently": {
			rule: "duplicate-id",
			text: `@id("a") permit (principal, action, resource); @id("\u{61}") forbid (principal, action, resource);`,
			want: []string{`1:48 duplicate-id: id "a" is taken by the policy at p.cedar:1:1`},
		},
		"an annotation of the house": {
			rule: "unknown-annotation", options: []string{"known: [team]"},
			text: `@team("a") @taem("b") @single_usee permit (principal, action, resource);`,
			want: []string{`1:12 unknown-annotation: annotation @taem has no meaning`, `1:23 unknown-annotation: annotation @single_usee has no meaning`},
		},
		"dates": {
			rule: "expired", options: []string{"within_days: 7"},
			text: `@expires("2026-11-24") permit (principal, action, resource);
@expires("2026-11-25") permit (principal, action, resource);
@expires("2026-12-02") permit (principal, action, resource);
@expires("2026-11-24T12:00:01Z") permit (principal, action, resource);
@expires("2026-11-24T12:00:00Z") permit (principal, action, resource);
@expires("tomorrow") permit (principal, action, resource);
@expires permit (principal, action, resource);`,
			want: []string{
				"1:1 expired: the policy was to end on 2026-11-24 and is still in force",
				"2:1 expired: the policy is to end on 2026-11-25",
				"4:1 expired: the policy is to end on 2026-11-24",
				"5:1 expired: the policy was to end on 2026-11-24 and is still in force",
				`6:1 expired: "tomorrow" is not a date`, `7:1 expired: "" is not a date`,
			},
		},
		"a type is no scope": {
			rule: "unscoped-policy",
			text: `permit (principal is Workload, action, resource is Tool); forbid (principal, action, resource);
permit (principal, action, resource is Tool in Server::"crm"); permit (principal, action in Action::"any", resource);`,
			want: []string{
				"1:1 unscoped-policy: the scope leaves principal, action and resource open",
				"1:59 unscoped-policy: the scope leaves principal, action and resource open",
			},
		},
		"permits without conditions": {
			rule: "permit-without-condition",
			text: `permit (principal in WorkloadGroup::"agents", action in [Action::"list", Action::"read"], resource);
permit (principal in WorkloadGroup::"agents", action in [Action::"lifecycle", Action::"list_tools"], resource);
permit (principal in WorkloadGroup::"agents", action in Action::"read", resource in Server::"crm");
permit (principal in WorkloadGroup::"agents", action, resource);
permit (principal, action == Action::"ping", resource);
forbid (principal, action, resource);`,
			want: []string{
				"1:1 permit-without-condition: this is permitted on every server",
				"4:1 permit-without-condition: this is permitted on every server",
				"5:1 permit-without-condition: any workload may do this",
			},
		},
		"actions in conditions": {
			rule: "action-eq-parent",
			text: `permit (principal, action, resource) when { action == Action::"write" || Action::"list" == (action) };
permit (principal, action == Action::"ping", resource) when { action != Action::"write" && resource == Tool::"call_tool" };
permit (principal, action == Action::"call_tool:crm/search", resource) when { context.x == Action::"any" };
permit (principal, action == Foo::Action::"call_tool", resource);`,
			want: []string{
				`1:45 action-eq-parent: == means Action::"write" alone, and not the actions in it`,
				`1:74 action-eq-parent: == means Action::"list" alone, and not the actions in it`,
				`2:63 action-eq-parent: != leaves out Action::"write" alone, and not the actions in it`,
			},
		},
		"actions in lists, and not": {
			rule: "action-eq-parent",
			text: `permit (principal, action, resource) when { [Action::"write", Action::"ping"].contains(action) };
permit (principal, action, resource) unless { !([Action::"call_tool"].containsAny([action])) };
permit (principal, action, resource) when { Action::"call_tool" != (action) };
permit (principal, action, resource) when { [Action::"ping"].contains(action) && action != Action::"call_tool:crm/refund" };
permit (principal, action, resource) when { context.actions.contains(action) && [Action::"any"].contains(Action::"any") };
permit (principal, action, resource) when { [Action::"any"].contains(resource) && [Action::"any"].containsAny([action, Action::"any"]) };`,
			want: []string{
				`1:45 action-eq-parent: contains means Action::"write" alone, and not the actions in it`,
				`2:49 action-eq-parent: containsAny means Action::"call_tool" alone, and not the actions in it`,
				`3:45 action-eq-parent: != leaves out Action::"call_tool" alone, and not the actions in it`,
			},
		},
		"conditions that cannot hold": {
			rule: "impossible-policy",
			text: `permit (principal, action, resource) when { false };
permit (principal, action, resource) unless { true || context.a };
permit (principal, action, resource) when { context.a && !context.a };
permit (principal, action, resource) when { context.a == "x" } when { ("y" == context.a) };
permit (principal == Workload::"a", action, resource) when { principal == Workload::"b" };
permit (principal, action, resource is Tool) when { resource is Prompt };
permit (principal, action, resource == Tool::"a/b") when { resource is Prompt };
permit (principal, action, resource) when { context.a } unless { context.b || context.a };
permit (principal, action, resource) when { context.n < 3 && 5 < 4 };
permit (principal, action, resource) when { resource in [] };
permit (principal, action, resource) when { if context.a then false else 1 == 2 };
permit (principal, action, resource) when { context.a != "x" && context.a == "x" };
permit (principal, action, resource) when { principal != principal };
permit (principal, action, resource) when { context.n == 1 && context.n == 2 };
permit (principal, action, resource) when { if 1 >= 2 then context.a else !true };
permit (principal, action, resource) when { 3 < 2 || 2 <= -3 || "a" > 1 && false };`,
			want: []string{
				"1:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"2:38 impossible-policy: the policy never applies: what stands behind unless is always true",
				"3:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"4:72 impossible-policy: the policy never applies: this contradicts its scope or another condition",
				"5:62 impossible-policy: the policy never applies: this contradicts its scope or another condition",
				"6:53 impossible-policy: the policy never applies: this contradicts its scope or another condition",
				"7:60 impossible-policy: the policy never applies: this contradicts its scope or another condition",
				"8:79 impossible-policy: the policy never applies: this contradicts its scope or another condition",
				"9:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"10:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"11:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"12:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"13:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"14:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"15:38 impossible-policy: the policy never applies: what stands behind when is always false",
				"16:38 impossible-policy: the policy never applies: what stands behind when is always false",
			},
		},
		"conditions that look contradictory": {
			rule: "impossible-policy",
			text: `permit (principal, action, resource) when { context.a == "x" || context.a == "y" };
permit (principal, action, resource) when { context.a == "x" } unless { context.a == "y" };
permit (principal, action, resource) when { context.a == "x" && context.b == "y" };
permit (principal == Workload::"a", action, resource) when { resource != Tool::"b" && principal in WorkloadGroup::"agents" };
permit (principal, action, resource) when { context.n > 3 && context.n < 5 };
permit (principal, action, resource) when { context.a } unless { context.a && context.b };
permit (principal, action, resource) when { context.n == 01 && context.n == 1 && context.n == -1 + 2 };
permit (principal, action, resource is Tool in Server::"crm") when { resource is Tool };
permit (principal, action, resource) when { !!context.a && context.a };`,
		},
		"parts that are the same for every request": {
			rule: "always-true-condition",
			text: `permit (principal, action, resource) when { true };
permit (principal, action, resource) unless { 1 > 2 };
permit (principal, action, resource) when { context.a && (context.b || !context.b) };
permit (principal, action, resource) when { context.a == context.a };
permit (principal, action, resource) when { context.a || 1 == 2 };
permit (principal, action, resource) when { context.a like "*" || context.b };
permit (principal, action, resource) when { if context.a then true else true };
permit (principal, action, resource) when { Tool::"crm/search" is Tool };
permit (principal, action, resource) when { context.a != "x" || context.a != "y" };
permit (principal, action, resource) when { [context.a && true].contains(true) && context.b };
permit (principal, action, resource) when { !(!true) && context.a >= 1 };
permit (principal, action, resource) when { -1 <= -1 };
permit (principal, action, resource) when { if true then 3 >= 3 else context.a };`,
			want: []string{
				"1:38 always-true-condition: what stands behind when is always true",
				"2:38 always-true-condition: what stands behind unless is always false",
				"3:59 always-true-condition: this is always true",
				"4:38 always-true-condition: what stands behind when is always true",
				"5:58 always-true-condition: this is always false",
				"6:38 always-true-condition: what stands behind when is always true",
				"7:38 always-true-condition: what stands behind when is always true",
				"8:38 always-true-condition: what stands behind when is always true",
				"9:38 always-true-condition: what stands behind when is always true",
				"10:59 always-true-condition: this is always true",
				"11:45 always-true-condition: this is always true",
				"12:38 always-true-condition: what stands behind when is always true",
				"13:38 always-true-condition: what stands behind when is always true",
			},
		},
		"conditions that decide something": {
			rule: "always-true-condition",
			text: `permit (principal, action, resource) when { context.a && (context.b || context.c) };
permit (principal, action, resource) when { context.a == "true" } unless { context.b };
permit (principal, action, resource) when { principal is Workload };
permit (principal, action, resource) when { if context.a then true else false };
permit (principal, action, resource) when { context.a like "a*" && [true].contains(context.b) };`,
		},
		"patterns with escapes": {
			rule: "like-without-wildcard",
			text: `permit (principal, action, resource) when { context.a like "a\*b" || context.a like "a\\*b" || context.a like "" };`,
			want: []string{
				"1:45 like-without-wildcard: the pattern has no *, so it is compared as with ==",
				"1:96 like-without-wildcard: the pattern has no *, so it is compared as with ==",
			},
		},
		"SPIFFE IDs": {
			rule: "like-prefix-on-spiffe",
			text: `permit (principal, action, resource) when { principal.path like "/ns/*" };
permit (principal, action, resource) when { context.x like "spiffe://acme.example/*" };
permit (principal, action, resource) when { context.delegation.immediate_actor.spiffe_id like "*crm*" };
permit (principal, action, resource) when { resource.uri like "file:///*" || principal.spiffe_id like "spiffe://acme.example/planner" };`,
			want: []string{
				"1:45 like-prefix-on-spiffe: a pattern on a SPIFFE ID is not cut at slashes, and no index finds it",
				"2:45 like-prefix-on-spiffe: a pattern on a SPIFFE ID is not cut at slashes, and no index finds it",
				"3:45 like-prefix-on-spiffe: a pattern on a SPIFFE ID is not cut at slashes, and no index finds it",
			},
		},
		"stars and slashes": {
			rule: "like-star-crosses-slash",
			text: `permit (principal, action, resource) when { resource.uri like "file:///srv/*/public" };
permit (principal, action, resource) when { resource.uri like "file:///srv/*" || context.a like "x*" || context.a like "*.txt" };
permit (principal, action, resource) when { resource.uri like "file:///a*" };
permit (principal, action, resource) when { resource.uri like "file:///*/*" };`,
			want: []string{
				"1:63 like-star-crosses-slash: a * in this pattern matches more than one part of a path",
				"3:63 like-star-crosses-slash: the * also matches the rest of a longer name, not only what is below a path",
				"4:63 like-star-crosses-slash: a * in this pattern matches more than one part of a path",
			},
		},
		"rights in a text": {
			rule: "scope-substring",
			text: `permit (principal, action, resource) when { context.arguments.str.getTag("scope") like "*admin" };
permit (principal, action, resource) when { context.role like "*admin*" || context.roles like "admin*" };
permit (principal, action, resource) when { context.query like "*admin*" };`,
			want: []string{
				`1:45 scope-substring: a name that only ends with, or contains, the word passes for a right in "scope"`,
				`2:45 scope-substring: a name that only ends with, or contains, the word passes for a right in "role"`,
			},
		},
		"characters that turn the text around": {
			rule: "bidi",
			text: "// \u2066 comment\n@reason(\"\u202e\") permit (principal, action, resource) when { context.a == \"\\u{202e}\" }; // עברית\n",
			want: []string{"1:4 bidi: U+2066 changes the direction of the text", "2:10 bidi: U+202E changes the direction of the text"},
		},
		"scripts": {
			rule: "mixed-script",
			text: "permit (principal, action, resource in Server::\"\u0441rm\") when { context.a == \"Übersetzung по-русски 東京タワーIT 서울tv\" };\n" +
				"// с in a comment: \u0441rm\npermit (principal, action, resource) when { context.a == \"αβcδ\" && context.b == \"漢字кана\" };",
			want: []string{
				`1:48 mixed-script: "\u0441rm" has letters of Cyrillic and Latin`,
				`3:58 mixed-script: "\u03b1\u03b2c\u03b4" has letters of Greek and Latin`,
				`3:81 mixed-script: "\u6f22\u5b57\u043a\u0430\u043d\u0430" has letters of Han and Cyrillic`,
			},
		},
		"look-alikes": {
			rule: "confusable",
			text: "@reason(\"а\") permit (principal, action, resource in Server::\"\u0441\u0440\u0430\");\n" +
				"permit (principal, action, resource in Server::\"crm\u200b\"); // a\u00adb\n" +
				"permit (principal, action, resource in Server::\"cafe\u0301\");\n" +
				"permit (principal, action, resource in Server::\"привет\");\n" +
				"permit (principal, action, resource in Server::\"crm\");\n",
			want: []string{
				`1:61 confusable: "\u0441\u0440\u0430" looks like "cpa"`,
				`2:52 confusable: U+200B cannot be seen`, `2:61 confusable: U+00AD cannot be seen`,
				`3:48 confusable: "cafe\u0301" is not in normal form C, and does not equal the same text that is`,
				`5:40 confusable: "crm" looks like "crm\u200b", which is named elsewhere`,
			},
		},
		"what may fail": {
			rule: "forbid-may-error",
			text: `forbid (principal, action, resource) when { context.n + 1 > 5 || -1 * 2 < context.n };
forbid (principal, action, resource) when { ip(context.a).isLoopback() };
forbid (principal, action, resource) when { context.now.offset(duration("1d")) > datetime("2026-01-01") };
forbid (principal, action, resource) when { context.now.offset(context.d) > context.now };
permit (principal, action, resource) when { context.n + 1 > 5 };`,
			want: []string{
				"1:45 forbid-may-error: context.n fails when it is not there",
				"1:45 forbid-may-error: + fails when the result does not fit into 64 bits",
				"1:75 forbid-may-error: context.n fails when it is not there",
				"2:45 forbid-may-error: ip fails for a text that is none",
				"2:48 forbid-may-error: context.a fails when it is not there",
				"4:45 forbid-may-error: offset fails when the result does not fit into 64 bits",
				"4:64 forbid-may-error: context.d fails when it is not there",
			},
		},
		"what may not be there": {
			rule: "forbid-may-error",
			text: `forbid (principal, action, resource) when { context.arguments.num.getTag("amount") > 5 };
forbid (principal, action, resource) when { context.delegation.task == "a" };
forbid (principal, action, resource) when { context has delegation && context.delegation["task"] == "a" };
forbid (principal, action, resource) when { context has delegation || context.delegation.depth > 3 };
forbid (principal, action, resource) unless { context has delegation } when { context.delegation.depth > 3 };
forbid (principal, action, resource) when { context.arguments.num.hasTag("a") && context.arguments.num.getTag("b") > 5 };
forbid (principal, action, resource) when { context.arguments.num.hasTag("a") && context.arguments.str.getTag("a") == "" };
forbid (principal, action, resource) when { if context has session then context.session.id == "" else context.session.id == "a" };
forbid (principal, action, resource) when { (context has session || context has delegation) && context.session.id == "" };
forbid (principal, action, resource) when { [principal.k8s.namespace].contains("a") && principal has k8s };
forbid (principal, action, resource) when { !(context has session && context.method == "a") && context.session.id == "" };`,
			want: []string{
				"1:45 forbid-may-error: getTag fails when the tag is not there",
				"2:45 forbid-may-error: context.delegation fails when it is not there",
				"3:71 forbid-may-error: context.delegation.task fails when it is not there",
				"4:71 forbid-may-error: context.delegation fails when it is not there",
				"5:79 forbid-may-error: context.delegation fails when it is not there",
				"6:82 forbid-may-error: getTag fails when the tag is not there",
				"7:82 forbid-may-error: getTag fails when the tag is not there",
				"8:103 forbid-may-error: context.session fails when it is not there",
				"9:96 forbid-may-error: context.session fails when it is not there",
				"10:46 forbid-may-error: principal.k8s fails when it is not there",
				"11:96 forbid-may-error: context.session fails when it is not there",
			},
		},
		"what is tested first": {
			rule: "forbid-may-error",
			text: `forbid (principal, action, resource) when { context has delegation.task && context.delegation["task"] == "a" };
forbid (principal, action, resource) when { context has delegation } when { context.delegation.depth > 3 };
forbid (principal, action, resource) unless { !(context has delegation) } when { context.delegation.depth > 3 };
forbid (principal, action, resource) unless { !(context has delegation) || context.delegation.depth < 3 };
forbid (principal, action, resource) when { if context has delegation && context.delegation has task then context.delegation.task == "a" else false };
forbid (principal, action, resource) when { (if context has session then true else false) && context.session.id == "" };
forbid (principal, action, resource) when { if !(context has session) then true else context.session.id == "" };
forbid (principal, action, resource) when { (context has session && resource.known || context has session) && context.session.id == "" };
forbid (principal, action, resource) when { !(!(context has session) || false) && {a: context.session.id}.a == "" };
forbid (principal, action, resource) when { context.arguments.num.hasTag("a\u{62}") && (context.arguments.num).getTag("ab") > 5 };
forbid (principal, action, resource) when { context.input.amount > 5 || resource.uri == "" || context.request.host == "" };
forbid (principal, action, resource) when { (context has session || true) && (false || context has session) && context.session.id == "" };
permit (principal, action, resource) when { context.arguments.num.getTag("amount") > 5 && context.delegation.depth > 3 };`,
		},
		"steps": {
			rule: "level", options: []string{"max: 0"},
			text: `permit (principal, action, resource) when { principal.path == "x" && context.request.host == "y" };
permit (principal, action, resource) when { context.arguments.str.hasTag("a") && context.delegation.subject.issuer == "x" };
permit (principal, action, resource) when { Tool::"crm/search" has hints && Server::"crm" in ServerGroup::"money" };`,
			want: []string{
				"1:45 level: this is 1 steps from the request, and 0 are fine",
				"2:45 level: this is 1 steps from the request, and 0 are fine",
				"2:82 level: this is 1 steps from the request, and 0 are fine",
				`3:45 level: Tool::"crm/search" is not part of the request, and what is not has no attributes`,
			},
		},
		"who asks for a delegation": {
			rule: "delegation-unchecked",
			text: `permit (principal, action, resource);
permit (principal, action in [Action::"list", Action::"update_task"], resource);
permit (principal, action == Action::"call_tool:crm/refund", resource) when { context.arguments.complete };
@single_use permit (principal, action in Action::"call_tool", resource);
permit (principal, action in Action::"call_tool", resource) when { resource.hints.read_only };
permit (principal, action in Action::"call_tool", resource) when { resource.hints.read_only || context.a };
permit (principal, action in Action::"read", resource);
permit (principal, action == Action::"delegate", resource);
permit (principal, action, resource) when { context has delegation.task };
forbid (principal, action, resource);`,
			want: []string{
				"1:1 delegation-unchecked: the permit does not ask on whose behalf",
				"2:1 delegation-unchecked: the permit does not ask on whose behalf",
				"3:1 delegation-unchecked: the permit does not ask on whose behalf",
				"6:1 delegation-unchecked: the permit does not ask on whose behalf",
			},
		},
		"a delegation that is only asked for in some cases": {
			rule: "delegation-unchecked",
			text: `permit (principal, action, resource) when { context has delegation && context.a || context.method == "tools/call" };
permit (principal, action, resource) when { !(context has delegation) };
permit (principal, action, resource) unless { context has delegation };
permit (principal, action, resource) when { if context has delegation then context.delegation.depth < 3 else true };
permit (principal, action, resource) when { context.a || context.delegation.depth < 3 };
permit (principal, action, resource) when { [context has delegation].contains(true) };
permit (principal, action, resource) when { action != Action::"call_tool:crm/refund" || context has delegation };
permit (principal, action, resource) when { action in [Action::"read", context.a] || context has delegation };
permit (principal, action, resource) unless { !(context has delegation) && context.a };
permit (principal, action, resource) when { (context.a has delegation) };
permit (principal, action, resource) when { if context has delegation then context.a else false || context.b };`,
			want: []string{
				"1:1 delegation-unchecked: the permit also applies when there is no delegation",
				"2:1 delegation-unchecked: the permit also applies when there is no delegation",
				"3:1 delegation-unchecked: the permit also applies when there is no delegation",
				"4:1 delegation-unchecked: the permit also applies when there is no delegation",
				"5:1 delegation-unchecked: the permit also applies when there is no delegation",
				"6:1 delegation-unchecked: the permit also applies when there is no delegation",
				"7:1 delegation-unchecked: the permit also applies when there is no delegation",
				"8:1 delegation-unchecked: the permit also applies when there is no delegation",
				"9:1 delegation-unchecked: the permit also applies when there is no delegation",
				"10:1 delegation-unchecked: the permit does not ask on whose behalf",
				"11:1 delegation-unchecked: the permit also applies when there is no delegation",
			},
		},
		"a delegation that is asked for in every case": {
			rule: "delegation-unchecked",
			text: `permit (principal, action, resource) when { context has delegation && context.a || context.delegation.depth < 3 && context.b };
permit (principal, action, resource) unless { !(context has delegation) || context.a };
permit (principal, action, resource) when { if context has delegation then context.a else false };
permit (principal, action, resource) when { if !(context has delegation) then action in Action::"read" else context.a };
permit (principal, action, resource) when { resource.hints.read_only || context has delegation && context.a };
permit (principal, action, resource) when { action in [Action::"read", Action::"lifecycle"] || context has delegation };
permit (principal, action, resource) when { context.delegation["depth"] < 3 } unless { context.a };
permit (principal, action, resource) unless { context.delegation.actors.contains(principal) };
permit (principal, action, resource) when { !(context.a || !(context has delegation)) };
permit (principal, action, resource) when { (context has delegation || false) && (context.a || context.b) };
permit (principal, action, resource) when { -context.delegation.depth < context.n };`,
		},
		"an audience that is not asked for in every case": {
			rule: "audience-unchecked",
			text: `permit (principal, action, resource) when { context has delegation && (context.a || context.delegation.audience.contains("a")) };
permit (principal, action, resource) when { context has delegation } unless { context.delegation.audience.contains("a") };
permit (principal, action, resource) when { context.a };
permit (principal, action in Action::"read", resource) when { context has delegation };`,
			want: []string{"1:1 audience-unchecked: the permit does not ask who the delegation is meant for"},
		},
		"a depth that is not asked for in every case": {
			rule: "depth-unchecked",
			text: `permit (principal, action, resource) when { context has delegation && (context.a || context.delegation.depth < 3) };
permit (principal, action, resource) when { context.delegation.depth < 2 || context.delegation.immediate_actor.path == "/a" };`,
			want: []string{"1:1 depth-unchecked: the permit does not ask how many hops the delegation has"},
		},
		"who may act for nobody only": {
			rule: "delegation-unchecked",
			text: `forbid (principal in SpiffePath::"spiffe://acme.example/ci", action in Action::"any", resource in Server::"crm") when { (context has delegation) };
permit (principal in SpiffePath::"spiffe://acme.example/ci", action in Action::"write", resource in Server::"crm");
permit (principal == Workload::"spiffe://acme.example/ci/a", action in [Action::"call_tool"], resource == Tool::"crm/refund");
permit (principal is Workload in SpiffePath::"spiffe://acme.example/ci/a", action == Action::"call_tool:crm/refund", resource);
permit (principal == Workload::"spiffe://acme.example/cinema", action == Action::"call_tool:crm/refund", resource);
permit (principal in WorkloadGroup::"ci", action == Action::"call_tool:crm/refund", resource);
permit (principal == Workload::"spiffe://acme.example/ci", action == Action::"call_tool:crm-test/refund", resource);
permit (principal == Workload::"spiffe://acme.example/ci", action, resource in Server::"crm");
permit (principal == Workload::"spiffe://acme.example/ci", action in [Action::"write", Action::"delegate"], resource in Server::"crm");
permit (principal == Workload::"spiffe://acme.example/ci", action in Action::"write", resource);
permit (principal, action in Action::"write", resource in Server::"crm");
forbid (principal in TrustDomain::"acme.example", action in Action::"call_tool", resource == Tool::"ledger/transfer") when { context has delegation };
permit (principal in SpiffePath::"spiffe://acme.example/x", action == Action::"call_tool:ledger/transfer", resource);
permit (principal in SpiffePath::"spiffe://other.example/x", action == Action::"call_tool:ledger/transfer", resource);
permit (principal in TrustDomain::"acme.example", action in Action::"write", resource == Tool::"ledger/transfer");`,
			want: []string{
				"5:1 delegation-unchecked: the permit does not ask on whose behalf",
				"6:1 delegation-unchecked: the permit does not ask on whose behalf",
				"7:1 delegation-unchecked: the permit does not ask on whose behalf",
				"8:1 delegation-unchecked: the permit does not ask on whose behalf",
				"9:1 delegation-unchecked: the permit does not ask on whose behalf",
				"10:1 delegation-unchecked: the permit does not ask on whose behalf",
				"11:1 delegation-unchecked: the permit does not ask on whose behalf",
				"14:1 delegation-unchecked: the permit does not ask on whose behalf",
				"15:1 delegation-unchecked: the permit does not ask on whose behalf",
			},
		},
		"a forbid that leaves a way to act for somebody": {
			rule: "delegation-unchecked",
			text: `forbid (principal, action, resource) when { context has delegation && context.delegation.depth > 1 };
forbid (principal, action, resource) when { context has delegation } unless { resource.hints.read_only };
forbid (principal, action, resource) unless { context has delegation };
forbid (principal is Workload, action in Action::"call_tool", resource is Tool) when { context has delegation };
permit (principal, action in Action::"call_tool", resource is Tool);`,
			want: []string{"5:1 delegation-unchecked: the permit does not ask on whose behalf"},
		},
		"what the caller writes": {
			rule: "trusts-request-data",
			text: `permit (principal, action, resource) when { context.arguments.keys.contains("a") || context.request has source_ip };
permit (principal is Workload, action, resource) when { context.input.amount == 1 };
permit (principal, action, resource) when { context.request.host == "a" && resource in Server::"crm" };
permit (principal, action, resource) when { true };
forbid (principal, action, resource) when { context.request.host == "a" };`,
			want: []string{
				"1:45 trusts-request-data: only context.arguments.keys decides, which the caller writes",
				"2:57 trusts-request-data: only context.input.amount decides, which the caller writes",
			},
		},
		"users and workloads": {
			rule: "principal-user-confusion",
			text: `permit (principal in UserGroup::"finance", action, resource) when { principal is User };
permit (principal is User, action, resource) when { principal in [UserGroup::"a", WorkloadGroup::"b"] };
permit (principal, action, resource) when { User::"alice" == principal || principal.subject == "x" };
permit (principal, action, resource) when { context.delegation.subject in WorkloadGroup::"agents" };
permit (principal, action, resource) when { context.delegation.subject in UserGroup::"a" && principal in WorkloadGroup::"a" };
permit (principal is User in UserGroup::"a", action, resource);`,
			want: []string{
				"1:9 principal-user-confusion: the principal is a workload, never a UserGroup",
				"1:69 principal-user-confusion: the principal is a workload, never a User",
				"2:9 principal-user-confusion: the principal is a workload, never a User",
				"2:53 principal-user-confusion: the principal is a workload, never a UserGroup",
				"3:45 principal-user-confusion: the principal is a workload, never a User",
				"3:75 principal-user-confusion: the principal is a workload, never a User",
				"4:45 principal-user-confusion: the subject of a delegation is a user, never a WorkloadGroup",
				"6:9 principal-user-confusion: the principal is a workload, never a User",
				"6:9 principal-user-confusion: the principal is a workload, never a UserGroup",
			},
		},
		"policies that are the same": {
			rule: "shadowed-duplicate",
			text: `permit (principal, action in [Action::"read"], resource) when { context["a"] == "x" } unless { context.b };
permit (principal, action in Action::"read", resource,) when { (("\u{78}" == context.a)) } unless { context.b }; // the same
permit (principal, action in Action::"read", resource) when { context.a == "x" };
@single_use permit (principal, action in Action::"read", resource) when { context.a == "x" };
forbid (principal, action in Action::"read", resource) when { context.a == "x" };
permit (principal, action in Action::"list", resource) when { context.a };
permit (principal, action in Action::"list", resource);
@single_use permit (principal, action in Action::"list", resource) when { context.b };
permit (principal, action in [Action::"a", Action::"b"], resource);
permit (principal, action in [Action::"b", Action::"a"], resource);
permit (principal, action, resource) when { if context.a then [1, {"b": -1}] == [2] else ip("::1").isInRange(ip("::")) };
permit (principal, action, resource) when { if context.a then [1, {b: -1}] == [2] else ip("::1").isInRange(ip("::")) };
permit (principal, action, resource) when { principal is Workload in WorkloadGroup::"a" && context has a.b && context.a like "x*" };
permit (principal, action, resource) when { principal is Workload in WorkloadGroup::"a" && context has a.b && context.a like "x*" };`,
			want: []string{
				"2:1 shadowed-duplicate: the policy is the same as p.cedar:1:1",
				"6:1 shadowed-duplicate: the conditions do not matter: p.cedar:7:1 has the same scope and none",
				"12:1 shadowed-duplicate: the policy is the same as p.cedar:11:1",
				"14:1 shadowed-duplicate: the policy is the same as p.cedar:13:1",
			},
		},
		"groups": {
			rule: "entity-not-in-store",
			text: `permit (principal in WorkloadGroup::"agent", action, resource in ToolGroup::"ledger-reads") when {
  context.delegation.subject in [UserGroup::"staff", UserGroup::"stuff"] && resource in ServerGroup::"money" && principal == Workload::"x" };`,
			want: []string{
				`1:22 entity-not-in-store: nobody is in WorkloadGroup::"agent": it is not in the entities file`,
				`2:54 entity-not-in-store: nobody is in UserGroup::"stuff": it is not in the entities file`,
			},
		},
		"servers": {
			rule: "unknown-server",
			text: `permit (principal, action == Action::"call_tool:cmr/search", resource in Server::"wiki") when {
  resource == Tool::"leger/balance" || resource == Prompt::"x/y" || resource == Task::"crm/1" ||
  context.delegation.scopes.containsAny(["mcp:ledger:*", "mcp:wikki:*", "openid", "mcp:x"]) || resource == Resource::"x/y" };`,
			want: []string{
				`1:30 unknown-server: there is no server "cmr"`, `2:15 unknown-server: there is no server "leger"`,
				`2:52 unknown-server: there is no server "x"`, `3:58 unknown-server: there is no server "wikki"`,
			},
		},
		"tools": {
			rule: "unknown-tool",
			text: `permit (principal, action == Action::"call_tool:crm/serach", resource == Tool::"wiki/anything") when {
  context.delegation.scopes.contains("mcp:crm:serach") || context.delegation.scopes.contains("mcp:crm:*") || resource == Tool::"crm/refund" };`,
			want: []string{
				`1:30 unknown-tool: server "crm" has no tool "serach"`, `2:38 unknown-tool: server "crm" has no tool "serach"`,
			},
		},
		"actions that are none": {
			rule: "action-not-action-type",
			text: `permit (principal, action in [Action::"read", Tool::"x"], resource);`,
			want: []string{"1:47 action-not-action-type: Tool is not an action"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, run(t, only(t, test.rule, test.options...), test.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
