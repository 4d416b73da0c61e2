package cedar

import (
	"maps"
	"slices"
	"testing"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/google/go-cmp/cmp"
)

// What a condition can look at is all that has to be translated for it.
func TestFindReads(t *testing.T) {
	const delegated = factDelegation
	for name, tc := range map[string]struct {
		condition string
		facts     facts
		names     []string
	}{
		"nothing":                     {`principal == resource`, 0, nil},
		"the time":                    {`context.now > datetime("2026-01-01")`, factNow, nil},
		"whether there is a session":  {`context has session`, factSession, nil},
		"the session":                 {`context.session.id == "s"`, factSession | factSessionID, nil},
		"whether there is an address": {`context.request has source_ip`, factRequest | factSourceIP, nil},
		"the host in two places":      {`context.request.host == "a" || context.request.host like "b*"`, factRequest | factHost, nil},
		"a path that is tested":       {`context has delegation.task && context.delegation.task == "t"`, delegated | factTask, nil},
		"the user's groups":           {`context.delegation.subject in UserGroup::"g"`, delegated | factSubject, nil},
		"the user's issuer":           {`context.delegation.subject.issuer == "i"`, delegated | factSubject | factUserIssuer, nil},
		"an actor's path":             {`context.delegation.immediate_actor.path == "/a"`, delegated | factImmediateActor | factWorkloadPath, nil},
		"the principal's account":     {`principal has k8s && principal.k8s.service_account == "a"`, factKubernetes, nil},
		"a target's attributes":       {`resource.hints.read_only && resource.name == "a" && resource.uri == "b"`, 0, nil},
		"an attribute nobody knows":   {`resource.color == "red"`, factWorkload | factUser, nil},
		"a whole record":              {`context.session == context.session`, factSession | factSessionID, nil},
		"a record in a set":           {`[context.session].contains({id: "s"})`, factSession | factSessionID, nil},
		"a record of two":             {`(if principal == resource then context.session else context.session).id == "s"`, factSession | factSessionID | factWorkload | factUser, nil},
		"the whole context":           {`context == {}`, everything, nil},
		"the context in a record":     {`{a: context}.a == {}`, everything, nil},
		"the context, one or other":   {`(if principal == resource then context else context).method == ""`, everything, nil},
		"what the table lacks":        {`context.color == "red"`, everything, nil},
		"a member the table lacks":    {`context.request.color == "red"`, everything, nil},
		"a member of a text":          {`context.method.color == "red"`, everything, nil},
		"a typed argument":            {`context.input.amount > 1`, factInput, []string{"amount"}},
		"a nested argument":           {`context.input has customer && context.input.customer.id == 1`, factInput, []string{"customer"}},
		"whether there is input":      {`context has input`, factInput, nil},
		"all of the input":            {`context.input == context.input`, factInput | factAllNames, nil},
		"an untyped argument":         {`context.arguments.num.hasTag("amount") && context.arguments.num.getTag("amount") > 1`, factArguments | factNumbers, []string{"amount"}},
		"an argument named elsewhere": {`context.arguments.str.hasTag(context.method)`, factArguments | factStrings | factMethod | factAllNames, nil},
		"a tag with a strange key":    {`context.arguments.str.hasTag(1)`, factArguments | factStrings | factAllNames, nil},
		"the names":                   {`context.arguments.keys.contains("a") && context.arguments.complete`, factArguments | factKeys | factComplete, nil},
		"the scopes":                  {`!context.delegation.scopes.isEmpty() && context.delegation.scopes.containsAny(["a"])`, delegated | factScopes, nil},
		"an address":                  {`context.request.source_ip.isInRange(ip("10.0.0.0/8"))`, factRequest | factSourceIP, nil},
		"is and in":                   {`context.delegation.subject is User in UserGroup::"g"`, delegated | factSubject, nil},
	} {
		t.Run(name, func(t *testing.T) {
			names := argumentNames{}
			for _, word := range []string{"when", "unless"} {
				all := numbered(t, "permit (principal, action, resource) "+word+" { "+tc.condition+" };")
				got := names.findReads((*ast.Policy)(all[0].body.AST()))
				if got.facts != tc.facts {
					t.Errorf("%s: facts %b, want %b", word, got.facts, tc.facts)
				}
				if len(got.names) != len(tc.names) {
					t.Errorf("%s: %d names, want %q", word, len(got.names), tc.names)
				}
			}
			if diff := cmp.Diff(tc.names, slices.Sorted(maps.Keys(names))); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// Everything that the schema has to offer is known, else it would be translated for every policy that reads it, and a
// fact is never put where the schema has none.
func TestFactsFollowTheSchema(t *testing.T) {
	words, err := newVocabulary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[types.String][]types.String{}
	for id, action := range words.schema.Actions {
		if action.AppliesTo == nil || id.ID == "revoke" { // its context is made as a whole
			continue
		}
		for name, attribute := range action.AppliesTo.Context {
			got[name] = nil
			if record, ok := attribute.Type.(resolved.RecordType); ok {
				got[name] = slices.Sorted(maps.Keys(record))
			}
		}
	}
	want := map[types.String][]types.String{}
	for name, fact := range contextFacts {
		want[name] = slices.Sorted(maps.Keys(fact.members))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("context (-table +schema):\n%s", diff)
	}
	attributes := map[types.String]bool{}
	var collect func(resolved.RecordType)
	collect = func(record resolved.RecordType) {
		for name, attribute := range record {
			attributes[name] = true
			if inner, ok := attribute.Type.(resolved.RecordType); ok {
				collect(inner)
			}
		}
	}
	for _, entity := range words.schema.Entities {
		collect(entity.Shape)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(attributeFacts)), slices.Sorted(maps.Keys(attributes))); diff != "" {
		t.Errorf("attributes (-table +schema):\n%s", diff)
	}
}

// Names of arguments are looked up by number, also in large sets of policies.
func TestWantedArguments(t *testing.T) {
	names := argumentNames{}
	for i := range 200 {
		names[string(rune('a'+i))] = int32(i)
	}
	w := wanted{known: names}
	if w.argument("a") {
		t.Error("nothing was wanted yet")
	}
	w.add(reads{names: []int32{0, 63, 64, 199}})
	for i := range 200 {
		if want := i == 0 || i == 63 || i == 64 || i == 199; w.argument(string(rune('a'+i))) != want {
			t.Errorf("argument %d: wanted is %v", i, !want)
		}
	}
	if w.argument("unknown") {
		t.Error("a name that no policy knows is wanted")
	}
	w.add(reads{facts: factAllNames})
	if !w.argument("unknown") {
		t.Error("a name is not wanted when all are")
	}
}
