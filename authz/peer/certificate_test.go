package peer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// leaf is a certificate as a test wants it, and the hash of its DER encoding.
type leaf struct {
	pem  string
	hash string
}

// sans are put into the certificate byte for byte, as Go's own encoder would refuse the odd ones.
type san struct {
	tag   int // 2: DNS name, 6: URI
	value string
}

func uri(value string) san { return san{6, value} }

func newLeaf(t testing.TB, change func(*x509.Certificate), sans ...san) leaf {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"org"}, CommonName: "nothing"},
		NotBefore: time.Unix(1_795_305_600, 0), NotAfter: time.Unix(1_795_309_200, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if len(sans) > 0 {
		var names []asn1.RawValue
		for _, s := range sans {
			names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: s.tag, Bytes: []byte(s.value)})
		}
		value, err := asn1.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(der)
	return leaf{
		pem:  string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		hash: base64.RawURLEncoding.EncodeToString(digest[:]),
	}
}

// asEnvoySends percent-encodes what Envoy percent-encodes in a PEM text.
func asEnvoySends(text string) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
}

func (l leaf) encoded() string { return asEnvoySends(l.pem) }
