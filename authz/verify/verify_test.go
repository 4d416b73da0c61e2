package verify_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/verify"
)

func TestACallThatWasCountersigned(t *testing.T) {
	w := newWorld(t)
	token := w.refund()
	for name, v := range map[string]*verify.Verifier{
		"with given keys": w.crm(),
		"with keys in a file": w.crm(func(c *verify.Config) {
			c.Keys, c.Issuers = nil, w.issuers()[1:]
		}),
		"with the root required": w.crm(func(c *verify.Config) {
			c.Keys, c.Issuers, c.RequireRoot = nil, w.issuers(), true
		}),
	} {
		t.Run(name, func(t *testing.T) {
			call, err := v.Verify(t.Context(), http.MethodPost, withToken(token), []byte(refund))
			if err != nil {
				t.Fatal(err)
			}
			want := &verify.Call{
				HasDelegation: true, Subject: "alice", SubjectIssuer: tts, SubjectProfile: "user",
				Actors: []string{crmID, plannerID}, Peer: plannerID,
				Task: "case-4711", Purpose: "refund-review", TaskExpiry: noon.Add(time.Hour),
				Txn: "txn-1", Expiry: noon.Add(time.Minute), Scope: delegation.Scope{"mcp:ledger:read_entry"},
				Details: []delegation.Detail{{Server: "ledger", Tools: map[string]delegation.Arguments{
					"read_entry": {"*": {Type: delegation.Wildcard}}}}},
				Server: "crm", Method: "tools/call", Tool: "refund_case",
			}
			if diff := cmp.Diff(want, call, cmpopts.IgnoreUnexported(verify.Call{}), cmpopts.IgnoreFields(verify.Call{}, "ID")); diff != "" {
				t.Error(diff)
			}
			if call.ID == "" {
				t.Error("no jti")
			}
		})
	}
}

func TestACallWithoutADelegation(t *testing.T) {
	w := newWorld(t)
	call, err := w.crm().Verify(t.Context(), http.MethodPost, withToken(w.context()), []byte(refund))
	if err != nil {
		t.Fatal(err)
	}
	want := &verify.Call{
		Actors: []string{crmID}, Peer: plannerID, Expiry: noon.Add(time.Minute),
		Server: "crm", Method: "tools/call", Tool: "refund_case",
	}
	if diff := cmp.Diff(want, call, cmpopts.IgnoreUnexported(verify.Call{}), cmpopts.IgnoreFields(verify.Call{}, "ID", "Txn")); diff != "" {
		t.Error(diff)
	}
}

