package peer_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

const (
	planner = "spiffe://acme.example/planner"
	intern  = "spiffe://acme.example/intern"
	gateway = "spiffe://acme.example/gateway"
)

func newReader(t testing.TB, source peer.Source) *peer.Reader {
	t.Helper()
	r, err := peer.NewReader(peer.Config{
		Source:       source,
		TrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
		XFCCFrom:     []spiffeid.ID{spiffeid.RequireFromString(gateway), spiffeid.RequireFromString("spiffe://edge.example/gateway")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expectation is a peer, or the reason for which there is none.
type expectation struct {
	id, hash string
	refused  denial.Reason
}

func check(t *testing.T, source peer.Source, evidence peer.Evidence, want expectation) {
	t.Helper()
	got, err := newReader(t, source).Read(evidence)
	if want.refused != "" {
		if err == nil {
			t.Fatalf("accepted as %s, want the refusal %s", got.ID, want.refused)
		}
		if reason := denial.ReasonOf(err); reason != want.refused {
			t.Errorf("refused as %v, want %s", err, want.refused)
		}
		if reason := denial.ReasonOf(err); reason.Class() != denial.ClassPeer {
			t.Errorf("%s is not of the class of peers", reason)
		}
		if got != (peer.Peer{}) {
			t.Errorf("refused, and yet a peer was returned: %v", got)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got.ID.String() != want.id || got.CertificateHash != want.hash {
		t.Errorf("got %s with hash %q, want %s with %q", got.ID, got.CertificateHash, want.id, want.hash)
	}
}

func TestPrincipalAlone(t *testing.T) {
	for _, test := range []struct {
		name      string
		principal string
		want      expectation
	}{
		{"the planner", planner, expectation{id: planner}},
		{"a deep path", "spiffe://acme.example/ns/a/sa/b", expectation{id: "spiffe://acme.example/ns/a/sa/b"}},
		{"plaintext: no principal", "", expectation{refused: denial.PeerMissing}},
		{"certificate with a DNS SAN only", "agent.test", expectation{refused: denial.PeerDNSName}},
		{"wildcard DNS SAN", "*.acme.example", expectation{refused: denial.PeerDNSName}},
		{"certificate without SAN", "CN=nothing,O=org", expectation{refused: denial.PeerSubjectDN}},
		{"a subject with a numeric type", "2.5.4.3=nothing", expectation{refused: denial.PeerSubjectDN}},
		{"a subject that quotes a SPIFFE ID", "CN=" + planner, expectation{refused: denial.PeerSubjectDN}},
		{"a multi-valued subject", "OU=a+CN=b", expectation{refused: denial.PeerSubjectDN}},
		{"NUL that Envoy replaced", planner + "!", expectation{refused: denial.PeerSanitised}},
		{"a subject with replaced bytes", "CN=caf!", expectation{refused: denial.PeerSanitised}},
		{"NUL that Envoy let through", planner + "\x00.evil.example", expectation{refused: denial.PeerInvalid}},
		{"trust domain only", "spiffe://acme.example", expectation{refused: denial.PeerInvalid}},
		{"trailing slash", planner + "/", expectation{refused: denial.PeerInvalid}},
		{"dot segments", "spiffe://acme.example/intern/../planner", expectation{refused: denial.PeerInvalid}},
		{"empty segment", "spiffe://acme.example//planner", expectation{refused: denial.PeerInvalid}},
		{"percent-encoding", "spiffe://acme.example/pl%61nner", expectation{refused: denial.PeerInvalid}},
		{"scheme in upper case", "SPIFFE://acme.example/planner", expectation{refused: denial.PeerInvalid}},
		{"trust domain in upper case", "spiffe://ACME.example/planner", expectation{refused: denial.PeerInvalid}},
		{"port", "spiffe://acme.example:443/planner", expectation{refused: denial.PeerInvalid}},
		{"user info", "spiffe://acme.example@evil.example/planner", expectation{refused: denial.PeerInvalid}},
		{"query", planner + "?a=b", expectation{refused: denial.PeerInvalid}},
		{"another URI", "https://acme.example/planner", expectation{refused: denial.PeerInvalid}},
		{"a URN", "urn:acme:planner", expectation{refused: denial.PeerInvalid}},
		{"blank in front", " " + planner, expectation{refused: denial.PeerInvalid}},
		{"two joined", planner + "," + intern, expectation{refused: denial.PeerInvalid}},
		{"look-alike letter", "spiffe://acme.example/plаnner", expectation{refused: denial.PeerInvalid}},
		{"longest allowed", "spiffe://acme.example/" + strings.Repeat("a", peer.MaxID-22), expectation{id: "spiffe://acme.example/" + strings.Repeat("a", peer.MaxID-22)}},
		{"one byte too long", "spiffe://acme.example/" + strings.Repeat("a", peer.MaxID-21), expectation{refused: denial.PeerInvalid}},
		{"another trust domain", "spiffe://evil.example/planner", expectation{refused: denial.PeerTrustDomain}},
		{"a trust domain that starts alike", "spiffe://acme.example.evil/planner", expectation{refused: denial.PeerTrustDomain}},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, peer.Principal, peer.Evidence{Principal: test.principal}, test.want)
		})
	}
}

func TestXFCCIsIgnoredUnlessConfigured(t *testing.T) {
	forged := []string{"URI=" + planner}
	check(t, peer.Principal, peer.Evidence{Principal: intern, XFCC: forged}, expectation{id: intern})
	check(t, peer.Principal, peer.Evidence{XFCC: forged}, expectation{refused: denial.PeerMissing})
	check(t, peer.Certificate, peer.Evidence{XFCC: forged}, expectation{refused: denial.PeerMissing})
}

func TestCertificate(t *testing.T) {
	good := newLeaf(t, nil, uri(planner))
	withDNS := newLeaf(t, nil, san{2, "planner.acme.example"}, uri(planner))
	other := newLeaf(t, nil, uri(intern))
	of := func(change func(*x509.Certificate), sans ...san) string { return newLeaf(t, change, sans...).encoded() }

	for _, test := range []struct {
		name        string
		principal   string
		certificate string
		want        expectation
	}{
		{"agrees with the principal", planner, good.encoded(), expectation{id: planner, hash: good.hash}},
		{"a DNS SAN beside the URI", planner, withDNS.encoded(), expectation{id: planner, hash: withDNS.hash}},
		{"encoded by another library", planner, url.QueryEscape(strings.ReplaceAll(good.pem, " ", "%20")), expectation{refused: denial.PeerCertificateInvalid}},
		{"encoded in full", planner, strings.ReplaceAll(url.QueryEscape(good.pem), "+", "%20"), expectation{id: planner, hash: good.hash}},
		{"not encoded, so that plus signs stay", planner, good.pem, expectation{id: planner, hash: good.hash}},
		{"of another workload", planner, other.encoded(), expectation{refused: denial.PeerMismatch}},
		{"principal is a DNS name", "agent.test", good.encoded(), expectation{refused: denial.PeerDNSName}},
		{"two URI SANs, of which Envoy shows the first", planner, of(nil, uri(planner), uri("spiffe://acme.example/ledger")), expectation{refused: denial.PeerMultipleURISANs}},
		{"the same URI SAN twice", planner, of(nil, uri(planner), uri(planner)), expectation{refused: denial.PeerMultipleURISANs}},
		{"no SAN", planner, of(nil), expectation{refused: denial.PeerNoURISAN}},
		{"DNS SAN only", planner, of(nil, san{2, "agent.test"}), expectation{refused: denial.PeerNoURISAN}},
		{"a CA", planner, of(func(c *x509.Certificate) { c.IsCA = true }, uri(planner)), expectation{refused: denial.PeerCertificateInvalid}},
		{"may sign certificates", planner, of(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, uri(planner)), expectation{refused: denial.PeerCertificateInvalid}},
		{"may sign revocation lists", planner, of(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, uri(planner)), expectation{refused: denial.PeerCertificateInvalid}},
		{"SAN with an upper-case scheme", planner, of(nil, uri("SPIFFE://acme.example/planner")), expectation{refused: denial.PeerInvalid}},
		{"SAN with an empty fragment", planner, of(nil, uri(planner+"#")), expectation{refused: denial.PeerInvalid}},
		{"SAN with a percent-encoded letter", planner, of(nil, uri("spiffe://acme.example/pl%61nner")), expectation{refused: denial.PeerInvalid}},
		{"SAN without a path", planner, of(nil, uri("spiffe://acme.example")), expectation{refused: denial.PeerInvalid}},
		{"SAN that is a name", planner, of(nil, uri("planner")), expectation{refused: denial.PeerInvalid}},
		{"empty SAN", planner, of(nil, uri("")), expectation{refused: denial.PeerInvalid}},
		{"garbage", planner, "garbage", expectation{refused: denial.PeerCertificateInvalid}},
		{"broken encoding", planner, "%zz", expectation{refused: denial.PeerCertificateInvalid}},
		{"a chain", planner, asEnvoySends(good.pem + other.pem), expectation{refused: denial.PeerCertificateInvalid}},
		{"a broken block before a good one", planner, asEnvoySends("-----BEGIN CERTIFICATE-----\n!!\n" + good.pem), expectation{refused: denial.PeerCertificateInvalid}},
		{"text before", planner, asEnvoySends("x\n" + good.pem), expectation{refused: denial.PeerCertificateInvalid}},
		{"text after", planner, asEnvoySends(good.pem + "x"), expectation{refused: denial.PeerCertificateInvalid}},
		{"PEM headers", planner, asEnvoySends(strings.Replace(good.pem, "-----\n", "-----\nA: b\n\n", 1)), expectation{refused: denial.PeerCertificateInvalid}},
		{"another PEM type", planner, asEnvoySends(strings.ReplaceAll(good.pem, "CERTIFICATE", "PUBLIC KEY")), expectation{refused: denial.PeerCertificateInvalid}},
		{"truncated", planner, good.encoded()[:300], expectation{refused: denial.PeerCertificateInvalid}},
		{"not a certificate inside", planner, asEnvoySends("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), expectation{refused: denial.PeerCertificateInvalid}},
		{"longer than the limit", planner, good.encoded() + strings.Repeat("%0A", peer.MaxCertificate/3), expectation{refused: denial.PeerCertificateInvalid}},
	} {
		t.Run(test.name, func(t *testing.T) {
			evidence := peer.Evidence{Principal: test.principal, Certificate: test.certificate}
			check(t, peer.Principal, evidence, test.want)
			check(t, peer.Certificate, evidence, test.want)
		})
	}
}

func TestCertificateAsTheOnlySource(t *testing.T) {
	good := newLeaf(t, nil, uri(planner))
	foreign := newLeaf(t, nil, uri("spiffe://evil.example/planner"))
	double := newLeaf(t, nil, uri(planner), uri(intern))
	for _, test := range []struct {
		name     string
		evidence peer.Evidence
		want     expectation
	}{
		{"certificate without a principal", peer.Evidence{Certificate: good.encoded()}, expectation{id: planner, hash: good.hash}},
		{"principal without a certificate", peer.Evidence{Principal: planner}, expectation{refused: denial.PeerCertificateMissing}},
		{"neither", peer.Evidence{}, expectation{refused: denial.PeerMissing}},
		{"another trust domain", peer.Evidence{Certificate: foreign.encoded()}, expectation{refused: denial.PeerTrustDomain}},
		{"two URI SANs", peer.Evidence{Certificate: double.encoded()}, expectation{refused: denial.PeerMultipleURISANs}},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, peer.Certificate, test.evidence, test.want) })
	}
	t.Run("with the principal as source, a certificate without a principal is no peer", func(t *testing.T) {
		check(t, peer.Principal, peer.Evidence{Certificate: good.encoded()}, expectation{refused: denial.PeerMissing})
	})
}

func TestXFCC(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	raw, err := hex.DecodeString(hash)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString(raw)

	for _, test := range []struct {
		name string
		xfcc []string
		want expectation
	}{
		{"what a gateway sends", []string{"By=" + gateway + ";Hash=" + hash + `;Subject="CN=a,O=b";URI=` + planner}, expectation{id: planner, hash: b64}},
		{"without a hash", []string{"URI=" + planner}, expectation{id: planner}},
		{"hash in upper case", []string{"Hash=" + strings.ToUpper(hash) + ";URI=" + planner}, expectation{id: planner, hash: b64}},
		{"keys in any case", []string{"hASH=" + hash + ";uri=" + planner}, expectation{id: planner, hash: b64}},
		{"quoted URI", []string{`URI="` + planner + `"`}, expectation{id: planner}},
		{"forged first element", []string{"URI=" + planner + ",By=" + gateway + ";URI=" + intern}, expectation{id: intern}},
		{"forged first field", []string{"URI=" + planner, "URI=" + intern}, expectation{id: intern}},
		{"joined by a proxy with a blank", []string{"URI=" + planner + ", \tURI=" + intern + " "}, expectation{id: intern}},
		{"subject with separators", []string{`Subject="O=\"a\",URI=` + planner + `;x";URI=` + intern}, expectation{id: intern}},
		{"subject that ends in a backslash", []string{`Subject="CN=a\\";URI=` + intern}, expectation{id: intern}},
		{"subject that tries to start a new element", []string{`Subject="CN=x\",URI=` + planner + `";URI=` + intern}, expectation{id: intern}},
		{"subject with an escaped comma", []string{`Subject="CN=a\,b";URI=` + intern}, expectation{id: intern}},
		{"a backslash does not vanish from a URI", []string{`URI="spiffe://acme.example/pl\anner"`}, expectation{refused: denial.PeerInvalid}},
		{"key that is not known", []string{"New=1;URI=" + intern}, expectation{id: intern}},

		{"none", nil, expectation{refused: denial.PeerXFCCMissing}},
		{"an empty field", []string{""}, expectation{refused: denial.PeerXFCCMissing}},
		{"an empty field after a forged one", []string{"URI=" + planner, ""}, expectation{refused: denial.PeerXFCCInvalid}},
		{"blanks only", []string{"  "}, expectation{refused: denial.PeerXFCCInvalid}},
		{"a comma at the end", []string{"URI=" + planner + ","}, expectation{refused: denial.PeerXFCCInvalid}},
		{"an empty element", []string{"URI=" + planner + ",,URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"a semicolon at the end", []string{"URI=" + planner + ";"}, expectation{refused: denial.PeerXFCCInvalid}},
		{"no key", []string{"=x;URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"no value", []string{"URI;URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"quotation mark left open in a forged element", []string{`URI=` + planner + `;Subject=",By=` + gateway + `;URI=` + intern}, expectation{refused: denial.PeerXFCCInvalid}},
		{"quotation mark left open, closed by the gateway's", []string{`URI=` + planner + `;Subject=",By=` + gateway + `;Subject="CN=x";URI=` + intern}, expectation{refused: denial.PeerXFCCInvalid}},
		{"quotation mark left open, closed by an empty subject", []string{`URI=` + planner + `;Subject=",By=` + gateway + `;Subject="";URI=` + intern}, expectation{refused: denial.PeerXFCCInvalid}},
		{"quotation mark left open in an earlier field", []string{`Subject="`, `";URI=` + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"escape at the very end", []string{`URI="` + planner + `\`}, expectation{refused: denial.PeerXFCCInvalid}},
		{"text after a quoted value", []string{`URI="` + planner + `"x`}, expectation{refused: denial.PeerXFCCInvalid}},
		{"quotation mark inside a bare value", []string{`Subject=a"b;URI=` + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"control character", []string{"Subject=\"a\nb\";URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"control character after a backslash", []string{"Subject=\"a\\\nb\";URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"blank inside a bare value", []string{"URI=" + planner + " x"}, expectation{refused: denial.PeerXFCCInvalid}},
		{"JSON form", []string{`[{"uri":"` + planner + `"}]`}, expectation{refused: denial.PeerXFCCInvalid}},
		{"two URIs", []string{"URI=" + planner + ";URI=" + intern}, expectation{refused: denial.PeerXFCCInvalid}},
		{"no URI", []string{"URI=" + planner + ",Hash=" + hash}, expectation{refused: denial.PeerXFCCInvalid}},
		{"empty URI", []string{"URI="}, expectation{refused: denial.PeerXFCCInvalid}},
		{"URI that is no SPIFFE ID", []string{"URI=https://acme.example/planner"}, expectation{refused: denial.PeerInvalid}},
		{"URI that is a name", []string{"URI=planner"}, expectation{refused: denial.PeerInvalid}},
		{"URI of a trust domain", []string{"URI=spiffe://acme.example"}, expectation{refused: denial.PeerInvalid}},
		{"another trust domain", []string{"URI=spiffe://evil.example/planner"}, expectation{refused: denial.PeerTrustDomain}},
		{"short hash", []string{"Hash=abcd;URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"hash that is not hex", []string{"Hash=" + strings.Repeat("zz", 32) + ";URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"empty hash", []string{"Hash=;URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"two hashes", []string{"Hash=" + hash + ";Hash=" + hash + ";URI=" + planner}, expectation{refused: denial.PeerXFCCInvalid}},
		{"our own Envoy appended", []string{"URI=" + planner + ",URI=" + gateway}, expectation{refused: denial.PeerXFCCInvalid}},
		{"over the limit", []string{"URI=" + planner, `Subject="` + strings.Repeat("a", peer.MaxXFCC) + `"`}, expectation{refused: denial.PeerXFCCInvalid}},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, peer.XFCC, peer.Evidence{Principal: gateway, XFCC: test.xfcc}, test.want)
		})
	}
}

func TestXFCCCountsOnlyFromAListedProxy(t *testing.T) {
	proxy := newLeaf(t, nil, uri(gateway))
	double := newLeaf(t, nil, uri(gateway), uri(intern))
	header := []string{"URI=" + planner}
	for _, test := range []struct {
		name     string
		evidence peer.Evidence
		want     expectation
	}{
		{"the gateway, with its certificate", peer.Evidence{Principal: gateway, Certificate: proxy.encoded(), XFCC: header}, expectation{id: planner}},
		{"a listed gateway of another trust domain", peer.Evidence{Principal: "spiffe://edge.example/gateway", XFCC: header}, expectation{id: planner}},
		{"a workload that writes its own header", peer.Evidence{Principal: intern, XFCC: header}, expectation{refused: denial.PeerXFCCUntrusted}},
		{"a workload below the gateway's path", peer.Evidence{Principal: gateway + "/x", XFCC: header}, expectation{refused: denial.PeerXFCCUntrusted}},
		{"an untrusted proxy without the header", peer.Evidence{Principal: intern}, expectation{refused: denial.PeerXFCCUntrusted}},
		{"plaintext from the proxy", peer.Evidence{XFCC: header}, expectation{refused: denial.PeerMissing}},
		{"a proxy with a DNS name", peer.Evidence{Principal: "gateway.acme.example", XFCC: header}, expectation{refused: denial.PeerDNSName}},
		{"a proxy whose certificate has two names", peer.Evidence{Principal: gateway, Certificate: double.encoded(), XFCC: header}, expectation{refused: denial.PeerMultipleURISANs}},
		{"a certificate without a principal", peer.Evidence{Certificate: proxy.encoded(), XFCC: header}, expectation{refused: denial.PeerMissing}},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, peer.XFCC, test.evidence, test.want) })
	}
}

func TestDetailsAreShort(t *testing.T) {
	_, err := newReader(t, peer.Principal).Read(peer.Evidence{Principal: "CN=" + strings.Repeat("a", 100_000)})
	var refused *denial.Error
	if !errors.As(err, &refused) || len(refused.Detail) > 300 {
		t.Errorf("the detail is %d bytes long", len(err.Error()))
	}
}

func TestConfigurationMistakes(t *testing.T) {
	acme := []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")}
	for name, config := range map[string]peer.Config{
		"no trust domain":           {},
		"empty trust domain":        {TrustDomains: []spiffeid.TrustDomain{{}}},
		"unknown source":            {Source: 7, TrustDomains: acme},
		"xfcc without proxies":      {Source: peer.XFCC, TrustDomains: acme},
		"empty proxy":               {Source: peer.XFCC, TrustDomains: acme, XFCCFrom: []spiffeid.ID{{}}},
		"a trust domain as a proxy": {Source: peer.XFCC, TrustDomains: acme, XFCCFrom: []spiffeid.ID{spiffeid.RequireFromString("spiffe://acme.example")}},
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := peer.NewReader(config); err == nil || r != nil {
				t.Errorf("NewReader = %v, %v; want an error", r, err)
			}
		})
	}
}

func TestSourceText(t *testing.T) {
	for source, name := range map[peer.Source]string{peer.Principal: "principal", peer.Certificate: "certificate", peer.XFCC: "xfcc"} {
		text, err := source.MarshalText()
		if err != nil || string(text) != name || source.String() != name {
			t.Errorf("MarshalText = %q, %v; want %q", text, err, name)
		}
		var back peer.Source
		if err := back.UnmarshalText(text); err != nil || back != source {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, back, err)
		}
	}
	var s peer.Source
	if err := s.UnmarshalText([]byte("XFCC")); err == nil {
		t.Error("another spelling was accepted")
	}
	for _, odd := range []peer.Source{-1, 3} {
		if _, err := odd.MarshalText(); err == nil || !strings.HasPrefix(odd.String(), "Source(") {
			t.Errorf("%d has a text: %s", int(odd), odd)
		}
	}
}
