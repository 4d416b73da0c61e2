package lint

import (
	"fmt"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// ignoreMark begins a comment that ignores findings.
const ignoreMark = "countersign:ignore"

// The rules about ignores themselves, which can not be ignored.
const (
	ruleWithoutReason = "ignore-without-reason"
	ruleUnused        = "unused-ignore"
)

func ignoreRules() []Rule {
	return []Rule{
		{
			ID: ruleWithoutReason, Severity: diagnostic.Error,
			Summary: "A countersign:ignore comment does not say why.",
			Why:     "Whoever reads the policy next cannot tell a decision from a shortcut. Until it has a reason, it ignores nothing.",
			Bad: `@id("ping")
// countersign:ignore unscoped-policy
permit (principal, action, resource);
`,
			Good: `@id("ping")
// countersign:ignore unscoped-policy a lab without anything worth protecting
permit (principal, action, resource);
`,
		},
		{
			ID: ruleUnused, Severity: diagnostic.Warning,
			Summary: "A countersign:ignore comment names a rule that finds nothing there, or no rule at all.",
			Why:     "It would hide the next mistake on that line.",
			Bad: `// countersign:ignore expired renewed by ticket 4711
@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
		},
	}
}

// ignore is one comment.
type ignore struct {
	span   syntax.Span
	rules  []string
	reason string
	hits   []*hit // of each rule
}

// hit is what comments say about one rule in one place.
type hit struct {
	reasoned bool // one of them says why
	needed   bool // the rule has found something there
}

// spot is a place that comments can be about: the findings of a rule on a line, or about the policy that begins there.
type spot struct {
	rule   string
	line   int
	policy bool
}

// ignores are the comments of a file.
type ignores struct {
	all   []*ignore
	spots map[spot]*hit
}

// findIgnores reads the comments of a file. Comments are tokens: what looks like one within a string is none.
func findIgnores(f *syntax.File) *ignores {
	begins := make(map[int]bool, len(f.Policies)) // offsets of policies
	for _, policy := range f.Policies {
		begins[policy.Span.Start.Offset] = true
	}
	found := &ignores{spots: make(map[spot]*hit)}
	for _, token := range f.Tokens {
		for _, comment := range token.Leading {
			found.add(comment.Text, comment.Span, token.Span.Start.Line, begins[token.Span.Start.Offset])
		}
		if token.Trailing != "" {
			found.add(token.Trailing, token.Span, token.Span.End.Line, false)
		}
	}
	return found
}

// add notes a comment that is about a line, and if abovePolicy about the policy that begins there.
func (is *ignores) add(comment string, span syntax.Span, line int, abovePolicy bool) {
	i := parseIgnore(comment)
	if i == nil {
		return
	}
	i.span = span
	for _, rule := range i.rules {
		on := is.spots[spot{rule, line, false}]
		if on == nil {
			on = new(hit)
			is.spots[spot{rule, line, false}] = on
		}
		if abovePolicy {
			is.spots[spot{rule, line, true}] = on
		}
		on.reasoned = on.reasoned || i.reason != ""
		i.hits = append(i.hits, on)
	}
	is.all = append(is.all, i)
}

func parseIgnore(comment string) *ignore {
	text, isLine := strings.CutPrefix(comment, "//")
	text, marked := strings.CutPrefix(strings.TrimLeft(text, " \t"), ignoreMark)
	if !isLine || !marked || text != "" && text[0] != ' ' && text[0] != '\t' {
		return nil
	}
	text = strings.TrimSpace(text)
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		end = len(text)
	}
	i := &ignore{reason: strings.TrimSpace(text[end:])}
	for name := range strings.SplitSeq(text[:end], ",") {
		if name != "" {
			i.rules = append(i.rules, name)
		}
	}
	return i
}

// ignored reports whether a comment is about the finding, and notes that the comment is needed. What is not Cedar cannot
// be ignored.
func (f *found) ignored() bool {
	if f.Rule == syntax.RuleSyntax {
		return false
	}
	about := []*hit{f.file.ignores.spots[spot{f.Rule, f.Start.Line, false}]}
	if f.policy != nil {
		about = append(about, f.file.ignores.spots[spot{f.Rule, f.policy.Span.Start.Line, true}])
	}
	ignored := false
	for _, h := range about {
		if h != nil {
			h.needed = true
			ignored = ignored || h.reasoned
		}
	}
	return ignored
}

// judgeIgnores finds comments without a reason and those that nothing needs. A rule that is not applied needs nothing,
// but may do so elsewhere.
func (r *run) judgeIgnores() []Finding {
	var all []Finding
	for _, f := range r.files {
		for _, i := range f.ignores.all {
			add := func(rule, message, help string) {
				if level, on := r.level[rule]; on {
					all = append(all, Finding{Diagnostic: diagnostic.Diagnostic{
						Rule: rule, Severity: level, File: f.Name, Start: place(i.span.Start), End: place(i.span.End),
						Message: message, Help: help,
					}})
				}
			}
			if len(i.rules) == 0 || i.reason == "" {
				add(ruleWithoutReason, "the comment ignores nothing without a rule and a reason",
					"write // "+ignoreMark+" RULE and why it does not matter here")
			}
			for n, rule := range i.rules {
				_, on := r.level[rule]
				switch {
				case !r.known[rule]:
					add(ruleUnused, fmt.Sprintf("there is no rule %.40q", rule), diagnostic.DidYouMean(rule, r.ids))
				case on && !i.hits[n].needed:
					add(ruleUnused, fmt.Sprintf("rule %s finds nothing here", rule), "remove it")
				}
			}
		}
	}
	return all
}
