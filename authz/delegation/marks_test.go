package delegation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
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
		Issued: []revoke.Issued{{Issuer: own, At: now}, {Issuer: tts, At: start}},
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
		Issued: []revoke.Issued{{Issuer: tts, At: start}},
	}
	if diff := cmp.Diff(want, token.Marks()); diff != "" {
		t.Error(diff)
	}
}

// What is revoked about the root ends every token that was ever derived from it, on every hop.
func TestRevokingTheRootEndsTheWholeSubtree(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	claims := root()
	claims.Status = &delegation.Status{Index: delegation.MaxStatusIndex, URI: "https://tts.acme.example/status/1"}
	d0 := w.mint(t, claims)
	d1 := w.pass(t, v, d0, w.hop(planner, crm, "mcp:ledger:read_entry"))
	d2 := w.pass(t, v, d1, w.hop(crm, ledger))
	second := w.pass(t, v, d0, w.hop(planner, gateway)) // another branch
	for _, entry := range []string{
		"txn: " + claims.Txn, "task: case-4711", "sub: u-8821", "jti: " + claims.ID, "kid: " + w.keys[tts].KeyID,
		"actor: spiffe://acme.example/planner", "before: 2026-11-22T00:00:01Z",
		"{before: 2026-11-22T00:00:01Z, issuer: " + tts + ", subject: u-8821}",
	} {
		list, err := denyfile.Parse("list", []byte("revocations:\n- "+entry))
		if err != nil {
			t.Fatal(err)
		}
		for _, hop := range []struct {
			compact   string
			presenter peer.Peer
		}{{d0, planner}, {d1, crm}, {d2, ledger}, {second, gateway}} {
			token, err := v.Verify(t.Context(), hop.compact, hop.presenter, now)
			if err != nil {
				t.Fatal(err)
			}
			if _, revoked := list.Match(token.Marks(), now); !revoked {
				t.Errorf("%s does not end the token of %s", entry, hop.presenter.ID)
			}
			want := []revoke.Status{{Issuer: tts, URI: claims.Status.URI, Index: claims.Status.Index}}
			if diff := cmp.Diff(want, token.Marks().Statuses); diff != "" {
				t.Errorf("the token of %s: %s", hop.presenter.ID, diff)
			}
			if hop.presenter != planner && token.Claims().Status != nil {
				t.Errorf("the token of %s has a status of its own", hop.presenter.ID)
			}
		}
	}
	list, err := denyfile.Parse("list", []byte("revocations:\n- before: 2026-11-22T00:00:00Z\n- {before: 2026-11-22T00:00:01Z, subject: u-1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := v.Verify(t.Context(), d2, ledger, now)
	if err != nil {
		t.Fatal(err)
	}
	if e, revoked := list.Match(token.Marks(), now); revoked {
		t.Errorf("%s ends a token that came later, or is somebody else's", e)
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
