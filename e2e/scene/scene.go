package scene

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// Scene is one story with a known end.
type Scene struct {
	// Title says what happens.
	Title string
	plot  func(context.Context, *play) error
}

// All returns the scenes in order, for a stage with a login ([stage.Options].Login). They leave the stage as they found it, so that they can be played again.
func All() []Scene {
	return []Scene{
		{"An allowed call", allowedCall},
		{"A token for a task, from the token endpoint", tokenRequest},
		{"Logging in, and stepping up", stepUp},
		{"A wrong agent", wrongAgent},
		{"A user without the right", userWithoutRight},
		{"An expired task", expiredTask},
		{"A tool outside the delegated scope", toolOutsideScope},
		{"An argument over the limit of the policy", argumentOverPolicyLimit},
		{"An argument over the limit of the delegation", argumentOverGrantedLimit},
		{"Forged context headers", forgedHeaders},
		{"A stolen token", stolenToken},
		{"Two hops", twoHops},
		{"A hop that tries to widen", wideningHop},
		{"A call replayed", replayedCall},
		{"A task revoked while it runs", revokedTask},
		{"A policy edited while it is in force", editedPolicy},
	}
}

// Teller tells the audience what happens on the stage.
type Teller interface {
	// Asked is what was asked for, Answered what came of it, Because why, and Shown anything else worth seeing.
	Asked(text string)
	Answered(allowed bool, text string)
	Because(text string)
	Shown(text string)
}

// Options say how agents talk.
type Options struct {
	// Version is the MCP protocol version, HTTP "1.1" or "2"; the newest where empty.
	Version, HTTP string
}

// Play plays the scene. An error means that not everything went as announced.
func (s Scene) Play(ctx context.Context, st *stage.Stage, options Options, teller Teller) error {
	if err := s.plot(ctx, &play{st, options, teller}); err != nil {
		return fmt.Errorf("%s: %w", s.Title, err)
	}
	return nil
}

// play is a scene being played.
type play struct {
	stage   *stage.Stage
	options Options
	teller  Teller
}

// call is one tool call by an agent.
type call struct {
	agent, token string
	server, tool string
	arguments    map[string]any
	header       map[string][]string
	// session is an open one to use; otherwise the call has a session of its own.
	session int
}

func (c call) String() string {
	arguments, err := json.Marshal(c.arguments)
	if err != nil {
		return err.Error()
	}
	who := c.agent
	if token, err := delegation.Parse(c.token); err == nil {
		who += ", with a delegation of " + token.Claims.Subject + ","
	}
	return fmt.Sprintf("%s calls %s/%s %s", who, c.server, c.tool, arguments)
}

// outcome is what came of a call.
type outcome struct {
	call    call
	reply   wire.Reply
	record  stage.Record   // of the decision about the call, or about the handshake if it came to no call
	records []stage.Record // of all decisions meanwhile
	reached []wire.Request // tool calls that reached the server
}

// grant signs a root token. Where the grant names nobody it is alice's for the planner.
func (p *play) grant(g stage.Grant) (string, error) {
	if g.User == "" {
		g.User = "alice"
	}
	if g.Agent == "" {
		g.Agent = "planner"
	}
	return p.stage.Issuer.Grant(g)
}

// open begins a session for several calls with one token.
func (p *play) open(ctx context.Context, agent, server, token string) (int, error) {
	a, err := p.stage.Agent(ctx, agent)
	if err != nil {
		return 0, err
	}
	reply, err := a.Do(ctx, wire.Command{
		Op: wire.Open, URL: p.stage.URLs[server], Token: token, Version: p.options.Version, HTTP: p.options.HTTP,
	})
	if err == nil && reply.Error != "" {
		err = fmt.Errorf("%s could not open a session with %s: %s", agent, server, reply.Error)
	}
	return reply.Session, err
}

// end ends a session.
func (p *play) end(ctx context.Context, agent string, session int) error {
	a, err := p.stage.Agent(ctx, agent)
	if err != nil {
		return err
	}
	reply, err := a.Do(ctx, wire.Command{Op: wire.Close, Session: session})
	if err == nil && reply.Error != "" {
		err = fmt.Errorf("%s could not close its session: %s", agent, reply.Error)
	}
	return err
}

