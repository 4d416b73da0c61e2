package lint

import (
	"fmt"
	"regexp"
	"strings"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func likeRules() []Rule {
	return []Rule{
		{
			ID: "like-without-wildcard", Severity: diagnostic.Warning,
			Summary: "A pattern behind like has no *.",
			Why: "It compares as == does. Either == or a pattern was meant. For what may be no string, like fails and == does not: " +
				"there the fix may allow more, and is only made when asked for.",
			Bad: `@id("get-note")
permit (principal, action == Action::"read_resource", resource in Server::"crm") when { resource.uri like "file:///note\*" };
`,
			Good: `@id("get-note")
permit (principal, action == Action::"read_resource", resource in Server::"crm") when { resource.uri == "file:///note*" };
`,
			Fixable: true,
			policy: likeRule(func(p *pass, e *syntax.Like, pattern []string) {
				if len(pattern) > 1 {
					return
				}
				like := p.file.tokenFrom(e.Arg.Span().End.Offset)
				p.at(e.Span(), "the pattern has no *, so it is compared as with ==", "write ==").Fix = &Fix{
					Edits: []Edit{
						{like.Span.Start.Offset, like.Span.End.Offset, "=="},
						{e.Pattern.Span.Start.Offset, e.Pattern.Span.End.Offset, `"` + strings.Join(pattern, "") + `"`},
					},
					Widens: !certainlyString(e.Arg), // like fails for all else, and what fails permits nothing
					intent: readLike,
				}
			}),
		},
		{
			ID: "like-prefix-on-spiffe", Severity: diagnostic.Warning,
			Summary: "A SPIFFE ID is matched with a pattern.",
			Why: `The pattern "spiffe://acme.example/ns/crm*" also matches the namespace crm-test. principal in SpiffePath::"…" is ` +
				"cut at slashes, and in the scope it is found by the index.",
			Bad: `@id("crm-pings")
permit (principal, action == Action::"ping", resource in Server::"crm") when { principal.spiffe_id like "spiffe://acme.example/ns/crm/*" };
`,
			Good: `@id("crm-pings")
permit (principal in SpiffePath::"spiffe://acme.example/ns/crm", action == Action::"ping", resource in Server::"crm");
`,
			policy: likeRule(func(p *pass, e *syntax.Like, pattern []string) {
				if !onSpiffe(e, pattern) || len(pattern) == 1 {
					return
				}
				help := `write principal in SpiffePath::"…" in the scope`
				if prefix := strings.TrimSuffix(pattern[0], "/"); strings.HasPrefix(prefix, "spiffe://") && len(pattern) == 2 && pattern[1] == "" {
					help = fmt.Sprintf("write principal in SpiffePath::%q in the scope", prefix)
				}
				p.at(e.Span(), "a pattern on a SPIFFE ID is not cut at slashes, and no index finds it", help)
			}),
		},
		{
			ID: "like-star-crosses-slash", Severity: diagnostic.Warning,
			Summary: "A * in a pattern for paths stands for more than one part of the path.",
			Why: `The * of like crosses "/": "/srv/*/public" also matches /srv/secret/x/public, and "/srv/docs*" also matches ` +
				"/srv/docs-secret/x. For resources, UriPath is cut at slashes.",
			Bad: `@id("docs")
permit (principal, action == Action::"read_resource", resource in Server::"crm") when { resource.uri like "file:///srv/docs*" };
`,
			Good: `@id("docs")
permit (principal, action == Action::"read_resource", resource in UriPath::"file:///srv/docs") when { resource in Server::"crm" };
`,
			policy: likeRule(func(p *pass, e *syntax.Like, pattern []string) {
				last := len(pattern) - 1
				if last == 0 || onSpiffe(e, pattern) || !strings.Contains(strings.Join(pattern, ""), "/") {
					return
				}
				const help = `* stands for any characters, also "/"`
				switch before := pattern[last-1]; {
				case pattern[last] != "" || last > 1:
					p.at(e.Pattern.Span, "a * in this pattern matches more than one part of a path", help)
				case !strings.HasSuffix(before, "/"):
					p.at(e.Pattern.Span, "the * also matches the rest of a longer name, not only what is below a path", help)
				}
			}),
		},
		{
			ID: "scope-substring", Severity: diagnostic.Warning,
			Summary: "A scope, role or group is looked for within a longer text.",
			Why:     `"*admin*" also matches nonadmin. Rights are compared as a whole: with ==, with contains on a set, or with in on a group.`,
			Bad: `@id("admins")
permit (principal, action in Action::"call_tool", resource == Tool::"crm/search")
when { principal.hasTag("roles") && principal.getTag("roles") like "*admin*" };
`,
			Good: `@id("admins")
permit (principal, action in Action::"call_tool", resource == Tool::"crm/search")
when { context has delegation && context.delegation.scopes.contains("mcp:crm:search") };
`,
			policy: likeRule(func(p *pass, e *syntax.Like, pattern []string) {
				if about := subject(e.Arg); len(pattern) > 1 && pattern[0] == "" && rights.MatchString(about) {
					p.at(e.Span(), fmt.Sprintf("a name that only ends with, or contains, the word passes for a right in %q", about),
						"compare it as a whole")
				}
			}),
		},
	}
}

// rights are names of what gives somebody a right.
var rights = regexp.MustCompile(`(?i)(scope|role|group|perm|priv|right|claim|audience)`)

// likeRule calls check for every like with the texts between the wildcards of its pattern, as written in a string.
func likeRule(check func(p *pass, e *syntax.Like, pattern []string)) func(*pass) {
	return func(p *pass) {
		expressions(p.policy, func(e syntax.Expr) {
			if like, ok := e.(*syntax.Like); ok {
				check(p, like, cutPattern(like.Pattern.Text))
			}
		})
	}
}

// cutPattern cuts a pattern at its wildcards. An escaped star becomes a plain one, as it is in a string.
func cutPattern(quoted string) []string {
	text := strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '*':
			parts = append(parts, part.String())
			part.Reset()
			continue
		case text[i] == '\\' && i+1 < len(text):
			if i++; text[i] != '*' {
				part.WriteByte('\\')
			}
		}
		part.WriteByte(text[i])
	}
	return append(parts, part.String())
}

// onSpiffe reports whether a SPIFFE ID, or a part of one, is matched.
func onSpiffe(e *syntax.Like, pattern []string) bool {
	about := pathOf(e.Arg)
	return strings.HasPrefix(pattern[0], "spiffe://") || strings.HasSuffix(about, ".spiffe_id") ||
		about == "principal.path" || about == "context.delegation.immediate_actor.path"
}

// subject is the name of what is matched: the last attribute, or the tag.
func subject(e syntax.Expr) string {
	switch e := inner(e).(type) {
	case *syntax.Access:
		return e.Name.Name
	case *syntax.Call:
		if e.Function.String() == "getTag" && len(e.Args) == 1 {
			if tag, ok := inner(e.Args[0]).(*syntax.Literal); ok {
				return tag.Unquoted
			}
		}
	}
	return ""
}
