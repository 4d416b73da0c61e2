package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/credentials"
)

// workloadAPITime bounds the wait for the first X.509-SVID: long enough for an agent that starts together with us,
// short enough that a missing registration shows up as a failed start.
const workloadAPITime = 30 * time.Second

// x509Source proves who we are and knows the X.509 authorities that peers are verified with.
type x509Source interface {
	x509svid.Source
	x509bundle.Source
	io.Closer
}

// openIdentity returns our X.509-SVID from the Workload API or from files. Files is nil for the Workload API, which
// pushes rotated SVIDs by itself.
func openIdentity(ctx context.Context, c identityConfig) (source x509Source, files *svidFiles, err error) {
	if c.WorkloadAPI == "" {
		if files, err = openSVIDFiles(c); err != nil {
			return nil, nil, err
		}
		return files, files, nil
	}
	waiting, cancel := context.WithTimeout(ctx, workloadAPITime)
	defer cancel()
	source, err = workloadapi.NewX509Source(waiting,
		workloadapi.WithClientOptions(workloadapi.WithAddr(c.WorkloadAPI)))
	if err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return nil, nil, fmt.Errorf("no X.509-SVID from the Workload API at %s in %s: is the agent running, "+
				"and is this workload registered? %w", c.WorkloadAPI, workloadAPITime, err)
		}
		return nil, nil, fmt.Errorf("asking the Workload API at %s for an X.509-SVID: %w", c.WorkloadAPI, err)
	}
	return source, nil, nil
}

// svidFiles is an X.509-SVID in PEM files. It is safe for concurrent use.
type svidFiles struct {
	certificate, key, bundle string            // paths
	federated                map[string]string // path of the bundle by trust domain

	reloading sync.Mutex
	held      atomic.Pointer[heldSVID]
}

type heldSVID struct {
	svid    *x509svid.SVID
	bundles *x509bundle.Set // one by trust domain, so that no authority vouches for another's workloads
}

