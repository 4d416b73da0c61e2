package lint

import (
	"context"
	"fmt"
	"slices"
	"time"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// Source is the text of one policy file.
type Source struct {
	Name string // the path as it was given
	Data []byte
}

// Finding is what a rule found.
type Finding struct {
	diagnostic.Diagnostic
	// Fix is how to repair it; nil when that is for a person to decide.
	Fix *Fix
}

// Linter applies the rules. It is safe for concurrent use.
type Linter struct {
	rules []Rule
	level map[string]diagnostic.Severity // of the rules that are on
	known map[string]bool                // ids of all rules
	ids   []string                       // the same, sorted
	setup options
	world World
	now   time.Time
}

// New returns a linter. The world may be nil: then the rules that need one are not applied. The time is what @expires is
// compared with.
func New(c *Config, world World, now time.Time) *Linter {
	l := &Linter{
		rules: Rules(), level: make(map[string]diagnostic.Severity), known: make(map[string]bool),
		setup: c.options(), world: world, now: now,
	}
	for _, rule := range l.rules {
		l.known[rule.ID] = true
		l.ids = append(l.ids, rule.ID)
		if level, on := c.level(rule); on && (!rule.World || world != nil) {
			l.level[rule.ID] = level
		}
	}
	return l
}

// run is the state of linting one set of files.
type run struct {
	*Linter
	files    []*file
	findings []found
	shapes   *shapes
	alone    []*syntax.Policy // the forbids of all calls that have a delegation; nil until somebody asks
}

// file is one source with what was read from it.
type file struct {
	*syntax.File
	parsed  []diagnostic.Diagnostic // what the parser found
	ignores *ignores
}

// found is a finding before ignores were applied.
type found struct {
	Finding
	file   *file
	policy *syntax.Policy // the finding is about the policy as a whole; nil if not
}

// pass is one rule looking at one policy or file.
type pass struct {
	*run
	rule   *Rule
	file   *file
	policy *syntax.Policy // nil for the file
	id     string         // of the policy
}

func newPass(r *run, rule *Rule, f *file, policy *syntax.Policy) *pass {
	p := &pass{run: r, rule: rule, file: f, policy: policy}
	p.id, _ = policy.Annotation("id")
	return p
}

// Lint returns what the rules find in a set of files, in order of place. Files that are not Cedar have findings of rule
// "syntax", and the rest of them is looked at. The error is that of ctx.
func (l *Linter) Lint(ctx context.Context, sources []Source) ([]Finding, error) {
	r := &run{Linter: l, shapes: newShapes()}
	for _, s := range sources {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("linting %s: %w", s.Name, err)
		}
		r.read(s)
	}
	for i := range l.rules {
		rule := &l.rules[i]
		if _, on := l.level[rule.ID]; !on {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("applying rule %s: %w", rule.ID, err)
		}
		r.apply(rule)
	}
	return r.finish(), nil
}

func (r *run) read(s Source) {
	parsed, ds := syntax.Parse(s.Name, s.Data)
	f := &file{File: parsed, parsed: ds, ignores: findIgnores(parsed)}
	r.files = append(r.files, f)
	for _, d := range ds {
		if d.Rule == syntax.RuleSyntax {
			r.findings = append(r.findings, found{Finding: Finding{Diagnostic: d}, file: f})
		}
	}
}

func (r *run) apply(rule *Rule) {
	if rule.set != nil {
		rule.set(r)
	}
	for _, f := range r.files {
		if rule.file != nil {
			rule.file(&pass{run: r, rule: rule, file: f})
		}
		if rule.policy != nil {
			for _, policy := range f.Policies {
				rule.policy(newPass(r, rule, f, policy))
			}
		}
	}
}

// finish drops what is ignored, judges the ignores, and sorts.
func (r *run) finish() []Finding {
	var all []Finding
	for _, f := range r.findings {
		if !f.ignored() {
			all = append(all, f.Finding)
		}
	}
	all = append(all, r.judgeIgnores()...)
	slices.SortStableFunc(all, func(a, b Finding) int { return diagnostic.Compare(a.Diagnostic, b.Diagnostic) })
	return all
}

// at makes a finding about a span.
func (p *pass) at(span syntax.Span, message, help string) *found {
	d := diagnostic.Diagnostic{
		Rule: p.rule.ID, Severity: p.level[p.rule.ID], File: p.file.Name, Start: place(span.Start), End: place(span.End),
		Policy: p.id, Message: message, Help: help,
	}
	p.findings = append(p.findings, found{Finding: Finding{Diagnostic: d}, file: p.file})
	return &p.findings[len(p.findings)-1]
}

// whole makes a finding about the policy as a whole.
func (p *pass) whole(message, help string) {
	p.at(p.policy.Effect.Span, message, help).policy = p.policy
}

func place(p syntax.Position) diagnostic.Place {
	return diagnostic.Place{Line: p.Line, Column: p.Column}
}

// Diagnostics returns the findings without their fixes.
func Diagnostics(findings []Finding) []diagnostic.Diagnostic {
	ds := make([]diagnostic.Diagnostic, len(findings))
	for i, f := range findings {
		ds[i] = f.Diagnostic
	}
	return ds
}
