package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/e2e/provider"
	"countersign.dev/e2e/stage"
)

// A stock MCP client, which knows the URL of the crm and nothing else, finds out where to log in, does, calls, and steps
// up when a tool needs more.
func TestAStockClientLogsInAndStepsUp(t *testing.T) {
	st := raise(t, stage.Options{UpstreamTLS: true, Login: true})
	// Whose task it is nobody knows after a login. The ledger takes that.
	if err := st.EditPolicy(t.Context(), "ledger.cedar", `purpose == "refund-review"`, `purpose == "unspecified"`); err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		t.Run("MCP "+version, func(t *testing.T) { logInAndStepUp(t, st, version) })
	}
}

func logInAndStepUp(t *testing.T, st *stage.Stage, version string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	before := len(st.Provider.Asked())
	asked := func() []string { return st.Provider.Asked()[before:] }
	reached, records := watch(t, st, "crm"), decided(t, st)
	session := connectStockClient(ctx, t, st, version)
	// Policy lets every workload shake hands: nobody had to log in so far.
	if got := asked(); len(got) != 0 {
		t.Errorf("asked for %q before it was needed", got)
	}
	for _, step := range []struct {
		tool      string
		arguments map[string]any
		asked     string // the scopes that the user is asked for now, empty for no question
	}{
		{"read_case", map[string]any{"case_id": "4711"}, "cases.read"},
		{"read_case", map[string]any{"case_id": "4712"}, ""},
		{"refund_case", map[string]any{"case_id": "4711", "max_amount": 120}, "cases.read cases.refund"},
		{"attach_note", map[string]any{"case_id": "4711", "text": "x"}, "cases.read cases.refund mcp:crm:attach_note"},
		{"read_case", map[string]any{"case_id": "4711"}, ""},
	} {
		questions := len(asked())
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: step.tool, Arguments: step.arguments})
		if err != nil || result.IsError {
			t.Fatalf("%s: %+v, %v", step.tool, result, err)
		}
		got := strings.Join(asked()[questions:], "; ")
		if diff := cmp.Diff(sorted(step.asked), sorted(got)); diff != "" {
			t.Errorf("%s: the user was asked for %q, want %q", step.tool, got, step.asked)
		}
	}
	// Policy has the last word also over what the user approved, and the client lives on.
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{
		Name: "refund_case", Arguments: map[string]any{"case_id": "4711", "max_amount": 501},
	}); err == nil || !strings.Contains(err.Error(), "refunds of more than 500 EUR need a supervisor") {
		t.Errorf("a refund over the limit: %v", err)
	}
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "read_case", Arguments: map[string]any{"case_id": "4711"}}); err != nil {
		t.Errorf("after a refusal: %v", err)
	}

	for _, request := range reached() {
		if request.Refused != "" {
			t.Errorf("the server did not take %s", request)
		}
		if values := request.Header["Authorization"]; len(values) > 0 {
			t.Errorf("the server got Authorization: %d fields", len(values))
		}
	}
	var reasons []string
	for _, r := range records() {
		if r.Decision == "deny" {
			reasons = append(reasons, r.Reason)
		}
		if r.Tool != "" && r.Decision == "allow" && r.Server == "crm" && (r.Subject != "alice" || r.Peer != stage.ID("planner")) {
			t.Errorf("recorded %+v", r)
		}
	}
	want := []string{"credential_missing", "scope_not_granted", "scope_not_granted", "policy_forbidden"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("refused: %s", diff)
	}
}

