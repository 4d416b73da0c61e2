package audit_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/audit"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	asked   = time.Date(2026, 11, 22, 9, 30, 0, 123_456_789, time.FixedZone("CET", 3600))
	allowed = audit.Record{
		Time: asked, Decision: "allow", DecisionID: "D1", RequestID: "17243857234", Peer: "spiffe://acme.example/crm",
		Subject: "alice", RootIssuer: "https://tts.acme.example", SubjectPrefix: "acme:",
		Actors: []string{"spiffe://acme.example/crm", "spiffe://acme.example/planner"},
		Scope:  []string{"mcp:ledger:transfer"}, Audience: "acme.example", Depth: 1,
		ParentIssuedAt: asked, ParentExpires: asked.Add(5 * time.Minute), SenderConstrained: true,
		Host: "ledger.acme.example", Path: "/mcp?", SourceIP: "10.0.0.7", ProtocolVersion: "2025-11-25",
		Task: "case-4711", Purpose: "answer the customer", Txn: "txn-1", JTI: "token-2", ParentHash: "cGFyZW50",
		TokenJTI: "token-3", Expires: asked.Add(time.Minute), Server: "ledger", Backend: "spiffe://acme.example/ledger",
		Method: "tools/call", Tool: "transfer", Targets: []string{"transfer"}, RequestHash: "cmVxdWVzdA", ArgumentsHash: "YXJndW1lbnRz",
		Arguments: jsontext.Value("{ \"amount\": 250,\n \"to\": \"<b>\" }"), PolicyIDs: []string{"ledger.transfer"},
		PolicySkipped: []string{"ledger.old"}, PolicyCandidates: 3,
		Revision: "r7", Duration: 412*time.Microsecond + 700,
	}
	singleUse = true
	tried     = audit.Record{
		Time: asked, Decision: "allow", Mode: "shadow", WouldDeny: "policy_forbidden", Detail: "forbidden by [\"limit\"]",
		DecisionID: "D3", Server: "ledger", PolicyIDs: []string{"limit"}, Revision: "r7",
		Shadow: &audit.Shadow{
			Live: "deny", Decision: "deny", Reason: "policy_error", Detail: "policies [\"broken\"] could not be evaluated",
			PolicyIDs: []string{"new"}, PolicyErrors: []string{"broken"},
			SingleUse: &singleUse, Scope: []string{}, Revision: "r8",
		},
	}
	denied = audit.Record{
		Time: asked, Decision: "deny", Reason: "peer_subject_dn", DecisionID: "D2", RequestID: "17243857235",
		Detail: "\"CN=nothing,O=org\" is a certificate subject\n\x00\x1b[31m\u0085\u007f\xff\u2028",
	}
)

