package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// CA is the certificate authority of a trust domain. It issues X.509-SVIDs as PEM files (SPIFFE X.509-SVID, section 2
// to 5), which is all that the embedded stage needs in place of SPIRE.
type CA struct {
	dir, domain string
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// SVID is where the files of one X.509-SVID are.
type SVID struct {
	// Certificate is the leaf, PEM.
	Certificate string
	// Key is the private key, PKCS #8 in PEM.
	Key string
	// Bundle holds the X.509 authorities of the trust domain, PEM.
	Bundle string
}

// NewCA makes an authority of a trust domain that keeps its files in dir.
func NewCA(dir, domain string) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the authority: %w", err)
	}
	uri := &url.URL{Scheme: "spiffe", Host: domain}
	template := certificateTemplate(uri, 24*time.Hour)
	// A name that its certificates do not have: OpenSSL takes a certificate with one name for subject and issuer to be
	// self-signed.
	template.Subject.CommonName = "Acme authority"
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the authority back: %w", err)
	}
	ca := &CA{dir: dir, domain: domain, key: key, certificate: certificate}
	return ca, writePEM(ca.bundle(), "CERTIFICATE", der)
}

func (ca *CA) bundle() string { return filepath.Join(ca.dir, "bundle.pem") }

// Issue writes a fresh X.509-SVID for a workload, valid for an hour, over the one it may have had. The changes are made
// to the certificate before it is signed: tests use them to issue what no SPIFFE authority would.
func (ca *CA) Issue(workload string, changes ...func(*x509.Certificate)) (SVID, error) {
	svid := SVID{
		Certificate: filepath.Join(ca.dir, workload+".pem"),
		Key:         filepath.Join(ca.dir, workload+".key.pem"),
		Bundle:      ca.bundle(),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return SVID{}, fmt.Errorf("making the key of %s: %w", workload, err)
	}
	template := certificateTemplate(&url.URL{Scheme: "spiffe", Host: ca.domain, Path: "/" + workload}, time.Hour)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, change := range changes {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return SVID{}, fmt.Errorf("signing the certificate of %s: %w", workload, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return SVID{}, fmt.Errorf("encoding the key of %s: %w", workload, err)
	}
	if err := writePEM(svid.Key, "PRIVATE KEY", keyDER); err != nil {
		return SVID{}, err
	}
	return svid, writePEM(svid.Certificate, "CERTIFICATE", der)
}

func certificateTemplate(uri *url.URL, ttl time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic("no random numbers: " + err.Error()) // crypto/rand never fails on a supported system
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"Acme"}},
		URIs:         []*url.URL{uri},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(ttl),
	}
}

// writePEM replaces a file in one step, so that whoever watches it never reads half.
func writePEM(file, kind string, der []byte) error {
	return replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func replaceFile(file string, data []byte) error {
	part := file + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.Rename(part, file); err != nil {
		return fmt.Errorf("replacing %s: %w", file, err)
	}
	return nil
}
