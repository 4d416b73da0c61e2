package e2e_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/e2e/stage"
)

// publisher makes bundles with the program's own commands, and serves one of them.
type publisher struct {
	t       *testing.T
	dir     string
	server  *httptest.Server
	current atomic.Pointer[string] // file that is served; nil for an outage
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{t: t, dir: t.TempDir()}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file := p.current.Load()
		if file == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", filepath.Base(*file)))
		http.ServeFile(w, r, *file)
	}))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	p.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw}))
	for _, who := range []string{"signer", "stranger"} {
		p.run("keys", "generate", "--output", p.file(who+".jwk"))
		p.write(who+".jwks.json", []byte(p.run("keys", "public", p.file(who+".jwk"))))
	}
	return p
}

func (p *publisher) file(name string) string { return filepath.Join(p.dir, name) }

func (p *publisher) write(name string, data []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.file(name), data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *publisher) run(args ...string) string {
	p.t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(p.t.Context(), programs.Countersign, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("countersign %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// build makes a bundle of the demo's policies and one more, and returns its file. Nobody has signed it yet.
func (p *publisher) build(counter int, policy string) string {
	p.t.Helper()
	dir, err := os.MkdirTemp(p.dir, "bundle-")
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("stage/demo/policies")); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more.cedar"), []byte(policy), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("bundle", "build", "--policies", dir, "--entities", "stage/demo/entities.json",
		"--tools", "crm=stage/demo/tools/crm.json", "--tools", "ledger=stage/demo/tools/ledger.json",
		"--counter", fmt.Sprint(counter), "--output", dir+".tar.gz")
	return dir + ".tar.gz"
}

func (p *publisher) sign(bundle, who string) string {
	p.t.Helper()
	p.run("bundle", "sign", bundle, "--key", p.file(who+".jwk"))
	return bundle
}

// publish serves a file from now on, empty for an outage.
func (p *publisher) publish(file string) {
	if file == "" {
		p.current.Store(nil)
		return
	}
	p.current.Store(&file)
}

func (p *publisher) options() stage.Options {
	return stage.Options{Bundle: &stage.Bundle{
		URL: p.server.URL + "/policies.tar.gz", CA: p.file("ca.pem"), Keys: p.file("signer.jwks.json"), State: p.file("state.tar.gz"),
	}}
}

const (
	harmless = `@id("harmless") forbid (principal, action == Action::"call_tool", resource == Tool::"crm/nothing-%d");`
	closed   = `@id("closed") @reason("closed") forbid (principal, action in Action::"call_tool", resource in Server::"crm");`
)

// bundleStatus is the part of /status about the bundle.
type bundleStatus struct {
	Ready  bool `json:"ready"`
	Policy struct {
		LastError string `json:"last_error"`
	} `json:"policy"`
	Bundle struct {
		Active    *struct{ Counter int } `json:"active"`
		Refused   *struct{ Counter int } `json:"refused"`
		Highest   int                    `json:"highest_counter"`
		LastError string                 `json:"last_error"`
		Failures  int                    `json:"failures"`
	} `json:"bundle"`
}

// shows waits until the status is as wanted.
func shows(t *testing.T, st *stage.Stage, what string, ok func(bundleStatus) bool) {
	t.Helper()
	var last string
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		status, text, err := askStatus(t.Context(), st)
		if err != nil {
			last = err.Error()
			continue
		}
		if last = text; ok(status) {
			return
		}
	}
	t.Fatalf("the status never shows %s: %s", what, last)
}

func askStatus(ctx context.Context, st *stage.Stage) (status bundleStatus, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, st.AdminURL+"/status", nil)
	if err != nil {
		return status, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return status, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return status, "", err
	}
	return status, string(body), json.Unmarshal(body, &status)
}

func activeIs(counter int) func(bundleStatus) bool {
	return func(s bundleStatus) bool { return s.Bundle.Active != nil && s.Bundle.Active.Counter == counter }
}

// failsWith is for an error with this text, or any.
func failsWith(text string) func(bundleStatus) bool {
	return func(s bundleStatus) bool {
		return s.Bundle.LastError != "" && strings.Contains(s.Bundle.LastError, text)
	}
}

