package envoy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// reasons has every reason, in the order of its declaration.
var reasons = []denial.Reason{
	denial.PeerMissing, denial.PeerDNSName, denial.PeerSubjectDN, denial.PeerSanitised, denial.PeerInvalid,
	denial.PeerMultipleURISANs, denial.PeerNoURISAN, denial.PeerCertificateMissing, denial.PeerCertificateInvalid,
	denial.PeerMismatch, denial.PeerTrustDomain, denial.PeerXFCCMissing, denial.PeerXFCCInvalid, denial.PeerXFCCUntrusted,
	denial.ServerUnknown, denial.HeaderDuplicated, denial.HeaderInvalid,
	denial.HTTPMethod, denial.BodyMissing, denial.BodyUnexpected, denial.BodyPartial, denial.BodySize, denial.BodyTooLarge,
	denial.BodySanitised, denial.BodyEncoded, denial.ContentType, denial.JSONSyntax, denial.JSONUTF8, denial.JSONDuplicateKey,
	denial.JSONCaseVariant, denial.JSONNULKey, denial.JSONTrailing, denial.JSONNumber, denial.JSONDepth, denial.JSONLimit,
	denial.RPCInvalid, denial.RPCBatch, denial.MethodUnknown, denial.ParamsInvalid, denial.VersionUnsupported,
	denial.VersionMismatch, denial.HeaderMismatch, denial.HeaderMissing, denial.HeaderUnverifiable,
	denial.TokenMalformed, denial.TokenAlgorithm, denial.TokenUnknownIssuer, denial.TokenUnknownKey, denial.TokenSignature,
	denial.TokenClaims, denial.TokenNotYetValid, denial.TokenExpired, denial.TaskExpired, denial.TokenLifetime,
	denial.TokenAudience, denial.TokenDepth, denial.TokenChain, denial.TokenLoop, denial.TokenActorDomain,
	denial.TokenHolder, denial.TokenKeyBinding, denial.TokenRootMissing, denial.TokenNotNarrower, denial.TokenAltered,
	denial.TokenParentHash, denial.Revoked, denial.RevocationUnknown, denial.ScopeNotGranted, denial.CeilingExceeded,
	denial.CredentialMissing, denial.CredentialsAmbiguous, denial.AuthorizationScheme, denial.TokenInQuery, denial.PlainHeader,
	denial.SessionForeign, denial.SessionUnknown, denial.SessionLimit, denial.SessionUnavailable, denial.TaskForeign, denial.HandleForeign,
	denial.DelegationRequired, denial.Replayed, denial.ReplayUncertain, denial.ReplayLimit, denial.ReplayUnavailable,
	denial.PolicyForbidden, denial.PolicyNoPermit, denial.PolicyError, denial.PolicyUnavailable,
	denial.SigningFailed, denial.AuditFailed, denial.Cancelled, denial.Panicked, denial.Internal,
}

func toolCall(name string, modern bool) *mcp.Call {
	call := &mcp.Call{
		Kind: mcp.KindRequest, Method: "tools/call", ID: mcp.IntID(7), Version: mcp.Version20251125,
		Targets: []mcp.Target{{Kind: mcp.TargetTool, Name: name}},
	}
	if modern {
		call.Modern, call.Version = true, mcp.Version20260728
	}
	return call
}

func request(method string, kind mcp.TargetKind, name string, modern bool) *mcp.Call {
	call := toolCall(name, modern)
	call.Method, call.Targets[0].Kind = method, kind
	if kind == mcp.TargetNone {
		call.Targets = nil
	}
	return call
}

func notification() *mcp.Call {
	return &mcp.Call{Kind: mcp.KindNotification, Method: "notifications/initialized", Version: mcp.Version20251125}
}

func batch(calls ...*mcp.Call) *mcp.Call {
	return &mcp.Call{Kind: mcp.KindBatch, Version: mcp.Version20250326, Batch: calls}
}

