package delegation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

const (
	detailsClaim = "authorization_details"
	// detailType is the only type of authorization detail (RFC 9396) that is understood.
	detailType = "mcp_tools"
)

// Detail is an authorization detail: limits on the arguments of tools of one server. It grants nothing; the scope does.
// In JSON:
//
//	{"type":"mcp_tools","server":"crm","tools":{"refund_case":{"max_amount":{"type":"range","min":0,"max":500}}}}
//
// A tool that is not listed has no limits on its arguments. One that is listed takes only the arguments that
// [Arguments] let pass.
type Detail struct {
	Server string
	Tools  map[string]Arguments
}

// details reads authorization_details.
func (m *members) details() []Detail {
	const name = detailsClaim
	v, ok := m.optional(name)
	if !ok {
		return nil
	}
	list, ok := v.(mcp.Array)
	if !ok || len(list) == 0 || len(list) > MaxDetails {
		m.fail(name, "is not an array of 1 to %d elements", MaxDetails)
		return nil
	}
	details := make([]Detail, 0, len(list))
	for _, element := range list {
		o, _ := element.(mcp.Object)
		d := members{object: o, where: name}
		read := d.detail()
		m.adopt(d.close())
		if slices.ContainsFunc(details, func(other Detail) bool { return other.Server == read.Server }) {
			m.fail(name, "has two details for server %.80q", read.Server)
		}
		details = append(details, read)
	}
	return details
}

func (m *members) detail() Detail {
	if t := m.text("type", MaxIdentifier); t != detailType {
		m.fail("type", "is %.80q instead of %s", t, detailType)
	}
	d := Detail{Server: m.text("server", MaxIdentifier)}
	if !isServerName(d.Server) {
		m.fail("server", "is not a name that a scope can have")
	}
	tools, ok := m.nested("tools")
	if !ok || tools.object.Len() == 0 || tools.object.Len() > MaxTools {
		m.fail("tools", "is not an object of 1 to %d members", MaxTools)
		return d
	}
	d.Tools = make(map[string]Arguments, tools.object.Len())
	for tool := range tools.object.All() {
		arguments, ok := tools.nested(tool)
		if !ok || tool == "" || arguments.object.Len() > MaxArguments {
			m.fail("tools", "has %.80q, which is not an object of at most %d members", tool, MaxArguments)
			return d
		}
		d.Tools[tool] = arguments.constraints(m)
	}
	return d
}

func (m *members) constraints(parent *members) Arguments {
	a := make(Arguments, m.object.Len())
	for name, v := range m.object.All() {
		c, err := readConstraint(v, true)
		parent.adopt(err)
		if name == wildcard && (c.Type != Wildcard || c.Optional) {
			parent.fail("tools", `has "*" with another constraint than {"type":"wildcard"}`)
		}
		a[name] = c
	}
	return a
}

// object is the JSON form, with names in order so that equal details have one text.
func (d Detail) object() mcp.Object {
	tools := make([]mcp.Member, 0, len(d.Tools))
	for _, tool := range slices.Sorted(maps.Keys(d.Tools)) {
		arguments := make([]mcp.Member, 0, len(d.Tools[tool]))
		for _, name := range d.Tools[tool].names() {
			arguments = append(arguments, mcp.Member{Name: name, Value: d.Tools[tool][name].object()})
		}
		tools = append(tools, mcp.Member{Name: tool, Value: mcp.NewObject(arguments...)})
	}
	return mcp.NewObject(
		mcp.Member{Name: "type", Value: mcp.String(detailType)},
		mcp.Member{Name: "server", Value: mcp.String(d.Server)},
		mcp.Member{Name: "tools", Value: mcp.NewObject(tools...)},
	)
}

func (a Arguments) names() []string { return slices.Sorted(maps.Keys(a)) }

// find returns the limits on a tool, and false if it has none.
func find(details []Detail, server, tool string) (Arguments, bool) {
	for _, d := range details {
		if d.Server == server {
			a, ok := d.Tools[tool]
			return a, ok
		}
	}
	return nil, false
}

// within returns the details that are about tools that the scope grants.
func within(details []Detail, scope Scope) []Detail {
	var kept []Detail
	for _, d := range details {
		tools := maps.Clone(d.Tools)
		maps.DeleteFunc(tools, func(tool string, _ Arguments) bool { return !scope.Covers(scopeItem(d.Server, tool)) })
		if len(tools) > 0 {
			kept = append(kept, Detail{Server: d.Server, Tools: tools})
		}
	}
	return kept
}

// narrower checks that child limits every tool that it still grants at least as much as parent does (rule R7). Limits
// on tools that the parent does not limit are refused too: nobody who countersigns adds any.
func narrower(parent, child []Detail, childScope Scope) error {
	for _, d := range within(parent, childScope) {
		for tool, mine := range d.Tools {
			theirs, ok := find(child, d.Server, tool)
			if !ok {
				return denial.New(denial.TokenNotNarrower, "the limits on %.80s of %s are gone", tool, d.Server)
			}
			if !mine.Subsumes(theirs) {
				return denial.New(denial.TokenNotNarrower, "the limits on %.80s of %s are not narrower", tool, d.Server)
			}
		}
	}
	for _, d := range child {
		for tool := range d.Tools {
			if _, ok := find(parent, d.Server, tool); !ok {
				return denial.New(denial.TokenNotNarrower, "there were no limits on %.80s of %s", tool, d.Server)
			}
		}
	}
	return nil
}

// Covers checks that the token grants a call (step 14 of the profile): its scope has the tool, or the refusal is
// [denial.ScopeNotGranted]; and where it limits the tool's arguments they are all within the limits, or the refusal is
// [denial.CeilingExceeded].
func (t *Token) Covers(server, tool string, args mcp.Object) error {
	if !isServerName(server) || !t.claims.Scope.Covers(scopeItem(server, tool)) {
		return denial.New(denial.ScopeNotGranted, "the scope has no %.80q", scopeItem(server, tool))
	}
	limits, limited := find(t.claims.Details, server, tool)
	if !limited {
		return nil
	}
	if name, why := limits.Accepts(args); why != "" {
		return denial.New(denial.CeilingExceeded, "argument %.80q of %.80s %s", name, tool, why)
	}
	return nil
}

// isServerName reports whether a scope item can name the server: a colon would end the name.
func isServerName(name string) bool { return isScopeToken(name) && !strings.Contains(name, ":") }

// ParseDetails reads a JSON array of authorization details, as in authorization_details (RFC 9396, section 2), under the
// rules that hold for tokens.
func ParseDetails(text []byte) ([]Detail, error) {
	o, err := mcp.ParseObject(slices.Concat([]byte(`{"`+detailsClaim+`":`), text, []byte("}")))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", detailsClaim, err)
	}
	m := members{object: o, where: "details"}
	details := m.details()
	return details, m.close()
}
