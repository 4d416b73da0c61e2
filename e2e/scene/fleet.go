package scene

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
)

// Fleet returns the scenes for a stage whose Countersign shares its memory with others ([stage.Options].Redis) and whose
// identities are files. They, too, leave the stage as they found it.
func Fleet() []Scene {
	return []Scene{{"A task revoked by whoever is on call", revokedByCommand}}
}

// The same as revokedTask, with the command that a fleet has for it. Nobody waits: it counts when the command returns.
func revokedByCommand(ctx context.Context, p *play) error {
	oncall, err := p.stage.CA.Issue("oncall")
	if err != nil {
		return err
	}
	run := func(args ...string) (string, error) {
		p.teller.Shown("$ countersign revoke " + strings.Join(args, " "))
		out, err := p.stage.Revoker(oncall, 0)(ctx, args...)
		if err == nil {
			p.teller.Shown(strings.TrimSpace(out))
		}
		return out, err
	}
	task := newTask()
	c, err := p.readInSession(ctx, task)
	if err != nil {
		return err
	}
	out, err := run("--task", task, "--reason", "withdrawn")
	if err != nil {
		return err
	}
	entry := entryID.FindStringSubmatch(out)
	if entry == nil {
		return fmt.Errorf("the command does not say which entry it made: %q", out)
	}
	_, played := p.refused(ctx, c, denial.Revoked)
	if _, err := run("remove", "--", entry[1]); played != nil || err != nil {
		return errors.Join(played, err)
	}
	if _, err := p.allowed(ctx, c); err != nil {
		return err
	}
	return p.end(ctx, c.agent, c.session)
}

// entryID is how the command tells the id of an entry, by which it is removed.
var entryID = regexp.MustCompile(`\(id (\S+)\)`)

// newTask is the name of a task that no other scene has.
func newTask() string { return "case-" + time.Now().Format("150405.000000000") }

// readInSession opens a session for a task and calls once. It returns the call, to be made again in that session.
func (p *play) readInSession(ctx context.Context, task string) (call, error) {
	token, err := p.grant(stage.Grant{Task: task, Scope: wide})
	if err != nil {
		return call{}, err
	}
	c := readCase("planner", token)
	if c.session, err = p.open(ctx, c.agent, c.server, token); err != nil {
		return call{}, err
	}
	_, err = p.allowed(ctx, c)
	return c, err
}
