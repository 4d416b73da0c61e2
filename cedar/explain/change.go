package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
	"countersign.dev/cedar"
	"countersign.dev/cedar/syntax"
)

// change is something that can be done about a need.
type change struct {
	text string
	// target is what it sets: of two changes with the same target only the later one counts.
	target string
	apply  func(*authz.Query)
	weight int // of the need
}

// The targets that are not named after an expression.
const (
	targetCaller     = "caller"
	targetCalled     = "called" // the server and the tool
	targetDelegation = "delegation"
)

// changer finds changes of a query.
type changer struct {
	snapshot *cedar.Snapshot
	query    authz.Query // as it is before the change
}

// change returns what can be done about a need; false when it is known only what must be so.
func (c *changer) change(n need) (change, bool) {
	if n.constraint != nil {
		return c.constraint(n.constraint)
	}
	return c.leaf(n.clause, n.expr, n.want)
}

// constraint makes the peer or the tool what a scope asks for.
func (c *changer) constraint(k *cedar.Constraint) (change, bool) {
	if len(k.Entities) != 1 {
		return change{}, false
	}
	kind, id, ok := entity(k.Entities[0])
	if !ok {
		return change{}, false
	}
	switch {
	case k.Variable == "principal":
		return c.callAs(kind, id, k.Entities[0])
	case k.Variable == "action" && kind == "Action":
		if name, typed := strings.CutPrefix(id, "call_tool:"); typed {
			return c.callTool(name)
		}
	case kind == "Tool":
		return c.callTool(id)
	case kind == "Server" && !strings.Contains(k.Text, "=="):
		return change{text: fmt.Sprintf("send it to the server %q", id), target: targetCalled, apply: func(q *authz.Query) {
			q.Server = id
		}}, true
	}
	return change{}, false
}

func (c *changer) callAs(kind, id, text string) (change, bool) {
	what := "call as " + text
	switch kind {
	case "TrustDomain":
		id = "spiffe://" + id + c.query.Peer.ID.Path()
		what = fmt.Sprintf("call from the trust domain, such as %s", id)
	case "WorkloadGroup":
		i := slices.IndexFunc(c.snapshot.Members(text), func(m string) bool { return !strings.HasPrefix(m, "WorkloadGroup") })
		if i < 0 {
			return change{}, false
		}
		_, id, _ = entity(c.snapshot.Members(text)[i])
		what = fmt.Sprintf("call as a member of %s, such as %s", text, id)
	case "SpiffePath":
		what = fmt.Sprintf("call as a workload at or below %s", id)
	}
	workload, err := spiffeid.FromString(id)
	if err != nil || workload.Path() == "" {
		return change{}, false
	}
	return change{text: what, target: targetCaller, apply: func(q *authz.Query) {
		if d := q.Delegation; d != nil && d.Actor != nil && d.Actor.Subject == q.Peer.ID.String() {
			d.Actor = &delegation.Actor{Subject: workload.String(), Actor: d.Actor.Actor}
		}
		q.Peer = peer.Peer{ID: workload}
	}}, true
}

// callTool calls another tool with the same arguments.
func (c *changer) callTool(name string) (change, bool) {
	server, tool, ok := strings.Cut(name, "/")
	if !ok || c.query.Call == nil || c.query.Target.Kind != mcp.TargetTool {
		return change{}, false
	}
	return change{text: fmt.Sprintf("call the tool %q of the server %q", tool, server), target: targetCalled, apply: func(q *authz.Query) {
		q.Server, q.Target.Name = server, tool
		q.Call.Targets = []mcp.Target{q.Target}
	}}, true
}

// leaf makes a part of a condition true or false.
func (c *changer) leaf(in *clause, e syntax.Expr, want bool) (change, bool) {
	switch e := e.(type) {
	case *syntax.Has:
		return c.has(in.text(e.Arg), e.Path, want)
	case *syntax.Access:
		return c.set(in.text(e), literal{boolean: &want})
	case *syntax.Call:
		return c.call(in, e, want)
	case *syntax.Like:
		if value, ok := likeness(e.Pattern.Text); ok && want {
			return c.set(in.text(e.Arg), value)
		}
	case *syntax.Binary:
		left, right, operator := e.Left, e.Right, e.Operator.Text
		if operator == "in" {
			return c.join(in.text(left), in.text(right), want)
		}
		if dependsOnRequest(left) && dependsOnRequest(right) {
			return c.match(in, left, right, operator, want)
		}
		if dependsOnRequest(right) {
			left, right, operator = right, left, flipped[operator]
		}
		if value, ok := readLiteral(in, right); ok && !dependsOnRequest(right) {
			if !want {
				operator = opposite[operator]
			}
			if value, ok = value.satisfying(operator); ok {
				return c.set(in.text(left), value)
			}
		}
	}
	return change{}, false
}

// match makes one of two things that depend on the request what the other is.
func (c *changer) match(in *clause, left, right syntax.Expr, operator string, want bool) (change, bool) {
	if (operator != "==" || !want) && (operator != "!=" || want) {
		return change{}, false
	}
	for _, sides := range [][2]syntax.Expr{{left, right}, {right, left}} {
		value, err := in.trace.Evaluate(in.file.Text(sides[1].Span()))
		if err != nil {
			continue
		}
		if l, ok := parseLiteral(value.Text); ok {
			if found, ok := c.set(in.text(sides[0]), l); ok {
				return found, true
			}
		}
	}
	return change{}, false
}

