package authz_test

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/revoke/denyfile"
)

func TestAccessTokenBeginsADelegation(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
	access := h.access(with(claims{"auth_time": h.now.Unix(), "acr": "urn:acr:2", "amr": []string{"pwd", "otp"}}))
	req := post("crm", planner, refund, "authorization", access)
	req.SourceIP = netip.MustParseAddr("203.0.113.7")
	first := h.decide(req)
	if !first.Allowed {
		t.Fatalf("refused: %+v", first.Record)
	}
	hop, err := delegation.Parse(first.Token)
	if err != nil {
		t.Fatal(err)
	}
	user, err := h.users.AccessToken(t.Context(), strings.TrimPrefix(access, "Bearer "), crmResource, h.now)
	if err != nil {
		t.Fatal(err)
	}
	if hop.Root == nil || hop.Claims.Depth != 1 || hop.Claims.ParentHash != hop.Root.Hash || hop.Claims.Issuer != ownIssuer {
		t.Fatalf("the token for the backend: %+v", hop.Claims)
	}
	root := hop.Root.Claims
	want := delegation.Claims{
		Issuer: ownRoot, Audience: "acme.example", ID: "at-1", Txn: root.Txn, Subject: "alice", SubjectProfile: "user",
		RequestingWorkload: planner, IssuedAt: noon, Expiry: noon.Add(15 * time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner, SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:read_case", "mcp:crm:refund_case", "mcp:ledger:read_entry"},
		Task: delegation.Task{
			Raw: root.Task.Raw, Task: "access-token:" + user.Hash, Purpose: "unspecified", Expiry: noon.Add(time.Hour),
		},
		Request: delegation.RequestContext{
			IP: []byte(`"203.0.113.7"`), Authentication: []byte(`"pwd otp"`), AuthenticationClass: []byte(`"urn:acr:2"`),
			AuthenticationTime: []byte("1795608000"), AccessTokenHash: user.Hash,
		},
		MaxDepth: 3,
	}
	if diff := cmp.Diff(want, root); diff != "" || root.Txn == "" {
		t.Errorf("the root: %s", diff)
	}
	if hop.Claims.Request.AccessTokenHash != user.Hash {
		t.Error("the token for the backend does not lead back to the access token")
	}
	r := first.Record
	if r.ParentHash != user.Hash || r.JTI != "at-1" || r.Subject != "alice" || r.IdentityProvider != idp || r.Client != "desk" ||
		r.Task != root.Task.Task || r.Txn != root.Txn {
		t.Errorf("record: %+v", r)
	}

	read := strings.ReplaceAll(refund, "refund_case", "read_entry")
	second := h.decide(post("ledger", crmID.String(), read, "txn-token", first.Token))
	if !second.Allowed {
		t.Fatalf("the next hop refuses: %+v", second.Record)
	}
	for i, q := range h.policy.asked {
		if q.RootIssuer != ownRoot || q.Delegation.Subject != "alice" || q.SubjectPrefix != "desk:" {
			t.Errorf("policy at hop %d was told that %s vouches for %s, with prefix %q", i, q.RootIssuer, q.Delegation.Subject, q.SubjectPrefix)
		}
	}
}

// What an access token is, nobody behind us may see: it would be theirs to use.
func TestTheAccessTokenStaysHere(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
	access := h.access()
	d := h.decide(post("crm", planner, refund, "authorization", access))
	if !d.Allowed || !d.Server.ConsumesAuthorization() {
		t.Fatalf("allowed %t, consumed %t", d.Allowed, d.Server.ConsumesAuthorization())
	}
	record, err := json.Marshal(d.Record)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimPrefix(access, "Bearer "), ".")
	for where, text := range map[string]string{"the token": inside(t, d.Token), "the record": string(record)} {
		for i, part := range parts {
			if strings.Contains(text, part) {
				t.Errorf("segment %d of the access token is in %s", i, where)
			}
		}
	}
}

