package cedar

import (
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	cedargo "github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// maxReason is the most bytes that a forbid tells the caller: denial bodies stay under 1 KiB.
const maxReason = 256

// policyID is what an @id may look like: it goes into records, metrics and tokens unquoted.
var policyID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// policy is one statement. What does not depend on other policies is made once, when its file is read.
type policy struct {
	id     cedargo.PolicyID
	body   *cedargo.Policy
	public string // @reason of a forbid
	once   bool   // @single_use of a permit

	conditions *cedargo.Policy // body without its scope
	facts      facts           // that the conditions look at
	arguments  []string        // names of arguments that they look at
}

// policies are all statements in load order: by file name, then by place.
type policies []policy

// All implements the iterator of cedar-go in load order, so that evaluation is reproducible.
func (ps policies) All() iter.Seq2[cedargo.PolicyID, *cedargo.Policy] {
	return func(yield func(cedargo.PolicyID, *cedargo.Policy) bool) {
		for i := range ps {
			if !yield(ps[i].id, ps[i].body) {
				return
			}
		}
	}
}

func (p *policy) ast() *ast.Policy { return (*ast.Policy)(p.body.AST()) }

// newPolicy reads the annotations of a policy and prepares what deciding takes. The complaints are about this policy
// alone; its id is empty if it has none that can be used.
func newPolicy(body *cedargo.Policy) (policy, []complaint) {
	p := policy{body: body}
	tree := p.ast()
	p.conditions = withoutScope(tree)
	names := make(argumentNames)
	read := names.findReads(tree)
	p.facts, p.arguments = read.facts, make([]string, len(names))
	for name, number := range names {
		p.arguments[number] = name
	}
	annotations := body.Annotations()
	var bad []complaint
	id, named := annotations["id"]
	switch {
	case !named:
		bad = append(bad, complaint{rule: "missing-id", message: "the policy has no id", help: `write @id("…") before it`})
	case !policyID.MatchString(string(id)):
		bad = append(bad, complaint{
			rule: "bad-id", annotation: "id",
			message: "id " + strconv.Quote(shorten(string(id))), help: "use 1 to 128 letters, digits, '.', '_', ':' or '-'",
		})
	default:
		p.id = cedargo.PolicyID(id)
	}
	if reason, ok := annotations["reason"]; ok {
		p.public = string(reason)
		if message := checkReason(p); message != "" {
			bad = append(bad, complaint{rule: "reason", annotation: "reason", message: message})
		}
	}
	if value, ok := annotations["single_use"]; ok {
		p.once = true
		if message := checkSingleUse(p, string(value)); message != "" {
			bad = append(bad, complaint{rule: "single-use", annotation: "single_use", message: message})
		}
	}
	return p, append(bad, p.checkIDs()...)
}

// withoutScope compiles the conditions alone.
func withoutScope(body *ast.Policy) *cedargo.Policy {
	bare := *body
	bare.Principal, bare.Action, bare.Resource = ast.ScopeTypeAll{}, ast.ScopeTypeAll{}, ast.ScopeTypeAll{}
	return cedargo.NewPolicyFromAST((*cedarast.Policy)(&bare))
}

func checkReason(p policy) string {
	switch {
	case p.body.Effect() == cedargo.Permit:
		return "@reason is what a forbid tells the caller; on a permit it has no effect"
	case p.public == "" || len(p.public) > maxReason:
		return "@reason must have 1 to " + strconv.Itoa(maxReason) + " bytes"
	case strings.ContainsFunc(p.public, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "@reason must be printable text on one line"
	}
	return ""
}

// checkSingleUse refuses an annotation that would not do what it says. With a value, "false" would mean "true".
func checkSingleUse(p policy, value string) string {
	switch {
	case p.body.Effect() == cedargo.Forbid:
		return "@single_use is how a permit limits what it allows; on a forbid it has no effect"
	case value != "":
		return "@single_use has no value: leave it out, or the whole annotation"
	}
	return ""
}

// shorten keeps the beginning of a text that an author chose, for a message.
func shorten(text string) string {
	const most = 140
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
