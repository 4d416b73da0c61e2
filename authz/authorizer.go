package authz

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// Config is what an [Authorizer] works with. All fields but Shadows and Clock are required; Users and Roots where a
// server takes access tokens.
type Config struct {
	Peers       *peer.Reader
	Servers     *Servers
	Policies    Policies
	Tokens      Tokens
	Users       Users
	Roots       Roots
	Revocations Revocations
	Sessions    Sessions
	Uses        Uses
	Signer      Signer
	Recorder    Recorder
	// Shadows are policies that are tried out, by the name of the server whose requests they are asked about as well; nil
	// for none. They decide nothing: see [audit.Shadow].
	Shadows map[string]Policies
	// HopTTL is the longest life of a countersigned token.
	HopTTL time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Authorizer makes decisions. It is safe for concurrent use.
type Authorizer struct{ Config }

// New checks that nothing is missing.
func New(config Config) (*Authorizer, error) {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	for name, missing := range map[string]bool{
		"Peers": config.Peers == nil, "Servers": config.Servers == nil, "Policies": config.Policies == nil,
		"Tokens": config.Tokens == nil, "Revocations": config.Revocations == nil, "Sessions": config.Sessions == nil, "Uses": config.Uses == nil,
		"Signer": config.Signer == nil, "Recorder": config.Recorder == nil, "HopTTL": config.HopTTL <= 0,
	} {
		if missing {
			return nil, fmt.Errorf("authorizer: %s is not set", name)
		}
	}
	if len(config.Servers.documents) > 0 && (config.Users == nil || config.Roots == nil) {
		return nil, errors.New("authorizer: a server takes access tokens, and Users or Roots is not set")
	}
	return &Authorizer{config}, nil
}

// Decide answers one request. It never panics, and never hands out a token in a decision that was not recorded.
func (a *Authorizer) Decide(ctx context.Context, req *Request) Decision {
	c := &check{Authorizer: a, req: req, id: rand.Text(), now: a.Clock()}
	refused := c.run(ctx)
	c.askShadow(ctx)
	c.findTriedOut()
	decision := c.decision(refused)
	decision.Record = c.record(refused)
	if err := c.keep(ctx, decision.Record); err != nil && decision.Token != "" {
		unrecorded := denial.New(denial.AuditFailed, "recording the decision: %w", err)
		decision = c.decision(unrecorded)
		decision.Record = c.record(unrecorded)
	}
	return decision
}

// run takes the steps in order and stops at the first refusal. It returns nil only when a token was signed.
func (c *check) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = denial.New(denial.Panicked, "%v\n%s", p, debug.Stack())
		}
	}()
	for _, step := range []func(context.Context) error{
		c.identifyPeer, c.findServer, c.readCall, c.verifyDelegation, c.checkRevocation,
		c.checkSession, c.checkGrant, c.askPolicy, c.settle, c.finish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle takes the steps that others get to see. At a server that is tried out, what is remembered comes last, and a
// use before a claim, which hardly ever fails once the owner was checked: nothing is to be left behind by a request that
// would have been refused.
func (c *check) settle(ctx context.Context) error {
	steps := []func(context.Context) error{c.claimSession, c.spendUse, c.countersign}
	if c.isTriedOut() {
		steps = []func(context.Context) error{c.countersign, c.finish, c.spendUse, c.claimSession}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish makes sure that there is a token, and somebody who still waits for it.
func (c *check) finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return denial.New(denial.Cancelled, "deciding took too long: %w", err)
	}
	if c.token == "" {
		return denial.New(denial.Internal, "no token was signed")
	}
	return nil
}

// decision is the answer to the check so far.
func (c *check) decision(refused error) Decision {
	d := Decision{ID: c.id, Server: c.server, Call: c.call}
	switch {
	case refused == nil:
		d.Allowed, d.Token, d.Expires, d.Plain = true, c.token, c.signed.Expiry, c.plain
	case c.isTriedOut():
		d.Allowed, d.WouldDeny = true, denial.ReasonOf(refused)
	default:
		d.Reason = denial.ReasonOf(refused)
		d.NeededScope = c.neededScope(d.Reason)
		if d.Reason == denial.PolicyForbidden {
			d.Public = c.verdict.Public
		}
	}
	return d
}

// keep records a decision. The record must survive a caller that hangs up.
func (c *check) keep(ctx context.Context, record audit.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the recorder panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Recorder.Record(context.WithoutCancel(ctx), record)
}

// detailOf is what operators get to know beyond the reason.
func detailOf(err error) string {
	if e, ok := errors.AsType[*denial.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}