// inside is a token with all that is encoded in it, on every level.
func inside(t *testing.T, compact string) string {
	t.Helper()
	text := compact
	for {
		token, err := delegation.Parse(compact)
		if err != nil {
			t.Fatal(err)
		}
		text += string(token.Payload)
		if token.Claims.Root == "" {
			return text
		}
		compact = token.Claims.Root
	}
}

func TestAccessTokensThatAreRefused(t *testing.T) {
	mine := func(b *authz.Bearer) {
		b.Clients = map[string]spiffeid.Matcher{"desk": spiffeid.MatchID(spiffeid.RequireFromString(planner))}
	}
	unsigned := func(h *house) string {
		_, payload, _ := strings.Cut(h.access(), ".")
		payload, _, _ = strings.Cut(payload, ".")
		return "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"`+h.providers[idp].KeyID+`"}`)) + "." + payload + "."
	}
	for _, tt := range []struct {
		name   string
		bearer func(*authz.Bearer)
		by     string
		value  func(*house) string
		want   denial.Reason
	}{
		{"for another resource", nil, planner, func(h *house) string {
			return h.access(with(claims{"aud": "https://ledger.acme.example/mcp"}))
		}, denial.TokenAudience},
		{"for the host of the resource", nil, planner, func(h *house) string {
			return h.access(with(claims{"aud": "https://crm.acme.example"}))
		}, denial.TokenAudience},
		{"for this resource with a slash", nil, planner, func(h *house) string {
			return h.access(with(claims{"aud": crmResource + "/"}))
		}, denial.TokenAudience},
		{"for another one too", nil, planner, func(h *house) string {
			return h.access(with(claims{"aud": []string{crmResource, "https://ledger.acme.example/mcp"}}))
		}, denial.TokenAudience},
		{"for this one twice", nil, planner, func(h *house) string {
			return h.access(with(claims{"aud": []string{crmResource, crmResource}}))
		}, denial.TokenAudience},
		{"expired", nil, planner, func(h *house) string {
			return h.access(with(claims{"exp": h.now.Unix()}))
		}, denial.TokenExpired},
		{"issued tomorrow", nil, planner, func(h *house) string {
			return h.access(with(claims{"iat": h.now.Add(time.Hour).Unix(), "exp": h.now.Add(2 * time.Hour).Unix()}))
		}, denial.TokenNotYetValid},
		{"not signed", nil, planner, unsigned, denial.TokenMalformed},
		{"with a changed payload", nil, planner, func(h *house) string {
			a, b := strings.Split(h.access(), "."), strings.Split(h.access(with(claims{"sub": "bob"})), ".")
			return a[0] + "." + b[1] + "." + a[2]
		}, denial.TokenSignature},
		{"of another provider", nil, planner, func(h *house) string {
			return h.access(with(claims{"iss": otherIDP}))
		}, denial.TokenUnknownIssuer},
		{"of a provider that is not configured", nil, planner, func(h *house) string {
			h.providers["https://idp.evil.example"] = newKey(h.t)
			return h.access(with(claims{"iss": "https://idp.evil.example"}))
		}, denial.TokenUnknownIssuer},
		{"of another provider in our provider's name", nil, planner, func(h *house) string {
			return "Bearer " + h.providers.sign(h.t, otherIDP, "at+jwt", h.accessClaims())
		}, denial.TokenUnknownKey},
		{"an ID token", nil, planner, func(h *house) string {
			return "Bearer " + h.providers.sign(h.t, idp, "JWT", claims{
				"iss": idp, "sub": "alice", "aud": crmResource, "iat": h.now.Unix(), "exp": h.now.Add(time.Hour).Unix(),
			})
		}, denial.TokenMalformed},
		{"a Txn-Token", nil, planner, func(h *house) string { return "Bearer " + h.root() }, denial.TokenMalformed},
		{"without a jti", nil, planner, func(h *house) string { return h.access(with(claims{"jti": nil})) }, denial.TokenClaims},
		{"without a subject", nil, planner, func(h *house) string { return h.access(with(claims{"sub": nil})) }, denial.TokenClaims},
		{"of a client without a user", nil, planner, func(h *house) string { return h.access(with(claims{"sub": "desk"})) }, denial.TokenClaims},
		{"of a user that is called like a workload", nil, planner, func(h *house) string {
			return h.access(with(claims{"sub": crmID.String()}))
		}, denial.TokenClaims},
		{"of a user with a line break", nil, planner, func(h *house) string {
			return h.access(with(claims{"sub": "alice\r\nx-admin: true"}))
		}, denial.TokenClaims},
		{"of a client that acts already", nil, planner, func(h *house) string {
			return h.access(with(claims{"act": claims{"sub": planner}}))
		}, denial.UserTokenActor},
		{"for somebody else to act", nil, planner, func(h *house) string {
			return h.access(with(claims{"may_act": claims{"sub": intern}}))
		}, denial.UserTokenActor},
		{"for a namesake to act", nil, planner, func(h *house) string {
			return h.access(with(claims{"may_act": claims{"sub": planner, "iss": "spiffe://globex.example"}}))
		}, denial.UserTokenActor},
		{"bound to another certificate", nil, planner, func(h *house) string {
			return h.access(with(claims{"cnf": claims{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}))
		}, denial.TokenKeyBinding},
		{"bound to a key by DPoP", nil, planner, func(h *house) string {
			return h.access(with(claims{"cnf": claims{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}))
		}, denial.TokenKeyBinding},
		{"of another workload by its client_id", nil, planner, func(h *house) string {
			return h.access(with(claims{"client_id": intern}))
		}, denial.TokenHolder},
		{"presented by another client", mine, intern, func(h *house) string { return h.access() }, denial.TokenHolder},
		{"of a client that is not listed", mine, planner, func(h *house) string {
			return h.access(with(claims{"client_id": "kiosk"}))
		}, denial.TokenHolder},
		{"of another scheme", nil, planner, func(h *house) string {
			return "DPoP " + strings.TrimPrefix(h.access(), "Bearer ")
		}, denial.AuthorizationScheme},
		{"a password", nil, planner, func(*house) string { return "Basic YWxpY2U6c2VjcmV0" }, denial.AuthorizationScheme},
		{"without a scheme", nil, planner, func(h *house) string { return strings.TrimPrefix(h.access(), "Bearer ") }, denial.AuthorizationScheme},
		{"nothing after the scheme", nil, planner, func(*house) string { return "Bearer" }, denial.TokenMalformed},
		{"nothing at all", nil, planner, func(*house) string { return "" }, denial.AuthorizationScheme},
		{"two after the scheme", nil, planner, func(h *house) string { return h.access() + " " + h.access() }, denial.TokenMalformed},
		{"with a parameter", nil, planner, func(h *house) string { return h.access() + `, realm="x"` }, denial.TokenMalformed},
		{"behind a tab", nil, planner, func(h *house) string { return strings.Replace(h.access(), " ", "\t", 1) }, denial.AuthorizationScheme},
		{"with padding", nil, planner, func(h *house) string { return h.access() + "=" }, denial.TokenMalformed},
		{"that grants too much", func(b *authz.Bearer) {
			b.Scopes["all"] = nil
			for i := range 65 {
				b.Scopes["all"] = append(b.Scopes["all"], "mcp:crm:t"+string(rune('a'+i%26))+string(rune('a'+i/26)))
			}
			b.Scopes["all"], b.Scopes["more"] = b.Scopes["all"][:64], b.Scopes["all"][64:]
		}, planner, func(h *house) string { return h.access(with(claims{"scope": "all more"})) }, denial.TokenClaims},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := []func(*authz.Bearer){}
			if tt.bearer != nil {
				change = append(change, tt.bearer)
			}
			h := newHouse(t, takesAccessTokens(change...))
			d := h.decide(post("crm", tt.by, refund, "authorization", tt.value(h)))
			if d.Allowed || d.Token != "" || tt.want != "" && d.Reason != tt.want {
				t.Errorf("allowed %t, reason %q, want %q; %s", d.Allowed, d.Reason, tt.want, d.Record.Detail)
			}
			if len(h.policy.asked) > 0 {
				t.Error("policy was asked")
			}
			if d.Reason.Class() == denial.ClassCredential {
				if diff := cmp.Diff([]string{"cases.write"}, d.NeededScope); diff != "" {
					t.Errorf("scope of the challenge: %s", diff)
				}
			}
		})
	}
}

