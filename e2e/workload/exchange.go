package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/e2e/workload/wire"
)

// exchange sends a form to a token endpoint of its own trust domain. The reply has the status and the body.
func (a *agent) exchange(ctx context.Context, c wire.Command) (wire.Reply, error) {
	form := url.Values{}
	for name, value := range c.Form {
		form.Set(name, value)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return wire.Reply{}, fmt.Errorf("making a request for a token: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	domain := a.credentials.gateway.TrustDomain()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   tlsconfig.MTLSClientConfig(a.credentials.svids, a.credentials.bundles, tlsconfig.AuthorizeMemberOf(domain)),
	}}
	response, err := client.Do(request)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("asking for a token: %w", err)
	}
	defer response.Body.Close()
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return wire.Reply{}, fmt.Errorf("reading the answer of the token endpoint: %w", err)
	}
	return wire.Reply{Status: response.StatusCode, Text: string(body)}, nil
}
