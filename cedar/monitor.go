package cedar

import (
	"log/slog"
	"math/rand/v2"
	"slices"

	cedargo "github.com/cedar-policy/cedar-go"

	"countersign.dev/authz"
)

// misfiled stands for the index in Verdict.Errors: plain Cedar gave another answer.
const misfiled = "*index"

// Observer counts what happens. Its methods are called for every question, from many goroutines.
type Observer interface {
	// Decided is told how many policies covered a question, and which of them could not be evaluated, whether they
	// denied or were skipped.
	Decided(candidates int, failed []string)
	// Verified is told whether plain Cedar agreed, for the questions that it decided too.
	Verified(agreed bool)
}

// monitor watches the decisions of a snapshot.
type monitor struct {
	share    float64
	observer Observer // may be nil
	log      *slog.Logger
}

func newMonitor(cfg Config) monitor {
	m := monitor{cfg.VerifyIndex, cfg.Observer, cfg.Log}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	return m
}

// due draws a sample.
func (m *monitor) due() bool {
	return m.share > 0 && rand.Float64() < m.share //nolint:gosec // nothing depends on which ones are drawn
}

func (m *monitor) note(v authz.Verdict) {
	if m.observer != nil {
		m.observer.Decided(v.Candidates, slices.Concat(v.Errors, v.Skipped))
	}
}

// agrees reports whether plain Cedar gives the same answer from all policies and all facts.
func (s *Snapshot) agrees(q *question, decision cedargo.Decision, diagnostic cedargo.Diagnostic) bool {
	read := q.entities.want
	q.entities.reveal(wanted{facts: everything})
	want, plain := cedargo.Authorize(s.policies, &q.entities, q.request())
	if q.entities.arguments.hostile { // only in what nobody reads
		return true
	}
	agreed := decision == want && slices.Equal(answers(diagnostic), answers(plain))
	if s.monitor.observer != nil {
		s.monitor.observer.Verified(agreed)
	}
	if !agreed {
		s.monitor.log.Error("the index of policies disagrees with plain Cedar: denied; please report it",
			"revision", s.Revision(), "principal", q.principal.String(), "action", q.action.String(),
			"resource", q.resource.String(), "facts", uint64(read.facts),
			"indexed", decision.String(), "indexed_policies", answers(diagnostic),
			"plain", want.String(), "plain_policies", answers(plain))
	}
	return agreed
}

// answers lists the deciding policies, then those that failed.
func answers(d cedargo.Diagnostic) []string {
	var all []string
	for _, r := range d.Reasons {
		all = append(all, string(r.PolicyID))
	}
	for _, e := range d.Errors {
		all = append(all, "!"+string(e.PolicyID))
	}
	return all
}
