package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar/scenario"
)

// questionFlags are the flags that describe one request, of commands that ask policy about it. The request's server is --on,
// because --server is one of [policySource].
type questionFlags struct {
	request    scenario.Request
	delegation scenario.Delegation
	now        string
	arguments  string
	expiresIn  time.Duration
	file       string
}

// flags declares the flags.
func (f *questionFlags) flags(cmd *cobra.Command) {
	r, d, flags := &f.request, &f.delegation, cmd.Flags()
	flags.StringVar(&f.file, "request", "", "YAML `FILE` with the request; - reads it from standard input. Flags replace what it says")
	flags.StringVar(&r.TrustDomain, "trust-domain", "", "trust `DOMAIN` of workloads that are written as a path")
	flags.StringVar(&r.Peer, "peer", "", "`SPIFFE-ID` of the workload that asks, or /path with --trust-domain")
	flags.StringVar(&r.Server, "on", "", "`SERVER`: the MCP backend")
	flags.StringVar(&r.Tool, "tool", "", "`NAME` of the tool that is called")
	flags.StringVar(&r.Prompt, "prompt", "", "`NAME` of the prompt")
	flags.StringVar(&r.Resource, "resource", "", "`URI` of the resource")
	flags.StringVar(&r.Task, "mcp-task", "", "`ID` of the MCP task")
	flags.StringVar(&r.Method, "method", "", "JSON-RPC `METHOD`; default: by what it is about")
	flags.StringVar(&f.arguments, "args", "", "arguments of the tool or prompt, a `JSON` object")
	flags.StringVar(&r.ProtocolVersion, "protocol-version", "", "MCP protocol `VERSION`")
	flags.StringVar(&r.Session, "session", "", "Mcp-Session-Id")
	flags.StringVar(&r.HTTP.Host, "host", "", "authority of the HTTP request")
	flags.StringVar(&r.HTTP.Path, "path", "", "path of the HTTP request")
	flags.StringVar(&r.HTTP.SourceIP, "source-ip", "", "`ADDRESS` that the request comes from")
	flags.StringVar(&f.now, "now", "", "`TIME` of the request (RFC 3339); default: now")
	flags.StringVar(&d.Subject, "subject", "", "`USER` on whose behalf; without it the request carries no delegation")
	flags.StringVar(&d.Issuer, "issuer", "", "root `ISSUER` of the delegation")
	flags.StringVar(&d.SubjectPrefix, "subject-prefix", "", "what the configuration puts in front of the issuer's subjects")
	flags.StringSliceVar(&d.Scopes, "scope", nil, "what the delegation grants, mcp:<server>:<tool>; may be repeated; default: what the request needs")
	flags.StringVar(&d.Audience, "audience", "", "trust `DOMAIN` that the delegation is for")
	flags.StringVar(&d.Task, "task", "", "task of the delegation")
	flags.StringVar(&d.Purpose, "purpose", "", "purpose of the delegation")
	flags.StringSliceVar(&d.Actors, "actor", nil, "workloads of the delegation, the presenter first; may be repeated; default: the peer")
	flags.DurationVar(&f.expiresIn, "expires-in", 0, "time until the delegation expires")
	flags.BoolVar(&d.SenderConstrained, "sender-constrained", false, "the delegation is bound to a certificate")
}

// read returns the request.
func (f *questionFlags) read(cmd *cobra.Command) (scenario.Request, error) {
	var r scenario.Request
	if f.file != "" {
		var err error
		if r, err = readRequest(cmd.InOrStdin(), f.file); err != nil {
			return r, err
		}
	}
	if err := f.override(cmd, &r); err != nil {
		return r, usageError{err}
	}
	if r.Now.IsZero() {
		r.Now = scenario.At(time.Now())
	}
	return r, nil
}

// override puts the flags that were given in place of what the file says.
func (f *questionFlags) override(cmd *cobra.Command, r *scenario.Request) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	take := func(to *string, name, value string) {
		if given(name) {
			*to = value
		}
	}
	for _, subject := range []string{"tool", "prompt", "resource", "mcp-task", "method"} {
		if given(subject) { // what the request is about is one thing
			r.Tool, r.Prompt, r.Resource, r.Task, r.Method, r.Arguments = "", "", "", "", "", nil
		}
	}
	from := &f.request
	take(&r.TrustDomain, "trust-domain", from.TrustDomain)
	take(&r.Peer, "peer", from.Peer)
	take(&r.Server, "on", from.Server)
	take(&r.Tool, "tool", from.Tool)
	take(&r.Prompt, "prompt", from.Prompt)
	take(&r.Resource, "resource", from.Resource)
	take(&r.Task, "mcp-task", from.Task)
	take(&r.Method, "method", from.Method)
	take(&r.ProtocolVersion, "protocol-version", from.ProtocolVersion)
	take(&r.Session, "session", from.Session)
	take(&r.HTTP.Host, "host", from.HTTP.Host)
	take(&r.HTTP.Path, "path", from.HTTP.Path)
	take(&r.HTTP.SourceIP, "source-ip", from.HTTP.SourceIP)
	if given("args") {
		if _, err := mcp.ParseObject([]byte(f.arguments)); err != nil {
			return fmt.Errorf("--args: %w", err)
		}
		r.Arguments = scenario.Arguments(f.arguments)
	}
	if given("now") {
		if err := r.Now.UnmarshalText([]byte(f.now)); err != nil {
			return fmt.Errorf("--now: %w", err)
		}
	}
	return f.overrideDelegation(given, r)
}

func (f *questionFlags) overrideDelegation(given func(string) bool, r *scenario.Request) error {
	if r.Delegation == nil && given("subject") {
		r.Delegation = &scenario.Delegation{}
	}
	from := &f.delegation
	for name, apply := range map[string]func(*scenario.Delegation){
		"subject":        func(d *scenario.Delegation) { d.Subject = from.Subject },
		"issuer":         func(d *scenario.Delegation) { d.Issuer = from.Issuer },
		"subject-prefix": func(d *scenario.Delegation) { d.SubjectPrefix = from.SubjectPrefix },
		"scope":          func(d *scenario.Delegation) { d.Scopes = from.Scopes },
		"audience":       func(d *scenario.Delegation) { d.Audience = from.Audience },
		"task":           func(d *scenario.Delegation) { d.Task = from.Task },
		"purpose":        func(d *scenario.Delegation) { d.Purpose = from.Purpose },
		"actor":          func(d *scenario.Delegation) { d.Actors = from.Actors },
		"expires-in": func(d *scenario.Delegation) {
			d.ExpiresAt, d.ExpiresIn = scenario.Time{}, scenario.Duration(f.expiresIn)
		},
		"sender-constrained": func(d *scenario.Delegation) { d.SenderConstrained = from.SenderConstrained },
	} {
		switch {
		case !given(name):
		case r.Delegation == nil:
			return fmt.Errorf("--%s is about a delegation: name its user with --subject", name)
		default:
			apply(r.Delegation)
		}
	}
	return nil
}

// readRequest reads a request from a file.
func readRequest(in io.Reader, path string) (scenario.Request, error) {
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return scenario.Request{}, fmt.Errorf("reading the request: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, scenario.MaxText+1))
	if err != nil {
		return scenario.Request{}, fmt.Errorf("reading the request: %w", err)
	}
	r, err := scenario.Parse(text)
	if located, ok := errors.AsType[*scenario.YAMLError](err); ok && located.Line > 0 {
		return r, fmt.Errorf("%s:%w", path, err)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
