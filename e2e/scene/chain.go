package scene

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign.dev/authz/delegation"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// received returns the call of a tool that reached the ledger after a mark.
func (p *play) received(mark stage.Mark, tool string) (wire.Request, error) {
	requests, err := p.stage.Received["ledger"].Since(mark)
	if err != nil {
		return wire.Request{}, err
	}
	i := slices.IndexFunc(requests, func(r wire.Request) bool { return strings.Contains(r.Body, `"`+tool+`"`) })
	if i < 0 {
		return wire.Request{}, fmt.Errorf("no call of %s reached the ledger", tool)
	}
	return requests[i], nil
}

// chain are the tokens of one delegation, from the root to the last hop.
type chain []*delegation.Unverified

func readChain(tokens ...string) (chain, error) {
	var c chain
	for i, compact := range tokens {
		token, err := delegation.Parse(compact)
		if err != nil {
			return nil, fmt.Errorf("reading token %d of the chain: %w", i, err)
		}
		c = append(c, token)
	}
	return c, nil
}

// String draws the chain as a tree: who, for whom, which task, what may still be passed on, until when.
func (c chain) String() string {
	root := c[0].Claims
	var b strings.Builder
	fmt.Fprintf(&b, "for %s, task %s (%s) until %s, transaction %s",
		root.Subject, root.Task.Task, root.Task.Purpose, clock(root.Task.Expiry), root.Txn)
	for depth, token := range c {
		claims := token.Claims
		scope := claims.Scope.String()
		if scope == "" {
			scope = "nothing further"
		}
		branch := ""
		if depth > 0 {
			branch = strings.Repeat("   ", depth-1) + "└─ "
		}
		fmt.Fprintf(&b, "\n%s%s, until %s, signed by %s\n%s   may call %s",
			branch, claims.Actor.Subject, clock(claims.Expiry), claims.Issuer, strings.Repeat("   ", depth), scope)
	}
	return b.String()
}

func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// check compares the chain with what a chain of two hops must look like.
func (c chain) check() error {
	if len(c) != 3 {
		return fmt.Errorf("want 3 tokens, got %d", len(c))
	}
	root, first, second := c[0].Claims, c[1].Claims, c[2].Claims
	var problems []error
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	whole := []string{stage.ID("ledger"), stage.ID("crm"), stage.ID("planner")}
	expect(slices.Equal(second.Actor.Chain(), whole), "actors are %q, want %q", second.Actor.Chain(), whole)
	expect(slices.Equal(first.Scope, delegation.Scope{"mcp:ledger:read_entry"}), "the crm may call %q", first.Scope)
	expect(len(second.Scope) == 0, "the ledger may call %q", second.Scope)
	for i, hop := range []delegation.Claims{first, second} {
		parent := c[i]
		expect(hop.ParentHash == parent.Hash, "token %d names another parent", i+1)
		expect(hop.Depth == i+1, "token %d has depth %d", i+1, hop.Depth)
		expect(!hop.Expiry.After(parent.Claims.Expiry), "token %d outlives its parent", i+1)
		expect(hop.Subject == root.Subject && hop.Txn == root.Txn && hop.Audience == root.Audience,
			"token %d is about somebody or something else", i+1)
		expect(string(hop.Task.Raw) == string(root.Task.Raw), "token %d has another task: %s", i+1, hop.Task.Raw)
	}
	return errors.Join(problems...)
}
