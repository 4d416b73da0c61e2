package peer

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"

	"countersign.dev/authz/denial"
)

// MaxCertificate is the longest URL-encoded certificate in bytes.
const MaxCertificate = 64 << 10

const pemBegin = "-----BEGIN CERTIFICATE-----"

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17} // RFC 5280, section 4.2.1.6

	errTooLong     = errors.New("it is longer than 64 KiB")
	errNotOnePEM   = errors.New("it is not one PEM block of type CERTIFICATE and nothing else")
	errSANEncoding = errors.New("the subject alternative name is not a sequence")
)

// tagURI is the tag of uniformResourceIdentifier in GeneralName (RFC 5280, section 4.2.1.6).
const tagURI = 6

// fromCertificate reads the identity from a leaf certificate (X.509-SVID, section 2 to 5).
func fromCertificate(encoded string) (Peer, error) {
	cert, err := decodeCertificate(encoded)
	if err != nil {
		return Peer{}, denial.New(denial.PeerCertificateInvalid, "reading the certificate: %w", err)
	}
	return fromLeaf(cert)
}

func fromLeaf(cert *x509.Certificate) (Peer, error) {
	if cert.IsCA || cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return Peer{}, denial.New(denial.PeerCertificateInvalid, "the certificate may sign others: it is not a leaf")
	}
	uris, err := uriSANs(cert)
	if err != nil {
		return Peer{}, denial.New(denial.PeerCertificateInvalid, "reading the certificate: %w", err)
	}
	switch len(uris) {
	case 0:
		return Peer{}, denial.New(denial.PeerNoURISAN, "the certificate has no URI SAN")
	case 1:
	default:
		return Peer{}, denial.New(denial.PeerMultipleURISANs, "the certificate has %d URI SANs", len(uris))
	}
	id, err := parseWorkload(uris[0])
	if err != nil {
		return Peer{}, err
	}
	digest := sha256.Sum256(cert.Raw)
	return Peer{ID: id, CertificateHash: base64.RawURLEncoding.EncodeToString(digest[:])}, nil
}

// decodeCertificate undoes Envoy's encoding. Envoy percent-encodes "+", so a bare one, as another proxy may leave it,
// is a base64 digit: path unescaping keeps it, query unescaping would turn it into a blank.
func decodeCertificate(encoded string) (*x509.Certificate, error) {
	if len(encoded) > MaxCertificate {
		return nil, errTooLong
	}
	text, err := url.PathUnescape(encoded)
	if err != nil {
		return nil, err
	}
	// The PEM decoder skips whatever it cannot read before a block, so the block must be the only one.
	if !strings.HasPrefix(text, pemBegin) || strings.Count(text, "-----BEGIN") != 1 {
		return nil, errNotOnePEM
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(block.Headers) > 0 || strings.TrimSpace(string(rest)) != "" {
		return nil, errNotOnePEM
	}
	return x509.ParseCertificate(block.Bytes)
}

// uriSANs returns the URI SANs as they are in the certificate. The parsed form (x509.Certificate.URIs) is not used: it
// lower-cases the scheme and drops an empty fragment, and so makes a valid ID from one that is not.
func uriSANs(cert *x509.Certificate) ([]string, error) {
	var uris []string
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(oidSubjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(extension.Value, &names); err != nil || len(rest) > 0 {
			return nil, errSANEncoding
		}
		for _, name := range names {
			if name.Class == asn1.ClassContextSpecific && name.Tag == tagURI {
				uris = append(uris, string(name.Bytes))
			}
		}
	}
	return uris, nil
}