// What is the client's business, and none of ours.
func TestAccessTokensThatAreTaken(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value func(*house) string
	}{
		{"scheme in lower case", func(h *house) string { return strings.Replace(h.access(), "Bearer", "bearer", 1) }},
		{"scheme in odd case", func(h *house) string { return strings.Replace(h.access(), "Bearer", "bEARER", 1) }},
		{"several spaces", func(h *house) string { return strings.Replace(h.access(), " ", "   ", 1) }},
		{"a list of one audience", func(h *house) string { return h.access(with(claims{"aud": []string{crmResource}})) }},
		{"the workload's own name for a client", func(h *house) string { return h.access(with(claims{"client_id": planner})) }},
		{"for this workload to act", func(h *house) string {
			return h.access(with(claims{"may_act": claims{"sub": planner, "iss": "spiffe://acme.example"}}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, takesAccessTokens())
			if d := h.decide(post("crm", planner, refund, "authorization", tt.value(h))); !d.Allowed || d.Record.Subject != "alice" {
				t.Errorf("refused: %+v", d.Record)
			}
		})
	}
}

func TestAccessTokensOnlyWhereConfigured(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	access := h.access(with(claims{"aud": "https://ledger.acme.example/mcp"}))
	d := h.decide(post("ledger", planner, strings.ReplaceAll(refund, "refund_case", "read_entry"), "authorization", access))
	if !d.Allowed || d.Record.Subject != "" || h.policy.asked[0].Delegation != nil || d.Server.ConsumesAuthorization() {
		t.Errorf("a server without access tokens looked at one: %+v", d.Record)
	}
}

