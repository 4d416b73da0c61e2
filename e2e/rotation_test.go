package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/trust"
	"countersign.dev/e2e/stage"
)

// mount lays a directory out as Kubernetes does for a Secret, and returns a function that replaces what is in it by a copy
// of another directory, the way the kubelet does it.
func mount(t *testing.T) (dir string, replace func(with string)) {
	t.Helper()
	dir = t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	generation := 0
	return dir, func(with string) {
		t.Helper()
		generation++
		data := fmt.Sprintf("..2026_11_25_%02d", generation)
		must(os.CopyFS(filepath.Join(dir, data), os.DirFS(with)))
		files, err := os.ReadDir(with)
		must(err)
		for _, f := range files {
			_ = os.Symlink(filepath.Join("..data", f.Name()), filepath.Join(dir, f.Name())) // may be there already
		}
		old, _ := os.Readlink(filepath.Join(dir, "..data")) // there is none at first
		must(os.Symlink(data, filepath.Join(dir, "..data_tmp")))
		must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		links, err := os.ReadDir(dir)
		must(err)
		for _, l := range links {
			if _, err := os.Stat(filepath.Join(dir, l.Name())); err != nil {
				must(os.Remove(filepath.Join(dir, l.Name())))
			}
		}
		if old != "" {
			must(os.RemoveAll(filepath.Join(dir, old)))
		}
	}
}

// replicas runs two Countersigns that share a directory of keys, and returns alice's delegation to the planner.
func replicas(t *testing.T, keys string) (two [2]*server, root string) {
	t.Helper()
	issuer, err := trust.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(map[string]any{"keys": []any{issuer.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range two {
		s := &server{t: t, dir: t.TempDir(), admin: freeAddress(t)}
		s.write("policies/p.cedar", `@id("all") permit (principal, action, resource);`)
		s.write("issuers.json", string(set))
		s.write("countersign.yaml", `
trust_domain: acme.example
listen: {grpc: {address: "unix://`+s.path("s")+`"}, admin: "`+s.admin+`"}
servers: [{name: crm, backend: "spiffe://acme.example/crm"}, {name: ledger, backend: "spiffe://acme.example/ledger"}]
tokens: {keys: "`+keys+`", hop_ttl: 5s}
issuers: [{issuer: "https://tts.acme.example", role: root, keys: {file: issuers.json}}]
policy: {directory: policies}
audit: {output: audit.log}
reload: {poll: 1s, debounce: 10ms}
`)
		s.start()
		s.until("ready", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
		two[i] = s
	}
	now := time.Now()
	root, err = delegation.Mint(delegation.Claims{
		Issuer: "https://tts.acme.example", Audience: "acme.example", ID: rand.Text(), Txn: rand.Text(),
		Subject: "alice", RequestingWorkload: stage.ID("planner"), IssuedAt: now, Expiry: now.Add(10 * time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: stage.ID("planner")},
		Scope: delegation.Scope{"mcp:crm:x", "mcp:ledger:x"}, MaxDepth: 2,
		Task: delegation.Task{Task: "case-4711", Purpose: "refund-review", Expiry: now.Add(time.Hour)},
	}, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return two, root
}

// pass asks a replica about a call with a token, and returns the one for the backend.
func (s *server) pass(caller, backend, token string) (string, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`
	resp, err := authv3.NewAuthorizationClient(s.conn).Check(s.t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:            &authv3.AttributeContext_Peer{Principal: stage.ID(caller)},
		ContextExtensions: map[string]string{"countersign.server": backend},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "POST", Size: int64(len(body)), RawBody: []byte(body),
			Headers: map[string]string{"content-type": "application/json", "txn-token": token},
		}},
	}})
	if err != nil {
		return "", err
	}
	if code := codes.Code(resp.GetStatus().GetCode()); code != codes.OK {
		return "", fmt.Errorf("%s: %s", code, resp.GetDeniedResponse().GetBody())
	}
	for _, h := range resp.GetOkResponse().GetHeaders() {
		if strings.EqualFold(h.GetHeader().GetKey(), "txn-token") {
			return h.GetHeader().GetValue(), nil
		}
	}
	return "", fmt.Errorf("allowed without a token: %v", resp)
}

// signedWith is the kid of a token.
func signedWith(t *testing.T, token string) string {
	parsed, err := delegation.Parse(token)
	if err != nil {
		t.Error(err)
		return ""
	}
	return parsed.Header.KeyID
}

// keysCommand runs countersign keys and returns what it printed.
func keysCommand(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), programs.Countersign, append([]string{"keys"}, args...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("countersign keys %q: %v: %s", args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Two replicas whose keys are a mounted Secret are asked without a pause while a key is published, used and removed. Each
// always takes what the other signed, and not one request is refused.
func TestKeysRotateUnderLoad(t *testing.T) {
	work := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	old := keysCommand(t, "generate", "--output", filepath.Join(work, "1.jwk"))
	secret, replace := mount(t)
	replace(work)
	two, root := replicas(t, secret)

	var (
		done   atomic.Bool
		calls  atomic.Int64
		load   sync.WaitGroup
		mu     sync.Mutex
		newest [2]string                   // the key that each replica signed with last
		used   = [2]map[string]int{{}, {}} // how often each used which
	)
	note := func(replica int, token string) {
		kid := signedWith(t, token)
		mu.Lock()
		defer mu.Unlock()
		newest[replica] = kid
		used[replica][kid]++
	}
	for i := range 4 {
		first, second := i%2, 1-i%2
		load.Go(func() {
			for !done.Load() {
				hop, err := two[first].pass("planner", "crm", root)
				if err != nil {
					t.Errorf("call %d: %v", calls.Load(), err)
					return
				}
				next, err := two[second].pass("crm", "ledger", hop)
				if err != nil {
					t.Errorf("call %d, with what the other replica signed: %v", calls.Load(), err)
					return
				}
				note(first, hop)
				note(second, next)
				calls.Add(2)
			}
		})
	}
	defer load.Wait()
	defer done.Store(true)
	more := func() {
		t.Helper()
		enough := calls.Load() + 200
		two[0].until("200 more calls", func() bool { return t.Failed() || calls.Load() >= enough })
	}
	published := func(kid string) bool {
		for _, s := range two {
			if _, set := s.get("/.well-known/jwks.json"); !strings.Contains(set, kid) {
				return false
			}
		}
		return true
	}
	gone := func(kid string) bool {
		for _, s := range two {
			if _, set := s.get("/.well-known/jwks.json"); strings.Contains(set, kid) {
				return false
			}
		}
		return true
	}

	more()
	next := keysCommand(t, "rotate", "--directory", work, "--after", "4s", "--algorithm", "EdDSA")
	replace(work)
	two[0].until("both publish the next key", func() bool { return published(next) })
	two[0].until("both sign with it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return t.Failed() || newest == [2]string{next, next}
	})
	more()
	two[0].until("the old key may go", func() bool {
		return keysCommand(t, "prune", "--directory", work, "--ttl", "5s", "--skew", "1s") == old
	})
	replace(work)
	two[0].until("both have let go of it", func() bool { return gone(old) })
	more()
	done.Store(true)
	load.Wait()
	for i := range two {
		if used[i][old] == 0 || used[i][next] == 0 || len(used[i]) != 2 {
			t.Errorf("replica %d signed with %v, want both keys", i, used[i])
		}
	}
	t.Logf("%d calls: %v", calls.Load(), used)
}