// Where nothing at all is permitted without a user, the first message already has the client log in.
func TestAStockClientLogsInAtOnce(t *testing.T) {
	st := raise(t, stage.Options{Login: true})
	if err := st.EditPolicy(t.Context(), "handshake.cedar", ");", ")\nwhen { context has delegation };"); err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		t.Run("MCP "+version, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			before := len(st.Provider.Asked())
			session := connectStockClient(ctx, t, st, version)
			if got := st.Provider.Asked()[before:]; !slices.Equal(got, []string{"cases.read"}) {
				t.Errorf("the user was asked for %q", got)
			}
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("being asked to log in made it speak %s", got)
			}
			if _, err := session.ListTools(ctx, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// connectStockClient is an MCP client that knows the URL of the crm and nothing else.
func connectStockClient(ctx context.Context, t *testing.T, st *stage.Stage, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "desk", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: st.URLs["crm"], HTTPClient: clientAs(t, st, st.SVIDs["planner"], "1.1"),
		OAuthHandler: oauthHandler(t, st, "planner"), MaxRetries: -1,
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func sorted(scopes string) []string { return slices.Sorted(slices.Values(strings.Fields(scopes))) }

// oauthHandler is the SDK's own OAuth client, with a user who approves in the browser.
func oauthHandler(t *testing.T, st *stage.Stage, workload string) auth.OAuthHandler {
	t.Helper()
	browser, err := st.Browser(workload)
	if err != nil {
		t.Fatal(err)
	}
	const redirect = "http://127.0.0.1:1/callback" // nobody listens there: the test reads the redirect itself
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: "desk", RedirectURIs: []string{redirect}},
		},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			return approve(ctx, browser, args.URL)
		},
		Client: browser,
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// approve opens a URL as a browser does whose user is logged in.
func approve(ctx context.Context, browser *http.Client, address string) (*auth.AuthorizationResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", resp.Status, err)
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}

// Access tokens in the wrong place, of the wrong kind, or in the wrong hands.
func TestAccessTokenAttacks(t *testing.T) {
	for _, form := range []struct {
		name    string
		options stage.Options
	}{
		{"header fields one by one", stage.Options{Login: true}},
		{"header fields joined", stage.Options{Login: true, JoinedHeaders: true}},
	} {
		t.Run(form.name, func(t *testing.T) { attackWithAccessTokens(t, raise(t, form.options)) })
	}
}

func attackWithAccessTokens(t *testing.T, st *stage.Stage) {
	crm, ledger := st.URLs["crm"], st.URLs["ledger"]
	issue := func(c provider.Claims) string {
		t.Helper()
		if c.Client == "" {
			c.Client = "desk"
		}
		if c.Scope == "" {
			c.Scope = "cases.read"
		}
		token, err := st.Provider.Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := issue(provider.Claims{Audience: crm})
	stranger, err := provider.Start(t.Context(), certificateOf(t, st, "intern"), "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	foreign, err := stranger.Issue(provider.Claims{Client: "desk", Audience: crm, Scope: "cases.read"})
	if err != nil {
		t.Fatal(err)
	}
	header, rest, _ := strings.Cut(good, ".")
	payload, _, _ := strings.Cut(rest, ".")

	for _, c := range []struct {
		name   string
		change func(*rawCall)
		status int
		reason denial.Reason // of the record; empty when it is allowed
	}{
		{"a good one", func(*rawCall) {}, 200, ""},
		{"the scheme in lower case", func(r *rawCall) { r.header.Set("Authorization", "bearer "+good) }, 200, ""},
		{"none", func(r *rawCall) { r.header.Del("Authorization") }, 401, denial.CredentialMissing},
		{"for another resource", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: ledger}))
		}, 401, denial.TokenAudience},
		{"for two resources", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: []string{crm, ledger}}))
		}, 401, denial.TokenAudience},
		{"expired", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: crm, Expires: time.Now().Add(-time.Second)}))
		}, 401, denial.TokenExpired},
		{"of another provider", func(r *rawCall) { r.header.Set("Authorization", "Bearer "+foreign) }, 401, denial.TokenUnknownIssuer},
		{"without a signature", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+header+"."+payload+".")
		}, 401, denial.TokenMalformed},
		{"with too little scope", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: crm, Scope: "openid"}))
		}, 403, denial.ScopeNotGranted},
		{"of another client by SPIFFE ID", func(r *rawCall) {
			r.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: crm, Client: stage.ID("intern")}))
		}, 401, denial.TokenHolder},
		{"a password", func(r *rawCall) { r.header.Set("Authorization", "Basic YWxpY2U6c2VjcmV0") }, 401, denial.AuthorizationScheme},
		{"another scheme", func(r *rawCall) { r.header.Set("Authorization", "DPoP "+good) }, 401, denial.AuthorizationScheme},
		{"in the URL", func(r *rawCall) {
			r.header.Del("Authorization")
			r.url += "?access_token=" + url.QueryEscape(good)
		}, 400, denial.TokenInQuery},
		{"in the URL too", func(r *rawCall) { r.url += "?access_token=x" }, 400, denial.TokenInQuery},
		{"beside a Txn-Token", func(r *rawCall) { r.header.Set("Txn-Token", grant(t, st)) }, 400, denial.CredentialsAmbiguous},
		{"as a Txn-Token", func(r *rawCall) {
			r.header.Del("Authorization")
			r.header.Set("Txn-Token", good)
		}, 401, denial.TokenMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached, records := watch(t, st, "crm"), decided(t, st)
			call := readCase(client(t, st, "planner", "1.1"), st, "")
			call.header.Set("Authorization", "Bearer "+good)
			c.change(&call)
			got := call.must(t)
			if got.status != c.status || got.succeeded() != (c.reason == "") {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.status)
			}
			if r := records(); len(r) != 1 || r[0].Reason != string(c.reason) {
				t.Errorf("got records %+v, want one with reason %q", r, c.reason)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (got.status == 401 || got.status == 403) &&
				(!strings.Contains(challenge, `resource_metadata="`+wellKnown(crm)+`"`)) {
				t.Errorf("challenge %q", challenge)
			}
			arrived := reached()
			if c.reason != "" {
				if len(arrived) != 0 {
					t.Errorf("reached the server: %v", arrived)
				}
				return
			}
			if len(arrived) != 1 || arrived[0].Refused != "" || arrived[0].Header["Authorization"] != nil {
				t.Fatalf("reached the server: %v", arrived)
			}
			everything, err := json.Marshal(arrived[0])
			if err != nil {
				t.Fatal(err)
			}
			token := arrived[0].Header["Txn-Token"][0]
			for text := string(everything); token != ""; {
				inner, err := delegation.Parse(token)
				if err != nil {
					t.Fatal(err)
				}
				if text += string(inner.Payload); strings.Contains(text, payload) {
					t.Error("the server got the access token")
				}
				token = inner.Claims.Root
			}
		})
	}

	t.Run("two headers", func(t *testing.T) {
		reached := watch(t, st, "crm")
		call := readCase(client(t, st, "planner", "1.1"), st, "")
		call.header["Authorization"] = []string{"Bearer " + good, "Bearer " + good}
		// Envoy joins the two also where it hands over header fields one by one, and what comes out is no token.
		if got := call.must(t); got.status != http.StatusBadRequest && got.status != http.StatusUnauthorized {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if arrived := reached(); len(arrived) != 0 {
			t.Errorf("reached the server: %v", arrived)
		}
	})
	// A server that takes no access tokens does not look at one.
	t.Run("at another server", func(t *testing.T) {
		body := toolCall("read_entry", map[string]any{"case_id": "4711"})
		call := rawCall{
			client: client(t, st, "planner", "1.1"), url: ledger, header: callHeader("read_entry", ""),
			body: bytes.NewReader(body), length: int64(len(body)),
		}
		call.header.Set("Authorization", "Bearer "+issue(provider.Claims{Audience: ledger}))
		if got := call.must(t); got.reason() != string(denial.PolicyNoPermit) || got.header.Get("WWW-Authenticate") != "" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

// wellKnown is where the metadata document of a resource is.
func wellKnown(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		panic(err) // only of a mistake in a test
	}
	u.Path = "/.well-known/oauth-protected-resource" + u.Path
	return u.String()
}

// The document is served through Envoy and on the admin listener, and nothing beside it.
func TestResourceMetadata(t *testing.T) {
	st := raise(t, stage.Options{Login: true})
	crm := st.URLs["crm"]
	overEachHTTP(t, func(t *testing.T, version string) {
		envoy := client(t, st, "intern", version)
		got := rawCall{client: envoy, method: http.MethodGet, url: wellKnown(crm), header: http.Header{}}.must(t)
		var document struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Scopes   []string `json:"scopes_supported"`
		}
		if err := json.Unmarshal([]byte(got.body), &document); err != nil || got.status != http.StatusOK ||
			got.header.Get("Content-Type") != "application/json" || document.Resource != crm ||
			!slices.Equal(document.Servers, []string{st.Provider.Issuer}) || !slices.Equal(document.Scopes, []string{"cases.read"}) {
			t.Fatalf("got %d %v %s", got.status, got.header, got.body)
		}
		for name, call := range map[string]rawCall{
			"another path":   {method: http.MethodGet, url: wellKnown(crm) + "/x"},
			"no path":        {method: http.MethodGet, url: strings.TrimSuffix(wellKnown(crm), "/mcp")},
			"a query":        {method: http.MethodGet, url: wellKnown(crm) + "?x=1"},
			"another method": {method: http.MethodPost, url: wellKnown(crm)},
			"another server": {method: http.MethodGet, url: wellKnown(st.URLs["ledger"])},
		} {
			call.client, call.header = envoy, http.Header{}
			if got := call.must(t); got.status < 400 || strings.Contains(got.body, "authorization_servers") {
				t.Errorf("%s: got %d %s", name, got.status, got.body)
			}
		}
	})
	resource, err := url.Parse(crm)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{resource.Host: http.StatusOK, "elsewhere.example": http.StatusNotFound} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, st.AdminURL+"/.well-known/oauth-protected-resource/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("the admin listener answers %d for %s, want %d", resp.StatusCode, host, want)
		}
	}
}

