package envoy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
)

const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1LTg4MjEifQ.c2lnbmF0dXJl" // #nosec G101 -- not a credential

func allowed() authz.Decision {
	return authz.Decision{
		ID: "DECISION", Allowed: true, Token: token, Server: &authz.Server{Name: "crm"},
		Record: audit.Record{
			Server: "crm", Method: "tools/call", Tool: "refund_case", Peer: "spiffe://acme.example/planner",
			Subject: "u-8821", Task: "case-4711", Txn: "97053963", PolicyIDs: []string{"crm.refunds"}, Revision: "ps-9c2e",
			Expires: time.Unix(1795305665, 0),
		},
	}
}

func TestAllowedRequestCarriesOurTokenAndNoneOfTheCallersClaims(t *testing.T) {
	in := rawRequest("POST",
		rawField{"txn-token", "the caller's"}, rawField{"txn-token", "and another"}, rawField{"txn_token", "for CGI"},
		rawField{"authorization", "Bearer secret"}, rawField{"delegation-chain", "x"},
		rawField{"x-forwarded-client-cert", "URI=spiffe://acme.example/ledger"},
		rawField{"X-Countersign-Subject", "root"}, rawField{"x-countersign-subject", "admin"}, rawField{"x_countersign_task", "any"},
		rawField{"x-envoy-auth-failure-mode-allowed", "true"}, rawField{"mcp-method", "tools/call"},
	)
	strip := allowed()
	strip.Server = &authz.Server{Name: "crm", StripAuthorization: true}
	golden(t, "allowed.golden", "== authorization is kept\n"+render(check(t, always(allowed()), in))+
		"== authorization is stripped\n"+render(check(t, always(strip), in)))
}

func TestAllowedThatLacksSomethingIsAFailure(t *testing.T) {
	plain := rawRequest("POST")
	for _, tt := range []struct {
		name   string
		change func(*authz.Decision)
		in     *authv3.CheckRequest
		status int32
		reason denial.Reason
	}{
		{"no token", func(d *authz.Decision) { d.Token = "" }, plain, 503, denial.Internal},
		{"no server", func(d *authz.Decision) { d.Server = nil }, plain, 503, denial.Internal},
		{"a reason to refuse", func(d *authz.Decision) { d.Reason = denial.PolicyForbidden }, plain, 503, denial.Internal},
		{"a token that breaks the header", func(d *authz.Decision) { d.Token = "a\r\nx-admin: true" }, plain, 503, denial.Internal},
		{"a token with a space", func(d *authz.Decision) { d.Token = "a b" }, plain, 503, denial.Internal},
		{"a token that is not ASCII", func(d *authz.Decision) { d.Token = "é" }, plain, 503, denial.Internal},
		{"a token that is too long", func(d *authz.Decision) { d.Token = strings.Repeat("a", 8193) }, plain, 503, denial.Internal},
		{"a reserved header that Envoy could not remove", func(*authz.Decision) {},
			rawRequest("POST", rawField{"x-countersign-é", "x"}), 400, denial.HeaderInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := allowed()
			tt.change(&d)
			out := check(t, always(d), tt.in)
			if got := out.GetDeniedResponse().GetStatus().GetCode(); int32(got) != tt.status {
				t.Errorf("got %d, want %d\n%s", got, tt.status, render(out))
			}
			mustDeny(t, out)
			if got := out.GetDynamicMetadata().AsMap(); got["decision"] != "deny" || got["reason"] != string(tt.reason) || got["exp"] != nil {
				t.Errorf("metadata says %v", got)
			}
		})
	}
}

func TestTheLongestTokenFits(t *testing.T) {
	d := allowed()
	d.Token = strings.Repeat("a", 8192)
	if out := check(t, always(d), rawRequest("POST")); out.GetOkResponse() == nil {
		t.Error(render(out))
	}
}

