package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"countersign.dev/authz/delegation"
)

// tokenView is a token as people and scripts look at it.
type tokenView struct {
	Issuer    string     `json:"issuer"`
	KeyID     string     `json:"kid"`
	Algorithm string     `json:"alg"`
	ID        string     `json:"jti"`
	Txn       string     `json:"txn"`
	Audience  string     `json:"audience"`
	Subject   string     `json:"subject"`
	Task      string     `json:"task,omitempty"`
	Purpose   string     `json:"purpose,omitempty"`
	TaskEnds  time.Time  `json:"task_expires"`
	Issued    time.Time  `json:"issued"`
	Expires   time.Time  `json:"expires"`
	Actors    []string   `json:"actors"`
	Scope     []string   `json:"scope"`
	Dropped   []string   `json:"dropped,omitempty"`
	Depth     int        `json:"depth"`
	MaxDepth  int        `json:"max_depth"`
	Request   *boundView `json:"request,omitempty"`
	Root      *tokenView `json:"root,omitempty"`
	Check     *finding   `json:"check,omitempty"`
}

// boundView is the request that a token was made for.
type boundView struct {
	Server      string `json:"server"`
	Method      string `json:"method"`
	Tool        string `json:"tool,omitempty"`
	RequestHash string `json:"req_s256"`
}

func describeToken(t *delegation.Unverified) *tokenView {
	c := t.Claims
	v := &tokenView{
		Issuer: c.Issuer, KeyID: t.Header.KeyID, Algorithm: t.Header.Algorithm, ID: c.ID, Txn: c.Txn,
		Audience: c.Audience, Subject: c.Subject, Task: c.Task.Task, Purpose: c.Task.Purpose,
		TaskEnds: c.Task.Expiry.UTC(), Issued: c.IssuedAt.UTC(), Expires: c.Expiry.UTC(),
		Actors: c.Actor.Chain(), Scope: append([]string{}, c.Scope...), Depth: c.Depth, MaxDepth: c.MaxDepth,
	}
	if c.Request.MCP != nil {
		v.Request = &boundView{
			Server: c.Request.MCP.Server, Method: c.Request.MCP.Method, Tool: c.Request.MCP.Tool,
			RequestHash: c.Request.MCP.RequestHash,
		}
	}
	if t.Root != nil {
		v.Root = describeToken(t.Root)
		for _, item := range v.Root.Scope {
			if !slices.Contains(v.Scope, item) {
				v.Dropped = append(v.Dropped, item)
			}
		}
	}
	return v
}

// printTree shows the chain from the user down to the presenter.
func printTree(w io.Writer, v *tokenView, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", printable(v.Subject))
	if v.Task != "" {
		fmt.Fprintf(&b, ", for task %s (%s)", printable(v.Task), printable(v.Purpose))
	}
	fmt.Fprintf(&b, ", task ends %s\n", relative(v.TaskEnds, now))
	chain := slices.Clone(v.Actors)
	slices.Reverse(chain)
	first := v
	if v.Root != nil {
		first = v.Root
	}
	for i, actor := range chain {
		indent := strings.Repeat("   ", i)
		fmt.Fprintf(&b, "%s└─ %s", indent, printable(actor))
		if i == len(chain)-1 {
			b.WriteString("   (may present this token)")
		}
		b.WriteByte('\n')
		switch {
		case i == len(chain)-1:
			v.printHop(&b, indent+"   ", now)
		case i == 0 && v.Root != nil:
			first.printHop(&b, indent+"   ", now)
		}
	}
	if len(chain) == 0 {
		v.printHop(&b, "   ", now)
	}
	fmt.Fprintf(&b, "transaction %s, audience %s, depth %d of %d\n", printable(v.Txn), printable(v.Audience), v.Depth, v.MaxDepth)
	fmt.Fprintf(&b, "check: %s\n", printable(v.Check.String()))
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *tokenView) printHop(b *strings.Builder, indent string, now time.Time) {
	scope := "nothing"
	if len(v.Scope) > 0 {
		scope = strings.Join(v.Scope, " ")
	}
	fmt.Fprintf(b, "%s   signed by %s, expires %s\n", indent, printable(v.Issuer), relative(v.Expires, now))
	if v.Request != nil {
		fmt.Fprintf(b, "%s   for %s %s %s\n", indent, printable(v.Request.Server), printable(v.Request.Method), printable(v.Request.Tool))
	}
	fmt.Fprintf(b, "%s   may call: %s\n", indent, printable(scope))
	if len(v.Dropped) > 0 {
		fmt.Fprintf(b, "%s   dropped:  %s\n", indent, printable(strings.Join(v.Dropped, " ")))
	}
}

// relative gives a time as people think of it.
func relative(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d <= 0 {
		return fmt.Sprintf("%s ago (%s)", -d, t.Format(time.RFC3339))
	}
	return fmt.Sprintf("in %s (%s)", d, t.Format(time.RFC3339))
}

// printable keeps a token from writing to the terminal what it likes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}
