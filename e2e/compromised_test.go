package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/denial"
	"countersign.dev/e2e/stage"
)

// claimSet is a payload as a thief of a signing key edits it. What is not touched keeps its bytes.
type claimSet map[string]json.RawMessage

func claimsOf(t *testing.T, compact string) claimSet {
	t.Helper()
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var c claimSet
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c claimSet) set(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // only of a mistake in a test
	}
	c[name] = data
}

// forge signs claims with a stolen key, without our code in the way.
func forge(t *testing.T, c claimSet, key jose.JSONWebKey) string {
	t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithType("txntoken+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// actors nests workloads, the presenter first.
func actors(ids ...string) map[string]any {
	domain, _, _ := strings.Cut(strings.TrimPrefix(ids[0], "spiffe://"), "/")
	node := map[string]any{"iss": "spiffe://" + domain, "sub": ids[0], "sub_profile": "service"}
	if strings.HasSuffix(ids[0], "/planner") {
		node["sub_profile"] = "ai_agent"
	}
	if len(ids) > 1 {
		node["act"] = actors(ids[1:]...)
	}
	return node
}

// readEntry is a call of the partner's ledger.
func readEntry(t *testing.T, f *stage.Federation, caller *http.Client, token string) answer {
	t.Helper()
	body := toolCall("read_entry", map[string]any{"case_id": "4711"})
	return rawCall{
		client: caller, url: f.Partner.URLs["ledger"], header: callHeader("read_entry", token),
		body: bytes.NewReader(body), length: int64(len(body)),
	}.must(t)
}

// Acme's Countersign is in the hands of somebody who also controls acme's crm. The partner's Countersign is all that stands
// in the way. See package delegation, "What a chain proves".
func TestCompromisedHopSigner(t *testing.T) {
	f := federate(t, stage.Options{UpstreamTLS: true})
	key := keyOf(t, f.Acme, "keys")
	crm, err := f.Partner.Client(f.Acme.SVIDs["crm"], "2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crm.CloseIdleConnections)
	root := farGrant(t, f)
	reached := watch(t, f.Acme, "crm")
	if got := readCase(client(t, f.Acme, "planner", "2"), f.Acme, root).must(t); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	genuine := reached()[0].Header["Txn-Token"][0]
	narrow, err := f.Acme.Issuer.Grant(stage.Grant{User: "alice", Agent: "planner", Task: "case-4711", Scope: []string{"mcp:crm:read_case"}})
	if err != nil {
		t.Fatal(err)
	}
	short, err := f.Acme.Issuer.Grant(stage.Grant{
		User: "alice", Agent: "planner", Task: "case-4711", Expires: time.Now().Add(time.Minute),
		Scope: []string{"mcp:crm:read_case", "mcp:ledger:read_entry", "mcp:archive:read_document"},
	})
	if err != nil {
		t.Fatal(err)
	}
	others, err := f.Acme.Issuer.Grant(stage.Grant{
		User: "bob", Agent: "intern", Task: "case-9", Scope: []string{"mcp:ledger:read_entry", "mcp:archive:read_document"},
	})
	if err != nil {
		t.Fatal(err)
	}
	planner, intern, crmID := f.Acme.ID("planner"), f.Acme.ID("intern"), f.Acme.ID("crm")
	hour := time.Now().Add(time.Hour).Unix()

	for _, c := range []struct {
		name   string
		change func(claimSet)
		want   denial.Reason // empty: it is let through
	}{
		{"nothing, to see that the rest is right", func(claimSet) {}, ""},
		// A user, a task.
		{"another user", func(c claimSet) { c.set("sub", "bob") }, denial.TokenAltered},
		{"another task", func(c claimSet) {
			c.set("tctx", map[string]any{"task": "case-9", "purpose": "refund-review", "task_exp": hour})
		}, denial.TokenAltered},
		{"another purpose, the same otherwise", func(c claimSet) {
			c["tctx"] = bytes.Replace(c["tctx"], []byte("refund-review"), []byte("anything"), 1)
		}, denial.TokenAltered},
		{"another transaction", func(c claimSet) { c.set("txn", "made-up") }, denial.TokenAltered},
		{"another audience", func(c claimSet) { c.set("aud", "partner.example") }, denial.TokenAudience},
		{"no root", func(c claimSet) { delete(c, "del_root") }, denial.TokenRootMissing},
		{"a root of its own", func(c claimSet) {
			own := claimsOf(t, root)
			own.set("iss", f.Acme.ID("countersign"))
			own.set("exp", time.Now().Add(time.Minute).Unix())
			own.set("sub", "bob")
			c.set("sub", "bob")
			c.set("del_root", forge(t, own, key))
		}, denial.TokenDepth},
		{"a root in the name of the root issuer", func(c claimSet) {
			own := claimsOf(t, root)
			own.set("sub", "bob")
			c.set("sub", "bob")
			c.set("del_root", forge(t, own, key))
		}, denial.TokenUnknownKey},
		{"somebody else's root", func(c claimSet) { c.set("del_root", others) }, denial.TokenAltered},
		{"a root issuer's name on the token itself", func(c claimSet) {
			c.set("iss", "https://tts.acme.example")
		}, denial.TokenUnknownKey},
		{"the partner's name on the token", func(c claimSet) { c.set("iss", f.Partner.ID("countersign")) }, denial.TokenUnknownKey},
		// A scope, arguments.
		{"a tool that alice did not grant", func(c claimSet) { c.set("scope", "mcp:ledger:read_entry mcp:ledger:post_refund") }, denial.TokenNotNarrower},
		{"all tools of a server", func(c claimSet) { c.set("scope", "mcp:ledger:*") }, denial.TokenNotNarrower},
		{"more than a narrow root has", func(c claimSet) {
			own := claimsOf(t, narrow)
			c["txn"], c["tctx"] = own["txn"], own["tctx"]
			c.set("del_root", narrow)
		}, denial.TokenNotNarrower},
		// A life.
		{"a life beyond the root's", func(c claimSet) {
			own := claimsOf(t, short)
			c["txn"], c["tctx"] = own["txn"], own["tctx"]
			c.set("del_root", short)
			c.set("exp", time.Now().Add(2*time.Minute).Unix())
		}, denial.TokenNotNarrower},
		{"a life beyond what a hop may grant", func(c claimSet) { c.set("exp", time.Now().Add(9*time.Minute).Unix()) }, denial.TokenLifetime},
		{"more hops", func(c claimSet) { c.set("del_max_depth", 4) }, denial.TokenNotNarrower},
		// Predecessors.
		{"the planner hidden", func(c claimSet) { c.set("act", actors(crmID)) }, denial.TokenChain},
		{"the planner hidden, at no depth", func(c claimSet) {
			c.set("act", actors(crmID))
			c.set("del_depth", 0)
		}, denial.TokenDepth},
		{"another first agent", func(c claimSet) { c.set("act", actors(crmID, intern)) }, denial.TokenAltered},
		{"a workload of the partner as a predecessor", func(c claimSet) {
			c.set("act", actors(crmID, f.Partner.ID("archive"), planner))
			c.set("del_depth", 2)
		}, denial.TokenActorDomain},
		{"another parent", func(c claimSet) { c.set("par_hash", claimHash) }, denial.TokenParentHash},
		{"a presenter that is somebody else", func(c claimSet) { c.set("act", actors(intern, planner)) }, denial.TokenHolder},
		// What the key does give, and nothing can take away but the deny-list: the middle of the chain.
		{"the limit: a predecessor that was never there", func(c claimSet) {
			c.set("act", actors(crmID, intern, planner))
			c.set("del_depth", 2)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := claimsOf(t, genuine)
			c.change(claims)
			reached, records := watch(t, f.Partner, "ledger"), decided(t, f.Partner)
			got := readEntry(t, f, crm, forge(t, claims, key))
			first := stage.Record{}
			for _, r := range records() {
				if r.Peer == crmID {
					first = r
				}
			}
			if c.want == "" {
				if first.Decision != "allow" || len(reached()) != 1 {
					t.Errorf("got %d %s and record %+v, want it let through", got.status, got.body, first)
				}
				return
			}
			if got.status != http.StatusUnauthorized || first.Decision != "deny" || first.Reason != string(c.want) {
				t.Errorf("got %d %s and record %+v, want it refused (%s)", got.status, got.body, first, c.want)
			}
			if arrived := reached(); len(arrived) != 0 {
				t.Errorf("reached the server: %v", arrived)
			}
		})
	}
	t.Run("until the key is revoked", func(t *testing.T) {
		if err := f.Partner.Revoke(t.Context(), "kid", key.KeyID, "stolen"); err != nil {
			t.Fatal(err)
		}
		records := decided(t, f.Partner)
		got := readEntry(t, f, crm, forge(t, claimsOf(t, genuine), key))
		if r := records(); got.succeeded() || len(r) != 1 || r[0].Reason != string(denial.Revoked) {
			t.Errorf("got %d %s and records %+v", got.status, got.body, r)
		}
	})
}

// claimHash is the hash of nothing that exists.
const claimHash = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"

// The way back: what the partner countersigned is believed at acme, and its keys are believed for nothing else.
func TestPartnersTokenAtHome(t *testing.T) {
	f := federate(t, stage.Options{UpstreamTLS: true})
	planner, err := f.Partner.Client(f.Acme.SVIDs["planner"], "2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(planner.CloseIdleConnections)
	ledger, err := f.Acme.Client(f.Partner.SVIDs["ledger"], "2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ledger.CloseIdleConnections)
	reached := watch(t, f.Partner, "ledger")
	if got := readEntry(t, f, planner, farGrant(t, f)); !got.succeeded() {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	token := callToken(t, reached())
	atCRM, records := watch(t, f.Acme, "crm"), decided(t, f.Acme)
	if got := readCase(ledger, f.Acme, token).must(t); !got.succeeded() {
		t.Fatalf("got %d %s, records %+v", got.status, got.body, records())
	}
	if chain := inspect(t, callToken(t, atCRM())); !strings.Contains(chain, f.Partner.ID("ledger")) {
		t.Errorf("the ledger is not in the chain:\n%s", chain)
	}
	// In other hands it is worth nothing, whatever trust domain they are of.
	for name, thief := range map[string]stage.SVID{"intern": f.Acme.SVIDs["intern"], "archive": f.Partner.SVIDs["archive"]} {
		c, err := f.Acme.Client(thief, "2")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		records := decided(t, f.Acme)
		got := readCase(c, f.Acme, token).must(t)
		if r := records(); got.succeeded() || len(r) != 1 || r[0].Reason != string(denial.TokenHolder) {
			t.Errorf("%s: got %d %s and records %+v", name, got.status, got.body, r)
		}
	}
}

// Authorities vouch for their own trust domain only: the federated one can not make itself one of us.
func TestFederatedAuthorityStaysAtHome(t *testing.T) {
	f := federate(t, stage.Options{})
	for _, c := range []struct {
		name string
		ca   *stage.CA
		id   string
	}{
		{"acme's authority says ledger of the partner", f.Acme.CA, f.Partner.ID("ledger")},
		{"the partner's authority says crm of acme", f.Partner.CA, f.Acme.ID("crm")},
		{"the partner's authority says evil.example", f.Partner.CA, "spiffe://evil.example/crm"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := url.Parse(c.id)
			if err != nil {
				t.Fatal(err)
			}
			svid, err := c.ca.Issue("impostor", func(cert *x509.Certificate) { cert.URIs = []*url.URL{id} })
			if err != nil {
				t.Fatal(err)
			}
			caller, err := f.Partner.Client(svid, "2")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(caller.CloseIdleConnections)
			body := toolCall("read_entry", map[string]any{"case_id": "4711"})
			got, err := rawCall{
				client: caller, url: f.Partner.URLs["ledger"], header: callHeader("read_entry", farGrant(t, f)),
				body: bytes.NewReader(body), length: int64(len(body)),
			}.do(t)
			if err == nil {
				t.Errorf("got %d %s, want no connection", got.status, got.body)
			}
		})
	}
}