// Bundles are swapped while agents call, and nobody notices but by what the policies say.
func TestBundlesChangeUnderTraffic(t *testing.T) {
	p := newPublisher(t)
	p.publish(p.sign(p.build(1, fmt.Sprintf(harmless, 1)), "signer"))
	st := raise(t, p.options())
	shows(t, st, "bundle 1", activeIs(1))
	token := grant(t, st)

	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var calls atomic.Int64
	for range 3 {
		planner := client(t, st, "planner", "2")
		callers.Go(func() {
			for ctx.Err() == nil {
				if got, err := readCase(planner, st, token).do(t); err != nil || !got.succeeded() {
					t.Errorf("a call failed: %d %s %v", got.status, got.body, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for counter := 2; counter <= 5; counter++ {
		p.publish(p.sign(p.build(counter, fmt.Sprintf(harmless, counter)), "signer"))
		shows(t, st, fmt.Sprint("bundle ", counter), activeIs(counter))
	}
	p.publish("")
	shows(t, st, "the outage", func(s bundleStatus) bool { return s.Bundle.Failures >= 2 })
	before := calls.Load()
	for calls.Load() < before+20 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	stop()
	callers.Wait()
	if status, text, err := askStatus(t.Context(), st); err != nil || !status.Ready || !activeIs(5)(status) {
		t.Errorf("with its server down: %s %v", text, err)
	}
	t.Logf("%d calls", calls.Load())
}

// A forbid that is in force can be taken back by nobody but the signer, not by an outage, and not by a restart.
func TestAForbidInABundleStays(t *testing.T) {
	p := newPublisher(t)
	first := p.sign(p.build(1, fmt.Sprintf(harmless, 1)), "signer")
	p.publish(first)
	st := raise(t, p.options())
	planner, token := client(t, st, "planner", "2"), grant(t, st)
	if got := readCase(planner, st, token).must(t); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	ten := p.sign(p.build(10, closed), "signer")
	p.publish(ten)
	shows(t, st, "bundle 10", activeIs(10))
	refused := func(when string) {
		t.Helper()
		reached := watch(t, st, "crm")
		if got := readCase(planner, st, token).must(t); got.succeeded() || len(reached()) != 0 {
			t.Errorf("%s: got %d %s", when, got.status, got.body)
		}
	}
	refused("at first")

	open := fmt.Sprintf(harmless, 2)
	signed, err := os.ReadFile(p.sign(p.build(14, open), "signer"))
	if err != nil {
		t.Fatal(err)
	}
	signed[len(signed)/2] ^= 1
	p.write("tampered.tar.gz", signed)
	p.write("truncated.tar.gz", signed[:len(signed)/3])
	for _, attack := range []struct{ name, file, want string }{
		{"the first bundle again", first, "bundle 1 is older than 10"},
		{"another one with the same counter", p.sign(p.build(10, open), "signer"), "needs a higher counter"},
		{"one that nobody signed", p.build(11, open), "not signed"},
		{"one that a stranger signed", p.sign(p.build(12, open), "stranger"), "not trusted"},
		{"one that was changed", p.file("tampered.tar.gz"), ""},
		{"half of one", p.file("truncated.tar.gz"), "EOF"},
	} {
		p.publish(attack.file)
		shows(t, st, attack.name, failsWith(attack.want))
		refused(attack.name)
		p.publish(ten) // or polls would come later and later
		shows(t, st, "that all is well", func(s bundleStatus) bool { return s.Bundle.LastError == "" })
	}
	p.publish("")
	shows(t, st, "the outage", failsWith("503"))
	refused("in an outage")

	// Its memory is gone, and its server too: it is ready all the same, with the forbid.
	if err := st.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	shows(t, st, "bundle 10 after a restart", activeIs(10))
	becomes(t, st, 0, token, "policy_forbidden")
	p.publish(first)
	shows(t, st, "the first bundle after a restart", failsWith("bundle 1 is older than 10"))
	becomes(t, st, 0, token, "policy_forbidden")

	p.publish(p.sign(p.build(15, open), "signer"))
	shows(t, st, "bundle 15", activeIs(15))
	becomes(t, st, 0, token, "allowed")
}

// Without any bundle nothing is decided but no.
func TestWithoutABundleNothingPasses(t *testing.T) {
	p := newPublisher(t)
	good := p.sign(p.build(1, fmt.Sprintf(harmless, 1)), "signer")
	p.publish(good)
	st := raise(t, p.options())
	token := grant(t, st)
	becomes(t, st, 0, token, "allowed")

	st.Countersign[0].Stop()
	p.publish("")
	if err := os.Remove(p.file("state.tar.gz")); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), programs.Countersign, "serve", "--config", filepath.Join(st.ConfigDir, "countersign.yaml"))
	again.Cancel = func() error { return again.Process.Signal(os.Interrupt) }
	again.Dir = st.ConfigDir
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Process.Kill(); _ = again.Wait() })
	shows(t, st, "that there is none", failsWith("503"))
	if status, text, err := askStatus(t.Context(), st); err != nil || status.Ready || status.Bundle.Active != nil {
		t.Errorf("it is ready: %s %v", text, err)
	}
	becomes(t, st, 0, token, "policy_unavailable")
	p.publish(good)
	shows(t, st, "bundle 1", activeIs(1))
	becomes(t, st, 0, token, "allowed")
}
