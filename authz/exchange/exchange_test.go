package exchange_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
	"countersign.dev/authz/trust"
)

func TestATokenForATask(t *testing.T) {
	h := newHouse(t)
	form := h.form(
		"subject_token", h.access(claims{"acr": "urn:acme:mfa", "amr": []string{"pwd", "hwk"}, "auth_time": noon.Add(-time.Minute).Unix()}),
		"scope", "mcp:crm:refund_case mcp:ledger:post_refund mcp:ledger:read_entry",
		"request_details", `{"task":"case-4711","purpose":"refund-review","task_exp":1795611600,
			"intent_s256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
			"authorization_details":[{"type":"mcp_tools","server":"crm","tools":{"refund_case":{"amount":{"type":"range","max":500}}}}]}`,
		"request_context", `{"req_ip":"198.51.100.1"}`, "unknown", "ignored", "client_id", planner)
	out := h.decide(form)
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	if diff := cmp.Diff(delegation.Scope{"mcp:ledger:post_refund"}, out.Dropped); diff != "" || out.Lifetime != 15*time.Minute {
		t.Errorf("%s, life %s", diff, out.Lifetime)
	}
	got, err := h.verify(out.Token, planner)
	if err != nil {
		t.Fatal(err)
	}
	want := delegation.Claims{
		Issuer: issuer, Audience: "acme.example", Subject: "alice", SubjectProfile: "user", RequestingWorkload: planner,
		IssuedAt: noon, Expiry: noon.Add(15 * time.Minute),
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner, SubjectProfile: "ai_agent"},
		Scope: delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry"},
		Task: delegation.Task{Task: "case-4711", Purpose: "refund-review", IntentHash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
			Expiry: time.Unix(1795611600, 0).UTC()},
		Request: delegation.RequestContext{
			IP: []byte(`"192.0.2.7"`), Authentication: []byte(`["pwd","hwk"]`), AuthenticationClass: []byte(`"urn:acme:mfa"`),
			AuthenticationTime: []byte("1795607940"),
		},
		MaxDepth: 3,
	}
	ignore := cmpopts.IgnoreFields(delegation.Claims{}, "ID", "Txn", "Details", "Task.Raw")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Error(diff)
	}
	if len(got.Details) != 1 || got.Details[0].Server != "crm" || len(got.ID) < 26 || len(got.Txn) < 26 || got.ID == got.Txn {
		t.Errorf("details %v, jti %q, txn %q", got.Details, got.ID, got.Txn)
	}
	if _, err := h.verify(out.Token, intern); denial.ReasonOf(err) != denial.TokenHolder {
		t.Errorf("somebody else presents it: %v", err)
	}
	h.checkQuestion(got)
}

// checkQuestion makes sure that policy was asked about the very delegation that came out of it.
func (h *house) checkQuestion(got delegation.Claims) {
	h.t.Helper()
	q := h.policy.asked[0]
	if len(h.policy.asked) != 1 || h.policy.by[0].String() != planner || q.Peer.ID.String() != planner {
		h.t.Errorf("asked %d times, about %v", len(h.policy.asked), h.policy.by)
	}
	if q.Call.Method != exchange.Method || q.RootIssuer != issuer || q.HTTP.SourceIP.String() != "192.0.2.7" || q.HTTP.Path != "/token" {
		h.t.Errorf("asked with %+v", q)
	}
	asked := *q.Delegation
	asked.Scope = got.Scope
	if diff := cmp.Diff(asked, got, cmpopts.IgnoreFields(delegation.Claims{}, "Details", "Task.Raw")); diff != "" {
		h.t.Error(diff)
	}
}

