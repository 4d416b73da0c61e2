package replay

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"countersign.dev/cedar/scenario"
	"countersign.dev/cedar/terminal"
)

// Maxima of what a line of the plan shows.
const (
	maxShown = 160 // bytes of one name
	maxTold  = 400 // bytes of a message
	maxNamed = 8   // policies
)

// Text writes the report for people, as a plan: + for what is allowed from now on or may be passed on, - for what no longer,
// and ~ for answers that stay with other reasons. Nothing in a log can write to the terminal.
func (r *Report) Text(out io.Writer, colour bool) error {
	p := printer{terminal.New(out, colour)}
	for _, set := range []struct {
		word string
		Set
	}{{"old", r.Old}, {"new", r.New}} {
		p.Line("%s  %s (%s, revision %s)", set.word, shown(set.Name), plural(set.Policies, "policy", "policies"), set.Revision)
	}
	for _, g := range r.Groups {
		p.group(g)
	}
	p.Line("")
	if r.MoreGroups > 0 {
		p.Line("%s not shown.", plural(r.MoreGroups, "more group is", "more groups are"))
	}
	if n := total(r.Ungrouped); n > 0 {
		p.Line("%s in no group, because there are too many:%s.", plural(n, "more flip is", "more flips are"), counts(r.Ungrouped, kinds))
	}
	p.summary(r)
	if err := p.Err(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// printer writes the parts of a plan.
type printer struct{ *terminal.Printer }

// signs are those of a plan, with their colours.
var signs = map[Kind]struct {
	text   string
	colour terminal.Colour
}{
	Widened: {"+", terminal.Green}, Narrowed: {"-", terminal.Red}, ScopeWidened: {"+", terminal.Green},
	ScopeNarrowed: {"-", terminal.Red}, Erring: {"~", terminal.Red}, Mended: {"~", terminal.Yellow},
	Reasons: {"~", terminal.Yellow},
}

func (p printer) group(g *Group) {
	sign := signs[g.Kind]
	head := p.In(sign.colour, fmt.Sprintf("%s %s %d×", sign.text, g.Kind, g.Count))
	what := shown(g.Method)
	if g.Target != "" {
		what += " " + shown(g.Target)
	}
	who := shown(g.Peer)
	if g.User != "" {
		who += " for " + shown(g.User)
	}
	p.Line("\n%s  %s: %s at %s", head, who, what, shown(g.Server))
	before, after := g.Old.text(), g.New.text()
	if g.Kind.ofScope() {
		before, after = before+g.Old.passing(), after+g.New.passing()
	}
	p.Line("    %s  →  %s", before, after)
	when := "at " + stamp(g.First)
	if !g.First.Equal(g.Last) {
		when = "from " + stamp(g.First) + " to " + stamp(g.Last)
	}
	p.Line("    %s, for example decision %s", when, shown(g.Example))
	for _, line := range g.Explanation {
		p.Line("      %s", oneLine(line))
	}
}

// text says what an answer is in a few words.
func (a *Answer) text() string {
	text := a.Decision
	switch {
	case a.PassOnError != "":
		text += ", because it cannot be told what the backend may pass on: " + oneLine(a.PassOnError)
	case len(a.Errors) > 0:
		text += ", because of an error in " + named(a.Errors)
		if len(a.PolicyIDs) > 0 {
			text += ", beside " + named(a.PolicyIDs)
		}
	case len(a.PolicyIDs) > 0:
		text += " by " + named(a.PolicyIDs)
	default:
		text += ", no permit applies"
	}
	if len(a.Skipped) > 0 {
		text += ", skipping " + named(a.Skipped)
	}
	if a.SingleUse {
		text += " (single use)"
	}
	return text
}

// passing says what may be passed on.
func (a *Answer) passing() string {
	if len(a.PassesOn) == 0 {
		return ", passing on nothing"
	}
	items := make([]string, len(a.PassesOn))
	for i, item := range a.PassesOn {
		items[i] = shown(item)
	}
	return ", passing on " + named(items)
}

func named(ids []string) string {
	if len(ids) > maxNamed {
		return strings.Join(ids[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(ids)-maxNamed)
	}
	return strings.Join(ids, ", ")
}

func (p printer) summary(r *Report) {
	switch {
	case r.Compared == 0:
		p.Line("Nothing was compared.")
	case r.Changes() == 0:
		p.Line("No answer changes: %s compared.", plural(r.Compared, "record", "records"))
	default:
		p.Line("%d of %s would change:%s.", r.Changes(), plural(r.Compared, "answer", "answers"), counts(r.Flips, kinds))
	}
	switch {
	case r.Compared == 0:
	case r.ScopesCompared == 0:
		p.Line("What a backend may pass on was not compared: no record that both sets allow tells the backend and the scope.")
	default:
		p.Line("What a backend may pass on was compared for %s.", plural(r.ScopesCompared, "record", "records"))
	}
	if r.Failing > 0 {
		p.Line("A policy newly fails for %s.", plural(r.Failing, "request", "requests"))
	}
	if r.Undecided > 0 {
		p.Line("%s undecided, because a policy may read what was not recorded:%s.",
			plural(r.Undecided, "record is", "records are"), counts(r.UndecidedBy, losses))
	}
	if r.ScopesUndecided > 0 {
		p.Line("What may be passed on is undecided for %s, because a policy may read what was not recorded.",
			plural(r.ScopesUndecided, "record", "records"))
	}
	if d := r.Drift; d.Lines > 0 {
		p.Line("Drift: the old set does not give %d of %s (%d another decision; for example %s). It is not what decided then.",
			d.Lines, plural(d.Checked, "recorded answer", "recorded answers"), d.Decisions, shown(d.Example))
	}
	read := plural(r.Lines, "line", "lines") + " read"
	if !r.First.IsZero() {
		read += ", from " + stamp(r.First) + " to " + stamp(r.Last)
	}
	p.Line("%s: %d compared, %d undecided, %d left out, %d not asked about%s.", read, r.Compared, r.Undecided, r.LeftOut,
		total(r.NotAsked), bracketed(counts(r.NotAsked, causes)))
	reasons := slices.SortedFunc(maps.Keys(r.NoQuestion), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.NoQuestion[b], r.NoQuestion[a]), cmp.Compare(a, b))
	})
	for _, why := range reasons {
		p.Line("  %d not asked about: %s", r.NoQuestion[why], why)
	}
	for _, problem := range r.Problems {
		p.Line("  %s:%d: %s", shown(problem.File), problem.Line, problem.Message)
	}
}

// losses are in the order that they are told in.
var losses = []scenario.Lost{
	scenario.LostArguments, scenario.LostSession, scenario.LostDelegation, scenario.LostHTTP, scenario.LostQuery, scenario.LostRest,
	scenario.LostKind, lostEncoding,
}

// counts lists what there is any of.
func counts[K ~string](of map[K]int, order []K) string {
	var parts []string
	for _, k := range order {
		if of[k] > 0 {
			parts = append(parts, fmt.Sprintf(" %d %s", of[k], k))
		}
	}
	return strings.Join(parts, ",")
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text[1:] + ")"
}

func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return strconv.Itoa(n) + " " + many
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// shown is a name as it is; quoted if it is not plain text.
func shown(name string) string {
	cut := bounded(name, maxShown)
	if cut == "" || strings.ContainsFunc(cut, func(r rune) bool {
		return !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '"'
	}) {
		return strconv.Quote(cut)
	}
	return cut
}

// oneLine keeps a text on its line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, bounded(text, maxTold))
}

func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
