package authz

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// granted translates the scope of an access token to what it grants at a server. A scope of our own form counts if it is
// about this server: the token was issued for no other. What goes beyond, for calls that this server makes in turn, is
// the operator's word, in [Bearer].Scopes. Scopes that mean nothing here are left out.
func (b *Bearer) granted(server string, scopes []string) (delegation.Scope, error) {
	var granted delegation.Scope
	add := func(item string) {
		if !slices.Contains(granted, item) {
			granted = append(granted, item)
		}
	}
	for _, scope := range scopes {
		for _, item := range b.Scopes[scope] {
			add(item)
		}
		if !strings.HasPrefix(scope, scopeOf(server, "")) {
			continue
		}
		if _, err := delegation.ParseScope(scope); err == nil {
			add(scope)
		}
	}
	if len(granted) > delegation.MaxScope {
		return nil, denial.New(denial.TokenClaims, "the access token grants %d scopes here: at most %d",
			len(granted), delegation.MaxScope)
	}
	return granted, nil
}

// vocabulary translates what a call needs to the OAuth scopes that a client has to ask for: of those that grant a tool
// the one that grants least, and the tool itself where none does.
func (b *Bearer) vocabulary(needed []string) []string {
	var scopes []string
	for _, item := range needed {
		best := item
		if names := b.granting(item); len(names) > 0 {
			best = slices.MinFunc(names, func(x, y string) int {
				return cmp.Or(cmp.Compare(width(b.Scopes[x]), width(b.Scopes[y])), cmp.Compare(x, y))
			})
		}
		if !slices.Contains(scopes, best) {
			scopes = append(scopes, best)
		}
	}
	return scopes
}

// neededScope are the scopes for a challenge: all that the call needs, and not only what is missing, because a client may
// ask for a token with nothing else (MCP authorization, runtime insufficient scope errors). Where the caller uses access
// tokens, or may begin to, they are OAuth scopes.
func (c *check) neededScope(reason denial.Reason) []string {
	login := c.server != nil && c.server.Bearer != nil && c.presented != txnToken
	switch class := reason.Class(); {
	case c.call == nil, class != denial.ClassScope && class != denial.ClassCredential, class == denial.ClassCredential && !login:
		return nil
	}
	var needed []string
	for _, call := range calls(c.call) {
		for _, target := range call.Targets {
			item := scopeOf(c.server.Name, target.Name)
			if target.Kind == mcp.TargetTool && call.Method == "tools/call" && !slices.Contains(needed, item) {
				needed = append(needed, item)
			}
		}
	}
	switch {
	case !login:
		return needed
	case len(needed) == 0:
		return c.server.Bearer.InitialScopes
	default:
		return c.server.Bearer.vocabulary(needed)
	}
}

// granting returns the OAuth scopes that grant a tool.
func (b *Bearer) granting(item string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(b.Scopes)), func(name string) bool { return !b.Scopes[name].Covers(item) })
}

// width orders scopes by how much they grant. All tools of a server are more than any number of single ones.
func width(scope delegation.Scope) int {
	n := len(scope)
	for _, item := range scope {
		if strings.HasSuffix(item, ":*") {
			n += delegation.MaxScope
		}
	}
	return n
}

// scopeOf is the scope that grants one tool. One that no scope can name is granted by the wildcard only.
func scopeOf(server, tool string) string {
	item := "mcp:" + server + ":" + tool
	if _, err := delegation.ParseScope(item); err != nil && tool != "" {
		return "mcp:" + server + ":*"
	}
	return item
}

// isScopeToken reports whether s is a scope-token (RFC 6749, section 3.3).
func isScopeToken(s string) bool {
	return s != "" && len(s) <= delegation.MaxIdentifier && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x21 || r > 0x7e || r == '"' || r == '\\'
	})
}