func TestGolden(t *testing.T) {
	for name, record := range map[string]audit.Record{"allow": allowed, "deny": denied, "shadow": tried} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := audit.NewLog(&out).Record(t.Context(), record); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.MkdirAll("testdata", 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

// A caller chooses many of these bytes. None may end the line early or reach a terminal as a control sequence.
func FuzzOneLinePerRecord(f *testing.F) {
	f.Add("plain", "text")
	f.Add("a\nb", "\x1b[2J\u009b2J\x7f\xff")
	f.Add("\u2028", "\"\\")
	f.Fuzz(func(t *testing.T, detail, tool string) {
		var out bytes.Buffer
		record := audit.Record{Decision: "deny", Detail: detail, Tool: tool, Targets: []string{tool}}
		if err := audit.NewLog(&out).Record(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		line, ended := strings.CutSuffix(out.String(), "\n")
		if !ended || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 }) {
			t.Fatalf("a control character is in the line %q", out.String())
		}
		if !jsontext.Value(line).IsValid() {
			t.Fatalf("not JSON: %q", line)
		}
		if !strings.HasPrefix(line, `{"time":"0001-01-01T00:00:00Z","decision":"deny",`) {
			t.Fatalf("the order has changed: %q", line)
		}
	})
}

func TestEmptyMembersAreLeftOut(t *testing.T) {
	text, err := audit.Record{}.MarshalJSON()
	if want := `{"time":"0001-01-01T00:00:00Z","decision":"","decision_id":"","duration_us":0}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
	text, err = audit.Record{Shadow: &audit.Shadow{}}.MarshalJSON()
	if err != nil || strings.Contains(string(text), "shadow") {
		t.Errorf("got %s, %v", text, err)
	}
	text, err = audit.Record{Arguments: jsontext.Value("{}")}.MarshalJSON()
	if err != nil || !strings.Contains(string(text), `"arguments":{}`) {
		t.Errorf("a call with empty arguments looks like one without: %s, %v", text, err)
	}
}

func TestARecordThatCannotBeEncodedIsAnError(t *testing.T) {
	var out bytes.Buffer
	err := audit.NewLog(&out).Record(t.Context(), audit.Record{Arguments: jsontext.Value("{")})
	if err == nil || out.Len() > 0 {
		t.Errorf("wrote %q, %v", out.String(), err)
	}
}

// disk takes so many bytes of each write, then fails if told so.
type disk struct {
	bytes.Buffer
	room int
	err  error
}

func (d *disk) Write(p []byte) (int, error) {
	n, _ := d.Buffer.Write(p[:min(d.room, len(p))])
	return n, d.err
}

func TestAFailedWriteIsReported(t *testing.T) {
	full := errors.New("no space left")
	d := &disk{err: full}
	log := audit.NewLog(d)
	if err := log.Record(t.Context(), allowed); !errors.Is(err, full) {
		t.Errorf("nothing written: %v", err)
	}
	d.room, d.err = 20, nil
	if err := log.Record(t.Context(), allowed); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a part written: %v", err)
	}
	d.room = 1 << 20
	for range 2 {
		if err := log.Record(t.Context(), denied); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSuffix(d.String(), "\n"), "\n")
	if len(lines) != 3 || jsontext.Value(lines[0]).IsValid() || !jsontext.Value(lines[1]).IsValid() || lines[1] != lines[2] {
		t.Errorf("the torn record spoiled the next one: %q", lines)
	}
}

func TestConcurrentRecordsDoNotMix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	file, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				if err := file.Record(context.Background(), audit.Record{DecisionID: fmt.Sprintf("%d-%d", i, n)}); err != nil {
					t.Error(err)
				}
				if n%25 == 0 {
					if err := file.Reopen(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t, path)
	if len(lines) != 400 {
		t.Errorf("%d lines, want 400", len(lines))
	}
	for _, line := range lines {
		if !jsontext.Value(line).IsValid() {
			t.Errorf("not JSON: %q", line)
		}
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path, rotated := filepath.Join(dir, "audit.log"), filepath.Join(dir, "audit.log.1")
	if err := os.WriteFile(path, []byte("earlier\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := func(id string) {
		t.Helper()
		if err := file.Record(t.Context(), audit.Record{DecisionID: id}); err != nil {
			t.Fatal(err)
		}
	}
	record("before")
	if err := os.Rename(path, rotated); err != nil {
		t.Fatal(err)
	}
	record("between")
	if err := file.Reopen(); err != nil {
		t.Fatal(err)
	}
	record("after")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	old, current := readLines(t, rotated), readLines(t, path)
	if len(old) != 3 || old[0] != "earlier" || !strings.Contains(old[2], "between") {
		t.Errorf("rotated: %q", old)
	}
	if len(current) != 1 || !strings.Contains(current[0], "after") {
		t.Errorf("current: %q", current)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is readable by others: %v, %v", info.Mode(), err)
	}
	if err := file.Record(t.Context(), denied); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a record after Close: %v", err)
	}
	if err := file.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

func TestRecordsGoOnToTheOldFileWhenThePathCannotBeOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if _, err := audit.OpenFile(filepath.Join(dir, "audit.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened in a directory that is not there: %v", err)
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	file, err := audit.OpenFile(filepath.Join(dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // nothing depends on it
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := file.Reopen(); err == nil {
		t.Error("reopened a path that is not there")
	}
	if err := file.Record(t.Context(), allowed); err != nil {
		t.Fatal(err)
	}
	if lines := readLines(t, filepath.Join(dir+".old", "audit.log")); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}
