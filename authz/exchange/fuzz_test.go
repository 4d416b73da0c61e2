package exchange_test

import (
	"slices"
	"testing"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
)

// FuzzExchange sends any body. Whatever comes of it is one record, and if it is a token, then one that a verifier takes
// from this peer alone, for a user of the provider, within what policy grants.
func FuzzExchange(f *testing.F) {
	h := newHouse(f)
	f.Add(h.form().Encode())
	f.Add(h.form("subject_token", h.id(), "subject_token_type", exchange.TypeIDToken, "scope", "mcp:crm:get_case mcp:crm:x").Encode())
	f.Add(h.form("request_details", bulky()).Encode())
	f.Add(h.form("request_details", `{"task":"t","purpose":"p","task_exp":1795608060,"authorization_details":[`+
		`{"type":"mcp_tools","server":"crm","tools":{"get_case":{"*":{"type":"wildcard"}}}}]}`).Encode())
	f.Add("grant_type=x&grant_type=y")
	f.Add("%=;&&=")
	f.Fuzz(func(t *testing.T, body string) {
		before := len(h.recorder.records)
		out := h.exchange.Decide(t.Context(), h.request(body))
		if len(h.recorder.records) != before+1 || h.recorder.records[before].DecisionID != out.ID {
			t.Fatal("not one record")
		}
		h.recorder.records, h.policy.asked, h.policy.by = nil, nil, nil
		if out.Err != nil {
			if class := out.Reason.Class(); out.Token != "" || class == denial.ClassInternal || class == denial.ClassPeer {
				t.Fatalf("%v", out.Err)
			}
			return
		}
		got, err := h.verify(out.Token, planner)
		if err != nil {
			t.Fatalf("our own token: %v", err)
		}
		if got.Subject != "alice" || got.Depth != 0 || len(got.Scope) == 0 || len(out.Token) > exchange.MaxToken {
			t.Fatalf("%+v", got)
		}
		for _, item := range got.Scope {
			if !slices.Contains(h.policy.delegable, item) {
				t.Fatalf("nobody granted %s", item)
			}
		}
	})
}

// FuzzDetails sends any request_details. What is granted says the same as what was asked.
func FuzzDetails(f *testing.F) {
	h := newHouse(f)
	for _, seed := range []string{
		`{"task":"t","purpose":"p"}`, `{"task":"a\u0000","purpose":"p"}`, `{"task":"t","purpose":"p","task_exp":1e10}`,
		`{"purpose":"é","task":"\ud83d\ude00","intent_s256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}`,
		`{"task":"t","purpose":"p","authorization_details":[]}`, `{"task":"t","purpose":"p","authorization_details":null}`,
		`{"task":"t","purpose":"p","authorization_details":[{"type":"mcp_tools","server":"crm","tools":{"x":{"a":{"type":"exact","value":1.5}}}}]}`,
		`{}`, `[`, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, details string) {
		out := h.exchange.Decide(t.Context(), h.request(h.form("request_details", details).Encode()))
		asked := h.policy.asked
		h.recorder.records, h.policy.asked, h.policy.by = nil, nil, nil
		if out.Err != nil {
			if out.Reason.Class() == denial.ClassInternal {
				t.Fatalf("%v", out.Err)
			}
			return
		}
		got, err := h.verify(out.Token, planner)
		if err != nil {
			t.Fatalf("our own token: %v", err)
		}
		meant := asked[0].Delegation
		if got.Task.Task != meant.Task.Task || got.Task.Purpose != meant.Task.Purpose || !got.Task.Expiry.Equal(meant.Task.Expiry) ||
			got.Expiry.After(got.Task.Expiry) || len(got.Details) != len(meant.Details) {
			t.Fatalf("asked about %+v, signed %+v", meant.Task, got.Task)
		}
		if _, err := delegation.Parse(out.Token); err != nil {
			t.Fatal(err)
		}
	})
}