// make makes a call and gathers what is known about it afterwards.
func (p *play) make(ctx context.Context, c call) (outcome, error) {
	p.teller.Asked(c.String())
	o := outcome{call: c}
	decisions, err := p.stage.Audit.Mark()
	if err != nil {
		return o, err
	}
	received, err := p.stage.Received[c.server].Mark()
	if err != nil {
		return o, err
	}
	if o.reply, err = p.send(ctx, c); err != nil {
		return o, err
	}
	if o.records, err = p.stage.Audit.Since(decisions); err != nil {
		return o, err
	}
	for _, r := range o.records {
		if r.Server == c.server && r.Peer == stage.ID(c.agent) && (r.Method == "tools/call" || o.record.Method != "tools/call") {
			o.record = r
		}
	}
	requests, err := p.stage.Received[c.server].Since(received)
	if err != nil {
		return o, err
	}
	for _, r := range requests {
		if strings.Contains(r.Body, `"tools/call"`) {
			o.reached = append(o.reached, r)
		}
	}
	return o, nil
}

func (p *play) send(ctx context.Context, c call) (wire.Reply, error) {
	a, err := p.stage.Agent(ctx, c.agent)
	if err != nil {
		return wire.Reply{}, err
	}
	if c.session == 0 {
		return a.Call(ctx, wire.Command{
			URL: p.stage.URLs[c.server], Token: c.token, Header: c.header,
			Version: p.options.Version, HTTP: p.options.HTTP,
		}, c.tool, c.arguments)
	}
	arguments, err := json.Marshal(c.arguments)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("encoding arguments: %w", err)
	}
	return a.Do(ctx, wire.Command{
		Op: wire.Call, Session: c.session, Token: c.token, Tool: c.tool, Arguments: arguments,
	})
}

// allowed announces that a call is allowed, reaches its server once with a token for it, and succeeds.
func (p *play) allowed(ctx context.Context, c call) (outcome, error) {
	o, err := p.make(ctx, c)
	if err != nil {
		return o, err
	}
	switch {
	case o.reply.Error != "":
		err = fmt.Errorf("%v: want it allowed, but: %s (%s: %s)", c, o.reply.Error, o.record.Reason, o.record.Detail)
	case o.record.Method != "tools/call" || o.record.Decision != "allow":
		err = fmt.Errorf("%v: it was allowed, but the last record is %+v", c, o.record)
	case len(o.reached) != 1 || o.reached[0].Refused != "":
		err = fmt.Errorf("%v: it was allowed, but these reached the server: %v", c, o.reached)
	}
	if err != nil {
		return o, err
	}
	p.tellAllowed(o)
	return o, nil
}

// tellAllowed tells of a call that was allowed in the end.
func (p *play) tellAllowed(o outcome) {
	text := o.reply.Text
	if o.reply.ToolError {
		text = "the call may pass, but the tool fails: " + text
	}
	p.teller.Answered(!o.reply.ToolError, text)
	p.teller.Because(fmt.Sprintf("permitted by %s, for %s, task %s",
		strings.Join(o.record.PolicyIDs, " and "), o.record.Subject, o.record.Task))
}

// refused announces that a call is refused for this reason, and that the server never sees it.
func (p *play) refused(ctx context.Context, c call, reason denial.Reason) (outcome, error) {
	o, err := p.make(ctx, c)
	if err != nil {
		return o, err
	}
	switch {
	case o.reply.Error == "":
		err = fmt.Errorf("%v: want it refused (%s), but it was answered %q", c, reason, o.reply.Text)
	case o.record.Decision != "deny" || o.record.Reason != string(reason):
		err = fmt.Errorf("%v: want it refused (%s), but the record is %+v", c, reason, o.record)
	case o.reply.Refusal == nil:
		err = fmt.Errorf("%v: it was refused, but not with a JSON-RPC error: %s", c, o.reply.Error)
	case len(o.reached) != 0:
		err = fmt.Errorf("%v: it was refused, but these reached the server: %v", c, o.reached)
	}
	if err != nil {
		return o, err
	}
	p.teller.Answered(false, fmt.Sprintf("HTTP %d, JSON-RPC error %d %q %s",
		o.reply.Status, o.reply.Refusal.Code, o.reply.Refusal.Message, o.reply.Refusal.Data))
	p.teller.Because(o.record.Reason + ": " + o.record.Detail)
	return o, nil
}
