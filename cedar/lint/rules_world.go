package lint

import (
	"fmt"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func worldRules() []Rule {
	return []Rule{
		{
			ID: "entity-not-in-store", Severity: diagnostic.Warning, World: true,
			Summary: "A group is not in the entities file.",
			Why:     "Nobody is in it: a permit for the group permits nothing, and a forbid protects nothing.",
			Bad: `@id("agents-ping")
permit (principal in WorkloadGroup::"agent", action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("agents-ping")
permit (principal in WorkloadGroup::"agents", action == Action::"ping", resource in Server::"crm");
`,
			policy: func(p *pass) {
				entities(p.policy, func(e *syntax.EntityRef) {
					kind := e.Type.String()
					if !strings.HasSuffix(kind, "Group") {
						return
					}
					if known := p.world.Groups(kind); !has(known, e.Unquoted) {
						p.at(e.Span(), fmt.Sprintf("nobody is in %s: it is not in the entities file", p.file.Text(e.Span())), diagnostic.DidYouMean(e.Unquoted, known))
					}
				})
			},
		},
		{
			ID: "unknown-server", Severity: diagnostic.Warning, World: true,
			Summary: "A server is not configured.",
			Why:     "No request is about it. The names of tools, prompts, tasks, typed actions and scopes begin with a server too.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"cmr");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			policy: func(p *pass) {
				p.offers(func(at syntax.Span, server, _ string) {
					if known := p.world.Servers(); len(known) > 0 && !has(known, server) { // else nobody said which there are
						p.at(at, fmt.Sprintf("there is no server %q", server), diagnostic.DidYouMean(server, known))
					}
				})
			},
		},
		{
			ID: "unknown-tool", Severity: diagnostic.Warning, World: true,
			Summary: "A tool is not among the pinned tools of its server.",
			Why:     "Either the name is misspelt, or the server has it no more. Servers whose tools are not pinned are left out.",
			Bad: `@id("search")
permit (principal, action in Action::"call_tool", resource == Tool::"crm/serach") when { context has delegation };
`,
			Good: `@id("search")
permit (principal, action in Action::"call_tool", resource == Tool::"crm/search") when { context has delegation };
`,
			policy: func(p *pass) {
				p.offers(func(at syntax.Span, server, tool string) {
					known, pinned := p.world.Tools(server)
					if pinned && tool != "" && !has(known, tool) {
						p.at(at, fmt.Sprintf("server %q has no tool %q", server, tool), diagnostic.DidYouMean(tool, known))
					}
				})
			},
		},
	}
}

// offers calls visit for every place where a policy names a server, with the tool if it names one.
func (p *pass) offers(visit func(at syntax.Span, server, tool string)) {
	entities(p.policy, func(e *syntax.EntityRef) {
		switch id := e.Unquoted; e.Type.String() {
		case "Server":
			visit(e.Span(), id, "")
		case "Tool":
			server, tool, _ := strings.Cut(id, "/")
			visit(e.Span(), server, tool)
		case "Prompt", "Task":
			server, _, _ := strings.Cut(id, "/")
			visit(e.Span(), server, "")
		case "Action":
			if rest, typed := strings.CutPrefix(id, "call_tool:"); typed {
				server, tool, _ := strings.Cut(rest, "/")
				visit(e.Span(), server, tool)
			}
		}
	})
	expressions(p.policy, func(e syntax.Expr) {
		call, ok := e.(*syntax.Call)
		if !ok || call.Receiver == nil || pathOf(call.Receiver) != "context.delegation.scopes" {
			return
		}
		for _, arg := range call.Args {
			for _, literal := range listed(arg) {
				rest, isTool := strings.CutPrefix(literal.Unquoted, "mcp:")
				server, tool, complete := strings.Cut(rest, ":")
				if isTool && complete {
					visit(literal.Span(), server, strings.TrimPrefix(tool, "*"))
				}
			}
		}
	})
}

// listed returns the strings that an expression is, or lists.
func listed(e syntax.Expr) []*syntax.Literal {
	switch e := inner(e).(type) {
	case *syntax.Literal:
		if e.Token.Kind == syntax.String {
			return []*syntax.Literal{e}
		}
	case *syntax.Set:
		var all []*syntax.Literal
		for _, element := range e.Elements {
			if literal, ok := inner(element).(*syntax.Literal); ok && literal.Token.Kind == syntax.String {
				all = append(all, literal)
			}
		}
		return all
	}
	return nil
}