// Every kind of message that Countersign lets through reaches the backend.
func TestKindsOfMessages(t *testing.T) {
	w := newWorld(t)
	v := w.crm()
	for _, test := range []struct{ name, http, body, method, tool string }{
		{"a request about the server", "POST", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "tools/list", ""},
		{"a notification", "POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "notifications/initialized", ""},
		{"a response", "POST", `{"jsonrpc":"2.0","id":1,"result":{}}`, "response", ""},
		{"a batch", "POST", " \n[" + refund + "]", "batch", ""},
		{"a prompt, which is no tool", "POST", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}`, "prompts/get", ""},
		{"a stream", "GET", "", "stream", ""},
		{"the end of a session", "DELETE", "", "end", ""},
		{"a preflight", "OPTIONS", "", "preflight", ""},
		{"a tool call", "POST", refund, "tools/call", "refund_case"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := w.sign(w.grant(), w.hopTo(test.method, test.tool, test.body))
			call, err := v.Verify(t.Context(), test.http, withToken(token), []byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if call.Method != test.method || call.Tool != test.tool {
				t.Errorf("method %q, tool %q", call.Method, call.Tool)
			}
		})
	}
}

func TestRequestsThatWereNotCountersigned(t *testing.T) {
	w := newWorld(t)
	v := w.crm()
	token := w.refund()
	other := strings.Replace(refund, "4711", "4712", 1)
	flipped := token[:len(token)-6] + "AAAAAA"
	hop := func(change func(*delegation.Hop)) string {
		h := w.hopTo("tools/call", "refund_case", refund)
		change(&h)
		return w.sign(w.grant(), h)
	}
	for _, test := range []struct {
		name   string
		method string
		header http.Header
		body   string
		want   denial.Reason
	}{
		{"no token: somebody came around the gateway", "POST", http.Header{}, refund, denial.TokenMissing},
		{"two tokens, one of them good", "POST", withToken(token, "x"), refund, denial.HeaderDuplicated},
		{"the same token twice", "POST", withToken(token, token), refund, denial.HeaderDuplicated},
		{"a second token in another spelling", "POST", http.Header{"Txn-Token": {token}, "txn-token": {token}}, refund, denial.HeaderDuplicated},
		{"two tokens that a proxy joined", "POST", withToken(token + ", " + token), refund, denial.TokenMalformed},
		{"a control character", "POST", withToken(token + "\x00"), refund, denial.HeaderInvalid},
		{"an empty token", "POST", withToken(""), refund, denial.TokenMalformed},
		{"another signature", "POST", withToken(flipped), refund, denial.TokenSignature},
		{"another body", "POST", withToken(token), other, denial.TokenRequestHash},
		{"no body", "POST", withToken(token), "", denial.TokenRequestHash},
		{"one byte more", "POST", withToken(token), refund + "\n", denial.TokenRequestHash},
		{"another server's token", "POST", withToken(hop(func(h *delegation.Hop) { h.Binding.Server = "ledger" })), refund, denial.TokenServer},
		{"a token for another backend", "POST", withToken(hop(func(h *delegation.Hop) { h.Backend = spiffeid.RequireFromString(ledgerID) })), refund, denial.TokenHolder},
		{"a root token whose actor is this backend", "POST", withToken(w.grant(func(c *delegation.Claims) {
			c.Actor.Subject = crmID
		})), refund, denial.TokenUnknownIssuer},
		{"a method that the body does not name", "POST", withToken(hop(func(h *delegation.Hop) { h.Binding.Method = "tools/list" })), refund, denial.TokenMethod},
		{"a tool that the body does not name", "POST", withToken(hop(func(h *delegation.Hop) { h.Binding.Tool = "read_case" })), refund, denial.TokenTool},
		{"no tool, and the body names one", "POST", withToken(hop(func(h *delegation.Hop) { h.Binding.Tool = "" })), refund, denial.TokenTool},
		{"a POST sent as a PUT", "PUT", withToken(token), refund, denial.HTTPMethod},
		{"a tool call sent as a GET", "GET", withToken(token), refund, denial.TokenMethod},
		{"an opened stream that ends the session", "DELETE", withToken(w.sign(w.grant(), w.hopTo("stream", "", ""))), "", denial.TokenMethod},
		{"a body that is no JSON", "POST", withToken(w.sign(w.grant(), w.hopTo("tools/call", "x", "{"))), "{", denial.JSONSyntax},
		{"a body with a name twice", "POST", withToken(w.sign(w.grant(), w.hopTo("tools/call", "x", `{"method":"a","method":"b"}`))), `{"method":"a","method":"b"}`, denial.JSONDuplicateKey},
		{"a method that is no string", "POST", withToken(w.sign(w.grant(), w.hopTo("ping", "", `{"method":1}`))), `{"method":1}`, denial.RPCInvalid},
		{"params that are no object", "POST", withToken(w.sign(w.grant(), w.hopTo("tools/call", "x", `{"method":"tools/call","params":[]}`))), `{"method":"tools/call","params":[]}`, denial.TokenTool},
		{"a binding without a hash", "POST", withToken(w.forge(token, `"req_s256":"`+sha256Text(refund)+`"`, `"arg_s256":"`+sha256Text(refund)+`"`)), refund, denial.TokenClaims},
		{"no binding at all", "POST", withToken(w.forge(token, `,"mcp":{"srv":"crm","mth":"tools/call","tool":"refund_case","req_s256":"`+sha256Text(refund)+`"}`, "")), refund, denial.TokenUnbound},
		{"another trust domain's token", "POST", withToken(w.forge(token, `"aud":"acme.example"`, `"aud":"globex.example"`)), refund, denial.TokenAudience},
	} {
		t.Run(test.name, func(t *testing.T) {
			call, err := v.Verify(t.Context(), test.method, test.header, []byte(test.body))
			if reason(err) != test.want || call != nil {
				t.Errorf("got %v and %+v, want %s", err, call, test.want)
			}
		})
	}
}

func TestTheTimeOfAToken(t *testing.T) {
	w := newWorld(t)
	v := w.crm()
	token := w.refund()
	late := w.sign(w.grant(func(c *delegation.Claims) { c.Task.Expiry = noon.Add(30 * time.Second) }),
		w.hopTo("tools/call", "refund_case", refund))
	for _, test := range []struct {
		name  string
		token string
		after time.Duration
		want  denial.Reason
	}{
		{"at once", token, 0, ""},
		{"a moment before the end", token, time.Minute - time.Nanosecond, ""},
		{"at the end", token, time.Minute, denial.TokenExpired},
		{"our clock is behind by the skew", token, -delegation.DefaultSkew, ""},
		{"from the future", token, -delegation.DefaultSkew - time.Second, denial.TokenNotYetValid},
		{"when the task is over", late, 30 * time.Second, denial.TokenExpired},
		{"when the task is over and the token is not", w.forge(token, `"task_exp":1795611600`, `"task_exp":1795608030`), 30 * time.Second, denial.TaskExpired},
		{"a life that Countersign may not give", w.forge(token, `"exp":1795608060`, `"exp":1795609000`), 0, denial.TokenLifetime},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.now = noon.Add(test.after)
			_, err := v.Verify(t.Context(), http.MethodPost, withToken(test.token), []byte(refund))
			if reason(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Whoever stole Countersign's key can write what they like, but not a root token.
func TestAStolenKeyOfCountersign(t *testing.T) {
	w := newWorld(t)
	trusting := w.crm()
	careful := w.crm(func(c *verify.Config) { c.Keys, c.Issuers, c.RequireRoot = nil, w.issuers(), true })
	token := w.refund()
	root := w.grant(func(c *delegation.Claims) { c.ID = "root-2" })
	for _, test := range []struct {
		name  string
		token string
		want  denial.Reason
	}{
		{"invents a user", w.forge(token, `"sub":"alice"`, `"sub":"mallory"`), denial.TokenAltered},
		{"invents a task", w.forge(token, `"task":"case-4711"`, `"task":"case-1"`), denial.TokenAltered},
		{"widens the scope", w.forge(token, `"scope":"mcp:ledger:read_entry"`, `"scope":"mcp:ledger:*"`), denial.TokenNotNarrower},
		{"leaves the root out", w.forge(token, `,"del_root":"`+rootOf(t, token)+`"`, ""), denial.TokenRootMissing},
		{"takes another root", w.forge(token, rootOf(t, token), root), denial.TokenParentHash},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := trusting.Verify(t.Context(), http.MethodPost, withToken(test.token), []byte(refund)); err != nil {
				t.Errorf("where the root is not required: %v", err)
			}
			if _, err := careful.Verify(t.Context(), http.MethodPost, withToken(test.token), []byte(refund)); reason(err) != test.want {
				t.Errorf("where it is: got %v, want %s", err, test.want)
			}
		})
	}
}

func rootOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := delegation.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Claims.Root
}

func TestALongerChain(t *testing.T) {
	w := newWorld(t)
	d1 := w.refund()
	parent, err := w.verifier.Verify(t.Context(), d1, peer.Peer{ID: spiffeid.RequireFromString(crmID)}, noon)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_entry"}}`
	hop := w.hopTo("tools/call", "read_entry", body)
	hop.Peer.ID, hop.Backend, hop.Binding.Server = spiffeid.RequireFromString(crmID), spiffeid.RequireFromString(ledgerID), "ledger"
	d2, _, err := delegation.Countersign(parent, "acme.example", hop)
	if err != nil {
		t.Fatal(err)
	}
	ledger := w.crm(func(c *verify.Config) { c.Self, c.Server = ledgerID, "ledger" })
	call, err := ledger.Verify(t.Context(), http.MethodPost, withToken(d2), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ledgerID, crmID, plannerID}, call.Actors); diff != "" || call.Peer != crmID {
		t.Error(diff, call.Peer)
	}
}
