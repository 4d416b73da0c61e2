package peer_test

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// checkInvariants holds for every answer: either a workload of the allowed trust domain, or a refusal of the class of
// peers and no peer at all.
func checkInvariants(t *testing.T, got peer.Peer, err error) {
	t.Helper()
	if err != nil {
		if got != (peer.Peer{}) {
			t.Fatalf("refused, and yet a peer was returned: %v", got)
		}
		if reason := denial.ReasonOf(err); reason.Class() != denial.ClassPeer {
			t.Fatalf("refused as %s, which is not of the class of peers", reason)
		}
		return
	}
	again, err := spiffeid.FromString(got.ID.String())
	switch {
	case err != nil || again != got.ID:
		t.Fatalf("%q does not parse: %v", got.ID, err)
	case got.ID.TrustDomain().Name() != "acme.example" || got.ID.Path() == "" || len(got.ID.String()) > peer.MaxID:
		t.Fatalf("%q is not a workload of the allowed trust domain", got.ID)
	}
	if digest, err := base64.RawURLEncoding.DecodeString(got.CertificateHash); err != nil || len(digest) != 32 && len(digest) != 0 {
		t.Fatalf("%q is not a hash: %v", got.CertificateHash, err)
	}
}

func FuzzPrincipal(f *testing.F) {
	for _, seed := range []string{
		"", planner, planner + "!", "agent.test", "CN=nothing,O=org", "spiffe://acme.example", "spiffe://evil.example/planner",
		planner + "\x00", "SPIFFE://acme.example/planner", "spiffe://acme.example/../planner",
	} {
		f.Add(seed)
	}
	r := newReader(f, peer.Principal)
	f.Fuzz(func(t *testing.T, principal string) {
		got, err := r.Read(peer.Evidence{Principal: principal})
		checkInvariants(t, got, err)
		if err == nil && (got.ID.String() != principal || got.CertificateHash != "") {
			t.Fatalf("%q became %v", principal, got)
		}
	})
}

func FuzzCertificate(f *testing.F) {
	for _, l := range []leaf{newLeaf(f, nil, uri(planner)), newLeaf(f, nil, uri(planner), uri(intern)), newLeaf(f, nil)} {
		f.Add("", l.encoded())
		f.Add(planner, l.pem)
		f.Add(intern, l.encoded())
	}
	r := newReader(f, peer.Certificate)
	f.Fuzz(func(t *testing.T, principal, certificate string) {
		got, err := r.Read(peer.Evidence{Principal: principal, Certificate: certificate})
		checkInvariants(t, got, err)
		if err == nil && (got.CertificateHash == "" || principal != "" && principal != got.ID.String()) {
			t.Fatalf("principal %q became %v", principal, got)
		}
	})
}

func FuzzXFCC(f *testing.F) {
	for _, seed := range []string{
		"", "URI=" + planner, "By=" + gateway + `;Hash=00;Subject="CN=a\",b";URI=` + planner, `a="\`, "URI=" + planner + ",URI=" + intern,
		"URI=" + planner + ",", `[{"uri":"x"}]`, "a=b;c=d, e=f",
	} {
		f.Add("", seed)
		f.Add("URI="+intern, seed)
	}
	r := newReader(f, peer.XFCC)
	f.Fuzz(func(t *testing.T, first, last string) {
		got, err := r.Read(peer.Evidence{Principal: gateway, XFCC: []string{first, last}})
		checkInvariants(t, got, err)
		if err != nil {
			return
		}
		if !strings.Contains(last, got.ID.Path()) && !strings.Contains(last, `\`) {
			t.Fatalf("%s is not in the last field %q", got.ID, last)
		}
		// What is accepted must not depend on what came before.
		if alone, err := r.Read(peer.Evidence{Principal: gateway, XFCC: []string{last}}); err != nil || alone != got {
			t.Fatalf("alone, the last field says %v, %v", alone, err)
		}
		if from, err := r.Read(peer.Evidence{Principal: intern, XFCC: []string{last}}); err == nil {
			t.Fatalf("an unlisted proxy made %v", from)
		}
	})
}

// Whatever callers put before it, and whatever the subject says, the element of the gateway is the one that is read.
func TestTheGatewaysElementIsReadBack(t *testing.T) {
	r := newReader(t, peer.XFCC)
	quote := func(value string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	text := rapid.StringMatching(`[ -~é]{0,20}`)
	element := rapid.Custom(func(t *rapid.T) string {
		pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"By", "hash", "Subject", "URI", "DNS"}).Draw(t, "key") + "=" + quote(text.Draw(t, "value"))
		}), 1, 4).Draw(t, "pairs")
		return strings.Join(pairs, ";")
	})
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOfN(element, 0, 4).Draw(t, "before")
		workload := "spiffe://acme.example/" + rapid.StringMatching(`[a-z][a-z0-9]{0,8}(/[a-z0-9]{1,8}){0,2}`).
			Filter(func(s string) bool { return s != "gateway" }).Draw(t, "path")
		digest := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest")
		genuine := strings.Join(rapid.Permutation([]string{
			"By=" + gateway, "Hash=" + hex.EncodeToString(digest), "Subject=" + quote(text.Draw(t, "subject")), "URI=" + workload,
		}).Draw(t, "genuine"), ";")

		elements := slices.Concat(before, []string{genuine})
		cut := rapid.IntRange(0, len(elements)-1).Draw(t, "cut")
		fields := []string{strings.Join(elements[cut:], rapid.SampledFrom([]string{",", ", "}).Draw(t, "separator"))}
		if cut > 0 {
			fields = append([]string{strings.Join(elements[:cut], ",")}, fields...)
		}
		got, err := r.Read(peer.Evidence{Principal: gateway, XFCC: fields})
		if err != nil {
			t.Fatalf("%q: %v", fields, err)
		}
		if got.ID.String() != workload || got.CertificateHash != base64.RawURLEncoding.EncodeToString(digest) {
			t.Fatalf("%q: got %v, want %s", fields, got, workload)
		}
	})
}