// openSVIDFiles loads the certificate chain (leaf first), the private key (PKCS #8), the X.509 authorities of the trust
// domain that the certificate names, and those of the trust domains that it federates with.
func openSVIDFiles(c identityConfig) (*svidFiles, error) {
	f := &svidFiles{certificate: c.Certificate, key: c.Key, bundle: c.Bundle, federated: c.Federated}
	if err := f.Reload(context.Background()); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the files again. On an error what was loaded before stays in use.
func (f *svidFiles) Reload(context.Context) error {
	f.reloading.Lock()
	defer f.reloading.Unlock()
	next, err := f.read(time.Now())
	if err != nil {
		return err
	}
	f.held.Store(next)
	return nil
}

func (f *svidFiles) read(now time.Time) (*heldSVID, error) {
	certificate, err := os.ReadFile(f.certificate) //nolint:gosec // from the configuration
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(f.key) //nolint:gosec // from the configuration
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	// Parse checks that the key belongs to the leaf, and that the leaf has exactly one URI SAN, a SPIFFE ID with a
	// path (X.509-SVID, section 2 and 4).
	svid, err := x509svid.Parse(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s (PKCS #8): %w", f.certificate, f.key, err)
	}
	switch leaf := svid.Certificates[0]; {
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("certificate %s expired at %s", f.certificate, leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("certificate %s is not valid before %s", f.certificate, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	bundle, err := loadBundle(svid.ID.TrustDomain(), f.bundle)
	if err != nil {
		return nil, err
	}
	if _, _, err := x509svid.Verify(svid.Certificates, bundle, x509svid.WithTime(now)); err != nil {
		return nil, fmt.Errorf("certificate %s does not verify with bundle %s: %w", f.certificate, f.bundle, err)
	}
	bundles := x509bundle.NewSet(bundle)
	for name, path := range f.federated {
		td, err := spiffeid.TrustDomainFromString(name)
		if err != nil {
			return nil, fmt.Errorf("the trust domain of bundle %s: %w", path, err)
		}
		other, err := loadBundle(td, path)
		if err != nil {
			return nil, err
		}
		bundles.Add(other)
	}
	return &heldSVID{svid: svid, bundles: bundles}, nil
}

func loadBundle(td spiffeid.TrustDomain, path string) (*x509bundle.Bundle, error) {
	bundle, err := x509bundle.Load(td, path)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	if bundle.Empty() {
		return nil, fmt.Errorf("bundle %s: no certificate", path)
	}
	return bundle, nil
}

// GetX509SVID implements x509svid.Source.
func (f *svidFiles) GetX509SVID() (*x509svid.SVID, error) { return f.held.Load().svid, nil }

// GetX509BundleForTrustDomain implements x509bundle.Source, for our own trust domain and the federated ones.
func (f *svidFiles) GetX509BundleForTrustDomain(td spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	return f.held.Load().bundles.GetX509BundleForTrustDomain(td)
}

// Files returns the paths to watch.
func (f *svidFiles) Files() []string {
	return append([]string{f.certificate, f.key, f.bundle}, slices.Sorted(maps.Values(f.federated))...)
}

// Close implements io.Closer. There is nothing to close.
func (f *svidFiles) Close() error { return nil }

// clientMatcher returns a matcher of the workloads that may connect. A pattern is a SPIFFE ID, or a SPIFFE ID with
// a path followed by "/*", which stands for everything below that path but not for the path itself.
func clientMatcher(patterns []string) (spiffeid.Matcher, error) {
	if len(patterns) == 0 {
		return nil, errors.New("nobody may connect: list SPIFFE IDs such as spiffe://acme.example/gateway")
	}
	exact := make(map[spiffeid.ID]bool)
	var below []spiffeid.ID
	for _, pattern := range patterns {
		id, isPrefix, err := parseClientPattern(pattern)
		if err != nil {
			return nil, err
		}
		if isPrefix {
			below = append(below, id)
		} else {
			exact[id] = true
		}
	}
	return func(actual spiffeid.ID) error {
		if exact[actual] {
			return nil
		}
		for _, prefix := range below {
			if actual.MemberOf(prefix.TrustDomain()) && strings.HasPrefix(actual.Path(), prefix.Path()+"/") {
				return nil
			}
		}
		return fmt.Errorf("%s is not on the list of clients", actual)
	}, nil
}

func parseClientPattern(pattern string) (id spiffeid.ID, isPrefix bool, err error) {
	text, isPrefix := strings.CutSuffix(pattern, "/*")
	if strings.Contains(text, "*") {
		return spiffeid.ID{}, false, fmt.Errorf("%q: a * may only be the whole last segment, "+
			"as in spiffe://acme.example/gateway/*", pattern)
	}
	if !strings.HasPrefix(text, "spiffe://") {
		return spiffeid.ID{}, false, fmt.Errorf("%q: a SPIFFE ID begins with spiffe://, "+
			"as in spiffe://acme.example/gateway", pattern)
	}
	id, err = spiffeid.FromString(text)
	if err != nil {
		return spiffeid.ID{}, false, fmt.Errorf("%q is not a SPIFFE ID: %w", pattern, err)
	}
	if id.Path() == "" && isPrefix {
		return spiffeid.ID{}, false, fmt.Errorf("%q would let every workload of the trust domain connect: "+
			"name a path, as in %s/gateway/*", pattern, text)
	}
	if id.Path() == "" {
		return spiffeid.ID{}, false, fmt.Errorf("%q names a trust domain, not a workload: "+
			"name a path, as in %s/gateway", pattern, text)
	}
	return id, isPrefix, nil
}

// serverCredentials requires mTLS from clients whose X.509-SVID verifies with the source and whose SPIFFE ID matches.
func serverCredentials(source x509Source, clients spiffeid.Matcher) credentials.TransportCredentials {
	// TLS 1.2 is the minimum there: an Envoy that is not told otherwise does not offer more to its upstreams.
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AdaptMatcher(clients))
	// A resumed session is not verified again, so it could outlive the client's certificate and our bundle.
	config.SessionTicketsDisabled = true
	return credentials.NewTLS(config)
}
