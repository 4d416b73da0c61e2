package scene

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// stepUp: nobody gave the planner a delegation, and it knows nothing but the URL of the crm. The SDK's own OAuth client has
// alice log in when the crm asks for it, and asks her again when a tool needs more than she approved.
func stepUp(ctx context.Context, p *play) error {
	p.teller.Shown("the planner has no Txn-Token: it is an MCP client with OAuth that knows the URL of the crm, and alice at its screen")
	session, err := p.openLogin(ctx)
	if err != nil {
		return err
	}
	c := readCase("planner", "")
	c.session = session
	if err := p.challenged(ctx, c, wire.Challenge{Status: 401, Asked: "cases.read"}, denial.CredentialMissing); err != nil {
		return err
	}
	c.arguments = map[string]any{"case_id": "4712"}
	o, err := p.allowed(ctx, c)
	if err != nil {
		return err
	}
	if len(o.reply.Challenges) > 0 {
		return fmt.Errorf("alice approved cases.read, but: %+v", o.reply.Challenges)
	}
	c.tool = "delete_case"
	more := wire.Challenge{Status: 403, Asked: "cases.delete cases.read"}
	if err := p.challenged(ctx, c, more, denial.ScopeNotGranted); err != nil {
		return err
	}
	return p.end(ctx, "planner", session)
}

// openLogin begins a session of the planner with the crm in which alice logs in when that is asked for.
func (p *play) openLogin(ctx context.Context) (int, error) {
	if p.stage.Provider == nil {
		return 0, errors.New("there is nowhere to log in on this stage")
	}
	a, err := p.stage.Agent(ctx, "planner")
	if err != nil {
		return 0, err
	}
	reply, err := a.Do(ctx, wire.Command{
		Op: wire.Open, URL: p.stage.URLs["crm"], Version: p.options.Version, HTTP: p.options.HTTP,
		Login: &wire.Login{Provider: p.stage.Provider.Issuer, Bundle: p.stage.ProviderBundle},
	})
	if err == nil && reply.Error != "" {
		err = fmt.Errorf("the planner could not open a session: %s", reply.Error)
	}
	return reply.Session, err
}

// challenged announces that a call is refused for this reason with a challenge, that the user is asked for a scope because
// of it, and that the same call is then allowed and reaches the server once.
func (p *play) challenged(ctx context.Context, c call, want wire.Challenge, reason denial.Reason) error {
	o, err := p.make(ctx, c)
	if err != nil {
		return err
	}
	calls := slices.DeleteFunc(slices.Clone(o.records), func(r stage.Record) bool { return r.Method != "tools/call" })
	switch {
	case o.reply.Error != "":
		return fmt.Errorf("%v: want it allowed in the end, but: %s (%+v)", c, o.reply.Error, o.record)
	case len(o.reply.Challenges) != 1:
		return fmt.Errorf("%v: want one challenge, got %+v", c, o.reply.Challenges)
	case len(calls) != 2 || calls[0].Reason != string(reason) || calls[1].Decision != "allow" ||
		calls[1].Subject != p.stage.Provider.User:
		return fmt.Errorf("%v: want it refused (%s) and then allowed, but the records are %+v", c, reason, calls)
	case len(o.reached) != 1 || o.reached[0].Refused != "" || len(o.reached[0].Header["Authorization"]) > 0:
		return fmt.Errorf("%v: it was allowed once, but these reached the server: %v", c, o.reached)
	}
	got := o.reply.Challenges[0]
	scopes := strings.Fields(got.Asked)
	slices.Sort(scopes) // in whatever order the client adds what it needs to what it has
	if asked := strings.Join(scopes, " "); got.Status != want.Status || asked != want.Asked {
		return fmt.Errorf("%v: want %d and alice asked for %q, got %+v", c, want.Status, want.Asked, got)
	}
	p.teller.Answered(false, fmt.Sprintf("HTTP %d, WWW-Authenticate: %s", got.Status, short(got.Header)))
	p.teller.Because(calls[0].Reason + ": " + calls[0].Detail)
	p.teller.Shown(fmt.Sprintf("the client asks the identity provider for %q, alice approves, and the client sends the call again", got.Asked))
	p.tellAllowed(o)
	return nil
}

// short leaves out of a challenge what is long and is said elsewhere.
func short(challenge string) string {
	return long.ReplaceAllString(challenge, `$1="…"`)
}

var long = regexp.MustCompile(`(resource_metadata|error_description)="[^"]*"`)
