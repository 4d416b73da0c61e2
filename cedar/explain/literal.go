package explain

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/syntax"
)

// maxLifetime is how long the delegation of a suggestion lasts.
const maxLifetime = 5 * time.Minute

// literal is a value that a condition compares with.
type literal struct {
	isText  bool
	text    string
	boolean *bool
	number  *big.Rat   // of an integer or a decimal
	step    *big.Rat   // between two neighbours
	instant *time.Time // of a datetime
	entity  bool       // text is the id of a kind of entity
	kind    string
}

// decimalStep is the least difference of two decimals.
var decimalStep = big.NewRat(1, 10_000)

func readLiteral(in *clause, e syntax.Expr) (literal, bool) {
	switch e := e.(type) {
	case *syntax.Paren:
		return readLiteral(in, e.Inner)
	case *syntax.Literal:
		switch text := e.Token.Text; {
		case text == "true" || text == "false":
			truth := text == "true"
			return literal{boolean: &truth}, true
		case e.Token.Kind == syntax.String:
			return literal{isText: true, text: e.Unquoted}, true
		}
		return number(e.Token.Text, big.NewRat(1, 1))
	case *syntax.Unary:
		if len(e.Operators) == 1 && e.Operators[0].Text == "-" {
			return number(in.text(e), big.NewRat(1, 1))
		}
	case *syntax.EntityRef:
		return literal{entity: true, kind: e.Type.String(), text: e.Unquoted}, true
	case *syntax.Call:
		if e.Receiver != nil || len(e.Args) != 1 {
			break
		}
		inner, ok := readLiteral(in, e.Args[0])
		switch function := e.Function.String(); {
		case !ok || !inner.isText:
		case function == "decimal":
			return number(inner.text, decimalStep)
		case function == "datetime":
			return instant(inner.text)
		}
	}
	return literal{}, false
}

// parseLiteral reads the text of a value.
func parseLiteral(text string) (literal, bool) {
	file, _ := syntax.Parse("", []byte("permit(principal,action,resource)when{"+text+"};"))
	if len(file.Policies) != 1 || len(file.Policies[0].Conditions) != 1 {
		return literal{}, false
	}
	return readLiteral(&clause{file: file}, file.Policies[0].Conditions[0].Body)
}

