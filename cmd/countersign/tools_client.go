package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/tools"
)

// toolsClient is how a live server is asked for its tools.
type toolsClient struct {
	identity   identityConfig
	serverID   string
	bearerFile string
	headers    []string
	timeout    time.Duration
}

func (c *toolsClient) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.bearerFile, "bearer-file", "", "`FILE` with a bearer token for the Authorization header")
	flags.StringArrayVar(&c.headers, "header", nil, "header field to send, `\"NAME: VALUE\"`; may be repeated")
	flags.StringVar(&c.serverID, "server-id", "", "`SPIFFE-ID` that the server must prove over mTLS; default: any of the workload's own trust domain")
	flags.DurationVar(&c.timeout, "timeout", requestTime, "time for each server")
	identityFlags(cmd, &c.identity)
}

// secret reports whether something is sent that only one server may see.
func (c *toolsClient) secret() bool { return c.bearerFile != "" || len(c.headers) > 0 }

// pull asks the server at an endpoint. It proves an identity only if one was named: other servers are known by what the
// system trusts.
func (c *toolsClient) pull(ctx context.Context, endpoint string) (mcp.Pin, error) {
	at, err := url.Parse(endpoint)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || at.User != nil {
		return mcp.Pin{}, usageError{fmt.Errorf("%q is not the http or https URL of an MCP server", endpoint)}
	}
	header, err := c.header()
	switch {
	case err != nil:
		return mcp.Pin{}, err
	case at.Scheme == "http" && len(header) > 0 && !loopback(at.Hostname()):
		return mcp.Pin{}, usageError{errors.New("header fields go to an https URL only: anybody on the way could read them")}
	case c.timeout <= 0:
		return mcp.Pin{}, usageError{errors.New("--timeout must be more than 0s")}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	config, err := c.tls(ctx, at.Scheme)
	if err != nil {
		return mcp.Pin{}, err
	}
	send := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
	defer send.CloseIdleConnections()
	return tools.Pull(ctx, endpoint, header, send, readBuildInfo().Version)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls is how the server is known, and we to it.
func (c *toolsClient) tls(ctx context.Context, scheme string) (*tls.Config, error) {
	id := c.identity
	if id.WorkloadAPI == "" && id.Certificate == "" && id.Key == "" && id.Bundle == "" && c.serverID == "" {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	var server spiffeid.ID
	if c.serverID != "" {
		var err error
		if server, err = spiffeid.FromString(c.serverID); err != nil {
			return nil, usageError{fmt.Errorf("--server-id %q: %w", c.serverID, err)}
		}
	}
	if scheme != "https" {
		return nil, usageError{errors.New("an identity is for an https URL")}
	}
	if err := id.checkClient(); err != nil {
		return nil, err
	}
	config, _, err := clientTLS(ctx, id, server)
	return config, err
}

// header returns the fields to send. No error quotes a value.
func (c *toolsClient) header() (http.Header, error) {
	all := http.Header{}
	for _, field := range c.headers {
		name, value, ok := strings.Cut(field, ":")
		value = strings.TrimSpace(value)
		if !ok || strings.ContainsAny(name, " \t\r\n") || name == "" || value == "" {
			return nil, usageError{errors.New(`--header: write "NAME: VALUE"`)}
		}
		all.Add(name, value)
	}
	if c.bearerFile == "" {
		return all, nil
	}
	data, err := readLimited(c.bearerFile, maxTokenInput)
	if err != nil {
		return nil, fmt.Errorf("reading the bearer token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return nil, fmt.Errorf("%s has no token", c.bearerFile)
	}
	all.Set("Authorization", "Bearer "+token)
	return all, nil
}
