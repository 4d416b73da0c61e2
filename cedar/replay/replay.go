package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
	"countersign.dev/cedar/scenario"
)

// progressEvery is how many lines are read before progress is told.
const progressEvery = 4096

// Options say which records are asked about, and how.
type Options struct {
	// Peer and Server leave out all but those of one caller (a SPIFFE ID) or server; empty for all.
	Peer, Server string
	// Since and Until leave out what was before or after; zero for no limit. What was at Until is left out.
	Since, Until time.Time
	// Explain keeps an example of every group, so that [Replay.Report] can explain it.
	Explain bool
	// Progress is told now and then how many lines were read; nil for nobody.
	Progress func(lines int)
}

// Replay asks two sets of policies about recorded requests. It is for one goroutine.
type Replay struct {
	before, after *cedar.Snapshot
	options       Options
	groups        groups
	report        Report // without the groups
}

// New returns a replay that nothing was read for. Before is what is there, after what is to come.
func New(before, after *cedar.Snapshot, o Options) *Replay {
	r := &Replay{before: before, after: after, options: o, groups: newGroups()}
	r.report = Report{
		Old:   Set{Revision: before.Revision(), Policies: before.Policies()},
		New:   Set{Revision: after.Revision(), Policies: after.Policies()},
		Flips: make(map[Kind]int), NotAsked: make(map[Cause]int), UndecidedBy: make(map[scenario.Lost]int),
		NoQuestion: make(map[string]int),
	}
	return r
}

// Read asks about the records of one log, which may be compressed with gzip. The name is for messages. A line that is
// wrong is counted; the error says why a log could not be read to its end, or is that of ctx.
func (r *Replay) Read(ctx context.Context, name string, in io.Reader) error {
	for l := range lines(in) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("replaying %s: %w", name, err)
		}
		if l.err != nil && !errors.Is(l.err, errLong) {
			return fmt.Errorf("%s:%d: %w", name, l.number, l.err)
		}
		err := l.err
		if err == nil {
			err = r.replay(ctx, l.text)
		}
		if err != nil {
			r.report.refuse(name, l.number, err)
		}
		if r.report.Lines++; r.options.Progress != nil && r.report.Lines%progressEvery == 0 {
			r.options.Progress(r.report.Lines)
		}
	}
	return nil
}

// replay asks about one line. The error says why not.
func (r *Replay) replay(ctx context.Context, text []byte) error {
	rec, err := read(text)
	if err != nil {
		return err
	}
	if r.leavesOut(&rec.outcome) {
		r.report.LeftOut++
		return nil
	}
	if err := rec.prepare(text); err != nil {
		return err
	}
	r.report.span(rec.Time)
	if lost := r.undecided(rec); len(lost) > 0 {
		r.report.undecided(lost)
		return nil
	}
	if rec.passing != nil && r.hingesPassing(rec) {
		r.report.ScopesUndecided++
		rec.passing = nil
	}
	before, after, agree := r.ask(ctx, rec)
	if !agree {
		r.report.undecided([]scenario.Lost{scenario.LostKind})
		return nil
	}
	if r.report.Compared++; !rec.exactness.Exact() {
		r.report.Inexact++
	}
	if before.PassesOn != nil && after.PassesOn != nil {
		r.report.ScopesCompared++
	}
	r.report.Drift.check(rec, &before)
	kind, changed := compare(&before, &after)
	if !changed {
		return nil
	}
	r.report.Flips[kind]++
	if len(without(after.Errors, before.Errors)) > 0 || before.PassOnError == "" && after.PassOnError != "" {
		r.report.Failing++
	}
	r.groups.add(r.group(rec, kind, before, after, text))
	return nil
}

func (r *Replay) leavesOut(o *outcome) bool {
	only := r.options
	return only.Peer != "" && o.Peer != only.Peer || only.Server != "" && o.Server != only.Server ||
		!only.Since.IsZero() && o.Time.Before(only.Since) || !only.Until.IsZero() && !o.Time.Before(only.Until)
}

// undecided returns what the record lost that one of the sets may read.
func (r *Replay) undecided(rec *recorded) []scenario.Lost {
	var lost []scenario.Lost
	for _, g := range rec.gaps {
		if r.hinges(rec, g.unknown) {
			lost = append(lost, g.lost)
		}
	}
	return lost
}

func (r *Replay) hinges(rec *recorded, unknown cedar.Unknown) bool {
	for _, questions := range rec.readings {
		for _, q := range questions {
			if r.before.Hinges(q, unknown) || r.after.Hinges(q, unknown) {
				return true
			}
		}
	}
	return false
}

// hingesPassing reports whether what may be passed on may depend on what the record lost.
func (r *Replay) hingesPassing(rec *recorded) bool {
	q, p := about(rec.readings[0][0], mcp.Target{}), rec.passing
	for _, g := range rec.gaps {
		for _, s := range []*cedar.Snapshot{r.before, r.after} {
			if s.HingesDelegating(q, p.backend, p.scope, g.unknown) {
				return true
			}
		}
	}
	return false
}

// ask returns the answers of both sets; false if they depend on how the record is read.
func (r *Replay) ask(ctx context.Context, rec *recorded) (before, after Answer, agree bool) {
	for i, questions := range rec.readings {
		old, now := ask(ctx, r.before, questions, rec.passing), ask(ctx, r.after, questions, rec.passing)
		if i > 0 && (!old.equal(&before) || !now.equal(&after)) {
			return before, after, false
		}
		before, after = old, now
	}
	return before, after, true
}

func (r *Replay) group(rec *recorded, kind Kind, before, after Answer, text []byte) *Group {
	q := rec.readings[0][0]
	g := &Group{
		Kind: kind, Count: 1, Peer: q.Peer.ID.String(), Server: q.Server, Method: rec.request.Method,
		Old: before, New: after, First: rec.Time.UTC(), Last: rec.Time.UTC(),
		Example: rec.DecisionID[:min(len(rec.DecisionID), maxExample)],
	}
	if !kind.ofScope() { // otherwise every scope would have a group of its own
		g.Old.PassesOn, g.New.PassesOn = nil, nil
	}
	if len(rec.Targets) > 0 {
		g.Target = rec.Targets[0]
	}
	if q.Delegation != nil {
		g.User = q.SubjectPrefix + q.Delegation.Subject
	}
	if r.options.Explain {
		g.line = text
	}
	return g
}
