package cedar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// What the validator says, as far as there is something to add to it.
var (
	optionalAccess = regexp.MustCompile("access to optional attribute `([^`]+)`( in context| on entity)?")
	tagAccess      = regexp.MustCompile(`unable to guarantee safety of access to tag`)
	unknownAction  = regexp.MustCompile("^unrecognized action `(Action::\"((?:[^\"\\\\]|\\\\.)*)\")`$")
	unknownType    = regexp.MustCompile("^unrecognized entity type `([^`]+)`$")
	unknownMember  = regexp.MustCompile("^attribute `([^`]+)`.* not found$")
	noAction       = regexp.MustCompile(`^unable to find an applicable action`)
	emptySet       = regexp.MustCompile(`^empty set literals`)
	wrongType      = regexp.MustCompile(`^(?:unexpected type: |the types )`)
	wrongCall      = regexp.MustCompile(`^(?:extension constructors|error during extension|wrong number of arguments)`)
)

// plainTypes says what the types are that only the validator has names for.
var plainTypes = strings.NewReplacer(
	"Set<__cedar::internal::AnyEntity>", "a set of entities", "__cedar::internal::AnyEntity", "an entity",
	"Set<__cedar::internal::Any>", "a set", "__cedar::internal::OpenRecord{}", "a record",
	"__cedar::internal::True", "Bool", "__cedar::internal::False", "Bool",
)

// rules names the rule of a sentence of the validator.
var rules = []struct {
	sentence *regexp.Regexp
	rule     string
}{
	{optionalAccess, "optional-attribute"},
	{tagAccess, "tag-access"},
	{unknownAction, "unknown-action"},
	{unknownType, "unknown-type"},
	{unknownMember, "unknown-attribute"},
	{noAction, "no-applicable-action"},
	{emptySet, "empty-set"},
	{wrongType, "type"},
	{wrongCall, "function"},
}

// explainer turns what the validator says about one policy into diagnostics with places and advice.
type explainer struct {
	*locator
	*narrower
	pins pins
}

// explain returns the diagnostics for some sentences about a policy.
func (x *explainer) explain(body *ast.Policy, all []string) []diagnostic.Diagnostic {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	inScope := x.says("true")
	unknown := slices.ContainsFunc(all, func(s string) bool {
		return inScope[s] > 0 && (unknownAction.MatchString(s) || unknownType.MatchString(s))
	})
	var ds []diagnostic.Diagnostic
	for _, sentence := range all {
		d := diagnosed(sentence)
		if d.Rule == "no-applicable-action" && unknown {
			continue // no wonder
		}
		if inScope[sentence] > 0 {
			d.Help = x.advise(body, sentence, nil)
			for _, span := range x.inScope(sentence) {
				ds = append(ds, placed(d, span))
			}
		}
		found := x.inConditions(body, sentence)
		if inScope[sentence] == 0 && found == nil {
			d.Help = x.advise(body, sentence, nil)
			found = append(found, placed(d, x.fallback()))
		}
		ds = append(ds, found...)
	}
	return ds
}

// inConditions returns the diagnostics for a sentence about expressions in the conditions.
func (x *explainer) inConditions(body *ast.Policy, sentence string) []diagnostic.Diagnostic {
	var ds []diagnostic.Diagnostic
	for _, p := range x.about(sentence) {
		d := diagnosed(sentence)
		d.Help = x.advise(body, sentence, &p)
		ds = append(ds, placed(d, spanOf(p.expr, d.Rule)))
	}
	return ds
}

// diagnosed makes a diagnostic without a place.
func diagnosed(sentence string) diagnostic.Diagnostic {
	d := diagnostic.Diagnostic{Rule: "schema", Severity: diagnostic.Error, Message: plainTypes.Replace(sentence)}
	for _, r := range rules {
		if r.sentence.MatchString(sentence) {
			d.Rule = r.rule
			break
		}
	}
	return d
}

// fallback is where a sentence points to whose expression is not found.
func (x *explainer) fallback() syntax.Span {
	if conditions := x.policy.Conditions; len(conditions) > 0 {
		return syntax.Span{Start: conditions[0].Span.Start, End: conditions[len(conditions)-1].Span.End}
	}
	return x.policy.Effect.Span
}

// spanOf returns the part of an expression that is to be changed.
func spanOf(e syntax.Expr, rule string) syntax.Span {
	switch e := e.(type) {
	case *syntax.Paren:
		return spanOf(e.Inner, rule)
	case *syntax.Access:
		if rule == "unknown-attribute" {
			return e.Name.Span
		}
	case *syntax.Is:
		if rule == "unknown-type" {
			return e.Type.Span
		}
	case *syntax.EntityRef:
		if rule == "unknown-type" {
			return e.Type.Span
		}
	}
	return e.Span()
}

// inScope returns the places in the scope that a sentence is about.
func (x *explainer) inScope(sentence string) []syntax.Span {
	var spans []syntax.Span
	scope := x.policy.Scope
	if m := unknownType.FindStringSubmatch(sentence); m != nil {
		for _, c := range scope {
			if c.Type != nil && c.Type.String() == m[1] {
				spans = append(spans, c.Type.Span)
			}
			for _, e := range c.Entities {
				if e.Type.String() == m[1] {
					spans = append(spans, e.Type.Span)
				}
			}
		}
	}
	if m := unknownAction.FindStringSubmatch(sentence); m != nil {
		for _, e := range scope[1].Entities {
			if uid(types.EntityType(e.Type.String()), e.Unquoted).String() == m[1] {
				spans = append(spans, e.Span())
			}
		}
	}
	if emptySet.MatchString(sentence) {
		spans = append(spans, scope[1].Span)
	}
	if spans == nil {
		spans = append(spans, syntax.Span{Start: scope[0].Span.Start, End: scope[2].Span.End})
	}
	return spans
}