// A backend that verifies nothing is told in plain header fields, and by nobody else.
func TestPlainHeaders(t *testing.T) {
	st := raise(t, stage.Options{Login: true, PlainHeaders: true})
	token, err := st.Provider.Issue(provider.Claims{Client: "desk", Audience: st.URLs["crm"], Scope: "cases.read"})
	if err != nil {
		t.Fatal(err)
	}
	for name, credential := range map[string]func(http.Header){
		"Txn-Token":    func(h http.Header) { h.Set("Txn-Token", grant(t, st)) },
		"access token": func(h http.Header) { h.Set("Authorization", "Bearer "+token) },
	} {
		t.Run(name, func(t *testing.T) {
			reached := watch(t, st, "crm")
			call := readCase(client(t, st, "planner", "2"), st, "")
			credential(call.header)
			call.header["X-Countersign-Subject"] = []string{"root", "admin"}
			call.header["X-Countersign-Admin"] = []string{"true"}
			if got := call.must(t); !got.succeeded() {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			arrived := reached()[0].Header
			if !slices.Equal(arrived["X-Countersign-Subject"], []string{"alice"}) ||
				!slices.Equal(arrived["X-Countersign-Actor"], []string{stage.ID("planner")}) ||
				len(arrived["X-Countersign-Task"]) != 1 || len(arrived["X-Countersign-Expires"]) != 1 || arrived["X-Countersign-Admin"] != nil {
				t.Errorf("the server got %q", arrived)
			}
		})
	}
}

// certificateOf is the certificate of a workload, for a server of the test's own.
func certificateOf(t *testing.T, st *stage.Stage, workload string) tls.Certificate {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(st.SVIDs[workload].Certificate, st.SVIDs[workload].Key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
