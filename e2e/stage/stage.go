package stage

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/e2e/provider"
	"countersign.dev/e2e/workload/wire"
)

// Options say what kind of stage to raise. Programs are required.
type Options struct {
	Programs Programs
	// SPIRE has SPIRE issue the identities; otherwise they are files of the stage's own [CA].
	SPIRE bool
	// UpstreamTLS has Envoy speak mTLS to the MCP servers.
	UpstreamTLS bool
	// MaxBody is the largest body that Countersign takes; 1 MiB if zero.
	MaxBody int
	// MaxRequestBytes is the largest body that Envoy hands over for a check; 4 KiB more than MaxBody if zero.
	MaxRequestBytes int
	// JoinedHeaders has Envoy send header fields joined by name.
	JoinedHeaders bool
	// Replicas is how many Countersigns there are; 1 if zero.
	Replicas int
	// ConnectionAge is how long Countersign keeps a connection of Envoy; its default if zero.
	ConnectionAge time.Duration
	// Denials is the form of policy denials; rpc-error if empty.
	Denials string
	// Login has the crm take access tokens of an identity provider, where people log in.
	Login bool
	// PlainHeaders has the crm told in plain header fields.
	PlainHeaders bool
	// ShadowMode has the crm tried out: Countersign refuses nothing there, and the MCP server takes requests without a token.
	ShadowMode bool
	// ShadowPolicies are policies that are tried out at all servers, by file name; none if empty.
	ShadowPolicies map[string]string
	// Bundle has the policies come from a bundle, which must be there when the stage is raised; nil for files.
	Bundle *Bundle
	// Redis is the URL of a store that the replicas share; empty for none. Staleness is for how long it may be away; 10s
	// if zero.
	Redis     string
	Staleness time.Duration
}

// Stage is everything running of one house. Its fields do not change after [Start], but for
// [Stage.Restart].
type Stage struct {
	House
	// Dir holds all files; logs are in it as <process>.log.
	Dir string
	// ConfigDir is where Countersign's configuration is.
	ConfigDir string
	// URLs are the MCP endpoints at Envoy, by server; AdminURL is Countersign's admin listener, EnvoyAdminURL Envoy's.
	URLs                    map[string]string
	AdminURL, EnvoyAdminURL string
	// ControlURLs are where workloads revoke, by replica; nobody listens there without Redis.
	ControlURLs []string
	// CheckAddresses are where Envoy asks, by replica.
	CheckAddresses []string
	// Issuer signs root tokens.
	Issuer *Issuer
	// People is where users log in for the token endpoint, which is at TokenURL. With Options.Login it is Provider: see
	// [Stage.Login].
	People   *People
	TokenURL string
	// CA and SVIDs are the authority and the files it issued by workload; nil with SPIRE.
	CA    *CA
	SVIDs map[string]SVID
	// Provider is where people log in to use the crm, ProviderBundle the file with the authorities that vouch for it; nil
	// and empty unless asked for.
	Provider       *provider.Provider
	ProviderBundle string
	// Envoy and the replicas of Countersign are processes, for tests that end them.
	Envoy       *Process
	Countersign []*Process
	// Audit is what Countersign recorded, Received what reached each MCP server, Access what Envoy logged.
	Audit    Journal[Record]
	Received map[string]Journal[wire.Request]
	Access   Journal[Access]

	options   Options
	neighbour *Stage // the house that this one federates with, nil if none
	spire     *spire
	workloads map[string]string // program by workload
	gateway   envoyConfig
	replicas  []countersignConfig
	ended     []func() // in the order of starting

	mu      sync.Mutex
	agents  map[string]*Agent
	revoked []string // entries of the deny-list
}

