package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// request runs `countersign token request` as a workload, with the user's token on standard input.
func request(t *testing.T, st *stage.Stage, svid stage.SVID, login string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs.Countersign, append([]string{
		"token", "request", "--endpoint", st.TokenURL, "--certificate", svid.Certificate, "--key", svid.Key,
		"--bundle", svid.Bundle, "--task", "case-4711", "--purpose", "refund-review",
	}, args...)...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(login+"\n"), &out, &complaints
	err = cmd.Run()
	for _, text := range []string{out.String(), complaints.String()} {
		if strings.TrimSpace(login) != "" && strings.Contains(text, login) {
			t.Error("the user's token was printed")
		}
	}
	return out.String(), complaints.String(), err
}

// An agent gets its delegation with the command line, and calls with it.
func TestTokenRequest(t *testing.T) {
	st := raise(t, stage.Options{})
	login, err := st.People.Login("alice")
	if err != nil {
		t.Fatal(err)
	}
	planner := st.SVIDs["planner"]
	out, complaints, err := request(t, st, planner, login, "--server", st.ID("countersign"), "--task-ttl", "1h",
		"--scope", "mcp:crm:read_case", "--scope", "mcp:crm:refund_case,mcp:ledger:post_refund")
	if err != nil || complaints != "not granted: mcp:ledger:post_refund\n" {
		t.Fatalf("%v: %s", err, complaints)
	}
	token := strings.TrimSpace(out)

	mark, err := st.Audit.Mark()
	if err != nil {
		t.Fatal(err)
	}
	agent, err := st.Agent(t.Context(), "planner")
	if err != nil {
		t.Fatal(err)
	}
	reply, err := agent.Call(t.Context(), callWith(st, token), "read_case", map[string]any{"case_id": "4711"})
	if err != nil || reply.Error != "" {
		t.Fatalf("calling with the token: %v %s", err, reply.Error)
	}
	records, err := st.Audit.Since(mark)
	if err != nil {
		t.Fatal(err)
	}
	last := records[len(records)-1]
	if last.Decision != "allow" || last.Subject != "alice" || last.Task != "case-4711" {
		t.Errorf("record %+v", last)
	}

	var answer map[string]any
	out, _, err = request(t, st, planner, login, "--scope", "mcp:crm:*", "--json")
	if err != nil || json.Unmarshal([]byte(out), &answer) != nil || answer["scope"] != "mcp:crm:*" || answer["token_type"] != "N_A" {
		t.Errorf("%v: %s", err, out)
	}
}

// callWith is a call to the crm with a token.
func callWith(st *stage.Stage, token string) wire.Command {
	return wire.Command{URL: st.URLs["crm"], Token: token}
}

// What the endpoint refuses is said clearly, and never with the user's token.
func TestTokenRequestRefused(t *testing.T) {
	st := raise(t, stage.Options{})
	login := func(user string) string {
		token, err := st.People.Login(user)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	stranger, err := stage.NewCA(t.TempDir(), stage.TrustDomain)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Issue("planner")
	if err != nil {
		t.Fatal(err)
	}
	planner, scope := st.SVIDs["planner"], []string{"--scope", "mcp:crm:read_case"}
	for name, test := range map[string]struct {
		svid  stage.SVID
		login string
		args  []string
		want  string
	}{
		"the wrong agent":           {st.SVIDs["intern"], login("alice"), scope, "invalid_scope: policy grants nothing of the scope that was asked for (policy_no_permit, decision "},
		"the wrong user":            {planner, login("bob"), scope, "invalid_scope: policy grants nothing"},
		"no user at all":            {planner, "garbage", scope, "invalid_request: the subject token is not accepted: malformed"},
		"a delegation as login":     {planner, grant(t, st), scope, "invalid_request: the subject token is not accepted: malformed"},
		"a scope that is none":      {planner, login("alice"), []string{"--scope", "everything"}, "invalid_scope: scope item"},
		"another audience":          {planner, login("alice"), append(scope, "--audience", "other.example"), "invalid_target: audience is"},
		"a workload of another CA":  {forged, login("alice"), scope, "asking for a token"},
		"a server that is not it":   {planner, login("alice"), append(scope, "--server", st.ID("crm")), "asking for a token"},
		"a file that is not there":  {planner, login("alice"), append(scope, "--subject-token-file", "nowhere"), "reading the subject token"},
		"nothing on standard input": {planner, " ", scope, "no subject token"},
		"not the token endpoint":    {planner, login("alice"), append(scope, "--endpoint", strings.TrimSuffix(st.TokenURL, "/token")), "is this a token endpoint?"},
		"limits that are not JSON":  {planner, login("alice"), append(scope, "--details", planner.Bundle), "not JSON"},
		"a mistake in the type":     {planner, login("alice"), append(scope, "--subject-token-type", "saml"), "must be access_token, id_token or jwt"},
		"a login of the wrong kind": {planner, login("alice"), append(scope, "--subject-token-type", "id_token"), "not accepted: malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			out, complaints, err := request(t, st, test.svid, test.login, test.args...)
			if err == nil || out != "" || !strings.Contains(complaints, test.want) {
				t.Errorf("%v, %q, %q does not say %q", err, out, complaints, test.want)
			}
		})
	}
}
