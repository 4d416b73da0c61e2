package lint

import (
	"fmt"

	"countersign.dev/cedar/diagnostic"
)

func duplicateRules() []Rule {
	return []Rule{{
		ID: "shadowed-duplicate", Severity: diagnostic.Warning,
		Summary: "A policy says what another one says already: the same in all parts, or more with the same scope and no conditions.",
		Why: "To change or remove one of them changes nothing, which is a trap for whoever wants to take a right back. " +
			"Annotations do not matter, but for @single_use.",
		Bad: `@id("ping-a")
permit (principal, action == Action::"ping", resource in Server::"crm") when { context has session };

@id("ping-b")
permit ( principal, action == Action::"ping", resource in Server::"crm" ) when { (context has session) };
`,
		Good: `@id("ping-a")
permit (principal, action == Action::"ping", resource in Server::"crm") when { context has session };

@id("ping-b")
permit (principal, action == Action::"ping", resource in Server::"crm") when { principal.path == "/planner" };
`,
		set: duplicates,
	}}
}

// duplicates looks every policy up by the number of its shape, so that it takes one look each however many there are.
func duplicates(r *run) {
	type key struct {
		shape int
		once  bool
	}
	first := make(map[key]string)
	unconditional := make(map[key]string)
	keyOf := func(p *pass, withConditions bool) key {
		parts := []int{r.shapes.scope(p.policy)}
		if withConditions {
			for _, c := range p.policy.Conditions {
				parts = append(parts, r.shapes.number('P', c.Kind.Text, r.shapes.of(c.Body)))
			}
		}
		_, once := p.policy.Annotation("single_use")
		return key{r.shapes.number('P', "", parts...), once}
	}
	r.eachPolicy("shadowed-duplicate", func(p *pass) {
		where := fmt.Sprintf("%s:%d:%d", p.file.Name, p.policy.Effect.Span.Start.Line, p.policy.Effect.Span.Start.Column)
		if p.id != "" {
			where = fmt.Sprintf("%.140q at %s", p.id, where)
		}
		k := keyOf(p, true)
		if other, seen := first[k]; seen {
			p.whole("the policy is the same as "+other, "remove one of them")
			return
		}
		first[k] = where
		if len(p.policy.Conditions) == 0 {
			unconditional[k] = where
		}
	})
	r.eachPolicy("shadowed-duplicate", func(p *pass) {
		if len(p.policy.Conditions) == 0 {
			return
		}
		if other, seen := unconditional[keyOf(p, false)]; seen {
			p.whole("the conditions do not matter: "+other+" has the same scope and none", "remove one of them")
		}
	})
}