// Two headers are one too many, and so is a token in the URL.
func TestAccessTokensInOddPlaces(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	two := post("crm", planner, refund, "authorization", h.access(), "Authorization", h.access())
	if d := h.decide(two); d.Reason != denial.HeaderDuplicated {
		t.Errorf("two headers: %+v", d.Record)
	}
	for _, query := range []string{
		"access_token=x", "a=b&access_token=x", "ACCESS_TOKEN=x", "access%5Ftoken=x", "a;access_token=x", "access_token", "%20access_token=x", "%zz&access_token=",
	} {
		req := post("crm", planner, refund)
		req.Path = "/mcp?" + query
		if d := h.decide(req); d.Reason != denial.TokenInQuery {
			t.Errorf("%s: %+v", query, d.Record)
		}
	}
	for _, path := range []string{"/mcp?access=token", "/mcp/access_token", "/mcp?q=access_token", "/mcp?%zz"} {
		req := post("crm", planner, refund)
		req.Path = path
		if d := h.decide(req); !d.Allowed {
			t.Errorf("%s: %+v", path, d.Record)
		}
	}
}

func TestTwoCredentials(t *testing.T) {
	for _, tt := range []struct {
		rule          authz.BothRule
		authorization func(*house) string
		want          denial.Reason
		issuer        string
	}{
		{authz.BothRefuse, func(h *house) string { return h.access() }, denial.CredentialsAmbiguous, ""},
		{authz.BothRefuse, func(*house) string { return "Basic YWxpY2U6c2VjcmV0" }, denial.CredentialsAmbiguous, ""},
		{authz.BothToken, func(h *house) string { return h.access() }, "", rootIssuer},
		{authz.BothToken, func(*house) string { return "Basic YWxpY2U6c2VjcmV0" }, "", rootIssuer},
		{authz.BothBearer, func(h *house) string { return h.access() }, "", ownRoot},
		{authz.BothBearer, func(*house) string { return "Bearer x" }, denial.TokenMalformed, ""},
		{authz.BothBearer, func(*house) string { return "Basic YWxpY2U6c2VjcmV0" }, denial.AuthorizationScheme, ""},
	} {
		t.Run(tt.rule.String(), func(t *testing.T) {
			h := newHouse(t, takesAccessTokens(func(b *authz.Bearer) { b.Both = tt.rule }))
			d := h.decide(post("crm", planner, refund, "authorization", tt.authorization(h), "txn-token", h.root()))
			if d.Reason != tt.want || d.Allowed != (tt.want == "") {
				t.Fatalf("got %+v", d.Record)
			}
			if d.Allowed && h.policy.asked[0].RootIssuer != tt.issuer {
				t.Errorf("%s vouches, want %s", h.policy.asked[0].RootIssuer, tt.issuer)
			}
			if d.Allowed && !d.Server.ConsumesAuthorization() {
				t.Error("the other credential goes on")
			}
		})
	}
	// One alone is as it was.
	h := newHouse(t, takesAccessTokens())
	if d := h.decide(post("crm", planner, refund, "txn-token", h.root())); !d.Allowed {
		t.Errorf("got %+v", d.Record)
	}
	if d := h.decide(post("crm", planner, refund, "txn-token", "x")); d.Reason != denial.TokenMalformed || d.NeededScope != nil {
		t.Errorf("the holder of a Txn-Token is told %q, %q", d.Reason, d.NeededScope)
	}
}