// likeness returns a text that a pattern fits; false if the pattern has escapes other than those of stars.
func likeness(pattern string) (literal, bool) {
	inner := strings.TrimSuffix(strings.TrimPrefix(pattern, `"`), `"`)
	text := strings.NewReplacer(`\*`, "*", "*", "1").Replace(inner)
	return literal{isText: true, text: text}, !strings.Contains(text, `\`)
}

func number(text string, step *big.Rat) (literal, bool) {
	n, ok := new(big.Rat).SetString(strings.TrimSpace(text))
	return literal{number: n, step: step}, ok
}

// instant reads the text of a datetime.
func instant(text string) (literal, bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05Z0700"} { // with a fraction too, if there is one
		if t, err := time.Parse(layout, text); err == nil {
			return literal{instant: &t}, true
		}
	}
	return literal{}, false
}

// instantStep is the least difference of two datetimes.
const instantStep = time.Millisecond

func (l literal) later(d time.Duration) literal {
	t := l.instant.Add(d)
	return literal{instant: &t}
}

// satisfying returns the value nearest to l for which `value operator l` is true.
func (l literal) satisfying(operator string) (literal, bool) {
	switch operator {
	case "==":
		return l, true
	case "<=", ">=":
		return l, l.number != nil || l.instant != nil
	case "<":
		if l.instant != nil {
			return l.later(-instantStep), true
		}
		if l.number != nil {
			l.number = new(big.Rat).Sub(l.number, l.step)
		}
		return l, l.number != nil
	case ">", "!=":
		if l.boolean != nil && operator == "!=" {
			other := !*l.boolean
			return literal{boolean: &other}, true
		}
		if l.instant != nil {
			return l.later(instantStep), true
		}
		if l.number != nil {
			l.number = new(big.Rat).Add(l.number, l.step)
		}
		return l, l.number != nil
	}
	return literal{}, false
}

// argument is the value as an argument of a tool.
func (l literal) argument() (mcp.Value, bool) {
	switch {
	case l.isText:
		return mcp.String(l.text), true
	case l.boolean != nil:
		return mcp.Bool(*l.boolean), true
	case l.number != nil && l.number.IsInt() && l.number.Num().IsInt64():
		return mcp.Int(l.number.Num().Int64()), true
	case l.number != nil:
		f, _ := l.number.Float64()
		return mcp.Float(f), true
	}
	return nil, false
}

func (l literal) String() string {
	switch {
	case l.isText:
		return strconv.Quote(l.text)
	case l.boolean != nil:
		return strconv.FormatBool(*l.boolean)
	case l.number != nil && l.number.IsInt():
		return l.number.Num().String()
	case l.number != nil:
		return strings.TrimRight(l.number.FloatString(4), "0")
	case l.instant != nil:
		return l.instant.UTC().Format("2006-01-02T15:04:05.999Z07:00")
	}
	return l.kind + "::" + strconv.Quote(l.text)
}

// set gives what an expression reads another value.
func (c *changer) set(path string, value literal) (change, bool) {
	if names, ok := argumentPath(path); ok && c.query.Call != nil {
		sent, ok := value.argument()
		if !ok {
			return change{}, false
		}
		if same, ok := c.convertedFor(names, value); ok {
			return same, true // which may do: another look tells
		}
		return send(names, sent, value.String()), true
	}
	if path == "context.now" && value.instant != nil {
		return change{text: fmt.Sprintf("call at %s", value), target: path, apply: func(q *authz.Query) { setNow(q, *value.instant) }}, true
	}
	if host := map[string]func(*authz.Query) *string{
		"context.request.host":      func(q *authz.Query) *string { return &q.HTTP.Host },
		"context.request.http_path": func(q *authz.Query) *string { return &q.HTTP.Path },
	}[path]; host != nil && value.isText {
		return change{text: fmt.Sprintf("make %s %s", path, value), target: path, apply: func(q *authz.Query) {
			*host(q) = value.text
		}}, true
	}
	if path == "principal" && value.entity {
		return c.callAs(value.kind, value.text, value.String())
	}
	return c.setDelegation(path, value)
}

// setNow makes the request one of another time. A delegation is then another one too, of the same age.
func setNow(q *authz.Query, now time.Time) {
	if d := q.Delegation; d != nil {
		d.IssuedAt, d.Expiry = d.IssuedAt.Add(now.Sub(q.Now)), d.Expiry.Add(now.Sub(q.Now))
	}
	q.Now = now
}

// What policies call the parts of a delegation.
const (
	delegationPrefix = "context.delegation."
	subjectPath      = delegationPrefix + "subject"
)

func (c *changer) setDelegation(path string, value literal) (change, bool) {
	member, ok := strings.CutPrefix(path, delegationPrefix)
	if !ok || c.query.Delegation == nil {
		return change{}, false
	}
	what := change{text: fmt.Sprintf("delegate with %s %s", member, value), target: path}
	switch {
	case member == "subject" && value.entity && value.kind == "User":
		what.text, what.apply = fmt.Sprintf("call on behalf of %s", value), setSubject(value.text)
	case member == "issuer" && value.isText:
		what.apply = func(q *authz.Query) { q.RootIssuer = value.text }
	case (member == "task" || member == "purpose") && value.isText:
		if value.text == "" {
			what.text = "delegate without a " + member
		}
		what.apply = func(q *authz.Query) {
			q.Delegation.Task.Raw = nil
			if member == "task" {
				q.Delegation.Task.Task = value.text
			} else {
				q.Delegation.Task.Purpose = value.text
			}
		}
	case member == "depth" && value.number != nil && value.number.IsInt() && value.number.Sign() >= 0 && value.number.Num().IsInt64():
		depth := int(value.number.Num().Int64())
		what.text = fmt.Sprintf("delegate over %d hops", depth)
		what.apply = func(q *authz.Query) { q.Delegation.Depth = depth }
	case member == "sender_constrained" && value.boolean != nil:
		what.text = "bind the delegation to the certificate of the caller"
		bound := "x" // policy is told only whether there is one
		if !*value.boolean {
			what.text, bound = "do not bind the delegation to a certificate", ""
		}
		what.apply = func(q *authz.Query) { q.Delegation.CertificateHash = bound }
	default:
		return change{}, false
	}
	return what, true
}