// shapes are the messages for which the form of a denial can differ.
var shapes = []struct {
	name   string
	method string
	call   *mcp.Call
}{
	{"unread", http.MethodPost, nil},
	{"call", http.MethodPost, toolCall("refund_case", false)},
	{"modern", http.MethodPost, toolCall("refund_case", true)},
	{"init", http.MethodPost, request("initialize", mcp.TargetNone, "", false)},
	{"notif", http.MethodPost, notification()},
	{"resp", http.MethodPost, &mcp.Call{Kind: mcp.KindResponse, ID: mcp.IntID(7)}},
	{"batch", http.MethodPost, batch(toolCall("refund_case", false), notification())},
	{"GET", http.MethodGet, &mcp.Call{Kind: mcp.KindStream}},
	{"DELETE", http.MethodDelete, &mcp.Call{Kind: mcp.KindEnd}},
	{"OPTIONS", http.MethodOptions, &mcp.Call{Kind: mcp.KindPreflight}},
}

// The whole matrix: HTTP status and JSON-RPC code for every reason and message, and the challenge if there is one.
func TestDenialMatrix(t *testing.T) {
	var b strings.Builder
	row := func(cells ...string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-28s"+strings.Repeat("%-13s", len(shapes)), toAny(cells)...), " ") + "\n")
	}
	for _, style := range []authz.DenialStyle{authz.DenyRPCError, authz.DenyToolError, authz.DenyHide, authz.DenyHTTP} {
		header := []string{style.String()}
		for _, shape := range shapes {
			header = append(header, shape.name)
		}
		row(header...)
		for _, reason := range reasons {
			class := reason.Class()
			if style != authz.DenyRPCError && class != denial.ClassPolicy && class != denial.ClassScope {
				continue // the style is about policy
			}
			cells := []string{string(reason)}
			for _, shape := range shapes {
				server := &authz.Server{Name: "crm", Denials: style}
				out := check(t, always(authz.Decision{ID: "D", Reason: reason, Server: server, Call: shape.call}), rawRequest(shape.method))
				cells = append(cells, summary(t, out))
			}
			row(cells...)
		}
		b.WriteString("\n")
	}
	golden(t, "matrix.golden", b.String())
}

func toAny(cells []string) []any {
	var out []any
	for _, c := range cells {
		out = append(out, c)
	}
	return out
}

// summary is a denial in few characters: status, JSON-RPC code or what else the body is.
func summary(t *testing.T, out *authv3.CheckResponse) string {
	t.Helper()
	mustDeny(t, out)
	text := fmt.Sprint(int32(out.GetDeniedResponse().GetStatus().GetCode()))
	switch message, isBatch := decodeBody(t, out); {
	case message == nil:
	case isBatch && message.Result != nil:
		text += " [result]"
	case isBatch:
		text += fmt.Sprintf(" [%d]", message.Error.Code)
	case message.Result != nil:
		text += " result"
	case message.JSONRPC == "":
		text += " plain"
	default:
		text += fmt.Sprintf(" %d", message.Error.Code)
		if message.ID == nil {
			text += "-"
		}
	}
	return text
}

type message struct {
	JSONRPC string
	ID      json.RawMessage
	Result  json.RawMessage
	Error   struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
}

// decodeBody returns the JSON-RPC message in a denial, the first of a batch.
func decodeBody(t testing.TB, out *authv3.CheckResponse) (first *message, isBatch bool) {
	t.Helper()
	body := []byte(out.GetDeniedResponse().GetBody())
	if len(body) == 0 {
		return nil, false
	}
	if body[0] == '[' {
		var list []message
		if err := json.Unmarshal(body, &list); err != nil || len(list) == 0 {
			t.Fatalf("%v: %s", err, body)
		}
		return &list[0], true
	}
	first = new(message)
	var plain struct {
		Error json.RawMessage
	}
	if err := json.Unmarshal(body, &plain); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if bytes.HasPrefix(plain.Error, []byte(`"`)) {
		return first, false
	}
	if err := json.Unmarshal(body, first); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return first, false
}

