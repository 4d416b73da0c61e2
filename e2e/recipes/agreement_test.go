package recipes_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/trust"
	"countersign.dev/authz/verify"
)

// verdict is what a verifier says about a request: either member is set.
type verdict struct {
	Call    *call  `json:"call"`
	Refused string `json:"refused"`
}

// call is what all verifiers tell about a request that they let in.
type call struct {
	HasDelegation bool     `json:"hasDelegation"`
	Subject       string   `json:"subject"`
	Peer          string   `json:"peer"`
	Actors        []string `json:"actors"`
	Task          string   `json:"task"`
	Purpose       string   `json:"purpose"`
	Expiry        int64    `json:"expiry"`
	Scope         []string `json:"scope"`
	Txn           string   `json:"txn"`
	Method        string   `json:"method"`
	Tool          string   `json:"tool"`
}

// backend is what verifiers are told about themselves.
type backend struct {
	Self     string              `json:"self"`
	Server   string              `json:"server"`
	Audience string              `json:"audience"`
	Issuer   string              `json:"issuer"`
	JWKS     *jose.JSONWebKeySet `json:"jwks,omitempty"`
	KeysURL  string              `json:"keys_url,omitempty"`
}

func newBackend() backend {
	return backend{Self: self, Server: server, Audience: audience, Issuer: countersign}
}

var seed = flag.Uint64("seed", 4711, "chooses the requests that the verifiers judge")

// Three verifiers that share no code must agree: a backend is not safer or less safe for its language.
func TestAllVerifiersAgree(t *testing.T) {
	const count = 2000
	w := newWorld(t, *seed)
	var requests []request
	var want []bool
	for i := range count {
		// Half of them are good ones.
		k := kinds[w.IntN(4)]
		if i%2 == 0 {
			k = kinds[4+i/2%(len(kinds)-4)]
		}
		d := k.make(w)
		d.Name = k.name
		requests, want = append(requests, d.request), append(want, k.good)
	}
	keys := w.publicKeys()
	told := newBackend()
	told.JWKS = &keys
	verdicts := map[string][]verdict{
		"Go":         inGo(t, w, requests),
		"TypeScript": inTypeScript(t, told, requests),
		"Python":     inPython(t, told, requests),
	}
	for i, r := range requests {
		for language, all := range verdicts {
			got := all[i]
			if (got.Call != nil) != want[i] {
				t.Errorf("%s, %q: accepted is %v, want %v (%s)\n%s %.200q with %.4000q", language, r.Name, got.Call != nil, want[i], got.Refused, r.Method, r.Body, r.Tokens)
				continue
			}
			if diff := cmp.Diff(verdicts["Go"][i].Call, got.Call); want[i] && diff != "" {
				t.Errorf("%s, %q (-Go +%s):\n%s", language, r.Name, language, diff)
			}
		}
	}
}

// The recipes fetch keys by themselves, and not for every token.
func TestRecipesFetchKeys(t *testing.T) {
	w := newWorld(t, 1)
	w.now = time.Now()
	var fetches atomic.Int64
	published := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		rw.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(rw).Encode(w.publicKeys()); err != nil {
			t.Error(err)
		}
	}))
	defer published.Close()
	told := newBackend()
	told.KeysURL = published.URL
	body := []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	var requests []request
	for i := range 20 {
		r := request{Name: "good", Method: "POST", Body: body, Now: w.now.Unix(), Tokens: []string{
			w.sign(nil, id("planner"), id("crm"), bindingTo(body), "ES256"),
		}}
		if i%2 == 1 {
			d := &draft{world: w, request: r, alg: "ES256", payload: w.decode(segment(r.Tokens[0], 1)),
				header: map[string]any{"alg": "ES256", "kid": fmt.Sprint("made-up-", i), "typ": "txntoken+jwt"}}
			r = d.signed().request
			r.Name = "bad"
		}
		requests = append(requests, r)
	}
	for language, judge := range map[string]func(*testing.T, backend, []request) []verdict{
		"TypeScript": inTypeScript, "Python": inPython,
	} {
		t.Run(language, func(t *testing.T) {
			fetches.Store(0)
			for i, v := range judge(t, told, requests) {
				if accepted := v.Call != nil; accepted != (requests[i].Name == "good") {
					t.Errorf("request %d, %s: %+v", i, requests[i].Name, v)
				}
			}
			if n := fetches.Load(); n != 1 {
				t.Errorf("%d fetches, want 1: unknown kids came right after the first", n)
			}
		})
	}
}

func inGo(t *testing.T, w *world, requests []request) []verdict {
	t.Helper()
	keys, err := verify.FixedKeys(trust.Issuer{
		ID: countersign, ActorTrustDomains: acme, Algorithms: []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA},
	}, w.publicKeys())
	if err != nil {
		t.Fatal(err)
	}
	var now time.Time
	v, err := verify.New(t.Context(), verify.Config{Self: self, Server: server, Keys: keys, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []verdict
	for _, r := range requests {
		now = time.Unix(r.Now, 0)
		c, err := v.Verify(t.Context(), r.Method, http.Header{"Txn-Token": r.Tokens}, r.Body)
		if err != nil {
			verdicts = append(verdicts, verdict{Refused: err.Error()})
			continue
		}
		verdicts = append(verdicts, verdict{Call: &call{
			HasDelegation: c.HasDelegation, Subject: c.Subject, Peer: c.Peer, Actors: c.Actors, Task: c.Task, Purpose: c.Purpose,
			Expiry: c.Expiry.Unix(), Scope: append([]string{}, c.Scope...), Txn: c.Txn, Method: c.Method, Tool: c.Tool,
		}})
	}
	return verdicts
}

func inTypeScript(t *testing.T, told backend, requests []request) []verdict {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("there is no Node.js, which the TypeScript recipe runs on: %v", err)
	}
	// Node looks for packages beside the script and above it.
	dir := t.TempDir()
	for _, name := range []string{"verify.mjs", "check.mjs"} {
		text, err := os.ReadFile(filepath.Join("typescript", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(installed(t, "node/node_modules", "jose"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return judge(t, told, requests, node, filepath.Join(dir, "check.mjs"))
}

func inPython(t *testing.T, told backend, requests []request) []verdict {
	t.Helper()
	return judge(t, told, requests, filepath.Join(installed(t, "venv/bin", "python"), "python"), "-B", filepath.Join("python", "check.py"))
}

// installed returns a directory below .cache in which there must be something.
func installed(t *testing.T, dir, what string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", filepath.FromSlash(dir)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, what)); err != nil {
		t.Fatalf("run `make test`, or e2e/tools/recipes.sh, which install what the recipes need: %v", err)
	}
	return dir
}

// judge has one process judge all requests.
func judge(t *testing.T, told backend, requests []request, program string, args ...string) []verdict {
	t.Helper()
	var in, out, failed bytes.Buffer
	encoder := json.NewEncoder(&in)
	if err := encoder.Encode(told); err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		if err := encoder.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &failed
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, failed.String())
	}
	var verdicts []verdict
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s printed %q: %v", program, lines.Text(), err)
		}
		verdicts = append(verdicts, v)
	}
	if len(verdicts) != len(requests) {
		t.Fatalf("%s judged %d requests of %d\n%s", program, len(verdicts), len(requests), failed.String())
	}
	return verdicts
}