// Start raises a stage: every process of it runs and is ready. On an error nothing is left behind.
func Start(ctx context.Context, options Options) (*Stage, error) {
	s, err := found(ctx, acme, options)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// found makes everything of a house that needs no other one. What still has to run is started by open.
func found(ctx context.Context, house House, options Options) (*Stage, error) {
	dir, err := os.MkdirTemp("", "stage-") // short, for the sockets in it
	if err != nil {
		return nil, fmt.Errorf("making a directory for the stage: %w", err)
	}
	options.MaxBody = cmp.Or(options.MaxBody, 1<<20)
	options.MaxRequestBytes = cmp.Or(options.MaxRequestBytes, options.MaxBody+4<<10)
	options.Replicas = cmp.Or(options.Replicas, 1)
	options.Denials = cmp.Or(options.Denials, "rpc-error")
	s := &Stage{
		House: house,
		Dir:   dir, ConfigDir: filepath.Join(dir, "config"), URLs: map[string]string{}, SVIDs: map[string]SVID{},
		Audit: Journal[Record]{filepath.Join(dir, "audit.jsonl")}, Received: map[string]Journal[wire.Request]{},
		Access:  Journal[Access]{filepath.Join(dir, "access.jsonl")},
		options: options, agents: map[string]*Agent{},
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare sets up whoever says who everybody is, and plans what will run where.
func (s *Stage) prepare(ctx context.Context) (err error) {
	if s.Issuer, err = NewIssuer(); err != nil {
		return err
	}
	if s.People, err = newPeople(); err != nil {
		return err
	}
	if s.workloads, err = installWorkloads(filepath.Join(s.Dir, "bin"), s.options.Programs.Workload, s.Actors); err != nil {
		return err
	}
	if s.options.SPIRE {
		if s.spire, err = startSPIRE(ctx, s.Dir, s.House, s.options.Programs); err != nil {
			return err
		}
		s.ended = append(s.ended, s.spire.stop)
	} else if err := s.issue(); err != nil {
		return err
	}
	if s.options.Login {
		if err := s.startProvider(ctx); err != nil {
			return err
		}
	}
	return s.plan(ctx)
}

// issue makes the identities of a house without SPIRE.
func (s *Stage) issue() (err error) {
	if s.CA, err = NewCA(filepath.Join(s.Dir, "ca"), s.Domain); err != nil {
		return err
	}
	for _, name := range append([]string{"gateway", "countersign"}, s.Actors...) {
		var changes []func(*x509.Certificate)
		if name == "gateway" {
			changes = append(changes, forLoopback)
		}
		if s.SVIDs[name], err = s.CA.Issue(name, changes...); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) plan(ctx context.Context) error {
	ports, err := FreePorts(ctx, 1+5*s.options.Replicas+2*len(s.Servers))
	if err != nil {
		return err
	}
	take := func() (port int) { port, ports = ports[0], ports[1:]; return port }
	s.gateway = envoyConfig{
		House: s.House, AdminPort: take(), MaxRequestBytes: s.options.MaxRequestBytes, RawHeaders: !s.options.JoinedHeaders,
		UpstreamTLS: s.options.UpstreamTLS, SVID: s.SVIDs["gateway"], AccessLog: s.Access.file,
	}
	for range s.options.Replicas {
		replica := countersignConfig{
			House: s.House, GRPCPort: take(), AdminPort: take(), KeysPort: take(), TokenPort: take(), ControlPort: take(), SVID: s.SVIDs["countersign"],
			Denials: s.options.Denials, MaxBody: s.options.MaxBody, Audit: s.Audit.file,
			ConnectionAge: cmp.Or(s.options.ConnectionAge, 5*time.Minute), Redis: s.options.Redis,
			Staleness:    cmp.Or(s.options.Staleness, 10*time.Second),
			Bundle:       s.options.Bundle,
			PlainHeaders: s.options.PlainHeaders, ShadowMode: s.options.ShadowMode, ShadowPolicies: len(s.options.ShadowPolicies) > 0,
		}
		if s.spire != nil {
			replica.WorkloadAPI = s.spire.workloadAPI()
		}
		s.replicas = append(s.replicas, replica)
		s.CheckAddresses = append(s.CheckAddresses, fmt.Sprintf("127.0.0.1:%d", replica.GRPCPort))
		s.ControlURLs = append(s.ControlURLs, fmt.Sprintf("https://127.0.0.1:%d", replica.ControlPort))
		s.gateway.CountersignPorts = append(s.gateway.CountersignPorts, replica.GRPCPort)
	}
	if s.spire != nil {
		s.gateway.SDSSocket = s.spire.agentSocket
	}
	s.EnvoyAdminURL = fmt.Sprintf("http://127.0.0.1:%d", s.gateway.AdminPort)
	s.AdminURL = fmt.Sprintf("http://127.0.0.1:%d", s.replicas[0].AdminPort)
	s.TokenURL = fmt.Sprintf("https://127.0.0.1:%d/token", s.replicas[0].TokenPort)
	for _, name := range s.Servers {
		server := envoyServer{Name: name, ListenPort: take(), BackendPort: take()}
		s.URLs[name] = fmt.Sprintf("https://127.0.0.1:%d/mcp", server.ListenPort)
		s.Received[name] = Journal[wire.Request]{filepath.Join(s.Dir, name+".received.jsonl")}
		s.gateway.Backends = append(s.gateway.Backends, server)
	}
	for i := range s.replicas {
		if s.Provider != nil {
			s.replicas[i].Login = &loginConfig{Provider: s.Provider.Issuer, Resource: s.URLs["crm"]}
		}
	}
	return nil
}

// url is the MCP endpoint of a server here or next door, empty if there is none.
func (s *Stage) url(server string) string {
	if url, ok := s.URLs[server]; ok || s.neighbour == nil {
		return url
	}
	return s.neighbour.URLs[server]
}

// forLoopback adds the host names by which clients that know no SPIFFE IDs, such as curl, reach Envoy.
func forLoopback(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
}

// open starts the processes. Countersign comes first because backends ask it for its keys.
func (s *Stage) open(ctx context.Context) error {
	if s.spire != nil {
		if err := s.admit(ctx); err != nil {
			return err
		}
	}
	if err := writeSources(s.ConfigDir, s.House, s.Issuer); err != nil {
		return err
	}
	for name, policy := range s.options.ShadowPolicies {
		if err := s.WriteShadowPolicy(name, policy); err != nil {
			return err
		}
	}
	if err := s.trustPeople(); err != nil {
		return err
	}
	if err := s.trustProvider(); err != nil {
		return err
	}
	if err := s.initialiseStore(ctx); err != nil {
		return err
	}
	programs := s.options.Programs
	for i, replica := range s.replicas {
		name := "countersign"
		if i > 0 {
			name = fmt.Sprintf("countersign-%d", i+1)
		}
		p, err := startCountersign(ctx, s.Dir, s.ConfigDir, name, programs.Countersign, replica)
		if err != nil {
			return err
		}
		s.ended = append(s.ended, p.Stop)
		s.Countersign = append(s.Countersign, p)
	}
	started := time.Now()
	for _, server := range s.gateway.Backends {
		if _, err := s.startServer(ctx, server.Name, server.BackendPort); err != nil {
			return err
		}
	}
	p, err := startEnvoy(ctx, s.Dir, programs.Envoy, s.gateway)
	if err != nil {
		return err
	}
	s.ended = append(s.ended, p.Stop)
	s.Envoy = p
	// Delegations are issued in whole seconds. One of the second in which Countersign started could be older than its
	// memory of uses, and would be refused where it may be used only once.
	return p.until(ctx, "sees the next second begin", func() bool { return time.Now().Unix() > started.Unix() })
}

// admit registers all workloads with SPIRE: who they are by the programs that they run.
func (s *Stage) admit(ctx context.Context) error {
	paths := map[string]string{"gateway": s.options.Programs.Envoy, "countersign": s.options.Programs.Countersign}
	for name, path := range s.workloads {
		paths[name] = path
	}
	return s.spire.admit(ctx, paths)
}

// Close ends every process, the last one started first, and removes the files.
func (s *Stage) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, end := range slices.Backward(s.ended) {
		end()
	}
	s.ended = nil
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("removing the files of the stage: %w", err)
	}
	return nil
}

// Client returns an HTTP client that is a workload, of this house or another one, for requests to Envoy that no
// well-behaved agent makes. HTTP is "1.1" or "2". It needs the files of the stage's own CA.
func (s *Stage) Client(svid SVID, version string) (*http.Client, error) {
	certificate, err := tls.LoadX509KeyPair(svid.Certificate, svid.Key)
	if err != nil {
		return nil, fmt.Errorf("loading an identity: %w", err)
	}
	domain := spiffeid.RequireTrustDomainFromString(s.Domain)
	bundle, err := x509bundle.Load(domain, s.CA.bundle())
	if err != nil {
		return nil, fmt.Errorf("loading the authorities: %w", err)
	}
	gateway := tlsconfig.AuthorizeID(spiffeid.RequireFromString(s.ID("gateway")))
	protocols := &http.Protocols{}
	protocols.SetHTTP1(version != "2")
	protocols.SetHTTP2(version == "2")
	return &http.Client{Transport: &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
		// An SVID carries no host name. The SPIFFE ID is checked instead.
		InsecureSkipVerify:    true, //nolint:gosec // see above
		VerifyPeerCertificate: tlsconfig.VerifyPeerCertificate(bundle, gateway),
	}}}, nil
}