// mustDeny holds for every denial.
func mustDeny(t testing.TB, out *authv3.CheckResponse) {
	t.Helper()
	denied := out.GetDeniedResponse()
	status := denied.GetStatus().GetCode()
	switch code := codes.Code(out.GetStatus().GetCode()); { //nolint:gosec // a small code
	case out.GetStatus() == nil || code == codes.OK:
		t.Fatalf("status %v lets the request pass", out.GetStatus())
	case denied == nil || out.GetOkResponse() != nil:
		t.Fatal("not a denied response")
	case (code == codes.Unauthenticated) != (status == 401):
		t.Errorf("gRPC %s with HTTP %d", code, status)
	case status == 0:
		t.Error("no HTTP status")
	}
	body := denied.GetBody()
	if len(body) >= 1024 || !utf8.ValidString(body) || body != "" && !json.Valid([]byte(body)) {
		t.Errorf("body of %d bytes: %q", len(body), body)
	}
	if (headerOf(out, "content-type") == "application/json") != (body != "") || headerOf(out, "cache-control") != "no-store" {
		t.Errorf("headers: %v", denied.GetHeaders())
	}
	for _, h := range denied.GetHeaders() {
		if strings.ContainsFunc(h.GetHeader().GetValue(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("header %q", renderHeader(h))
		}
	}
	if _, err := proto.Marshal(out); err != nil {
		t.Errorf("cannot be sent: %v", err)
	}
}

// What a client gets to see, case by case.
func TestDenials(t *testing.T) {
	const metadata = "https://crm.acme.example/.well-known/oauth-protected-resource/mcp"
	style := func(s authz.DenialStyle) *authz.Server { return &authz.Server{Name: "crm", Denials: s} }
	stepUp := &authz.Server{Name: "crm", ResourceMetadata: metadata}
	baskets := &authz.Server{Name: "crm", Handles: map[string]string{"refund_case": "basket_id"}}
	named := toolCall("refund_case", true)
	named.ID = mcp.StringID("a\"7\u00e9")
	truncated := &mcp.Call{ID: mcp.IntID(7), Method: "tools/call", Version: "2026-07-28", Modern: true}
	requested := toolCall("refund_case", false)
	requested.Version = "1999-01-01\n"
	long := toolCall("refund_case", false)
	long.ID = mcp.StringID(strings.Repeat("a", 600))
	many := make([]*mcp.Call, 50)
	for i := range many {
		many[i] = toolCall("refund_case", false)
		many[i].ID = mcp.IntID(int64(i))
	}
	var b strings.Builder
	for _, tt := range []struct {
		name   string
		method string
		d      authz.Decision
	}{
		{"a decision that nobody made", "POST", authz.Decision{}},
		{"policy forbids a tool", "POST", authz.Decision{Reason: denial.PolicyForbidden, Public: "refunds need a case", Call: toolCall("refund_case", false), Server: style(authz.DenyRPCError)}},
		{"no policy permits a tool; the id is a string", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: named, Server: style(authz.DenyRPCError)}},
		{"for the model to read", "POST", authz.Decision{Reason: denial.PolicyForbidden, Public: "refunds need a case", Call: toolCall("refund_case", false), Server: style(authz.DenyToolError)}},
		{"for the model to read, modern", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: toolCall("refund_case", true), Server: style(authz.DenyToolError)}},
		{"a list has no result that can be an error", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: request("tools/list", mcp.TargetNone, "", false), Server: style(authz.DenyToolError)}},
		{"hidden tool", "POST", authz.Decision{Reason: denial.PolicyForbidden, Public: "never told", Call: toolCall("refund_case", false), Server: style(authz.DenyHide)}},
		{"hidden prompt", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: request("prompts/get", mcp.TargetPrompt, "brief", false), Server: style(authz.DenyHide)}},
		{"hidden resource", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: request("resources/read", mcp.TargetResource, "crm://case/1", false), Server: style(authz.DenyHide)}},
		{"hidden resource, modern", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: request("resources/read", mcp.TargetResource, "crm://case/1", true), Server: style(authz.DenyHide)}},
		{"hidden task", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: request("tasks/get", mcp.TargetTask, "t-1", false), Server: style(authz.DenyHide)}},
		{"there is nothing to hide in a list", "POST", authz.Decision{Reason: denial.PolicyForbidden, Call: request("tools/list", mcp.TargetNone, "", false), Server: style(authz.DenyHide)}},
		{"as HTTP", "POST", authz.Decision{Reason: denial.PolicyForbidden, Public: "refunds need a case", Call: toolCall("refund_case", false), Server: style(authz.DenyHTTP)}},
		{"initialize", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: request("initialize", mcp.TargetNone, "", false), Server: style(authz.DenyToolError)}},
		{"server/discover", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: request("server/discover", mcp.TargetNone, "", true), Server: style(authz.DenyHide)}},
		{"a notification is dropped", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: notification(), Server: style(authz.DenyHTTP)}},
		{"a notification with a bad token", "POST", authz.Decision{Reason: denial.TokenSignature, Call: notification(), Server: style(authz.DenyRPCError)}},
		{"stream", "GET", authz.Decision{Reason: denial.PolicyNoPermit, Call: &mcp.Call{Kind: mcp.KindStream}, Server: style(authz.DenyRPCError)}},
		{"end of a session", "DELETE", authz.Decision{Reason: denial.PolicyNoPermit, Call: &mcp.Call{Kind: mcp.KindEnd}, Server: style(authz.DenyRPCError)}},
		{"batch", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: batch(toolCall("a", false), notification(), named), Server: style(authz.DenyRPCError)}},
		{"batch, hidden", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: batch(toolCall("a", false), request("prompts/get", mcp.TargetPrompt, "brief", false)), Server: style(authz.DenyHide)}},
		{"batch of notifications", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: batch(notification()), Server: style(authz.DenyRPCError)}},
		{"batch with more requests than fit", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: batch(many...), Server: style(authz.DenyHide)}},
		{"an id that is too long to echo", "POST", authz.Decision{Reason: denial.PolicyNoPermit, Call: long, Server: style(authz.DenyToolError)}},
		{"missing scope", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: toolCall("refund_case", false), Server: style(authz.DenyRPCError), NeededScope: []string{"mcp:crm:refund_case"}}},
		{"missing scope, step up", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: toolCall("refund_case", false), Server: stepUp, NeededScope: []string{"mcp:crm:refund_case", "mcp:crm:read_case"}}},
		{"missing scope that cannot be quoted", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: toolCall("é", false), Server: stepUp, NeededScope: []string{"mcp:crm:é", "mcp:crm:read_case"}}},
		{"missing scope that does not fit", "POST", authz.Decision{Reason: denial.ScopeNotGranted, Call: toolCall("a", false), Server: stepUp, NeededScope: []string{"mcp:crm:" + strings.Repeat("a", 5000)}}},
		{"forged token", "POST", authz.Decision{Reason: denial.TokenSignature, Call: toolCall("refund_case", false), Server: stepUp}},
		{"expired token", "POST", authz.Decision{Reason: denial.TokenExpired, Call: toolCall("refund_case", false), Server: style(authz.DenyHide)}},
		{"revoked task", "POST", authz.Decision{Reason: denial.Revoked, Call: toolCall("refund_case", false), Server: style(authz.DenyHide)}},
		{"no identity", "POST", authz.Decision{Reason: denial.PeerMissing}},
		{"no such server", "POST", authz.Decision{Reason: denial.ServerUnknown}},
		{"header mismatch", "POST", authz.Decision{Reason: denial.HeaderMismatch, Call: toolCall("refund_case", true), Server: stepUp}},
		{"smuggled member", "POST", authz.Decision{Reason: denial.JSONDuplicateKey, Call: truncated, Server: stepUp}},
		{"not JSON", "POST", authz.Decision{Reason: denial.JSONSyntax, Call: &mcp.Call{}, Server: stepUp}},
		{"version", "POST", authz.Decision{Reason: denial.VersionUnsupported, Call: requested, Server: &authz.Server{MinVersion: mcp.Version20250618}}},
		{"unknown method", "POST", authz.Decision{Reason: denial.MethodUnknown, Call: request("tools/destroy", mcp.TargetNone, "", false), Server: stepUp}},
		{"unknown method, modern", "POST", authz.Decision{Reason: denial.MethodUnknown, Call: request("tools/destroy", mcp.TargetNone, "", true), Server: stepUp}},
		{"body too large", "POST", authz.Decision{Reason: denial.BodyTooLarge, Call: &mcp.Call{}, Server: stepUp}},
		{"PUT", "PUT", authz.Decision{Reason: denial.HTTPMethod, Call: &mcp.Call{}, Server: stepUp}},
		{"GET, modern", "GET", authz.Decision{Reason: denial.HTTPMethod, Call: &mcp.Call{Modern: true}, Server: stepUp}},
		{"session of somebody else", "POST", authz.Decision{Reason: denial.SessionForeign, Call: toolCall("refund_case", false), Server: stepUp}},
		{"no such session", "POST", authz.Decision{Reason: denial.SessionUnknown, Call: toolCall("refund_case", false), Server: stepUp}},
		{"no room for sessions", "POST", authz.Decision{Reason: denial.SessionLimit, Call: toolCall("refund_case", false), Server: stepUp}},
		{"the store of sessions is away", "POST", authz.Decision{Reason: denial.SessionUnavailable, Call: toolCall("refund_case", false), Server: stepUp}},
		{"task of somebody else", "POST", authz.Decision{Reason: denial.TaskForeign, Call: request("tasks/get", mcp.TargetTask, "t-1", true), Server: stepUp}},
		{"task of somebody else, in a session", "POST", authz.Decision{Reason: denial.TaskForeign, Call: request("tasks/result", mcp.TargetTask, "t-1", false), Server: style(authz.DenyHTTP)}},
		{"handle of somebody else", "POST", authz.Decision{Reason: denial.HandleForeign, Call: toolCall("Refund_case", true), Server: baskets}},
		{"handle of somebody else, in a session", "POST", authz.Decision{Reason: denial.HandleForeign, Call: toolCall("refund_case", false), Server: baskets}},
		{"handle of somebody else, in a batch", "POST", authz.Decision{Reason: denial.HandleForeign, Call: batch(toolCall("refund_case", false), toolCall("read_case", false)), Server: baskets}},
		{"replayed", "POST", authz.Decision{Reason: denial.Replayed, Call: toolCall("refund_case", false), Server: stepUp}},
		{"perhaps replayed", "POST", authz.Decision{Reason: denial.ReplayUncertain, Call: toolCall("refund_case", true), Server: stepUp}},
		{"nothing to use up", "POST", authz.Decision{Reason: denial.DelegationRequired, Call: toolCall("refund_case", false), Server: style(authz.DenyToolError)}},
		{"no room for uses", "POST", authz.Decision{Reason: denial.ReplayLimit, Call: toolCall("refund_case", false), Server: stepUp}},
		{"our own failure", "POST", authz.Decision{Reason: denial.SigningFailed, Call: toolCall("refund_case", false), Server: stepUp}},
		{"our own failure, stream", "GET", authz.Decision{Reason: denial.PolicyUnavailable}},
	} {
		if tt.name != "a decision that nobody made" {
			tt.d.ID = "JBSWY3DPEHPK3PXPJBSWY3DPEH"
		}
		out := check(t, always(tt.d), rawRequest(tt.method))
		mustDeny(t, out)
		fmt.Fprintf(&b, "== %s\n%s\n", tt.name, render(out))
	}
	golden(t, "denials.golden", b.String())
}

