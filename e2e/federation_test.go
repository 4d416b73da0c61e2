package e2e_test

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// federate raises two houses for a test.
func federate(t *testing.T, options stage.Options) *stage.Federation {
	t.Helper()
	options.Programs = programs
	if options.SPIRE {
		if err := options.Programs.FindSPIRE(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f, err := stage.StartFederation(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, f.Acme.Dir)
			showLogs(t, f.Partner.Dir)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// farGrant is alice's delegation to the planner for a refund, with all that it takes along the way.
func farGrant(t *testing.T, f *stage.Federation) string {
	t.Helper()
	token, err := f.Acme.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "case-4711",
		Scope: []string{"mcp:crm:refund_case", "mcp:crm:read_case", "mcp:ledger:read_entry", "mcp:archive:read_document"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Four workloads in two trust domains, two Envoys, two Countersigns with keys of their own.
func TestChainAcrossTrustDomains(t *testing.T) {
	f := federate(t, stage.Options{UpstreamTLS: true})
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { callAcross(t, f, version) })
	}
}

// With SPIRE the bundles travel between two SPIRE servers over https_spiffe, and the SVIDs live for seconds.
func TestChainAcrossTrustDomainsWithSPIRE(t *testing.T) {
	f := federate(t, stage.Options{SPIRE: true, UpstreamTLS: true, ConnectionAge: 3 * time.Second})
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { callAcross(t, f, version) })
	}
	t.Run("after the bundle of the partner changed", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.RotateAuthority(ctx); err != nil {
			t.Fatal(err)
		}
		callAcross(t, f, versions[1])
	})
}

func callAcross(t *testing.T, f *stage.Federation, version string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	planner, err := f.Acme.Agent(ctx, "planner")
	if err != nil {
		t.Fatal(err)
	}
	received := map[string]func() []wire.Request{
		"crm": watch(t, f.Acme, "crm"), "ledger": watch(t, f.Partner, "ledger"), "archive": watch(t, f.Partner, "archive"),
	}
	root := farGrant(t, f)
	reply, err := planner.Call(ctx, wire.Command{URL: f.Acme.URLs["crm"], Token: root, Version: version},
		"refund_case", map[string]any{"case_id": "4711", "max_amount": 120})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Error != "" || reply.ToolError || !strings.Contains(reply.Text, "the receipt of case 4711") {
		t.Fatalf("got %+v", reply)
	}
	tokens := []string{root}
	for _, server := range []string{"crm", "ledger", "archive"} {
		tokens = append(tokens, callToken(t, received[server]()))
	}
	checkChain(t, f, tokens)
	t.Logf("the chain at its end:\n%s", inspect(t, tokens[3]))
}

// callToken is the token of the one tool call among some requests.
func callToken(t *testing.T, requests []wire.Request) string {
	t.Helper()
	requests = slices.DeleteFunc(requests, func(r wire.Request) bool { return !strings.Contains(r.Body, `"tools/call"`) })
	if len(requests) != 1 || len(requests[0].Header["Txn-Token"]) != 1 || requests[0].Refused != "" {
		t.Fatalf("got %v, want one call with one token", requests)
	}
	return requests[0].Header["Txn-Token"][0]
}

// checkChain compares the four tokens of a delegation with what they must be.
func checkChain(t *testing.T, f *stage.Federation, tokens []string) {
	t.Helper()
	chain := make([]*delegation.Unverified, len(tokens))
	for i, compact := range tokens {
		var err error
		if chain[i], err = delegation.Parse(compact); err != nil {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	root := chain[0].Claims
	actors := []string{f.Partner.ID("archive"), f.Partner.ID("ledger"), f.Acme.ID("crm"), f.Acme.ID("planner")}
	issuers := []string{"https://tts.acme.example", f.Acme.ID("countersign"), f.Partner.ID("countersign"), f.Partner.ID("countersign")}
	scopes := []string{
		root.Scope.String(), "mcp:ledger:read_entry mcp:archive:read_document", "mcp:archive:read_document", "",
	}
	kids := map[string]bool{}
	for i, token := range chain {
		c := token.Claims
		kids[token.Header.KeyID] = true
		got := []any{c.Issuer, c.Depth, c.Actor.Chain(), c.Scope.String(), c.Audience, c.Subject, c.Txn, string(c.Task.Raw)}
		want := []any{issuers[i], i, actors[3-i:], scopes[i], root.Audience, root.Subject, root.Txn, string(root.Task.Raw)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("token %d (-want +got):\n%s", i, diff)
		}
		if i == 0 {
			continue
		}
		if parent := chain[i-1]; c.ParentHash != parent.Hash || c.Expiry.After(parent.Claims.Expiry) || c.Root != tokens[0] {
			t.Errorf("token %d names another parent or root, or outlives its parent", i)
		}
	}
	if len(kids) != 3 { // root issuer, acme, partner
		t.Errorf("signed with %d keys, want 3", len(kids))
	}
}

// inspect is what an operator sees of a token.
func inspect(t *testing.T, token string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), programs.Countersign, "token", "inspect")
	cmd.Stdin = strings.NewReader(token)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("countersign token inspect: %v: %s", err, stderr.String())
	}
	return string(out)
}
