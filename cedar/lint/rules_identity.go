package lint

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"countersign.dev/cedar/diagnostic"
)

// policyID is what the server takes for an id: it goes into records, metrics and tokens unquoted.
var policyID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// annotations are those that mean something to the server, to the tools or to readers by custom.
var annotations = []string{
	"author", "description", "example", "expires", "id", "issue", "owner", "reason", "severity", "single_use", "test",
}

func identityRules() []Rule {
	return []Rule{
		{
			ID: "missing-id", Severity: diagnostic.Error,
			Summary: "A policy has no @id.",
			Why:     "The server does not load it: records, metrics and tests name policies by their ids.",
			Bad: `permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("anybody-pings-crm")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			policy: func(p *pass) {
				if _, ok := p.policy.Annotation("id"); !ok {
					p.whole("the policy has no id", `write @id("…") before it`)
				}
			},
		},
		{
			ID: "malformed-id", Severity: diagnostic.Error,
			Summary: "An @id is empty, long, or has characters other than letters, digits and ._:-",
			Why:     "The server does not load it: ids are written into records, metrics and tokens as they are.",
			Bad: `@id("anybody pings")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("anybody-pings")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			policy: func(p *pass) {
				for _, a := range p.policy.Annotations {
					if a.Name.Text == "id" && !policyID.MatchString(a.Unquoted) {
						p.at(a.Span, fmt.Sprintf("id %.140q can not be used", a.Unquoted), "use 1 to 128 letters, digits, '.', '_', ':' or '-'")
					}
				}
			},
		},
		{
			ID: "duplicate-id", Severity: diagnostic.Error,
			Summary: "Two policies have the same @id, in one file or in two.",
			Why:     "The server does not load them: a record that names the id would not say which of them decided.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");

@id("ping")
permit (principal, action == Action::"ping", resource in Server::"ledger");
`,
			Good: `@id("ping-crm")
permit (principal, action == Action::"ping", resource in Server::"crm");

@id("ping-ledger")
permit (principal, action == Action::"ping", resource in Server::"ledger");
`,
			set: duplicateIDs,
		},
		{
			ID: "unknown-annotation", Severity: diagnostic.Warning, Options: []string{"known"},
			Summary: "An annotation means nothing to anybody.",
			Why: "Cedar ignores annotations that it does not know, so that a misspelt @single_use silently limits nothing. " +
				"Name your own in the configuration: known: [team].",
			Bad: `@id("ping") @resaon("closed")
forbid (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("ping") @reason("closed")
forbid (principal, action == Action::"ping", resource in Server::"crm");
`,
			policy: func(p *pass) {
				known := slices.Concat(annotations, p.setup.known)
				for _, a := range p.policy.Annotations {
					if !slices.Contains(known, a.Name.Text) {
						p.at(a.Span, fmt.Sprintf("annotation @%s has no meaning", a.Name.Text), diagnostic.DidYouMean(a.Name.Text, known))
					}
				}
			},
		},
		{
			ID: "expired", Severity: diagnostic.Warning, Options: []string{"within_days"},
			Summary: "The date of @expires has passed, is near, or is none.",
			Why: "The annotation is a reminder for people: the policy stays in force. " +
				"For a policy that must end by itself, compare context.now with a datetime.",
			Bad: `@id("break-glass") @expires("2020-01-31")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("break-glass") @expires("2999-01-31")
permit (principal, action == Action::"ping", resource in Server::"crm") when { context.now < datetime("2999-01-31") };
`,
			policy: expired,
		},
	}
}

func duplicateIDs(r *run) {
	first := make(map[string]string)
	r.eachPolicy("duplicate-id", func(p *pass) {
		for _, a := range p.policy.Annotations {
			if a.Name.Text != "id" {
				continue
			}
			if other, taken := first[a.Unquoted]; taken {
				p.at(a.Span, fmt.Sprintf("id %.140q is taken by the policy at %s", a.Unquoted, other), "")
				continue
			}
			first[a.Unquoted] = fmt.Sprintf("%s:%d:%d", p.file.Name, a.Span.Start.Line, a.Span.Start.Column)
		}
	})
}

// eachPolicy calls visit for all policies of all files in order, for a rule about several of them.
func (r *run) eachPolicy(rule string, visit func(*pass)) {
	at := slices.IndexFunc(r.rules, func(candidate Rule) bool { return candidate.ID == rule })
	for _, f := range r.files {
		for _, policy := range f.Policies {
			visit(newPass(r, &r.rules[at], f, policy))
		}
	}
}

func expired(p *pass) {
	for _, a := range p.policy.Annotations {
		if a.Name.Text != "expires" {
			continue
		}
		at, err := time.Parse(time.DateOnly, a.Unquoted)
		if err != nil {
			at, err = time.Parse(time.RFC3339, a.Unquoted)
		}
		switch {
		case err != nil:
			p.at(a.Span, fmt.Sprintf("%.40q is not a date", a.Unquoted), "write 2006-01-02 or 2006-01-02T15:04:05Z")
		case !p.now.Before(at):
			p.at(a.Span, "the policy was to end on "+at.Format(time.DateOnly)+" and is still in force", "remove the policy or set a new date")
		case !p.now.AddDate(0, 0, p.setup.withinDays).Before(at):
			p.at(a.Span, "the policy is to end on "+at.Format(time.DateOnly), "plan its removal or set a new date")
		}
	}
}
