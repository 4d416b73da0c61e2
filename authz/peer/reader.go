package peer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// Config says whom to believe.
type Config struct {
	// Source is the evidence that names the caller.
	Source Source
	// TrustDomains are the trust domains that callers may come from; at least one.
	TrustDomains []spiffeid.TrustDomain
	// XFCCFrom are the proxies whose XFCC counts; at least one when Source is [XFCC]. A proxy on the list may be in
	// any trust domain: it is named in full.
	XFCCFrom []spiffeid.ID
}

// Reader reads evidence. It is immutable and safe for concurrent use.
type Reader struct {
	source       Source
	trustDomains []spiffeid.TrustDomain
	xfccFrom     []spiffeid.ID
}

// NewReader checks the configuration: a known source, at least one trust domain, no empty names, and a list of
// proxies, each with a path, when the source is [XFCC].
func NewReader(config Config) (*Reader, error) {
	if _, err := config.Source.MarshalText(); err != nil {
		return nil, err
	}
	if len(config.TrustDomains) == 0 {
		return nil, errors.New("peer: no trust domain is allowed: name at least one")
	}
	if slices.ContainsFunc(config.TrustDomains, spiffeid.TrustDomain.IsZero) {
		return nil, errors.New("peer: an allowed trust domain is empty")
	}
	if config.Source == XFCC && len(config.XFCCFrom) == 0 {
		return nil, errors.New("peer: source xfcc needs the SPIFFE IDs of the proxies whose header counts")
	}
	for _, proxy := range config.XFCCFrom {
		if proxy.IsZero() || proxy.Path() == "" {
			return nil, fmt.Errorf("peer: %q is not the SPIFFE ID of a proxy: it has no path", proxy)
		}
	}
	return &Reader{
		source:       config.Source,
		trustDomains: slices.Clone(config.TrustDomains),
		xfccFrom:     slices.Clone(config.XFCCFrom),
	}, nil
}

// Read returns the workload that the evidence proves. Every error is a [denial.Error] of class
// [denial.ClassPeer].
func (r *Reader) Read(evidence Evidence) (Peer, error) {
	p, err := r.identify(evidence)
	if err != nil {
		return Peer{}, err
	}
	return r.allowed(p)
}

// Leaf returns the workload at the other end of a TLS connection that we terminate ourselves: whose leaf certificate it
// is. The TLS stack has verified it. Errors are as for [Reader.Read].
func (r *Reader) Leaf(cert *x509.Certificate) (Peer, error) {
	p, err := fromLeaf(cert)
	if err != nil {
		return Peer{}, err
	}
	return r.allowed(p)
}

func (r *Reader) allowed(p Peer) (Peer, error) {
	if !slices.Contains(r.trustDomains, p.ID.TrustDomain()) {
		return Peer{}, denial.New(denial.PeerTrustDomain, "%q is not an allowed trust domain", p.ID.TrustDomain())
	}
	return p, nil
}

func (r *Reader) identify(evidence Evidence) (Peer, error) {
	switch {
	case evidence.Principal == "" && evidence.Certificate == "":
		return Peer{}, denial.New(denial.PeerMissing, "Envoy reported neither a principal nor a certificate: no mTLS")
	case r.source == Certificate && evidence.Certificate == "":
		return Peer{}, denial.New(denial.PeerCertificateMissing,
			"the source is the certificate, and Envoy sent none: set include_peer_certificate")
	case r.source == Certificate && evidence.Principal == "":
		return fromCertificate(evidence.Certificate)
	}
	direct, err := fromPrincipal(evidence)
	if err != nil || r.source != XFCC {
		return direct, err
	}
	if !slices.Contains(r.xfccFrom, direct.ID) {
		return Peer{}, denial.New(denial.PeerXFCCUntrusted, "%s is not a proxy whose XFCC counts", direct.ID)
	}
	return fromXFCC(evidence.XFCC, direct.ID)
}

// fromPrincipal reads the principal, and makes sure that the certificate, when there is one, says the same.
func fromPrincipal(evidence Evidence) (Peer, error) {
	id, err := parsePrincipal(evidence.Principal)
	if err != nil || evidence.Certificate == "" {
		return Peer{ID: id}, err
	}
	p, err := fromCertificate(evidence.Certificate)
	if err != nil {
		return Peer{}, err
	}
	if p.ID != id {
		return Peer{}, denial.New(denial.PeerMismatch, "the principal is %s, the certificate names %s", id, p.ID)
	}
	return p, nil
}
