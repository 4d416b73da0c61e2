package stage

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"countersign.dev/authz/trust"
)

var (
	//go:embed countersign.yaml.tmpl
	countersignTemplate string
	//go:embed demo federation
	demoFiles embed.FS
)

// countersignConfig is what varies in the configuration of Countersign.
type countersignConfig struct {
	House
	GRPCPort, AdminPort int
	// TokenPort is where its token endpoint is.
	TokenPort int
	// KeysPort is where it serves its keys. Neighbour is nil for a house that federates with nobody.
	KeysPort  int
	Neighbour *neighbour
	// SVID is its identity in files; WorkloadAPI the address of the Workload API that gives it one instead.
	SVID        SVID
	WorkloadAPI string
	Denials     string
	MaxBody     int
	// Login has the crm take access tokens; nil for none. PlainHeaders has it told in plain header fields.
	Login        *loginConfig
	PlainHeaders bool
	// ShadowMode has the crm, and ShadowPolicies other policies tried out.
	ShadowMode, ShadowPolicies bool
	// Bundle is where its policies come from; nil for files.
	Bundle *Bundle
	// ConnectionAge is how long a connection of Envoy is kept.
	ConnectionAge time.Duration
	Audit         string
	// Redis is the URL of the store that the replicas share, empty for none. With one, ControlPort is where workloads
	// revoke, and Staleness for how long the store may be away.
	Redis       string
	ControlPort int
	Staleness   time.Duration
}

// Bundle is where Countersign has its policies from, and the files that it needs for that.
type Bundle struct {
	// URL is an https address, CA the file with the authority of its server.
	URL, CA string
	// Keys is the file with the keys of those who may sign, State where the last good one is kept.
	Keys, State string
}

// neighbour is a house that another one federates with, as the other one's Envoy and Countersign know it.
type neighbour struct {
	House
	// KeysPort is where its Countersign serves its keys.
	KeysPort int
	// Bundle is the file with its X.509 authorities, empty with SPIRE.
	Bundle string
}

// Gateway is the only one that may ask.
func (c countersignConfig) Gateway() string { return c.ID("gateway") }

// TokenIssuer is the iss of the delegations that the token endpoint begins.
func (c countersignConfig) TokenIssuer() string { return tokenIssuer(c.Domain) }

// PeopleIssuer is the iss of people's access tokens.
func (countersignConfig) PeopleIssuer() string { return peopleIssuer }

// RootIssuer begins the delegations.
func (countersignConfig) RootIssuer() string { return rootIssuer }

// RootDomain is the trust domain that they are for.
func (countersignConfig) RootDomain() string { return TrustDomain }

// writeSources fills dir with what all replicas of a house read: its policies, entities and tools, fresh signing keys,
// and the public keys of the root issuer.
func writeSources(dir string, house House, issuer *Issuer) error {
	if err := house.furnish(dir); err != nil {
		return err
	}
	signing, err := newSigningKey()
	if err != nil {
		return err
	}
	beginning, err := newSigningKey()
	if err != nil {
		return err
	}
	public, err := issuer.jwks()
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"keys/signing.jwk":      signing,
		"root-keys/signing.jwk": beginning,
		"issuers/tts.jwks.json": public,
		"revocations.yaml":      []byte("revocations: []\n"),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("making a directory for the configuration: %w", err)
		}
		if err := replaceFile(file, data); err != nil {
			return err
		}
	}
	return nil
}

func newSigningKey() ([]byte, error) {
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		return nil, fmt.Errorf("making a signing key of Countersign: %w", err)
	}
	data, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a signing key of Countersign: %w", err)
	}
	return data, nil
}

// write writes the configuration of a replica and returns its file.
func (c countersignConfig) write(dir, name string) (string, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(countersignTemplate)
	if err != nil {
		return "", fmt.Errorf("parsing the template of the configuration: %w", err)
	}
	var yaml bytes.Buffer
	if err := t.Execute(&yaml, c); err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	file := filepath.Join(dir, name+".yaml")
	return file, replaceFile(file, yaml.Bytes())
}

// startCountersign runs a replica and waits until it is ready to decide.
func startCountersign(ctx context.Context, logs, dir, name, program string, config countersignConfig) (*Process, error) {
	file, err := config.write(dir, name)
	if err != nil {
		return nil, err
	}
	p, err := start(logs, name, false, program, "serve", "--config", file)
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", config.AdminPort)); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Status is the part of Countersign's /status that the stage looks at.
type Status struct {
	Policy struct {
		Revision string `json:"revision"`
	} `json:"policy"`
	Shadow struct {
		Servers  []string `json:"servers"`
		Policies []struct {
			Source    string `json:"source"`
			Revision  string `json:"revision"`
			LastError string `json:"last_error"`
		} `json:"policies"`
	} `json:"shadow"`
	Issuers []struct {
		Issuer string
		Keys   []string
	} `json:"issuers"`
	Revocations struct {
		Entries int `json:"entries"`
		Shared  struct {
			Usable bool   `json:"usable"`
			Error  string `json:"error"`
		} `json:"shared"`
	} `json:"revocations"`
}

// Status asks Countersign how it is.
func (s *Stage) Status(ctx context.Context) (Status, error) {
	var status Status
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.AdminURL+"/status", nil)
	if err != nil {
		return status, fmt.Errorf("asking for the status: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return status, fmt.Errorf("asking for the status: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return status, fmt.Errorf("reading the status: %w", err)
	}
	if err := json.Unmarshal(body, &status); err != nil {
		return status, fmt.Errorf("reading the status from %q: %w", body, err)
	}
	return status, nil
}

// Revoke adds an entry to the deny-list, and returns once it is in force. Kind is jti, txn, task, sub, actor or kid.
func (s *Stage) Revoke(ctx context.Context, kind, value, reason string) error {
	s.mu.Lock()
	s.revoked = append(s.revoked, fmt.Sprintf("  - %s: %q\n    reason: %q\n", kind, value, reason))
	count, list := len(s.revoked), "revocations:\n"+strings.Join(s.revoked, "")
	s.mu.Unlock()
	if err := replaceFile(filepath.Join(s.ConfigDir, "revocations.yaml"), []byte(list)); err != nil {
		return err
	}
	return s.reloaded(ctx, "has revoked "+value, func(now Status) bool { return now.Revocations.Entries == count })
}

// WriteShadowPolicy writes a file of policies that are tried out. It does not wait until they are.
func (s *Stage) WriteShadowPolicy(name, policy string) error {
	file := filepath.Join(s.ConfigDir, "shadow", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("making a directory for policies: %w", err)
	}
	return replaceFile(file, []byte(policy))
}

// EditPolicy replaces a text in a policy file, and returns once the new policies are in force.
func (s *Stage) EditPolicy(ctx context.Context, name, old, replacement string) error {
	before, err := s.Status(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(s.ConfigDir, "policies", name)
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a policy: %w", err)
	}
	edited := bytes.Replace(text, []byte(old), []byte(replacement), 1)
	if bytes.Equal(edited, text) {
		return fmt.Errorf("policy file %s does not contain %q", name, old)
	}
	if err := replaceFile(file, edited); err != nil {
		return err
	}
	return s.reloaded(ctx, "uses the edited policy", func(now Status) bool {
		return now.Policy.Revision != before.Policy.Revision
	})
}

func (s *Stage) reloaded(ctx context.Context, what string, done func(Status) bool) error {
	return s.Countersign[0].until(ctx, what, func() bool {
		now, err := s.Status(ctx)
		return err == nil && done(now)
	})
}