func TestTheRecord(t *testing.T) {
	h := newHouse(t)
	out := h.decide(h.form("scope", "mcp:crm:refund_case mcp:crm:delete_all"))
	denied := h.decide(h.form("scope", "mcp:crm:delete_all"))
	got, err := h.verify(out.Token, planner)
	if err != nil {
		t.Fatal(err)
	}
	want := []audit.Record{
		{
			Time: noon, Decision: "allow", DecisionID: out.ID, Peer: planner, Subject: "alice", Actors: []string{planner},
			Task: "case-4711", Purpose: "refund-review", Txn: got.Txn, JTI: "at-1", TokenJTI: got.ID, Expires: got.Expiry,
			Method: "token/exchange", Targets: []string{"mcp:crm:refund_case"}, Revision: "rev-1",
			Detail: "user of https://login.acme.example by at+jwt; dropped mcp:crm:delete_all",
		},
		{
			Time: noon, Decision: "deny", Reason: "policy_no_permit", DecisionID: denied.ID, Peer: planner, Subject: "alice",
			Actors: []string{planner}, Task: "case-4711", Purpose: "refund-review", JTI: "at-1", Method: "token/exchange",
			Targets: []string{"mcp:crm:delete_all"}, Revision: "rev-1", Detail: "nothing is granted of mcp:crm:delete_all",
		},
	}
	ignore := cmpopts.IgnoreFields(audit.Record{}, "ParentHash")
	if diff := cmp.Diff(want, h.recorder.records, ignore); diff != "" {
		t.Error(diff)
	}
	if h.recorder.records[0].ParentHash == "" || h.recorder.records[0].Txn != got.Txn {
		t.Errorf("record %+v", h.recorder.records[0])
	}
	if diff := cmp.Diff(out.Record, h.recorder.records[0]); diff != "" {
		t.Error(diff)
	}
}

func TestIDTokensAndTokensByTyp(t *testing.T) {
	h := newHouse(t)
	for name, form := range map[string][]string{
		"an ID token":            {"subject_token", h.id(), "subject_token_type", exchange.TypeIDToken},
		"an ID token as jwt":     {"subject_token", h.id(), "subject_token_type", exchange.TypeJWT},
		"an access token as jwt": {"subject_token_type", exchange.TypeJWT},
	} {
		if out := h.decide(h.form(form...)); out.Err != nil || len(out.Dropped) > 0 {
			t.Errorf("%s: %v, dropped %v", name, out.Err, out.Dropped)
		}
	}
}

// Nothing outlives what it comes from.
func TestLife(t *testing.T) {
	h := newHouse(t)
	for name, test := range map[string]struct {
		form []string
		want time.Duration
	}{
		"the endpoint's limit": {nil, 15 * time.Minute},
		"the user's token":     {[]string{"subject_token", h.access(claims{"exp": noon.Add(90 * time.Second).Unix()})}, 90 * time.Second},
		"the task":             {[]string{"request_details", `{"task":"t","purpose":"p","task_exp":1795608060}`}, time.Minute},
		"a task far away":      {[]string{"request_details", `{"task":"t","purpose":"p","task_exp":253402300799}`}, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			out := h.decide(h.form(test.form...))
			if out.Err != nil || out.Lifetime != test.want {
				t.Fatalf("life %s, want %s: %v", out.Lifetime, test.want, out.Err)
			}
			got, err := h.verify(out.Token, planner)
			if err != nil || got.Expiry.After(got.Task.Expiry) || got.Expiry.Sub(noon) != test.want {
				t.Errorf("exp %s, task_exp %s: %v", got.Expiry, got.Task.Expiry, err)
			}
		})
	}
	h.now = noon.Add(500 * time.Millisecond)
	out := h.decide(h.form())
	if got, err := h.verify(out.Token, planner); err != nil || !got.IssuedAt.Equal(noon) || got.Expiry.Sub(noon) != 15*time.Minute {
		t.Errorf("between two seconds: %+v, %v", got, err)
	}
}

func TestUsersOfSeveralProvidersAreApart(t *testing.T) {
	h := newHouse(t, func(h *house) {
		h.config.Prefixes = map[string]string{idp: "acme:", "https://login.other.example": "other:"}
	})
	out := h.decide(h.form())
	if got, err := h.verify(out.Token, planner); err != nil || got.Subject != "acme:alice" {
		t.Errorf("subject %q, %v", got.Subject, err)
	}
	h = newHouse(t, func(h *house) { h.config.Prefixes = map[string]string{"https://login.other.example": ""} })
	if out := h.decide(h.form()); out.Reason != denial.TokenUnknownIssuer {
		t.Errorf("a provider whose users are not exchanged: %v", out.Err)
	}
	h = newHouse(t, func(h *house) { h.config.Prefixes = map[string]string{idp: strings.Repeat("x", 252)} })
	if out := h.decide(h.form()); out.Reason != denial.TokenClaims {
		t.Errorf("a subject that is too long: %v", out.Err)
	}
}

