package peer_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// Where we terminate TLS ourselves the certificate is all there is, and the same rules hold.
func TestLeaf(t *testing.T) {
	reader, err := peer.NewReader(peer.Config{
		Source: peer.Certificate, TrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
	})
	if err != nil {
		t.Fatal(err)
	}
	good := newLeaf(t, nil, uri("spiffe://acme.example/planner"))
	got, err := reader.Leaf(good.parse(t))
	if err != nil || got.ID.String() != "spiffe://acme.example/planner" || got.CertificateHash != good.hash {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, test := range map[string]struct {
		leaf leaf
		want denial.Reason
	}{
		"no URI SAN":           {newLeaf(t, nil), denial.PeerNoURISAN},
		"two URI SANs":         {newLeaf(t, nil, uri("spiffe://acme.example/planner"), uri("spiffe://acme.example/crm")), denial.PeerMultipleURISANs},
		"an authority":         {newLeaf(t, func(c *x509.Certificate) { c.IsCA = true }, uri("spiffe://acme.example/planner")), denial.PeerCertificateInvalid},
		"another trust domain": {newLeaf(t, nil, uri("spiffe://other.example/planner")), denial.PeerTrustDomain},
		"no workload":          {newLeaf(t, nil, uri("spiffe://acme.example")), denial.PeerInvalid},
	} {
		if _, err := reader.Leaf(test.leaf.parse(t)); err == nil || denial.ReasonOf(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func (l leaf) parse(t *testing.T) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(l.pem))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
