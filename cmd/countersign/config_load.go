package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"countersign.dev/authz/trust"
)

// maxConfigFile is far above any real configuration, in bytes.
const maxConfigFile = 1 << 20

// loadConfig reads, completes and checks a configuration file. Every error names the file, and the line where it can.
func loadConfig(path string) (*config, error) {
	data, err := readConfigFile(path)
	if err != nil {
		return nil, err
	}
	c := newConfig()
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: the file is empty", path)
		}
		return nil, yamlError(path, err)
	}
	c.complete(filepath.Dir(path))
	if problems := c.problems(); len(problems) > 0 {
		return nil, locate(path, data, problems)
	}
	return &c, nil
}

func readConfigFile(path string) ([]byte, error) {
	if path == "" {
		return nil, usageError{errors.New("no configuration: name one with --config FILE")}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if info.Size() > maxConfigFile {
		return nil, fmt.Errorf("%s: %d bytes are too many for a configuration; the limit is %d", path, info.Size(), maxConfigFile)
	}
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return data, nil
}

// yamlError puts file:line:column in front of what the YAML decoder found.
func yamlError(path string, err error) error {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		pos := located.GetToken().Position
		message := located.GetMessage()
		if mistyped, ok := errors.AsType[*yaml.TypeError](err); ok {
			message = fmt.Sprintf("this cannot be read as %s", mistyped.DstType)
		}
		return fmt.Errorf("%s:%d:%d: %s", path, pos.Line, pos.Column, message)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// complete fills in defaults that depend on other members and makes paths relative to the file's directory.
func (c *config) complete(dir string) {
	if c.Issuer == "" && c.TrustDomain != "" {
		c.Issuer = "spiffe://" + c.TrustDomain + "/countersign"
	}
	if len(c.Peer.TrustDomains) == 0 {
		c.Peer.TrustDomains = []string{c.TrustDomain}
	}
	for _, p := range []*string{
		&c.Identity.Certificate, &c.Identity.Key, &c.Identity.Bundle, &c.Tokens.Keys, &c.TokenEndpoint.Keys,
		&c.Policy.Directory, &c.Policy.Entities, &c.Revocations.File,
		&c.Store.Redis.PasswordFile, &c.Store.Redis.CA,
	} {
		resolve(dir, p)
	}
	for i := range c.IdentityProviders {
		c.IdentityProviders[i].complete(dir)
	}
	c.TokenEndpoint.complete(c.Tokens.MaxDepth)
	for name, path := range c.Identity.Federated {
		resolve(dir, &path)
		c.Identity.Federated[name] = path
	}
	if c.Audit.Output != "stdout" {
		resolve(dir, &c.Audit.Output)
	}
	for i := range c.Servers {
		if c.Servers[i].MaxBody == 0 {
			c.Servers[i].MaxBody = 1 << 20
		}
		resolve(dir, &c.Servers[i].Tools)
	}
	setDefault(&c.Policy.Tests, testsRun)
	c.completeBearers()
	c.completeShadows(dir)
	c.completeBundle(dir)
	for i := range c.Issuers {
		issuer := &c.Issuers[i]
		if len(issuer.ActorTrustDomains) == 0 {
			issuer.ActorTrustDomains = []string{c.TrustDomain}
		}
		if len(issuer.Audiences) == 0 {
			issuer.Audiences = []string{c.TrustDomain}
		}
		if len(issuer.Algorithms) == 0 {
			issuer.Algorithms = []string{"ES256"}
		}
		if issuer.Role != nil && *issuer.Role == trust.Hop {
			setDefault(&issuer.MaxTTL, 5*time.Minute)
		}
		setDefault(&issuer.MaxTTL, 15*time.Minute)
		setDefault(&issuer.MaxDepth, 4)
		if issuer.Keys.URL != "" {
			setDefault(&issuer.Keys.Refresh, 5*time.Minute)
			setDefault(&issuer.Keys.Stale, time.Hour)
		}
		resolve(dir, &issuer.Keys.File)
		resolve(dir, &issuer.Keys.CA)
		resolve(dir, &issuer.StatusCA)
	}
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func resolve(dir string, path *string) {
	if *path != "" && !filepath.IsAbs(*path) {
		*path = filepath.Join(dir, *path)
	}
}

// problem is something wrong with one member of the configuration.
type problem struct {
	path    string // YAMLPath of the member, or of its nearest parent that the file has
	message string
}

// locate turns problems into one error with a line each.
func locate(path string, data []byte, problems []problem) error {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return yamlError(path, err)
	}
	lines := make([]error, 0, len(problems))
	for _, p := range problems {
		where := path
		if node := nearest(file, p.path); node != nil {
			pos := node.GetToken().Position
			where = fmt.Sprintf("%s:%d:%d", path, pos.Line, pos.Column)
		}
		lines = append(lines, fmt.Errorf("%s: %s: %s", where, strings.TrimPrefix(p.path, "$."), p.message))
	}
	return errors.Join(lines...)
}

// nearest returns the node at a path, or of the closest parent that the file has.
func nearest(file *ast.File, path string) ast.Node {
	for ; path != "$" && path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		p, err := yaml.PathString(path)
		if err != nil {
			return nil
		}
		if node, err := p.FilterFile(file); err == nil && node != nil {
			return node
		}
	}
	return nil
}