// needsUser is a policy that lets nobody do anything without a delegation.
func needsUser(q authz.Query) authz.Verdict { return authz.Verdict{Allowed: q.Delegation != nil} }

func TestWithoutAnyCredentialTheClientIsToldToLogIn(t *testing.T) {
	del := strings.ReplaceAll(refund, "refund_case", "delete_case")
	for _, tt := range []struct {
		name, body string
		want       denial.Reason
		scope      []string
	}{
		{"a call", refund, denial.CredentialMissing, []string{"cases.write"}},
		{"a call that only the widest scope grants", del, denial.CredentialMissing, []string{"cases.admin"}},
		{"a call that no scope can name", strings.ReplaceAll(refund, "refund_case", "rückzahlung"), denial.CredentialMissing, []string{"cases.admin"}},
		{"a list", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, denial.CredentialMissing, []string{"cases.read"}},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, denial.CredentialMissing, []string{"cases.read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, takesAccessTokens())
			h.policy.authorize = needsUser
			d := h.decide(post("crm", planner, tt.body))
			if diff := cmp.Diff(tt.scope, d.NeededScope); d.Reason != tt.want || diff != "" {
				t.Errorf("reason %q, scope %s", d.Reason, diff)
			}
			h.policy.authorize = func(authz.Query) authz.Verdict { return authz.Verdict{Forbidden: true, Public: "ask a person"} }
			if d := h.decide(post("crm", planner, tt.body)); d.Reason != tt.want || d.Public != "" {
				t.Errorf("forbidden: %q, %q", d.Reason, d.Public)
			}
			// Somebody is logged in already, or logging in cannot help: the answer of policy stands.
			if d := h.decide(post("crm", planner, tt.body, "txn-token", h.root(func(c *delegation.Claims) { c.Scope = delegation.Scope{"mcp:crm:*"} }))); d.Reason != denial.PolicyForbidden {
				t.Errorf("with a delegation: %q", d.Reason)
			}
		})
	}
	h := newHouse(t, takesAccessTokens())
	h.policy.authorize = needsUser
	if d := h.decide(post("ledger", planner, refund)); d.Reason != denial.PolicyNoPermit {
		t.Errorf("a server without access tokens: %q", d.Reason)
	}
	if d := h.decide(bare("OPTIONS", planner)); d.Reason != denial.PolicyNoPermit {
		t.Errorf("a preflight, which never has a credential: %q", d.Reason)
	}
	if d := h.decide(bare("GET", planner)); d.Reason != denial.CredentialMissing {
		t.Errorf("a stream: %q", d.Reason)
	}
	h.policy.authorize = func(authz.Query) authz.Verdict { return authz.Verdict{Errors: []string{"broken"}} }
	if d := h.decide(post("crm", planner, refund)); d.Reason != denial.PolicyError {
		t.Errorf("policies that err: %q", d.Reason)
	}
}

