package envoy_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/envoy"
)

// through is a decision that lets pass what would be refused.
func through() authz.Decision {
	d := allowed()
	d.Server = &authz.Server{Name: "crm", Mode: authz.Shadow}
	d.Token, d.WouldDeny, d.Record.Mode, d.Record.WouldDeny = "", denial.TokenHolder, "shadow", "holder_binding_failed"
	return d
}

// Nothing vouches for the request, so nothing that looks like it gets to the backend: not the caller's token, and not
// its certificate, which other proxies may have written. The rest stays as it was sent.
func TestWhatIsLetThroughCarriesNoEvidence(t *testing.T) {
	in := rawRequest("POST",
		rawField{"txn-token", "the caller's"}, rawField{"TXN_TOKEN", "for CGI"}, rawField{"authorization", "Bearer secret"},
		rawField{"delegation-chain", "x"}, rawField{"x-forwarded-client-cert", "URI=spiffe://acme.example/ledger"},
		rawField{"x-countersign-subject", "root"}, rawField{"x_countersign_task", "any"},
		rawField{"x-envoy-auth-failure-mode-allowed", "true"}, rawField{"mcp-method", "tools/call"},
	)
	strip, bearer := through(), through()
	strip.Server = &authz.Server{Name: "crm", Mode: authz.Shadow, StripAuthorization: true}
	bearer.Server = &authz.Server{Name: "crm", Mode: authz.Shadow, Bearer: &authz.Bearer{}}
	golden(t, "let-through.golden", "== authorization is kept\n"+render(check(t, always(through()), in))+
		"== authorization is stripped\n"+render(check(t, always(strip), in))+
		"== authorization is taken as an access token\n"+render(check(t, always(bearer), in)))
}

func TestAccessLogLearnsWhatWouldHaveBeenRefused(t *testing.T) {
	got := check(t, always(through()), rawRequest("POST")).GetDynamicMetadata().AsMap()
	for name, want := range map[string]any{
		"decision": "allow", "mode": "shadow", "would_deny": "holder_binding_failed", "reason": nil, "exp": nil,
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Only a server in shadow mode, and only a decision that says why there is no token, makes an answer without one.
func TestLettingThroughIsForShadowModeAlone(t *testing.T) {
	for name, change := range map[string]func(*authz.Decision){
		"not allowed":                  func(d *authz.Decision) { d.Allowed = false },
		"a server that enforces":       func(d *authz.Decision) { d.Server = &authz.Server{Name: "crm"} },
		"a mode that is none":          func(d *authz.Decision) { d.Server = &authz.Server{Name: "crm", Mode: 2} },
		"no server":                    func(d *authz.Decision) { d.Server = nil },
		"a reason to refuse":           func(d *authz.Decision) { d.Reason = denial.PolicyForbidden },
		"nothing but a zero decision":  func(d *authz.Decision) { *d = authz.Decision{WouldDeny: denial.Internal} },
		"nothing but that it may pass": func(d *authz.Decision) { *d = authz.Decision{Allowed: true, WouldDeny: denial.Internal} },
	} {
		d := through()
		change(&d)
		out := check(t, always(d), rawRequest("POST"))
		mustDeny(t, out)
		if got := out.GetDynamicMetadata().AsMap(); got["decision"] != "deny" || got["would_deny"] != nil {
			t.Errorf("%s: metadata says %v", name, got)
		}
	}
	if out := check(t, always(through()), rawRequest("POST", rawField{"x-countersign-é", "x"})); out.GetOkResponse() != nil {
		t.Error("let through with a forged header that could not be removed")
	}
}

// Evidence that cannot be delivered refuses the request, or, in shadow mode, is left out.
func TestATokenThatDoesNotFitInShadowMode(t *testing.T) {
	for name, change := range map[string]func(*authz.Decision){
		"no token":                   func(d *authz.Decision) { d.Token = "" },
		"a token with a line break":  func(d *authz.Decision) { d.Token = "a\r\nx-admin: true" },
		"a plain header that is not": func(d *authz.Decision) { d.Plain = []authz.PlainField{{Name: "x-admin", Value: "true"}} },
		"a token that should not be": func(d *authz.Decision) { d.WouldDeny = denial.TokenHolder },
		"plain fields without a token": func(d *authz.Decision) {
			*d = through()
			d.Plain = []authz.PlainField{{Name: "x-countersign-actor", Value: "a"}}
		},
	} {
		d := allowed()
		d.Server = &authz.Server{Name: "crm", Mode: authz.Shadow}
		change(&d)
		out := check(t, always(d), rawRequest("POST", rawField{"txn-token", "the caller's"}))
		want := "grpc: OK\nremove txn-token\nremove x-envoy-auth-partial-body\n"
		if diff := cmp.Diff(want, render(out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := out.GetDynamicMetadata().AsMap(); got["would_deny"] != "internal" || got["exp"] != nil {
			t.Errorf("%s: metadata says %v", name, got)
		}
	}
}

// Envoy has given up waiting: no token goes out, and shadow mode does not begin to refuse.
func TestWhatIsLetThroughTooLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := &envoy.Server{Decider: decide(func(context.Context, *authz.Request) authz.Decision { cancel(); return through() })}
	out, err := server.Check(ctx, rawRequest("POST"))
	if err != nil || out.GetOkResponse() == nil || len(out.GetOkResponse().GetHeaders()) > 0 {
		t.Errorf("%v, %s", err, render(out))
	}
}
