package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"countersign.dev/e2e/stage"
)

// renewal is how often the token to try by hand is replaced.
const renewal = 5 * time.Minute

// stay leaves the stage up until ctx ends and says what to try.
func stay(ctx context.Context, st *stage.Stage, spire bool, t *teller) error {
	tokenFile := filepath.Join(st.Dir, "by-hand.token")
	renew := func() error { return renewToken(st, tokenFile) }
	if err := renew(); err != nil {
		return err
	}
	relay, err := st.Relay(ctx, "planner", "crm", tokenFile)
	if err != nil {
		return err
	}
	t.heading("Still running. Try it by hand; Ctrl-C ends everything.")
	inspector := "npx @modelcontextprotocol/inspector --cli " + relay + " --transport http --method "
	t.command("Plain MCP, relayed as the planner with a fresh token of alice: yes, and no",
		inspector+"tools/list",
		inspector+"tools/call --tool-name read_case --tool-arg case_id=A-4711",
		inspector+"tools/call --tool-name refund_case --tool-arg case_id=A-4711 --tool-arg max_amount=900")
	if !spire {
		t.command("As the planner; as the intern, if you take its files", curl(st, tokenFile))
	}
	t.command("Every decision, and how Countersign is",
		"tail -f "+filepath.Join(st.Dir, "audit.jsonl"), "curl "+st.AdminURL+"/status")
	t.command("Change a policy, revoke a task (by-hand), and try again",
		"$EDITOR "+filepath.Join(st.ConfigDir, "policies", "crm.cedar"),
		"$EDITOR "+filepath.Join(st.ConfigDir, "revocations.yaml"))

	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := renew(); err != nil {
				return err
			}
		}
	}
}

// renewToken replaces the token to try by hand, in one step.
func renewToken(st *stage.Stage, file string) error {
	token, err := st.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "by-hand", Scope: []string{"mcp:crm:*", "mcp:ledger:*"},
	})
	if err != nil {
		return err
	}
	part := file + ".part"
	if err := os.WriteFile(part, []byte(token), 0o600); err != nil {
		return fmt.Errorf("writing the token to try by hand: %w", err)
	}
	return os.Rename(part, file)
}

// curl is a call of the newest protocol version, which needs no session.
func curl(st *stage.Stage, tokenFile string) string {
	planner := st.SVIDs["planner"]
	return fmt.Sprintf(`curl --cacert %s --cert %s --key %s -H "Txn-Token: $(cat %s)" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: read_case' %s \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_case","arguments":{"case_id":"4711"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'`,
		planner.Bundle, planner.Certificate, planner.Key, tokenFile, st.URLs["crm"])
}
