package stage

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

//go:embed envoy.yaml.tmpl
var envoyTemplate string

// envoyConfig is what varies in the configuration of Envoy.
type envoyConfig struct {
	House
	AdminPort int
	// Neighbour is the house whose workloads may call, too; nil if there is none.
	Neighbour *neighbour
	// CountersignPorts are those of the replicas.
	CountersignPorts []int
	Backends         []envoyServer
	// MaxRequestBytes is the largest body that Envoy buffers for the check.
	MaxRequestBytes int
	// RawHeaders has Envoy send headers one by one instead of joined by name.
	RawHeaders bool
	// UpstreamTLS has Envoy speak mTLS to the backends.
	UpstreamTLS bool
	// SVID is Envoy's own identity in files; SDSSocket the Workload API that gives it one instead.
	SVID      SVID
	SDSSocket string
	AccessLog string
}

// envoyServer is one MCP server behind Envoy.
type envoyServer struct {
	Name        string
	ListenPort  int
	BackendPort int
}

// Workloads are the prefixes of the SPIFFE IDs that may connect at all.
func (c envoyConfig) Workloads() []string {
	prefixes := []string{c.ID("")}
	if c.Neighbour != nil {
		prefixes = append(prefixes, c.Neighbour.ID(""))
	}
	return prefixes
}

// identity is one end of an mTLS connection: who Envoy is there, and whom it accepts.
type identity struct {
	envoyConfig
	// Match is the kind of comparison, Accept what the other side's SPIFFE ID is compared with.
	Match  string
	Accept []string
}

// Gateway is Envoy's own SPIFFE ID.
func (i identity) Gateway() string { return i.ID("gateway") }

// BundleName is the name by which SPIRE serves the bundle of the own trust domain, or all bundles, each for its own.
func (i identity) BundleName() string {
	if i.Neighbour != nil {
		return "ALL"
	}
	return "spiffe://" + i.Domain
}

type endpoints struct {
	Name  string
	Ports []int
}

// render returns the configuration as YAML.
func (c envoyConfig) render() ([]byte, error) {
	t, err := template.New("envoy.yaml").Option("missingkey=error").Funcs(template.FuncMap{
		"quote":     strconv.Quote,
		"endpoints": func(name string, port int) endpoints { return endpoints{name, []int{port}} },
		"replicas":  func(ports []int) endpoints { return endpoints{"countersign", ports} },
		"anyBelow": func(c envoyConfig, prefixes []string) identity {
			return identity{envoyConfig: c, Match: "prefix", Accept: prefixes}
		},
		"only": func(c envoyConfig, id string) identity {
			return identity{envoyConfig: c, Match: "exact", Accept: []string{id}}
		},
	}).Parse(envoyTemplate)
	if err != nil {
		return nil, fmt.Errorf("parsing the template of the Envoy configuration: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, c); err != nil {
		return nil, fmt.Errorf("writing the Envoy configuration: %w", err)
	}
	return out.Bytes(), nil
}

// startEnvoy runs Envoy and waits until it serves.
func startEnvoy(ctx context.Context, dir, program string, config envoyConfig) (*Process, error) {
	yaml, err := config.render()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "envoy.yaml")
	if err := replaceFile(file, yaml); err != nil {
		return nil, err
	}
	p, err := start(dir, "envoy", false, program,
		"-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning",
		"--file-flush-interval-msec", "50")
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx, fmt.Sprintf("http://127.0.0.1:%d/ready", config.AdminPort)); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// EnvoyStat asks Envoy for a counter or gauge, such as "http.crm.downstream_rq_total".
func (s *Stage) EnvoyStat(ctx context.Context, name string) (int, error) {
	address := s.EnvoyAdminURL + "/stats?filter=" + url.QueryEscape("^"+regexp.QuoteMeta(name)+"$")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, fmt.Errorf("asking Envoy for %s: %w", name, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("asking Envoy for %s: %w", name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("asking Envoy for %s: %w", name, err)
	}
	value, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(body), name+":")))
	if err != nil {
		return 0, fmt.Errorf("asking Envoy for %s: it says %q", name, body)
	}
	return value, nil
}