// Policy is asked about our users by the prefix of our root tokens, and none of them has the name of another issuer's.
func TestOurUsersAreApartFromOtherRootIssuers(t *testing.T) {
	h := newHouse(t, func(h *house) { h.config.SubjectPrefix = "desk:" })
	out := h.decide(h.form())
	if q := h.policy.asked[0]; out.Token == "" || q.SubjectPrefix != "desk:" || q.Delegation.Subject != "alice" {
		t.Errorf("policy was asked about %q and %q: %v", q.SubjectPrefix, q.Delegation.Subject, out.Err)
	}
	h = newHouse(t, func(h *house) {
		h.config.ReservedPrefixes, h.config.Prefixes = []string{"partner:"}, map[string]string{idp: "partner:"}
	})
	if out := h.decide(h.form()); out.Reason != denial.TokenClaims || len(h.policy.asked) != 0 {
		t.Errorf("a subject like a partner's: %v", out.Err)
	}
}

// Whoever has stolen a key that countersigns has not got one that begins: the same claims are refused.
func TestAStolenHopKeyBeginsNothing(t *testing.T) {
	h := newHouse(t)
	out := h.decide(h.form())
	genuine, err := h.verify(out.Token, planner)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := delegation.Mint(genuine, h.hopKeys.Current())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.verify(forged, planner); denial.ReasonOf(err) != denial.TokenUnknownKey {
		t.Errorf("a root signed with a hop key: %v", err)
	}
}

// A user's token that is bound to this very certificate begins a delegation that is bound to it too.
func TestABoundTokenStaysBound(t *testing.T) {
	h := newHouse(t)
	out := h.decide(h.form("subject_token", h.access(claims{"cnf": claims{"x5t#S256": hashOf(h.cert)}})))
	got, err := h.verify(out.Token, planner)
	if err != nil || got.CertificateHash != hashOf(h.cert) {
		t.Errorf("bound to %q: %v, %v", got.CertificateHash, err, out.Err)
	}
	out = h.decide(h.form("subject_token", h.access(claims{"may_act": claims{"sub": planner, "iss": "spiffe://acme.example"}})))
	if out.Err != nil {
		t.Errorf("may_act names us: %v", out.Err)
	}
}

// A user's token that speaks of tools limits what can be asked for; other scopes are about other things.
func TestTheScopeOfTheUsersToken(t *testing.T) {
	h := newHouse(t)
	for name, test := range map[string]struct {
		scope string
		want  delegation.Scope
	}{
		"speaks of other things": {"openid profile", delegation.Scope{"mcp:crm:refund_case", "mcp:ledger:read_entry"}},
		"speaks of one tool":     {"openid mcp:crm:refund_case", delegation.Scope{"mcp:crm:refund_case"}},
		"speaks of all of one":   {"mcp:ledger:*", delegation.Scope{"mcp:ledger:read_entry"}},
	} {
		out := h.decide(h.form("subject_token", h.access(claims{"scope": test.scope})))
		if diff := cmp.Diff(test.want, out.Scope); diff != "" || out.Err != nil {
			t.Errorf("%s: %s %v", name, diff, out.Err)
		}
	}
	out := h.decide(h.form("subject_token", h.access(claims{"scope": "mcp:crm:get_case"})))
	if out.Reason != denial.PolicyNoPermit {
		t.Errorf("asked for another tool than the user's token has: %v", out.Err)
	}
	out = h.decide(h.form("subject_token", h.access(claims{"scope": "mcp:crm"})))
	if out.Reason != denial.TokenClaims {
		t.Errorf("a scope that cannot be read: %v", out.Err)
	}
}

func TestWildcards(t *testing.T) {
	h := newHouse(t, func(h *house) { h.policy.instead = delegation.Scope{"mcp:crm:get_case", "mcp:crm:refund_case"} })
	out := h.decide(h.form("scope", "mcp:crm:*"))
	if out.Err != nil || out.Scope.String() != "mcp:crm:get_case mcp:crm:refund_case" || out.Dropped.String() != "mcp:crm:*" {
		t.Errorf("granted %s, dropped %s: %v", out.Scope, out.Dropped, out.Err)
	}
	for range delegation.MaxScope {
		h.policy.instead = append(h.policy.instead, "mcp:crm:x")
	}
	if out := h.decide(h.form("scope", "mcp:crm:*")); out.Reason != denial.ExchangeScope {
		t.Errorf("too many tools: %v", out.Err)
	}
}

