package authz

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// Config is what an [Authorizer] works with. All fields but Clock are required; Users and Roots where a
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

// Decide answers one request. It never returns an allowed decision that was not recorded, and never panics.
func (a *Authorizer) Decide(ctx context.Context, req *Request) Decision {
	c := &check{Authorizer: a, req: req, id: rand.Text(), now: a.Clock()}
	err := c.run(ctx)
	decision := c.decision(err)
	// The record must survive a caller that hangs up.
	decision.Record = c.record(err)
	if err := a.Recorder.Record(context.WithoutCancel(ctx), decision.Record); err != nil && decision.Allowed {
		unrecorded := denial.New(denial.AuditFailed, "recording the decision: %w", err)
		decision = c.decision(unrecorded)
		decision.Record = c.record(unrecorded)
	}
	return decision
}

// run takes the steps in order and stops at the first refusal.
func (c *check) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = denial.New(denial.Panicked, "%v\n%s", p, debug.Stack())
		}
	}()
	for _, step := range []func(context.Context) error{
		c.identifyPeer, c.findServer, c.readCall, c.verifyDelegation, c.checkRevocation,
		c.checkSession, c.checkGrant, c.askPolicy, c.claimSession, c.spendUse, c.countersign,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return denial.New(denial.Cancelled, "deciding took too long: %w", err)
	}
	return nil
}

// decision is the answer to the check so far: allowed only when err is nil and a token was signed.
func (c *check) decision(err error) Decision {
	d := Decision{ID: c.id, Server: c.server, Call: c.call}
	switch {
	case err != nil:
		d.Reason = denial.ReasonOf(err)
		d.NeededScope = c.neededScope(d.Reason)
		if d.Reason == denial.PolicyForbidden {
			d.Public = c.verdict.Public
		}
	case c.token == "":
		d.Reason = denial.Internal
	default:
		d.Allowed, d.Token, d.Expires, d.Plain = true, c.token, c.signed.Expiry, c.plain
	}
	return d
}

// detailOf is what operators get to know beyond the reason.
func detailOf(err error) string {
	if e, ok := errors.AsType[*denial.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}
