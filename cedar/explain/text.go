package explain

import (
	"fmt"
	"io"
	"strings"

	"countersign.dev/cedar"
	"countersign.dev/cedar/terminal"
)

// printer writes the parts of an explanation.
type printer struct{ *terminal.Printer }

// Text writes the explanation for people.
func (e *Explanation) Text(out io.Writer, colour bool) error {
	p := printer{terminal.New(out, colour)}
	decision := p.In(terminal.Red, "deny")
	if e.Decision == "allow" {
		decision = p.In(terminal.Green, "allow")
	}
	p.Line("%s: %s", decision, e.Why)
	if e.Note != "" {
		p.Line("note: %s; what follows is what policy alone says", e.Note)
	}
	if e.Unknown != "" {
		p.Line("note: %s", e.Unknown)
	}
	if e.Principal != "" {
		p.Line("")
		p.Line("  principal  %s\n  action     %s\n  resource   %s", e.Principal, e.Action, e.Resource)
	}
	p.fit(e)
	if len(e.Candidates) > 0 {
		p.section("Policies that cover the request")
		for i := range e.Candidates {
			p.policy(&e.Candidates[i])
		}
	}
	if len(e.Near) > 0 {
		p.section(fmt.Sprintf("Permits that cover it but for one constraint (%d of %d)", len(e.Near), e.NearTotal))
		for i := range e.Near {
			p.policy(&e.Near[i])
		}
	}
	switch {
	case e.searched && len(e.Suggestions) == 0:
		p.Line("")
		p.Line("No change of the request is known that would allow it.")
	case len(e.Suggestions) > 0:
		p.section("What would allow it")
		for i := range e.Suggestions {
			p.suggestion(&e.Suggestions[i])
		}
	}
	return p.Err()
}

func (p printer) section(title string) {
	p.Line("")
	p.Line("%s", p.In(terminal.Bold, title))
}

func (p printer) fit(e *Explanation) {
	if e.Unfit != "" {
		p.Line("")
		p.Line("The arguments do not fit the pinned schema, so %s was not asked for:", e.Unfit)
		for _, misfit := range e.Misfits {
			p.Line("  - %s", misfit)
		}
	}
	if e.Ambiguous {
		p.Line("")
		p.Line("The URI can be read in more than one way, so it is below no UriPath.")
	}
}

func (p printer) policy(policy *Policy) {
	outcome := map[cedar.Outcome]string{
		cedar.Applies: "applies", cedar.NotMet: p.In(terminal.Dim, "does not apply"), cedar.Failed: p.In(terminal.Yellow, "cannot be judged"),
	}[policy.Outcome]
	switch {
	case policy.Missing != "" && policy.Outcome == cedar.Applies:
		outcome = "would apply"
	case policy.Missing != "" && policy.Outcome == cedar.NotMet:
		outcome = p.In(terminal.Dim, "would not apply either way")
	case policy.Missing != "":
		outcome = p.In(terminal.Yellow, "its conditions have no value for this request")
	case policy.Overridden:
		outcome = p.In(terminal.Yellow, "applies, but is overridden")
	case policy.Outcome == cedar.Applies && policy.Effect == "forbid":
		outcome = p.In(terminal.Red, "applies")
	case policy.Outcome == cedar.Applies:
		outcome = p.In(terminal.Green, "applies")
	}
	p.Line("  %s %s  %s  %s", policy.Effect, policy.ID, outcome, p.In(terminal.Dim, fmt.Sprintf("%s:%d:%d", policy.File, policy.Line, policy.Column)))
	if policy.Missing != "" {
		p.Line("      not so: %s", policy.Missing)
	}
	if policy.Error != "" && len(policy.Conditions) == 0 {
		p.Line("      %s", policy.Error)
	}
	for _, c := range policy.Conditions {
		p.condition(policy.Effect, c)
	}
}

// outcome says what the body of a clause is, and what follows from it: an unless clause lets its policy apply when that is
// false.
func (p printer) outcome(effect string, c Condition) string {
	body := map[bool]string{true: True, false: False}[(c.Kind == "when") == (c.Outcome == Met)]
	switch c.Outcome {
	case Error:
		return p.In(terminal.Yellow, "has no value: "+c.Error)
	case Unlooked:
		return p.In(terminal.Dim, Unlooked)
	case NotMet:
		return p.In(terminal.Red, fmt.Sprintf("%s, which keeps the %s from applying", body, effect))
	}
	return body
}

func (p printer) condition(effect string, c Condition) {
	p.Line("      %s  %s", c.Kind, p.outcome(effect, c))
	if c.Outcome == Unlooked {
		return
	}
	for _, leaf := range c.Leaves {
		p.leaf(leaf)
	}
}

// maxText is how many bytes of a part of a policy are shown to people.
const maxText = 400

func shortened(text string) string { return cut(text, maxText) }

func (p printer) leaf(leaf *Leaf) {
	mark := map[string]string{True: p.In(terminal.Green, "true "), False: p.In(terminal.Red, "false"), Error: p.In(terminal.Yellow, "error"), Unlooked: p.In(terminal.Dim, "  -  ")}[leaf.Value]
	text := shortened(leaf.Text)
	var saw []string
	for _, s := range leaf.Saw {
		saw = append(saw, shortened(s.Expression)+" is "+s.Value)
	}
	switch {
	case leaf.Value == Unlooked:
		saw = []string{Unlooked}
	case leaf.Error != "":
		saw = append(saw, leaf.Error)
	}
	if len(saw) > 0 {
		text += "   " + p.In(terminal.Dim, "("+strings.Join(saw, ", ")+")")
	}
	p.Line("        %s  %s", mark, text)
}

func (p printer) suggestion(s *Suggestion) {
	outcome := "not checked: not all of it can be tried here"
	switch {
	case s.Checked:
		outcome = p.In(terminal.Green, "checked: it would be allowed")
	case len(s.Still) > 0:
		outcome = p.In(terminal.Red, "still denied: "+strings.Join(s.Still, "; "))
	}
	p.Line("  by %s (%s)", s.Policy, outcome)
	for _, c := range s.Changes {
		p.Line("    - %s", c)
	}
	for _, n := range s.Needs {
		p.Line("    - this must be so: %s", shortened(n))
	}
}
