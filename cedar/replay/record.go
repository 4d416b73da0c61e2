package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
	"countersign.dev/cedar/scenario"
)

// outcome is the part of a line of the audit log that says what came of the request.
type outcome struct {
	Time       time.Time     `json:"time"`
	Decision   string        `json:"decision"`
	Reason     denial.Reason `json:"reason"`
	WouldDeny  denial.Reason `json:"would_deny"`
	DecisionID string        `json:"decision_id"`
	Peer       string        `json:"peer"`
	Server     string        `json:"server"`
	Method     string        `json:"method"`
	Targets    []string      `json:"targets"`
	PolicyIDs  []string      `json:"policy_ids"`
	Errors     []string      `json:"policy_errors"`
	Skipped    []string      `json:"policy_skipped"`
	Candidates int           `json:"policy_candidates"`
	Revision   string        `json:"revision"`
	Live       string        `json:"live_decision"`
}

// reason is why the request was refused, or would have been had the server not been tried out; empty if it was allowed.
func (o *outcome) reason() denial.Reason {
	if o.WouldDeny != "" {
		return o.WouldDeny
	}
	return o.Reason
}

// asked reports whether policy was asked before something else refused the request.
func (o *outcome) asked() bool {
	switch o.reason() {
	case "", denial.PolicyForbidden, denial.PolicyNoPermit, denial.PolicyError, denial.CredentialMissing:
		return true
	}
	return o.Candidates > 0 || len(o.PolicyIDs)+len(o.Errors)+len(o.Skipped) > 0 || o.Live != ""
}

// answer is what policy said, as far as the record tells; false if it does not.
func (o *outcome) answer() (Answer, bool) {
	a := Answer{PolicyIDs: sorted(o.PolicyIDs), Errors: sorted(o.Errors)}
	switch o.reason() {
	case "":
		a.Decision = allow
	case denial.PolicyForbidden, denial.PolicyNoPermit:
		a.Decision = deny
	case denial.PolicyError: // also where it could not be found out what the backend may pass on
		a.Decision = deny
		return a, len(a.Errors) > 0
	default:
		return a, false
	}
	return a, true
}

func sorted(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// recorded is one record, ready to be asked about.
type recorded struct {
	outcome
	request   scenario.Request
	exactness scenario.Exactness
	// readings are what the record may mean, nearly always one thing. Each is everything that policy was asked about it.
	readings [][]authz.Query
	// passing is what is asked once these are allowed; nil if nothing is, or the record does not say what.
	passing *passing
	gaps    []gap
}

// gap is something that policies could read and the record does not have.
type gap struct {
	lost    scenario.Lost
	unknown cedar.Unknown
}

// lostEncoding is that of bytes that were not UTF-8.
const lostEncoding scenario.Lost = "encoding"

// Why a line is not asked about.
var (
	errForeign = errors.New("no record of a decision")
	errRefused = errors.New("refused before policy was asked")
)

// read takes a line apart.
func read(text []byte) (*recorded, error) {
	r := &recorded{}
	if err := json.Unmarshal(text, &r.outcome); err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	if r.Decision != allow && r.Decision != deny || r.DecisionID == "" {
		return nil, errForeign
	}
	return r, nil
}

// prepare finds the questions that policy was asked.
func (r *recorded) prepare(text []byte) (err error) {
	if r.Method == exchange.Method {
		return fmt.Errorf("%w: an exchange of tokens is no request to a server", scenario.ErrNoQuestion)
	}
	if r.request, r.exactness, err = scenario.FromAudit(text); err != nil {
		return err
	}
	if !r.asked() {
		return errRefused
	}
	if n := len(r.Targets); n > mcp.MaxSubscriptions || n > 1 && r.request.Method != "subscriptions/listen" {
		return fmt.Errorf("%w: no %.80q is about %d things", scenario.ErrNoQuestion, r.request.Method, n)
	}
	q, err := r.request.Query()
	if err != nil {
		return fmt.Errorf("%w: %w", scenario.ErrNoQuestion, err)
	}
	backend, ok, err := r.request.PassingOn()
	if err != nil {
		return fmt.Errorf("%w: %w", scenario.ErrNoQuestion, err)
	}
	if ok {
		r.passing = &passing{backend, q.Delegation.Scope}
	}
	r.gaps = r.missing()
	r.readings = [][]authz.Query{{q}}
	switch {
	case r.exactness.Has(scenario.LostTargets): // first about the server, then about every resource
		all := []authz.Query{about(q, mcp.Target{})}
		for _, name := range r.Targets {
			all = append(all, about(q, mcp.Target{Kind: mcp.TargetResource, Name: name}))
		}
		r.readings[0] = all
	case r.exactness.Has(scenario.LostKind):
		other := q.Target
		if other.Kind = mcp.TargetPrompt; q.Target.Kind == mcp.TargetPrompt {
			other.Kind = mcp.TargetResource
		}
		r.readings = append(r.readings, []authz.Query{about(q, other)})
	}
	return nil
}

func about(q authz.Query, target mcp.Target) authz.Query {
	q.Target = target
	return q
}

// missing says what the record does not have, besides what its readings make up for.
func (r *recorded) missing() []gap {
	h := r.request.HTTP
	var gaps []gap
	for _, g := range []gap{
		{scenario.LostArguments, cedar.Unknown{Arguments: true}},
		{scenario.LostSession, cedar.Unknown{Session: true}},
		{scenario.LostDelegation, cedar.Unknown{Token: true}},
		{scenario.LostHTTP, cedar.Unknown{
			Version: r.request.ProtocolVersion == scenario.NoVersion, Host: true, Path: true, SourceIP: true,
		}},
		{scenario.LostQuery, cedar.Unknown{Path: true}},
		{scenario.LostRest, cedar.Unknown{Host: true, Path: true}},
	} {
		if r.exactness.Has(g.lost) {
			gaps = append(gaps, g)
		}
	}
	replaced := cedar.Unknown{RequestID: replaced(h.ID), Host: replaced(h.Host), Path: replaced(h.Path)}
	if replaced != (cedar.Unknown{}) {
		gaps = append(gaps, gap{lostEncoding, replaced})
	}
	return gaps
}

// replaced reports whether bytes that were not UTF-8 may have been replaced when a text was recorded.
func replaced(text string) bool { return strings.ContainsRune(text, '\ufffd') }