var (
	flipped  = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	opposite = map[string]string{"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
)

// call handles the methods.
func (c *changer) call(in *clause, e *syntax.Call, want bool) (change, bool) {
	if e.Receiver == nil || len(e.Args) != 1 {
		return change{}, false
	}
	name, receiver := e.Function.String(), in.text(e.Receiver)
	if set, isSet := e.Receiver.(*syntax.Set); isSet && name == "contains" && want && len(set.Elements) > 0 {
		if value, ok := readLiteral(in, set.Elements[0]); ok {
			return c.set(in.text(e.Args[0]), value)
		}
	}
	value, ok := readLiteral(in, e.Args[0])
	if !ok {
		return change{}, false
	}
	switch name {
	case "getTag":
		return c.set(in.text(e), literal{boolean: &want})
	case "hasTag":
		return c.argument(receiver, value.text, want)
	case "contains":
		if receiver == "context.delegation.scopes" && value.isText {
			return c.scope(value.text, want)
		}
	}
	operator, ok := map[string]string{"lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}[name]
	if !ok {
		return change{}, false
	}
	if !want {
		operator = opposite[operator]
	}
	if value, ok = value.satisfying(operator); !ok {
		return change{}, false
	}
	return c.set(receiver, value)
}

func (c *changer) scope(item string, want bool) (change, bool) {
	if c.query.Delegation == nil {
		return change{}, false
	}
	target := delegationPrefix + "scopes " + item
	if !want {
		return change{text: fmt.Sprintf("take the scope %s out of the delegation", item), target: target, apply: func(q *authz.Query) {
			q.Delegation.Scope = slices.DeleteFunc(slices.Clone(q.Delegation.Scope), func(s string) bool { return s == item })
		}}, true
	}
	return change{text: fmt.Sprintf("add the scope %s to the delegation", item), target: target, apply: func(q *authz.Query) {
		q.Delegation.Scope = append(slices.Clone(q.Delegation.Scope), item)
	}}, true
}

// join puts somebody else where the expression names a group.
func (c *changer) join(who, group string, want bool) (change, bool) {
	kind, id, ok := entity(group)
	if !ok || !want {
		return change{}, false
	}
	switch {
	case who == "principal":
		return c.callAs(kind, id, group)
	case who == subjectPath && kind == "UserGroup" && c.query.Delegation != nil:
		for _, member := range c.snapshot.Members(group) {
			if kind, id, _ := entity(member); kind == "User" {
				what := fmt.Sprintf("call on behalf of a member of %s, such as %s", group, id)
				return change{text: what, target: subjectPath, apply: setSubject(id)}, true
			}
		}
	}
	return change{}, false
}

// setSubject makes a user the subject; a prefix is a part of the id that the issuer has.
func setSubject(id string) func(*authz.Query) {
	return func(q *authz.Query) {
		rest, ok := strings.CutPrefix(id, q.SubjectPrefix)
		if !ok {
			q.SubjectPrefix, rest = "", id
		}
		q.Delegation.Subject = rest
	}
}

func (c *changer) has(of string, path []syntax.Attribute, want bool) (change, bool) {
	if len(path) != 1 {
		return change{}, false
	}
	name := path[0].Name
	switch {
	case of == "context" && name == "delegation" && want && c.query.Call != nil:
		return change{text: "send a delegation of some user (Txn-Token)", target: targetDelegation, apply: func(q *authz.Query) {
			q.Delegation = &delegation.Claims{
				Subject: "somebody", Audience: q.Peer.ID.TrustDomain().Name(), IssuedAt: q.Now, Expiry: q.Now.Add(maxLifetime),
				Scope: delegation.Scope{"mcp:" + q.Server + ":*"}, Actor: &delegation.Actor{Subject: q.Peer.ID.String()},
			}
		}}, true
	case of == "context" && name == "delegation" && c.query.Delegation != nil:
		return change{text: "send no delegation", target: targetDelegation, apply: func(q *authz.Query) { q.Delegation = nil }}, true
	case of == "context.delegation" && c.query.Delegation != nil && (name == "task" || name == "purpose"):
		text := ""
		if want {
			text = "some " + name
		}
		return c.set(of+"."+name, literal{isText: true, text: text})
	case of == "context.input" && !want:
		return c.argument("context.arguments.any", name, false)
	}
	return change{}, false
}

// entity reads an entity such as User::"alice".
func entity(text string) (kind, id string, ok bool) {
	file, _ := syntax.Parse("", []byte("permit(principal,action,resource)when{"+text+"};"))
	if len(file.Policies) != 1 || len(file.Policies[0].Conditions) != 1 {
		return "", "", false
	}
	ref, ok := file.Policies[0].Conditions[0].Body.(*syntax.EntityRef)
	if !ok {
		return "", "", false
	}
	return ref.Type.String(), ref.Unquoted, true
}
