package cedar

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// OtherWorkload stands, as a [PartialQuery.Principal], for any workload that policies and entities do not name, neither by
// itself nor by a path, trust domain or group that it is in: whom policies with an open principal are about, besides the others.
const OtherWorkload = "any other workload"

// PartialQuery is the question whether a tool may be called, of which only a part is known: not the arguments, the
// delegation's scopes and task, the time, and so on.
type PartialQuery struct {
	// Principal is the caller as Cedar: Workload::"spiffe://acme.example/planner", or all workloads at or below a
	// SpiffePath::"…", in a TrustDomain::"…" or in a WorkloadGroup::"…"; or [OtherWorkload].
	Principal string
	// User is on whose behalf it calls: User::"alice", or all members of a UserGroup::"…". Empty for anybody and nobody.
	User string
	// NoUser means calls without a delegation.
	NoUser bool
	// Server and Tool name the tool; the tool "*" is one that is not pinned, whichever.
	Server, Tool string
}

// Answer is what is known about all requests that a [PartialQuery] leaves open.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"     // all are allowed
	No      Answer = "no"      // none is
	Depends Answer = "depends" // some may be
)

// Possible says which of the requests that a [PartialQuery] leaves open policy allows. Requests with a list that was
// made to be slow to compare are not meant: those are denied whatever the policies say.
type Possible struct {
	Answer Answer
	// When is what must hold of a request with arguments that fit the pinned schema, as Cedar; empty unless that depends.
	When string
	// Unfit is the answer for arguments that do not fit, and UnfitWhen what must hold of such a request. Empty where there
	// is no schema that they could miss.
	Unfit     Answer
	UnfitWhen string
	// Fit is the answer for arguments that fit.
	Fit Answer
	// Permits and Forbids are the policies that may apply, and MayFail those that may be impossible to evaluate for
	// requests that could be allowed otherwise.
	Permits, Forbids, MayFail []string
}

// May answers a partial query. The error says what is wrong with it, or is that of ctx.
func (s *Snapshot) May(ctx context.Context, q PartialQuery) (Possible, error) {
	if err := ctx.Err(); err != nil {
		return Possible{}, fmt.Errorf("asking who may call %s/%s: %w", q.Server, q.Tool, err)
	}
	p, err := s.newPartial(q)
	if err != nil {
		return Possible{}, err
	}
	fit := p.judge()
	found := Possible{Answer: fit.answer(), Fit: fit.answer(), When: fit.text()}
	found.note(s, fit)
	if p.pin == nil || p.pin.input.fitsAll() {
		return found, nil
	}
	p.unfit = true
	unfit := p.judge()
	found.Unfit, found.UnfitWhen = unfit.answer(), unfit.text()
	found.note(s, unfit)
	if found.Unfit != found.Fit {
		found.Answer = Depends
	}
	return found, nil
}

// note adds the policies that an answer comes from.
func (f *Possible) note(s *Snapshot, j judgement) {
	f.Permits = s.inOrder(f.Permits, j.permits)
	f.Forbids = s.inOrder(f.Forbids, j.forbids)
	if j.answer() != No {
		f.MayFail = s.inOrder(f.MayFail, j.failing)
	}
}

func (s *Snapshot) inOrder(ids []string, more []int) []string {
	for _, i := range more {
		if id := string(s.policies[i].id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// judgement is what all policies together come to in one world: with arguments that fit, or without.
type judgement struct {
	allows, denies            bool // some request may be
	node                      ast.IsNode
	permits, forbids, failing []int
}

func (j judgement) answer() Answer {
	switch {
	case !j.denies:
		return Yes
	case !j.allows:
		return No
	}
	return Depends
}

func (j judgement) text() string {
	if j.answer() != Depends {
		return ""
	}
	return nodeText(j.node)
}

// nodeText writes an expression, which cedar-go does only within a policy.
func nodeText(n ast.IsNode) string {
	body := ast.Permit()
	body.Conditions = []ast.ConditionType{{Condition: ast.ConditionWhen, Body: n}}
	text := string(cedargo.NewPolicyFromAST((*cedarast.Policy)(body)).MarshalCedar())
	_, text, _ = strings.Cut(text, "when")
	text = strings.TrimSuffix(strings.TrimSpace(text), ";")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}"))
}

// judge evaluates all policies that may cover a request.
func (p *partial) judge() judgement {
	var j judgement
	var permits, denials []ast.IsNode
	certain, denied := false, false // a permit applies to all requests; something denies all of them
	deny := func(t term, when outcomes) {
		if t.may&when != 0 {
			j.denies = true
			denied = denied || t.may&^when == 0
			denials = append(denials, t.node)
		}
	}
	for o := range p.outcomes() {
		forbid := p.snapshot.policies[o.position].body.Effect() == cedargo.Forbid
		skipped := !forbid && p.snapshot.onError == SkipPermits
		if o.applies.may&fails != 0 || o.doubt.may != no {
			j.failing = append(j.failing, o.position)
		}
		switch {
		case skipped: // where it cannot be judged it does not count
			o.applies = p.and(o.applies, func() term { return not(o.doubt) })
		case !forbid && o.applies.may&fails != 0:
			j.denies = true
			denied = denied || o.applies.may == fails
		}
		if !skipped {
			deny(o.doubt, yes|fails)
		}
		switch {
		case forbid && o.applies.may&(yes|fails) != 0:
			j.forbids = append(j.forbids, o.position)
			deny(o.applies, yes|fails)
		case !forbid && o.applies.may&yes != 0:
			j.permits = append(j.permits, o.position)
			certain = certain || o.applies.may == yes
			permits = append(permits, o.applies.node)
		}
	}
	j.allows = len(permits) > 0 && !denied
	j.denies = j.denies || !certain
	j.node = ast.NodeValue{Value: types.True}
	if !certain && len(permits) > 0 {
		j.node = join(permits)
	}
	for _, denial := range denials {
		j.node = and(j.node, negate(denial))
	}
	return j
}

func join(nodes []ast.IsNode) ast.IsNode {
	joined := nodes[0]
	for _, n := range nodes[1:] {
		joined = or(joined, n)
	}
	return joined
}

func isTrue(n ast.IsNode) bool {
	v, ok := n.(ast.NodeValue)
	return ok && v.Value == types.True
}

func and(a, b ast.IsNode) ast.IsNode {
	switch {
	case isTrue(a):
		return b
	case isTrue(b):
		return a
	}
	return ast.NodeTypeAnd{BinaryNode: ast.BinaryNode{Left: a, Right: b}}
}

func or(a, b ast.IsNode) ast.IsNode {
	return ast.NodeTypeOr{BinaryNode: ast.BinaryNode{Left: a, Right: b}}
}

func negate(a ast.IsNode) ast.IsNode {
	if n, ok := a.(ast.NodeTypeNot); ok {
		return n.Arg
	}
	return ast.NodeTypeNot{UnaryNode: ast.UnaryNode{Arg: a}}
}