func TestSessionsOfOthersCannotBeToldFromNone(t *testing.T) {
	foreign := authz.Decision{ID: "D", Reason: denial.SessionForeign, Call: toolCall("a", false), Server: &authz.Server{}}
	unknown := foreign
	unknown.Reason = denial.SessionUnknown
	in := rawRequest("POST")
	if a, b := render(check(t, always(foreign), in)), render(check(t, always(unknown), in)); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

// Whatever a caller puts into names and ids, the denial can be sent and read, and its id is the request's or none.
func TestDenialsAreWellFormed(t *testing.T) {
	anyText := rapid.OneOf(rapid.String(), rapid.StringN(0, 2000, -1), rapid.Map(rapid.SliceOf(rapid.Byte()),
		func(b []byte) string { return string(b) }), rapid.SampledFrom([]string{strings.Repeat(`"`, 1024), strings.Repeat("\x01", 300)}))
	id := rapid.OneOf(rapid.Map(rapid.Int64(), mcp.IntID), rapid.Map(anyText, mcp.StringID), rapid.Just(mcp.ID{}))
	method := rapid.SampledFrom([]string{"tools/call", "prompts/get", "resources/read", "tools/list", "initialize", "x"})
	call := rapid.Custom(func(t *rapid.T) *mcp.Call {
		c := &mcp.Call{
			Kind:   mcp.Kind(rapid.IntRange(int(mcp.KindInvalid), int(mcp.KindPreflight)).Draw(t, "kind")),
			Method: method.Draw(t, "method"), ID: id.Draw(t, "id"), Version: anyText.Draw(t, "version"),
			Modern: rapid.Bool().Draw(t, "modern"),
		}
		if rapid.Bool().Draw(t, "target") {
			kind := rapid.IntRange(int(mcp.TargetTool), int(mcp.TargetTask)).Draw(t, "target kind")
			c.Targets = []mcp.Target{{Kind: mcp.TargetKind(kind), Name: anyText.Draw(t, "name")}}
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		d := authz.Decision{
			ID: anyText.Draw(t, "decision"), Reason: rapid.SampledFrom(reasons).Draw(t, "reason"), Public: anyText.Draw(t, "public"),
			NeededScope: rapid.SliceOfN(anyText, 0, 4).Draw(t, "scope"),
			Server: &authz.Server{
				Denials:          authz.DenialStyle(rapid.IntRange(0, 3).Draw(t, "style")),
				ResourceMetadata: rapid.OneOf(rapid.Just(""), rapid.Just("https://crm.acme.example/x"), anyText).Draw(t, "metadata"),
			},
		}
		d.Record.Tool = anyText.Draw(t, "tool")
		if rapid.Bool().Draw(t, "batch") {
			d.Call = batch(rapid.SliceOfN(call, 0, 50).Draw(t, "calls")...)
		} else {
			d.Call = call.Draw(t, "call")
		}
		httpMethod, bodiless := map[mcp.Kind]string{
			mcp.KindStream: http.MethodGet, mcp.KindEnd: http.MethodDelete, mcp.KindPreflight: http.MethodOptions,
		}[d.Call.Kind]
		if !bodiless {
			httpMethod = http.MethodPost
		}
		out, err := always(d).Check(t.Context(), rawRequest(httpMethod))
		if err != nil {
			t.Fatal(err)
		}
		denied := out.GetDeniedResponse()
		body := []byte(denied.GetBody())
		if out.GetStatus().GetCode() == 0 || denied == nil || len(body) >= 1024 || !utf8.Valid(body) || len(body) > 0 && !json.Valid(body) {
			t.Fatalf("%v", out)
		}
		if _, err := proto.Marshal(out); err != nil {
			t.Fatal(err)
		}
		if denied.GetStatus().GetCode() == 200 && d.Call.Kind != mcp.KindBatch {
			var got message
			if err := json.Unmarshal(body, &got); err != nil || string(got.ID) != d.Call.ID.String() || got.ID == nil {
				t.Fatalf("%v: id %s became %s", err, d.Call.ID, body)
			}
		}
	})
}