// The client asks for what the challenge says, and no more.
func TestStepUp(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	d := h.decide(post("crm", planner, refund, "authorization", h.access(with(claims{"scope": "cases.read"}))))
	if diff := cmp.Diff([]string{"cases.write"}, d.NeededScope); d.Reason != denial.ScopeNotGranted || diff != "" {
		t.Fatalf("reason %q, scope %s", d.Reason, diff)
	}
	if d := h.decide(post("crm", planner, refund, "authorization", h.access(with(claims{"scope": "cases.read cases.write"})))); !d.Allowed {
		t.Errorf("after the step: %+v", d.Record)
	}
	// Without a mapping the tool itself is the scope.
	plain := newHouse(t, takesAccessTokens(func(b *authz.Bearer) { b.Scopes, b.InitialScopes = nil, nil }))
	d = plain.decide(post("crm", planner, refund, "authorization", plain.access(with(claims{"scope": nil}))))
	if diff := cmp.Diff([]string{"mcp:crm:refund_case"}, d.NeededScope); d.Reason != denial.ScopeNotGranted || diff != "" {
		t.Fatalf("reason %q, scope %s", d.Reason, diff)
	}
	if d := plain.decide(post("crm", planner, refund, "authorization", plain.access(with(claims{"scope": "mcp:crm:refund_case"})))); !d.Allowed {
		t.Errorf("after the step: %+v", d.Record)
	}
	// A Txn-Token is not a client of the authorization server.
	d = h.decide(post("crm", planner, refund, "txn-token", h.root(func(c *delegation.Claims) { c.Scope = delegation.Scope{"mcp:crm:read_case"} })))
	if diff := cmp.Diff([]string{"mcp:crm:refund_case"}, d.NeededScope); diff != "" {
		t.Error(diff)
	}
}

// A batch needs all of its tools, also those that are granted already: the client may ask for nothing else.
func TestStepUpForABatch(t *testing.T) {
	h := newHouse(t, takesAccessTokens(func(b *authz.Bearer) { b.Scopes = nil }), func(h *house) { h.servers[0].AllowBatch = true })
	batch := `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_case"}},` +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"refund_case"}},` +
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"refund_case"}}]`
	d := h.decide(post("crm", planner, batch, "authorization", h.access(with(claims{"scope": "mcp:crm:read_case"}))))
	if diff := cmp.Diff([]string{"mcp:crm:read_case", "mcp:crm:refund_case"}, d.NeededScope); d.Reason != denial.ScopeNotGranted || diff != "" {
		t.Errorf("reason %q, scope %s", d.Reason, diff)
	}
}

