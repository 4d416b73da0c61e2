package delegation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/revoke"
)

func TestMarks(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	_, d1, _ := w.chain(t)
	token, err := v.Verify(t.Context(), d1, crm, now)
	if err != nil {
		t.Fatal(err)
	}
	want := revoke.Marks{
		JTIs: []string{token.Claims().ID, root().ID}, KeyIDs: []string{w.keys[own].KeyID, w.keys[tts].KeyID},
		Txn: root().Txn, Task: "case-4711", Subject: "u-8821", Actors: []string{crm.ID.String(), planner.ID.String()},
	}
	if diff := cmp.Diff(want, token.Marks()); diff != "" {
		t.Error(diff)
	}

	alone := root()
	alone.Actor, alone.Subject = nil, planner.ID.String()
	if token, err = v.Verify(t.Context(), w.mint(t, alone), planner, now); err != nil {
		t.Fatal(err)
	}
	want = revoke.Marks{
		JTIs: []string{root().ID}, KeyIDs: []string{w.keys[tts].KeyID},
		Txn: root().Txn, Task: "case-4711", Subject: planner.ID.String(), Actors: []string{planner.ID.String()},
	}
	if diff := cmp.Diff(want, token.Marks()); diff != "" {
		t.Error(diff)
	}
}

func TestParseDetails(t *testing.T) {
	details, err := delegation.ParseDetails([]byte(` [{"type":"mcp_tools","server":"crm","tools":{"refund":{"amount":{"type":"range","max":500}}}}] `))
	if err != nil {
		t.Fatal(err)
	}
	want := []delegation.Detail{{Server: "crm", Tools: map[string]delegation.Arguments{
		"refund": {"amount": parse(t, `{"type":"range","max":500}`)},
	}}}
	if diff := cmp.Diff(want, details, equateObjects); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{``, `{}`, `[]`, `null`, `[`, `[{"type":"x"}]`, `[{"type":"mcp_tools","server":"crm","tools":{"a":{}}}],"x":1`} {
		if _, err := delegation.ParseDetails([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