func TestAccessLogLearnsWhatWasDecided(t *testing.T) {
	out := check(t, always(allowed()), rawRequest("POST"))
	want := map[string]any{
		"decision": "allow", "decision_id": "DECISION", "server": "crm", "method": "tools/call", "tool": "refund_case",
		"peer": "spiffe://acme.example/planner", "subject": "u-8821", "task": "case-4711", "txn": "97053963",
		"policy_ids": []any{"crm.refunds"}, "revision": "ps-9c2e", "exp": 1795305665.0,
	}
	if diff := cmp.Diff(want, out.GetDynamicMetadata().AsMap()); diff != "" {
		t.Error(diff)
	}
	denied := authz.Decision{ID: "DECISION", Reason: denial.PeerMissing}
	want = map[string]any{"decision": "deny", "decision_id": "DECISION", "reason": "peer_missing"}
	if diff := cmp.Diff(want, check(t, always(denied), nil).GetDynamicMetadata().AsMap()); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataIsBoundedAndText(t *testing.T) {
	d := authz.Decision{Reason: denial.JSONSyntax}
	d.Record.Method = strings.Repeat("\xff", 1<<20)
	d.Record.PolicyIDs = slices.Repeat([]string{"p"}, 10_000)
	got := check(t, always(d), nil).GetDynamicMetadata().AsMap()
	if method := got["method"].(string); len(method) > 3*2048 || strings.Trim(method, "\uFFFD") != "" {
		t.Errorf("method has %d bytes", len(method))
	}
	if n := len(got["policy_ids"].([]any)); n != 32 {
		t.Errorf("%d policies", n)
	}
}

// Whatever the caller sends: what is set is not removed, and nothing that is reserved survives.
func TestReservedHeadersNeverSurvive(t *testing.T) {
	reserved := []string{
		"txn-token", "delegation-chain", "x-forwarded-client-cert", "x-envoy-auth-failure-mode-allowed", "x-envoy-auth-partial-body",
	}
	name := rapid.OneOf(
		rapid.SampledFrom(append(reserved, "authorization", "x-countersign-subject", "accept", "x-countersign")),
		rapid.StringMatching(`[xX][-_][cC]ounter[sS]ign[-_][a-zA-Z0-9_.-]{0,8}`),
		rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_-]{0,20}`),
	)
	separators := rapid.Custom(func(t *rapid.T) string {
		n := name.Draw(t, "name")
		if rapid.Bool().Draw(t, "underscores") {
			n = strings.ReplaceAll(n, "-", "_")
		}
		if rapid.Bool().Draw(t, "upper") {
			n = strings.ToUpper(n)
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(separators, 0, 20).Draw(t, "names")
		strip := rapid.Bool().Draw(t, "strip")
		in := &authv3.AttributeContext_HttpRequest{Method: "POST"}
		if rapid.Bool().Draw(t, "raw") {
			fields := make([]rawField, 0, len(names))
			for _, n := range names {
				fields = append(fields, rawField{n, "v"})
			}
			in = rawRequest("POST", fields...).GetAttributes().GetRequest().GetHttp()
		} else {
			in.Headers = make(map[string]string)
			for _, n := range names {
				in.Headers[n] = "v"
			}
		}
		d := allowed()
		d.Server = &authz.Server{Name: "crm", StripAuthorization: strip}
		through := rapid.Bool().Draw(t, "let through")
		if through {
			d.Server.Mode, d.WouldDeny, d.Token = authz.Shadow, denial.TokenHolder, ""
		}
		out, err := always(d).Check(t.Context(), httpRequest(in))
		if err != nil || out.GetStatus().GetCode() != int32(codes.OK) {
			t.Fatalf("%v %v", out, err)
		}
		removed := out.GetOkResponse().GetHeadersToRemove()
		if !slices.IsSorted(removed) || len(slices.Compact(slices.Clone(removed))) != len(removed) {
			t.Errorf("%q is not a sorted set", removed)
		}
		for _, h := range out.GetOkResponse().GetHeaders() {
			if slices.Contains(removed, h.GetHeader().GetKey()) {
				t.Errorf("%s is set and removed", h.GetHeader().GetKey())
			}
		}
		for _, n := range names {
			n = strings.ToLower(n)
			plain := strings.ReplaceAll(n, "_", "-")
			must := slices.Contains(reserved, plain) || strings.HasPrefix(plain, "x-countersign-") || strip && plain == "authorization"
			if got := slices.Contains(removed, n) || n == "txn-token" && !through; got != must {
				t.Errorf("%s: removed or replaced is %v, want %v", n, got, must)
			}
		}
	})
}
