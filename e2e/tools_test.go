package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/e2e/stage"
)

// runCommand runs a command of Countersign and returns what it printed and its exit status.
func runCommand(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), programs.Countersign, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// The planner, who may list tools, pulls them through Envoy with its own SVID, and they are the pinned ones. A pin that is
// older than the server is drift, which concerns policies.
func TestToolsArePulledFromALiveServer(t *testing.T) {
	st := raise(t, stage.Options{UpstreamTLS: true})
	svid := st.SVIDs["planner"]
	identity := []string{
		"--server-id", st.ID("gateway"), "--certificate", svid.Certificate, "--key", svid.Key, "--bundle", svid.Bundle,
	}
	for _, server := range []string{"crm", "ledger"} {
		pinned := filepath.Join(st.ConfigDir, "tools", server+".json")
		out, errs, status := runCommand(t, append([]string{"tools", "pull", st.URLs[server], "-o", pinned, "--check"}, identity...)...)
		if status != 0 || !strings.Contains(out, "MCP 2026-07-28") {
			t.Errorf("%s: status %d, %s%s", server, status, out, errs)
		}
	}

	// The file of a colleague is from before cases had numbers.
	data, err := os.ReadFile(filepath.Join(st.ConfigDir, "tools", "crm.json"))
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "crm.json")
	if err := os.WriteFile(old, bytes.ReplaceAll(data, []byte("case_id"), []byte("case")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := runCommand(t, append([]string{
		"tools", "diff", "--policies", filepath.Join(st.ConfigDir, "policies"), "--entities", filepath.Join(st.ConfigDir, "entities.json"),
		"--tools", "crm=" + old, "--tools", "ledger=" + filepath.Join(st.ConfigDir, "tools", "ledger.json"), "--of", "crm", "--url", "crm=" + st.URLs["crm"],
	}, identity...)...)
	for _, want := range []string{
		"tool refund_case: argument /case_id added: String", "tool refund_case: argument /case removed: it was String",
		"forbid refund-limit about crm/refund_case: names the tool",
	} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("status %d, %s%s does not say %q", status, out, errs, want)
		}
	}

	// Whoever answers in the crm's place is not it.
	_, errs, status = runCommand(t, append([]string{"tools", "pull", st.URLs["crm"]}, append([]string{"--server-id", st.ID("crm")}, identity[2:]...)...)...)
	if status != 1 || !strings.Contains(errs, "connecting to") {
		t.Errorf("status %d, %s", status, errs)
	}
}