// A scope of our form counts for the server that the token is for. For other servers it is the operator's word.
func TestScopesOfAnAccessToken(t *testing.T) {
	for _, tt := range []struct {
		scope string
		want  delegation.Scope
	}{
		{"openid profile", nil},
		{"cases.read", delegation.Scope{"mcp:crm:read_case"}},
		{"cases.read cases.write cases.read", delegation.Scope{"mcp:crm:read_case", "mcp:crm:refund_case", "mcp:ledger:read_entry"}},
		{"mcp:crm:refund_case", delegation.Scope{"mcp:crm:refund_case"}},
		{"mcp:crm:*", delegation.Scope{"mcp:crm:*"}},
		{"mcp:ledger:post_refund mcp:crm:refund_case", delegation.Scope{"mcp:crm:refund_case"}},
		{"mcp:*:* mcp:crm: mcp:crm mcp:crm:a*b mcp:CRM:refund_case MCP:crm:refund_case", nil},
	} {
		t.Run(tt.scope, func(t *testing.T) {
			h := newHouse(t, takesAccessTokens())
			d := h.decide(post("crm", planner, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "authorization", h.access(with(claims{"scope": tt.scope}))))
			if !d.Allowed {
				t.Fatalf("refused: %+v", d.Record)
			}
			if diff := cmp.Diff(tt.want, h.policy.asked[0].Delegation.Scope); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRevokingWhatAnAccessTokenBegan(t *testing.T) {
	for _, entry := range []string{
		"{jti: at-1, reason: logged out}", "{sub: alice, reason: left}", "{actor: spiffe://acme.example/planner, reason: stolen}",
	} {
		h := newHouse(t, takesAccessTokens())
		h.policy.delegable = delegation.Scope{"mcp:ledger:read_entry"}
		first := h.decide(post("crm", planner, refund, "authorization", h.access()))
		if !first.Allowed {
			t.Fatalf("refused: %+v", first.Record)
		}
		list, err := denyfile.Parse("test", []byte("revocations:\n- "+entry))
		if err != nil {
			t.Fatal(err)
		}
		h.revoked.list = list
		if d := h.decide(post("crm", planner, refund, "authorization", h.access())); d.Reason != denial.Revoked {
			t.Errorf("%s: %+v", entry, d.Record)
		}
		read := strings.ReplaceAll(refund, "refund_case", "read_entry")
		if d := h.decide(post("ledger", crmID.String(), read, "txn-token", first.Token)); d.Reason != denial.Revoked {
			t.Errorf("%s at the next hop: %+v", entry, d.Record)
		}
	}
	h := newHouse(t, takesAccessTokens())
	for what, entry := range map[string]string{
		"signed with a key of the provider that is revoked": "{kid: " + h.providers[idp].KeyID + ", reason: leaked}",
		"issued too long ago":                               "{before: " + noon.Format(time.RFC3339) + ", issuer: " + idp + "}",
	} {
		list, err := denyfile.Parse("test", []byte("revocations:\n- "+entry))
		if err != nil {
			t.Fatal(err)
		}
		h.revoked.list = list
		if d := h.decide(post("crm", planner, refund, "authorization", h.access())); d.Reason != denial.Revoked {
			t.Errorf("%s: %+v", what, d.Record)
		}
	}
}

// Two providers may both have an alice.
func TestSubjectsOfProvidersAreKeptApart(t *testing.T) {
	h := newHouse(t, takesAccessTokens(func(b *authz.Bearer) {
		b.IdentityProviders = append(b.IdentityProviders, otherIDP)
		b.SubjectPrefixes = map[string]string{otherIDP: "globex/"}
	}))
	for iss, want := range map[string]string{idp: "alice", otherIDP: "globex/alice"} {
		d := h.decide(post("crm", planner, refund, "authorization", h.access(with(claims{"iss": iss}))))
		if d.Record.Subject != want {
			t.Errorf("%s: %+v", iss, d.Record)
		}
	}
}

// A client that logs in on demand has a session before it has a user.
func TestSessionsSurviveTheLogin(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	in := func(more ...string) []string { return append([]string{"mcp-session-id", "s1"}, more...) }
	alice := func(change ...func(claims)) []string { return in("authorization", h.access(change...)) }
	bob := with(claims{"sub": "bob", "jti": "at-2"})
	for _, s := range []struct {
		name string
		req  *authz.Request
		want denial.Reason
	}{
		{"before the login", post("crm", planner, list, in()...), ""},
		{"somebody else with a user", post("crm", intern, list, alice()...), denial.SessionForeign},
		{"somebody with a Txn-Token", post("crm", planner, list, in("txn-token", h.root())...), denial.SessionForeign},
		{"alice has logged in", post("crm", planner, list, alice()...), ""},
		{"and goes on", post("crm", planner, list, alice()...), ""},
		{"with a new token", post("crm", planner, list, alice(with(claims{"jti": "at-3", "scope": "cases.admin"}))...), ""},
		{"bob at the same workload", post("crm", planner, list, alice(bob)...), denial.SessionForeign},
		{"without a user again", post("crm", planner, list, in()...), denial.SessionForeign},
	} {
		if d := h.decide(s.req); d.Reason != s.want {
			t.Errorf("%s: reason %q, want %q (%s)", s.name, d.Reason, s.want, d.Record.Detail)
		}
	}
}

type brokenRoots struct{ err error }

func (b brokenRoots) Begin(delegation.Claims, time.Time) (string, error) { return "not a token", b.err }

func TestOurOwnFailuresAreNotTheClients(t *testing.T) {
	for _, tt := range []struct {
		name  string
		roots authz.Roots
		want  denial.Reason
	}{
		{"signing fails", brokenRoots{errors.New("no entropy")}, denial.SigningFailed},
		{"what was signed is no root", brokenRoots{}, denial.Internal},
		{"a refusal stands", brokenRoots{denial.New(denial.TokenClaims, "no")}, denial.TokenClaims},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, takesAccessTokens(), func(h *house) { h.roots = tt.roots })
			if d := h.decide(post("crm", planner, refund, "authorization", h.access())); d.Reason != tt.want {
				t.Errorf("got %+v", d.Record)
			}
		})
	}
	h := newHouse(t, takesAccessTokens(), func(h *house) { delete(h.keys, ownRoot) })
	if d := h.decide(post("crm", planner, refund, "authorization", h.access())); d.Reason != denial.Internal {
		t.Errorf("a root that nobody trusts: %+v", d.Record)
	}
}

// The life of a delegation ends with the access token, and no second later.
func TestADelegationEndsWithItsAccessToken(t *testing.T) {
	h := newHouse(t, takesAccessTokens())
	access := h.access(with(claims{"exp": h.now.Add(30 * time.Second).Unix()}))
	d := h.decide(post("crm", planner, refund, "authorization", access))
	if want := noon.Add(30 * time.Second); !d.Allowed || !d.Expires.Equal(want) {
		t.Errorf("expires %s, want %s: %+v", d.Expires, want, d.Record)
	}
	h.now = h.now.Add(30*time.Second - time.Millisecond)
	if d := h.decide(post("crm", planner, refund, "authorization", access)); !d.Allowed {
		t.Errorf("in its last moment: %+v", d.Record)
	}
	h.now = h.now.Add(time.Millisecond)
	if d := h.decide(post("crm", planner, refund, "authorization", access)); d.Reason != denial.TokenExpired {
		t.Errorf("got %+v", d.Record)
	}
}

// Whatever is in Authorization: there is a user only if it is a token of the provider.
func FuzzAuthorization(f *testing.F) {
	h := newHouse(f, takesAccessTokens())
	h.policy.authorize = needsUser
	good := h.access()
	for _, seed := range []string{good, strings.ToLower(good), good + " ", "Basic x", "Bearer ", "bearer\t" + good, "", "Bearer " + h.root(), "Bearer a.b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d := h.authorizer.Decide(t.Context(), post("crm", planner, refund, "authorization", value))
		scheme, token, _ := strings.Cut(strings.Trim(value, " \t"), " ")
		isGood := strings.EqualFold(scheme, "bearer") && strings.TrimLeft(token, " ") == strings.TrimPrefix(good, "Bearer ")
		if d.Allowed != isGood {
			t.Errorf("%q: allowed %t (%s)", value, d.Allowed, d.Record.Detail)
		}
		if !d.Allowed && d.Reason.Class() != denial.ClassCredential && d.Reason.Class() != denial.ClassMalformed {
			t.Errorf("%q: reason %q", value, d.Reason)
		}
	})
}

var _ authz.Users = (*oauth.Verifier)(nil)
