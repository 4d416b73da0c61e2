package cedar

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
)

// Unknown says what is not known about a request, such as one that was recorded some time ago.
type Unknown struct {
	// Arguments are those of the tool or prompt, and with them whether they fit the pinned schema.
	Arguments bool
	// Session is the session's id, and whether there is one.
	Session bool
	// Token is everything that a delegation says besides the bare subject, the actors, the task and the purpose.
	Token bool
	// Version is the protocol version; the others are of the HTTP request.
	Version, RequestID, Host, Path, SourceIP bool
}

// facts are what a policy may read of it.
func (u Unknown) facts() facts {
	const (
		ofToken = factIssuer | factSubject | factScopes | factAudience | factIssuedAt | factExpiresAt | factDepth |
			factSenderConstrained | factUserIssuer
		ofArguments = factArguments | factStrings | factNumbers | factBooleans | factLists | factKeys | factComplete |
			factInput | factAllNames
	)
	var all facts
	for _, part := range []struct {
		unknown bool
		facts   facts
	}{
		{u.Arguments, ofArguments}, {u.Session, factSession | factSessionID}, {u.Token, ofToken}, {u.Version, factVersion},
		{u.RequestID, factRequestID}, {u.Host, factHost}, {u.Path, factPath}, {u.SourceIP, factSourceIP},
	} {
		if part.unknown {
			all |= part.facts
		}
	}
	return all
}

// Hinges reports whether the answer to a question may be another one than that to the request that it stands for, of which
// something is unknown: some policy that covers the request can read that, or the action that the request was asked about
// as depends on it. It may say so of too many questions, never of too few.
func (s *Snapshot) Hinges(q authz.Query, on Unknown) bool {
	if on == (Unknown{}) {
		return false
	}
	asked, ok, err := s.ask(&q)
	if !ok || err != nil { // there is no action, or an actor is no workload: all of that is known
		return false
	}
	actions := []types.EntityUID{asked.action}
	pin := s.pins[q.Server][q.Target.Name]
	if asked.input == nil && asked.unfit == (types.EntityUID{}) {
		pin = nil // it is asked about as the same action whatever the arguments are
	}
	on.Arguments = on.Arguments && asked.entities.arguments.present
	if on.Arguments && pin != nil {
		actions = []types.EntityUID{actionUID(callTool), pin.action}
	}
	var found []int32
	for i, action := range actions {
		at := s.numbers.places(&asked.entities, asked.principal, action, asked.resource)
		covering := s.index.find(&at)
		if i > 0 && !slices.Equal(found, covering) {
			return true // some policy covers the request only if the arguments fit, or only if they do not
		}
		found = covering
	}
	want := s.wanted(found)
	switch {
	case want.facts.has(on.facts()), on.Arguments && want.names != nil:
		return true
	case on.Arguments && pin != nil:
		return s.turnsOnAction(asked, pin.action, found)
	case on.Token:
		return slices.ContainsFunc(found, s.namesUser)
	}
	return false
}

// HingesDelegating reports the same of what a backend may pass on of a scope, as [Snapshot.MayDelegate] answers. The arguments
// have no part in that.
func (s *Snapshot) HingesDelegating(q authz.Query, backend spiffeid.ID, scope delegation.Scope, on Unknown) bool {
	on.Arguments = false
	if on == (Unknown{}) {
		return false
	}
	for _, item := range scope {
		server, tool, _ := strings.Cut(strings.TrimPrefix(item, "mcp:"), ":")
		tools := []string{tool}
		if tool == "*" {
			tools = append(tools, s.Tools(server)...)
		}
		for _, tool := range tools {
			asked := s.question(&q, backend, "delegate")
			s.aimAtTool(asked, server, tool)
			if q.Delegation != nil && asked.entities.delegate(&q) != nil {
				return false // an actor is no workload: that is known
			}
			at := s.numbers.places(&asked.entities, asked.principal, asked.action, asked.resource)
			found := s.index.find(&at)
			want := s.wanted(found)
			if want.facts.has(on.facts()) || on.Token && slices.ContainsFunc(found, s.namesUser) {
				return true
			}
		}
	}
	return false
}

// turnsOnAction reports whether a policy tells the typed action from the plain one: it would be in doubt for arguments that
// do not fit, or has a condition about the action.
func (s *Snapshot) turnsOnAction(q *question, typed types.EntityUID, found []int32) bool {
	at := s.numbers.places(&q.entities, q.principal, actionUID(callTool), q.resource)
	if len(s.doubts.about(&question{unfit: typed}, &at)) > 0 {
		return true
	}
	return slices.ContainsFunc(found, func(i int32) bool {
		return s.mentions(i, func(n ast.IsNode) bool {
			v, ok := n.(ast.NodeTypeVariable)
			return ok && v.Name == "action"
		})
	})
}

// namesUser reports whether a condition writes out a user: whether it is the delegation's depends on who vouches for that.
func (s *Snapshot) namesUser(i int32) bool {
	return s.mentions(i, func(n ast.IsNode) bool {
		v, ok := n.(ast.NodeValue)
		if !ok {
			return false
		}
		id, ok := v.Value.(types.EntityUID)
		return ok && id.Type == userType
	})
}

// mentions reports whether a part of the conditions of a policy is of some kind.
func (s *Snapshot) mentions(i int32, kind func(ast.IsNode) bool) bool {
	found := false
	for _, condition := range s.policies[i].ast().Conditions {
		ast.Inspect(ast.NewNode(condition.Body), func(n ast.IsNode) bool {
			found = found || kind(n)
			return !found
		})
	}
	return found
}
