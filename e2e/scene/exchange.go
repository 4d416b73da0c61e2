package scene

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
	"countersign.dev/e2e/workload/wire"
)

// answer is what a token endpoint says.
type answer struct {
	AccessToken string `json:"access_token"`
	Scope       string `json:"scope"`
	Dropped     string `json:"dropped_scope"`
	Error       string `json:"error"`
	Reason      string `json:"reason"`
}

// trade has an agent trade a user's token for a delegation.
func (p *play) trade(ctx context.Context, agent, login, scope string) (answer, error) {
	p.teller.Asked(fmt.Sprintf("%s asks the token endpoint for %s", agent, scope))
	a, err := p.stage.Agent(ctx, agent)
	if err != nil {
		return answer{}, err
	}
	reply, err := a.Do(ctx, wire.Command{Op: wire.Exchange, URL: p.stage.TokenURL, Form: map[string]string{
		"grant_type": exchange.GrantType, "requested_token_type": exchange.TypeTxnToken, "audience": p.stage.Domain,
		"subject_token": login, "subject_token_type": exchange.TypeAccessToken, "scope": scope,
		"request_details": `{"task":"case-4711","purpose":"refund-review"}`,
	}})
	if err == nil && reply.Error != "" {
		err = fmt.Errorf("%s could not ask for a token: %s", agent, reply.Error)
	}
	if err != nil {
		return answer{}, err
	}
	var got answer
	if err := json.Unmarshal([]byte(reply.Text), &got); err != nil {
		return got, fmt.Errorf("the token endpoint answered %d %q: %w", reply.Status, reply.Text, err)
	}
	if granted := reply.Status == http.StatusOK; granted != (got.AccessToken != "") {
		return got, fmt.Errorf("the token endpoint answered %d %+v", reply.Status, got)
	}
	switch {
	case got.AccessToken == "":
		p.teller.Answered(false, fmt.Sprintf("HTTP %d, %s: %s", reply.Status, got.Error, got.Reason))
	case got.Dropped == "":
		p.teller.Answered(true, "granted "+got.Scope)
	default:
		p.teller.Answered(true, fmt.Sprintf("granted %s, but not %s", got.Scope, got.Dropped))
	}
	return got, nil
}

// Alice logged in. The planner trades her access token for a delegation that is for this task, for itself and for less
// than it asked for; and the intern, who got hold of the same access token, for nothing.
func tokenRequest(ctx context.Context, p *play) error {
	login, err := p.stage.Login("alice")
	if err != nil {
		return err
	}
	got, err := p.trade(ctx, "planner", login, "mcp:crm:read_case mcp:crm:refund_case mcp:ledger:post_refund")
	if err != nil {
		return err
	}
	if got.Scope != "mcp:crm:read_case mcp:crm:refund_case" || got.Dropped != "mcp:ledger:post_refund" {
		return fmt.Errorf("want all but ledger:post_refund granted, got %+v", got)
	}
	p.teller.Because("support-gets-delegations does not cover ledger/post_refund")
	if _, err := p.allowed(ctx, readCase("planner", got.AccessToken)); err != nil {
		return err
	}
	if _, err := p.refused(ctx, readCase("intern", got.AccessToken), denial.TokenHolder); err != nil {
		return err
	}
	got, err = p.trade(ctx, "intern", login, "mcp:crm:read_case")
	if err != nil {
		return err
	}
	if got.Reason != string(denial.PolicyNoPermit) {
		return fmt.Errorf("want nothing granted to the intern, got %+v", got)
	}
	p.teller.Because("no policy lets the intern have delegations")
	return nil
}
