package scene

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/e2e/stage"
)

// wide is the scope of a task about a case.
var wide = []string{
	"mcp:crm:read_case", "mcp:crm:refund_case", "mcp:crm:settle_case", "mcp:ledger:read_entry", "mcp:ledger:post_refund",
}

// readCase is the plainest call there is.
func readCase(agent, token string) call {
	return call{agent: agent, token: token, server: "crm", tool: "read_case", arguments: map[string]any{"case_id": "4711"}}
}

func refundCase(token string, amount int) call {
	return call{
		agent: "planner", token: token, server: "crm", tool: "refund_case",
		arguments: map[string]any{"case_id": "4711", "max_amount": amount},
	}
}

func allowedCall(ctx context.Context, p *play) error {
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	_, err = p.allowed(ctx, readCase("planner", token))
	return err
}

// The intern holds a genuine delegation from alice. Policy lets only support agents work on cases.
func wrongAgent(ctx context.Context, p *play) error {
	p.teller.Shown("the intern has a delegation of alice; only support agents work on cases")
	token, err := p.grant(stage.Grant{Agent: "intern", Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	_, err = p.refused(ctx, readCase("intern", token), denial.PolicyNoPermit)
	return err
}

// The planner is the right agent, but bob is not in support.
func userWithoutRight(ctx context.Context, p *play) error {
	p.teller.Shown("the planner has a delegation of bob, who is not in support")
	token, err := p.grant(stage.Grant{User: "bob", Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	_, err = p.refused(ctx, readCase("planner", token), denial.PolicyNoPermit)
	return err
}

// The token itself would be good for some minutes more. Its task is over.
func expiredTask(ctx context.Context, p *play) error {
	granted := time.Now().Add(-5 * time.Minute)
	token, err := p.grant(stage.Grant{
		Task: "case-4710", Scope: wide, Issued: granted, TaskEnds: granted.Add(4 * time.Minute),
	})
	if err != nil {
		return err
	}
	_, err = p.refused(ctx, readCase("planner", token), denial.TaskExpired)
	return err
}

func toolOutsideScope(ctx context.Context, p *play) error {
	p.teller.Shown("delegated: " + strings.Join(wide, " "))
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	_, err = p.refused(ctx, call{
		agent: "planner", token: token, server: "crm", tool: "delete_case", arguments: map[string]any{"case_id": "4711"},
	}, denial.ScopeNotGranted)
	return err
}

// The caller is told the reason that the policy has for it, and nothing else of the policy.
func argumentOverPolicyLimit(ctx context.Context, p *play) error {
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	o, err := p.refused(ctx, refundCase(token, 900), denial.PolicyForbidden)
	if err != nil {
		return err
	}
	answer := o.reply.Refusal.Message + string(o.reply.Refusal.Data)
	if !strings.Contains(answer, "refunds of more than 500 EUR need a supervisor") || strings.Contains(answer, "refund-limit") {
		return fmt.Errorf("want the policy's public reason and no policy id in the answer, got %s", answer)
	}
	return nil
}

// Policy would allow 300 EUR. Alice granted 150 at most.
func argumentOverGrantedLimit(ctx context.Context, p *play) error {
	p.teller.Shown("delegated: refunds of up to 150 EUR for case 4711; policy would allow 500")
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide, Limits: []delegation.Detail{{
		Server: "crm",
		Tools: map[string]delegation.Arguments{"refund_case": {
			"case_id":    {Type: "exact", Value: mcp.String("4711")},
			"max_amount": {Type: "range", Min: mcp.Int(0), Max: mcp.Int(150)},
		}},
	}}})
	if err != nil {
		return err
	}
	if _, err := p.allowed(ctx, refundCase(token, 120)); err != nil {
		return err
	}
	_, err = p.refused(ctx, refundCase(token, 300), denial.CeilingExceeded)
	return err
}

// The planner sends what only Countersign and Envoy may say. The call is allowed, and none of it arrives.
func forgedHeaders(ctx context.Context, p *play) error {
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	c := readCase("planner", token)
	c.header = map[string][]string{
		"X-Countersign-Subject":             {"root"},
		"x-COUNTERSIGN-decision":            {"allow"},
		"X-Forwarded-Client-Cert":           {"URI=" + stage.ID("supervisor")},
		"X-Envoy-Auth-Failure-Mode-Allowed": {"true"},
	}
	for _, name := range slices.Sorted(maps.Keys(c.header)) {
		p.teller.Shown("forged " + name + ": " + strings.Join(c.header[name], ", "))
	}
	o, err := p.allowed(ctx, c)
	if err != nil {
		return err
	}
	var arrived []string
	for name := range o.reached[0].Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-countersign-") || lower == "x-forwarded-client-cert" ||
			lower == "x-envoy-auth-failure-mode-allowed" {
			arrived = append(arrived, name)
		}
	}
	if len(arrived) > 0 {
		return fmt.Errorf("forged header fields reached the server: %q", arrived)
	}
	received := o.reached[0].Header["Txn-Token"]
	if len(received) != 1 || received[0] == token {
		return errors.New("want exactly one Txn-Token at the server, and not the one that the planner sent")
	}
	p.teller.Shown("none of it reached the server; its Txn-Token is a new one, made for it and this body")
	return nil
}

// The intern got hold of the planner's token. Only the planner may present it, and the handshake says who calls.
func stolenToken(ctx context.Context, p *play) error {
	p.teller.Shown("the intern has a copy of the planner's token")
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	_, err = p.refused(ctx, readCase("intern", token), denial.TokenHolder)
	return err
}

// The crm asks the ledger with the token that it received, which was made from the planner's.
func twoHops(ctx context.Context, p *play) error {
	root, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	before, err := p.stage.Received["ledger"].Mark()
	if err != nil {
		return err
	}
	first, err := p.allowed(ctx, refundCase(root, 120))
	if err != nil {
		return err
	}
	if first.reply.ToolError {
		return fmt.Errorf("the crm could not ask the ledger: %s", first.reply.Text)
	}
	second, err := p.received(before, "read_entry")
	if err != nil {
		return err
	}
	chain, err := readChain(root, first.reached[0].Header["Txn-Token"][0], second.Header["Txn-Token"][0])
	if err != nil {
		return err
	}
	p.teller.Shown(chain.String())
	return chain.check()
}

// The planner may post refunds, and says so in the delegation. Policy lets the crm pass on reading only.
func wideningHop(ctx context.Context, p *play) error {
	p.teller.Shown("delegated to the planner: ledger/post_refund, too; of that, policy lets the crm have ledger/read_entry only")
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	before, err := p.stage.Received["ledger"].Mark()
	if err != nil {
		return err
	}
	o, err := p.allowed(ctx, call{
		agent: "planner", token: token, server: "crm", tool: "settle_case", arguments: map[string]any{"case_id": "4711"},
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(o.records, func(r stage.Record) bool { return r.Server == "ledger" && r.Tool == "post_refund" })
	if i < 0 {
		return errors.New("the crm did not ask the ledger to post a refund")
	}
	hop := o.records[i]
	if hop.Reason != string(denial.ScopeNotGranted) || hop.Peer != stage.ID("crm") || !o.reply.ToolError {
		return fmt.Errorf("want the crm's call refused (%s), got %+v", denial.ScopeNotGranted, hop)
	}
	if _, err := p.received(before, "post_refund"); err == nil {
		return errors.New("the refused call reached the ledger")
	}
	p.teller.Because(fmt.Sprintf("at the second hop, %s: %s", hop.Reason, hop.Detail))
	return nil
}

// Somebody in the planner sends the bytes of a refund again. They are genuine, and so is the delegation.
func replayedCall(ctx context.Context, p *play) error {
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	if _, err := p.allowed(ctx, refundCase(token, 120)); err != nil {
		return err
	}
	if _, err := p.refused(ctx, refundCase(token, 120), denial.Replayed); err != nil {
		return err
	}
	p.teller.Shown("another refund of 120 EUR needs another delegation")
	if token, err = p.grant(stage.Grant{Task: "case-4711", Scope: wide}); err != nil {
		return err
	}
	_, err = p.allowed(ctx, refundCase(token, 120))
	return err
}

// One session, one token, the same call twice. In between the task is put on the deny-list.
func revokedTask(ctx context.Context, p *play) error {
	task := newTask()
	c, err := p.readInSession(ctx, task)
	if err != nil {
		return err
	}
	p.teller.Shown("revocations.yaml: - {task: " + task + "}\n" +
		"(one file for one replica; in a fleet with a shared store: countersign revoke --task " + task + ")")
	if err := p.stage.Revoke(ctx, "task", task, "the customer withdrew the request"); err != nil {
		return err
	}
	if _, err := p.refused(ctx, c, denial.Revoked); err != nil {
		return err
	}
	p.teller.Shown("the session lives on: the next call has a delegation for another task")
	if c.token, err = p.grant(stage.Grant{Task: "case-4711", Scope: wide}); err != nil {
		return err
	}
	if _, err := p.allowed(ctx, c); err != nil {
		return err
	}
	return p.end(ctx, c.agent, c.session)
}

// The limit is raised while everything runs, and lowered again.
func editedPolicy(ctx context.Context, p *play) (err error) {
	const low, high = "context.input.max_amount > 500", "context.input.max_amount > 1000"
	token, err := p.grant(stage.Grant{Task: "case-4711", Scope: wide})
	if err != nil {
		return err
	}
	if _, err := p.refused(ctx, refundCase(token, 900), denial.PolicyForbidden); err != nil {
		return err
	}
	p.teller.Shown("crm.cedar: " + low + " becomes " + high)
	if err := p.stage.EditPolicy(ctx, "crm.cedar", low, high); err != nil {
		return err
	}
	_, played := p.allowed(ctx, refundCase(token, 900))
	return errors.Join(played, p.stage.EditPolicy(ctx, "crm.cedar", high, low))
}
