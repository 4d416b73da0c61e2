package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// identityFlags are where a client has its X.509-SVID from.
func identityFlags(cmd *cobra.Command, id *identityConfig) {
	flags := cmd.Flags()
	flags.StringVar(&id.WorkloadAPI, "workload-api", "", "`ADDRESS` of the Workload API; default: SPIFFE_ENDPOINT_SOCKET")
	flags.StringVar(&id.Certificate, "certificate", "", "PEM `FILE` with the workload's certificate, instead of the Workload API")
	flags.StringVar(&id.Key, "key", "", "PEM `FILE` with its private key")
	flags.StringVar(&id.Bundle, "bundle", "", "PEM `FILE` with the authorities of its trust domain")
}

// checkClient looks at the flags before anything is opened, and fills in the address of the Workload API.
func (c *identityConfig) checkClient() error {
	files := []string{c.Certificate, c.Key, c.Bundle}
	given := slices.ContainsFunc(files, func(file string) bool { return file != "" })
	switch {
	case given && c.WorkloadAPI != "":
		return usageError{errors.New("set either --workload-api, or --certificate, --key and --bundle")}
	case given && slices.Contains(files, ""):
		return usageError{errors.New("--certificate, --key and --bundle belong together")}
	case given:
		return nil
	case c.WorkloadAPI == "":
		if c.WorkloadAPI, _ = workloadapi.GetDefaultAddress(); c.WorkloadAPI == "" {
			return usageError{errors.New("an identity is needed: --workload-api (or SPIFFE_ENDPOINT_SOCKET), or --certificate, --key and --bundle")}
		}
	}
	return nil
}

// clientTLS is how a client, whose own ID is returned too, proves itself to a Countersign: the one with this SPIFFE ID, or
// any of its own trust domain. The identity stays open until the process ends, for what is rotated meanwhile.
func clientTLS(ctx context.Context, id identityConfig, server spiffeid.ID) (config *tls.Config, own spiffeid.ID, err error) {
	source, _, err := openIdentity(ctx, id)
	if err != nil {
		return nil, own, fmt.Errorf("identity: %w", err)
	}
	svid, err := source.GetX509SVID()
	if err != nil {
		return nil, own, fmt.Errorf("identity: %w", err)
	}
	authorizer := tlsconfig.AuthorizeMemberOf(svid.ID.TrustDomain())
	if !server.IsZero() {
		authorizer = tlsconfig.AuthorizeID(server)
	}
	config = tlsconfig.MTLSClientConfig(source, source, authorizer)
	config.MinVersion = tls.VersionTLS13
	return config, svid.ID, nil
}