func TestWhatIsRevoked(t *testing.T) {
	for name, set := range map[string]func(*denyList, *house){
		"the agent":          func(d *denyList, _ *house) { d.actor = planner },
		"the user":           func(d *denyList, _ *house) { d.subject = "alice" },
		"the task":           func(d *denyList, _ *house) { d.task = "case-4711" },
		"the user's token":   func(d *denyList, _ *house) { d.jti = "at-1" },
		"the provider's key": func(d *denyList, h *house) { d.kid = h.idpKey.KeyID },
		"all before":         func(d *denyList, _ *house) { d.before = noon.Add(time.Second) },
	} {
		h := newHouse(t)
		set(h.revoked, h)
		if out := h.decide(h.form()); out.Reason != denial.Revoked || out.Token != "" {
			t.Errorf("%s: %v", name, out.Err)
		}
	}
	h := newHouse(t)
	h.revoked.err = errors.New("unreachable")
	if out := h.decide(h.form()); out.Reason != denial.RevocationUnknown {
		t.Errorf("nobody knows: %v", out.Err)
	}
}

// Whatever fails on our side, there is no token.
func TestOurOwnFailures(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*house)
		want   denial.Reason
	}{
		"no policies yet":     {func(h *house) { h.policy.missing = true }, denial.PolicyUnavailable},
		"policy errs":         {func(h *house) { h.policy.err = errors.New("type error") }, denial.PolicyError},
		"policy panics":       {func(h *house) { h.policy.panics = true }, denial.Panicked},
		"no record":           {func(h *house) { h.recorder.err = errors.New("disk full") }, denial.AuditFailed},
		"no key may sign yet": {func(h *house) { h.config.Keys = noKey{h.keys} }, denial.SigningFailed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, test.change)
			out := h.decide(h.form())
			if out.Reason != test.want || out.Token != "" || len(h.recorder.records) != 1 {
				t.Errorf("%v, %d records", out.Err, len(h.recorder.records))
			}
		})
	}
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := h.exchange.Decide(ctx, h.request(h.form().Encode())); out.Reason != denial.Cancelled || out.Token != "" {
		t.Errorf("the caller hung up: %v", out.Err)
	}
}

type noKey struct{ *trust.SigningKeys }

func (noKey) Current() jose.JSONWebKey { return jose.JSONWebKey{} }

func TestConfigurationErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*exchange.Config)
		want   string
	}{
		"issuer over http":      {func(c *exchange.Config) { c.Issuer = "http://tts.acme.example" }, "not an https URL"},
		"issuer is a SPIFFE ID": {func(c *exchange.Config) { c.Issuer = planner }, "not an https URL"},
		"issuer with a query":   {func(c *exchange.Config) { c.Issuer += "?x" }, "not an https URL"},
		"issuer with //":        {func(c *exchange.Config) { c.Issuer += "/a//b" }, "shortest form"},
		"issuer with a pattern": {func(c *exchange.Config) { c.Issuer += "/%7Bx%7D" }, ""},
		"no trust domain":       {func(c *exchange.Config) { c.TrustDomain = "" }, "trust domain"},
		"a long life":           {func(c *exchange.Config) { c.TTL = 2 * time.Hour }, "must be from 1s"},
		"a short life":          {func(c *exchange.Config) { c.TTL = time.Millisecond }, "must be from 1s"},
		"too deep":              {func(c *exchange.Config) { c.MaxDepth = 9 }, "greatest depth"},
		"nobody to ask":         {func(c *exchange.Config) { c.Policies = nil }, "is not set"},
		"no provider":           {func(c *exchange.Config) { c.Prefixes = nil }, "no identity provider"},
		"two without a prefix":  {func(c *exchange.Config) { c.Prefixes = map[string]string{"a": "", "b": ""} }, "same subject"},
		"one begins the other":  {func(c *exchange.Config) { c.Prefixes = map[string]string{"a": "x", "b": "xy"} }, "same subject"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newHouse(t).config
			test.change(&c)
			e, err := exchange.New(c)
			if test.want == "" {
				if err != nil || e.Handler() == nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	c := newHouse(t).config
	c.Clock = nil
	e, err := exchange.New(c)
	if err != nil || e.TTL != exchange.DefaultTTL || e.Audience != issuer || time.Since(e.Clock()) > time.Minute {
		t.Errorf("defaults %+v, %v", e, err)
	}
}
