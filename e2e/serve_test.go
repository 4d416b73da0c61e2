package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"countersign.dev/authz/trust"
	"countersign.dev/e2e/stage"
)

const onlyPlanner = `@id("all") permit (principal == Workload::"spiffe://acme.example/planner", action, resource);`

// server is the program on its own, asked over a Unix socket.
type server struct {
	t     *testing.T
	dir   string
	admin string
	cmd   *exec.Cmd
	conn  *grpc.ClientConn
}

func serve(t *testing.T, policy string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), admin: freeAddress(t)}
	issuer, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []any{issuer.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	s.write("policies/p.cedar", policy)
	s.write("issuers.json", string(set))
	s.write("revoked.yaml", "revocations: []\n")
	s.write("countersign.yaml", `
trust_domain: acme.example
listen: {grpc: {address: "unix://`+s.path("s")+`"}, admin: "`+s.admin+`"}
servers: [{name: crm, backend: "spiffe://acme.example/crm"}]
issuers: [{issuer: "https://tts.acme.example", role: root, keys: {file: issuers.json}}]
policy: {directory: policies}
revocations: {file: revoked.yaml}
audit: {output: audit.log}
reload: {poll: 1s, debounce: 10ms}
`)
	s.start()
	return s
}

// start runs the program with countersign.yaml and waits until it answers.
func (s *server) start() {
	t := s.t
	t.Helper()
	s.cmd = exec.CommandContext(t.Context(), programs.Countersign, "serve", "--config", s.path("countersign.yaml"))
	log, err := os.Create(s.path("stderr"))
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		_ = s.cmd.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("its log:\n%s", text)
		}
	})
	if s.conn, err = grpc.NewClient("unix://"+s.path("s"), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	s.until("the admin listener answers", func() bool { code, _ := s.get("/healthz"); return code == http.StatusOK })
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ports, err := stage.FreePorts(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) get(path string) (int, string) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// until waits for something that will happen, or fails after a long time.
func (s *server) until(what string, happened func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !happened() {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited too long until %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *server) health() healthv1.HealthCheckResponse_ServingStatus {
	resp, err := healthv1.NewHealthClient(s.conn).Check(s.t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil {
		return healthv1.HealthCheckResponse_UNKNOWN
	}
	return resp.GetStatus()
}

func (s *server) check(principal string) codes.Code {
	s.t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`
	resp, err := authv3.NewAuthorizationClient(s.conn).Check(s.t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:            &authv3.AttributeContext_Peer{Principal: principal},
		ContextExtensions: map[string]string{"countersign.server": "crm"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "POST", Size: int64(len(body)), RawBody: []byte(body), Headers: map[string]string{"content-type": "application/json"},
		}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return codes.Code(resp.GetStatus().GetCode())
}

func TestServeIsReadyOnlyWithGoodPolicies(t *testing.T) {
	s := serve(t, "permit (principal, action, resource);") // no @id
	if code, body := s.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "/status") {
		t.Errorf("readyz: %d %s", code, body)
	}
	if got := s.health(); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %s", got)
	}
	if got := s.check("spiffe://acme.example/planner"); got == codes.OK {
		t.Error("allowed without policies")
	}
	if _, body := s.get("/status"); !strings.Contains(body, "p.cedar:1:1") {
		t.Errorf("status does not say what is wrong: %s", body)
	}

	s.write("policies/p.cedar", onlyPlanner)
	s.until("the repaired policy is in force", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
	s.until("health says so", func() bool { return s.health() == healthv1.HealthCheckResponse_SERVING })
	if got := s.check("spiffe://acme.example/planner"); got != codes.OK {
		t.Errorf("refused: %s", got)
	}
	if got := s.check("spiffe://acme.example/intern"); got != codes.PermissionDenied {
		t.Errorf("intern: %s", got)
	}
}

func TestServeKeepsTheLastGoodPolicies(t *testing.T) {
	s := serve(t, onlyPlanner)
	s.until("ready", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
	s.write("policies/p.cedar", "permit (")
	s.until("the failure is seen", func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, `countersign_last_reload_success{source="policy"} 0`)
	})
	if got := s.check("spiffe://acme.example/planner"); got != codes.OK {
		t.Errorf("the last good policies are gone: %s", got)
	}
	if code, _ := s.get("/readyz"); code != http.StatusOK {
		t.Error("a bad edit made a working server unready")
	}
	s.write("revoked.yaml", "revocations: [{actor: spiffe://acme.example/planner, reason: stolen}]\n")
	s.until("the revocation is in force", func() bool { return s.check("spiffe://acme.example/planner") != codes.OK })
}

func TestServeTellsWhatHappened(t *testing.T) {
	s := serve(t, onlyPlanner)
	s.until("ready", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
	s.check("spiffe://acme.example/planner")
	s.check("agent.test")
	_, metrics := s.get("/metrics")
	for _, want := range []string{
		`countersign_decisions_total{decision="allow",method="tools/call",reason="",server="crm"} 1`,
		`countersign_decisions_total{decision="deny",method="",reason="peer_dns_name",server=""} 1`,
		"countersign_decision_duration_seconds_count 2", "countersign_policy_info{revision=", "countersign_build_info{",
		"countersign_token_cache_entries 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if code, jwks := s.get("/.well-known/jwks.json"); code != http.StatusOK || !strings.Contains(jwks, `"kid"`) || strings.Contains(jwks, `"d"`) {
		t.Errorf("jwks: %d %s", code, jwks)
	}
	file, err := os.Open(s.path("audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var reasons []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var record struct{ Decision, Reason string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, record.Decision+" "+record.Reason)
	}
	if strings.Join(reasons, ",") != "allow ,deny peer_dns_name" {
		t.Errorf("audit log: %q", reasons)
	}
	if code, _ := s.get("/nowhere"); code != http.StatusNotFound {
		t.Errorf("an unknown path is %d", code)
	}
}

func TestServeDrainsAndLeavesNothing(t *testing.T) {
	s := serve(t, onlyPlanner)
	s.until("ready", func() bool { return s.health() == healthv1.HealthCheckResponse_SERVING })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(s.path("s")); err == nil {
		t.Error("the socket is still there")
	}
}

func TestServeOpensTheAuditLogAgainOnHangup(t *testing.T) {
	s := serve(t, onlyPlanner)
	s.until("ready", func() bool { return s.health() == healthv1.HealthCheckResponse_SERVING })
	s.check("spiffe://acme.example/planner")
	if err := os.Rename(s.path("audit.log"), s.path("audit.log.1")); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("a new audit log is there", func() bool { _, err := os.Stat(s.path("audit.log")); return err == nil })
	s.check("spiffe://acme.example/planner")
	for _, name := range []string{"audit.log.1", "audit.log"} {
		if text, err := os.ReadFile(s.path(name)); err != nil || strings.Count(string(text), "\n") != 1 {
			t.Errorf("%s: %q, %v; want one record", name, text, err)
		}
	}
}

func TestServeRefusesASocketInUse(t *testing.T) {
	s := serve(t, onlyPlanner)
	out, err := exec.CommandContext(t.Context(), programs.Countersign, "serve", "--config", s.path("countersign.yaml")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is in use") {
		t.Errorf("got %v: %s", err, out)
	}
}

func TestServeReplacesAStaleSocket(t *testing.T) {
	s := serve(t, onlyPlanner)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it was killed
	again := exec.CommandContext(t.Context(), programs.Countersign, "serve", "--config", s.path("countersign.yaml"))
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Process.Kill(); _ = again.Wait() }() // it serves until then
	s.until("it is ready", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
}

func TestStatusSpeaksOneLanguage(t *testing.T) {
	s := serve(t, "permit (")
	_, body := s.get("/status")
	var status struct {
		Policy  map[string]any
		Issuers []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	if text, _ := status.Policy["last_error"].(string); !strings.Contains(text, "p.cedar:1:") {
		t.Errorf("policy: %v", status.Policy)
	}
	if len(status.Issuers) != 2 || status.Issuers[0]["issuer"] != "https://tts.acme.example" || status.Issuers[0]["role"] != "root" {
		t.Errorf("issuers: %v", status.Issuers)
	}
}
