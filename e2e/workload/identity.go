package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"countersign.dev/e2e/workload/wire"
)

// identity says where the X.509-SVID comes from.
type identity struct {
	workloadAPI, certificate, key, bundle, gateway string
	// otherGateway and otherBundle are of a trust domain that ours federates with; empty if there is none.
	otherGateway, otherBundle string
}

// credentials are an X.509-SVID and the authorities to judge others by, both replaced while running if they come from
// the Workload API.
type credentials struct {
	svids    x509svid.Source
	bundles  x509bundle.Source
	gateway  spiffeid.ID   // the one in front of us
	gateways []spiffeid.ID // those to call through
	closer   io.Closer
}

func (i identity) open(ctx context.Context) (*credentials, error) {
	gateway, err := spiffeid.FromString(i.gateway)
	if err != nil {
		return nil, fmt.Errorf("-gateway: %w", err)
	}
	c := &credentials{gateway: gateway, gateways: []spiffeid.ID{gateway}}
	if i.otherGateway != "" {
		other, err := spiffeid.FromString(i.otherGateway)
		if err != nil {
			return nil, fmt.Errorf("-other-gateway: %w", err)
		}
		c.gateways = append(c.gateways, other)
	}
	if i.workloadAPI != "" {
		source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(i.workloadAPI)))
		if err != nil {
			return nil, fmt.Errorf("asking the Workload API for an identity: %w", err)
		}
		c.svids, c.bundles, c.closer = source, source, source
		return c, nil
	}
	svid, err := x509svid.Load(i.certificate, i.key)
	if err != nil {
		return nil, fmt.Errorf("loading the identity: %w", err)
	}
	bundle, err := x509bundle.Load(svid.ID.TrustDomain(), i.bundle)
	if err != nil {
		return nil, fmt.Errorf("loading the authorities: %w", err)
	}
	bundles := x509bundle.NewSet(bundle)
	if i.otherBundle != "" {
		other, err := x509bundle.Load(c.gateways[len(c.gateways)-1].TrustDomain(), i.otherBundle)
		if err != nil {
			return nil, fmt.Errorf("loading the authorities of the other trust domain: %w", err)
		}
		bundles.Add(other)
	}
	c.svids, c.bundles = svid, bundles
	return c, nil
}

func (c *credentials) Close() error {
	if c.closer == nil {
		return nil
	}
	return c.closer.Close()
}

// client is how to connect to a gateway, and to nobody else.
func (c *credentials) client() *tls.Config {
	return tlsconfig.MTLSClientConfig(c.svids, c.bundles, tlsconfig.AuthorizeOneOf(c.gateways...))
}

// server is how to be connected to by the gateway in front of us, and by nobody else.
func (c *credentials) server() *tls.Config {
	return tlsconfig.MTLSServerConfig(c.svids, c.bundles, tlsconfig.AuthorizeID(c.gateway))
}

// GetX509SVID implements [x509svid.Source].
func (c *credentials) GetX509SVID() (*x509svid.SVID, error) { return c.svids.GetX509SVID() }

// GetX509BundleForTrustDomain implements [x509bundle.Source].
func (c *credentials) GetX509BundleForTrustDomain(td spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	return c.bundles.GetX509BundleForTrustDomain(td)
}

// id is the own SPIFFE ID.
func (c *credentials) id() (string, error) {
	svid, err := c.svids.GetX509SVID()
	if err != nil {
		return "", fmt.Errorf("reading the own identity: %w", err)
	}
	return svid.ID.String(), nil
}

// own describes the X.509-SVID in use now.
func (c *credentials) own() wire.Certificate {
	svid, err := c.svids.GetX509SVID()
	if err != nil {
		return wire.Certificate{}
	}
	leaf := svid.Certificates[0]
	return wire.Certificate{ID: svid.ID.String(), Serial: leaf.SerialNumber.Text(16), Expires: leaf.NotAfter}
}
