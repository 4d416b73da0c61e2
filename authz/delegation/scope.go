package delegation

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is the claim scope: the tools that a token grants. An item is "mcp:<server>:<tool>", or "mcp:<server>:*" for
// all tools of a server. Items are compared byte by byte. An empty scope grants nothing.
type Scope []string

const (
	scopePrefix = "mcp:"
	wildcard    = "*"
)

// ParseScope reads the items of a scope, separated by one space each (RFC 6749, section 3.3). An item of another form,
// one that comes twice, and more than [MaxScope] items are errors.
func ParseScope(text string) (Scope, error) {
	if text == "" {
		return nil, nil
	}
	if n := strings.Count(text, " ") + 1; n > MaxScope {
		return nil, fmt.Errorf("a scope of %d items: at most %d", n, MaxScope)
	}
	scope := Scope(strings.Split(text, " "))
	for i, item := range scope {
		server, tool, ok := splitItem(item)
		if !ok || !isServerName(server) || tool != wildcard && !isScopeToken(tool) {
			return nil, fmt.Errorf("scope item %.80q is not mcp:<server>:<tool>", item)
		}
		if slices.Contains(scope[:i], item) {
			return nil, fmt.Errorf("scope item %.80q comes twice", item)
		}
	}
	return scope, nil
}

// String returns the scope as the claim has it.
func (s Scope) String() string { return strings.Join(s, " ") }

// Covers reports whether the scope grants an item: it has the same item, or the wildcard of its server. A wildcard is
// covered only by itself.
func (s Scope) Covers(item string) bool {
	server, tool, ok := splitItem(item)
	if !ok {
		return false
	}
	all := scopeItem(server, wildcard)
	for _, granted := range s {
		// A tool that is called "*" needs the wildcard, which is the same text.
		if granted == all || granted == item && tool != wildcard {
			return true
		}
	}
	return false
}

func scopeItem(server, tool string) string { return scopePrefix + server + ":" + tool }

// splitItem cuts at the first colon after the prefix: a server has none in its name, a tool may.
func splitItem(item string) (server, tool string, ok bool) {
	rest, ok := strings.CutPrefix(item, scopePrefix)
	if !ok {
		return "", "", false
	}
	server, tool, ok = strings.Cut(rest, ":")
	return server, tool, ok && server != "" && tool != ""
}

// isScopeToken reports whether name is made of the characters of a scope-token (RFC 6749, section 3.3), without the
// one that is the wildcard.
func isScopeToken(name string) bool {
	return name != "" && len(name) <= MaxIdentifier && !strings.ContainsFunc(name, func(r rune) bool {
		return r < 0x21 || r > 0x7e || r == '"' || r == '\\' || r == '*'
	})
}
