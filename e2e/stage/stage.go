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
}

// Stage is everything running. Its fields do not change after [Start].
type Stage struct {
	// Dir holds all files; logs are in it as <process>.log.
	Dir string
	// ConfigDir is where Countersign's configuration is.
	ConfigDir string
	// URLs are the MCP endpoints at Envoy, by server; AdminURL is Countersign's admin listener, EnvoyAdminURL Envoy's.
	URLs                    map[string]string
	AdminURL, EnvoyAdminURL string
	// Issuer signs root tokens.
	Issuer *Issuer
	// CA and SVIDs are the authority and the files it issued by workload; nil with SPIRE.
	CA    *CA
	SVIDs map[string]SVID
	// Envoy and the replicas of Countersign are processes, for tests that end them.
	Envoy       *Process
	Countersign []*Process
	// Audit is what Countersign recorded, Received what reached each MCP server, Access what Envoy logged.
	Audit    Journal[Record]
	Received map[string]Journal[wire.Request]
	Access   Journal[Access]

	options   Options
	spire     *spire
	workloads map[string]string // program by workload
	ended     []func()          // in the order of starting

	mu      sync.Mutex
	agents  map[string]*Agent
	revoked []string // entries of the deny-list
}

// Start raises a stage: every process of it runs and is ready. On an error nothing is left behind.
func Start(ctx context.Context, options Options) (*Stage, error) {
	dir, err := os.MkdirTemp("", "stage-") // short, for the sockets in it
	if err != nil {
		return nil, fmt.Errorf("making a directory for the stage: %w", err)
	}
	options.MaxBody = cmp.Or(options.MaxBody, 1<<20)
	options.MaxRequestBytes = cmp.Or(options.MaxRequestBytes, options.MaxBody+4<<10)
	options.Replicas = cmp.Or(options.Replicas, 1)
	options.Denials = cmp.Or(options.Denials, "rpc-error")
	s := &Stage{
		Dir: dir, ConfigDir: filepath.Join(dir, "config"), URLs: map[string]string{}, SVIDs: map[string]SVID{},
		Audit: Journal[Record]{filepath.Join(dir, "audit.jsonl")}, Received: map[string]Journal[wire.Request]{},
		Access:  Journal[Access]{filepath.Join(dir, "access.jsonl")},
		options: options, agents: map[string]*Agent{},
	}
	if err := s.raise(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stage) raise(ctx context.Context) (err error) {
	if s.Issuer, err = NewIssuer(); err != nil {
		return err
	}
	if s.workloads, err = installWorkloads(filepath.Join(s.Dir, "bin"), s.options.Programs.Workload); err != nil {
		return err
	}
	if err := s.identify(ctx); err != nil {
		return err
	}
	ports, err := freePorts(ctx, 1+2*s.options.Replicas+2*len(servers))
	if err != nil {
		return err
	}
	take := func() (port int) { port, ports = ports[0], ports[1:]; return port }
	gateway := envoyConfig{
		AdminPort: take(), MaxRequestBytes: s.options.MaxRequestBytes, RawHeaders: !s.options.JoinedHeaders,
		UpstreamTLS: s.options.UpstreamTLS, SVID: s.SVIDs["gateway"], AccessLog: s.Access.file,
	}
	var replicas []countersignConfig
	for range s.options.Replicas {
		replica := countersignConfig{
			GRPCPort: take(), AdminPort: take(), SVID: s.SVIDs["countersign"], Servers: servers,
			Denials: s.options.Denials, MaxBody: s.options.MaxBody, Audit: s.Audit.file,
			ConnectionAge: cmp.Or(s.options.ConnectionAge, 5*time.Minute),
		}
		if s.spire != nil {
			replica.WorkloadAPI = s.spire.workloadAPI()
		}
		replicas = append(replicas, replica)
		gateway.CountersignPorts = append(gateway.CountersignPorts, replica.GRPCPort)
	}
	if s.spire != nil {
		gateway.SDSSocket = s.spire.agentSocket
	}
	s.EnvoyAdminURL = fmt.Sprintf("http://127.0.0.1:%d", gateway.AdminPort)
	s.AdminURL = fmt.Sprintf("http://127.0.0.1:%d", replicas[0].AdminPort)
	for _, name := range servers {
		server := envoyServer{Name: name, ListenPort: take(), BackendPort: take()}
		s.URLs[name] = fmt.Sprintf("https://127.0.0.1:%d/mcp", server.ListenPort)
		s.Received[name] = Journal[wire.Request]{filepath.Join(s.Dir, name+".received.jsonl")}
		gateway.Servers = append(gateway.Servers, server)
	}
	return s.run(ctx, gateway, replicas)
}

// identify sets up whoever says who everybody is.
func (s *Stage) identify(ctx context.Context) (err error) {
	programs := s.options.Programs
	if s.options.SPIRE {
		paths := map[string]string{"gateway": programs.Envoy, "countersign": programs.Countersign}
		for name, path := range s.workloads {
			paths[name] = path
		}
		if s.spire, err = startSPIRE(ctx, s.Dir, programs, paths); err != nil {
			return err
		}
		s.ended = append(s.ended, s.spire.stop)
		return nil
	}
	if s.CA, err = NewCA(filepath.Join(s.Dir, "ca")); err != nil {
		return err
	}
	for _, name := range append([]string{"gateway", "countersign"}, actors...) {
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

// forLoopback adds the host names by which clients that know no SPIFFE IDs, such as curl, reach Envoy.
func forLoopback(c *x509.Certificate) {
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
}

// run starts the processes. Countersign comes first because backends ask it for its keys.
func (s *Stage) run(ctx context.Context, gateway envoyConfig, replicas []countersignConfig) error {
	if err := writeSources(s.ConfigDir, s.Issuer); err != nil {
		return err
	}
	programs := s.options.Programs
	for i, replica := range replicas {
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
	for _, server := range gateway.Servers {
		if _, err := s.startServer(ctx, server.Name, server.BackendPort); err != nil {
			return err
		}
	}
	p, err := startEnvoy(ctx, s.Dir, programs.Envoy, gateway)
	if err != nil {
		return err
	}
	s.ended = append(s.ended, p.Stop)
	s.Envoy = p
	return nil
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

// Client returns an HTTP client that is a workload, for requests that no well-behaved agent makes. HTTP is "1.1" or
// "2". It needs the files of the stage's own CA.
func (s *Stage) Client(svid SVID, version string) (*http.Client, error) {
	certificate, err := tls.LoadX509KeyPair(svid.Certificate, svid.Key)
	if err != nil {
		return nil, fmt.Errorf("loading an identity: %w", err)
	}
	domain := spiffeid.RequireTrustDomainFromString(TrustDomain)
	bundle, err := x509bundle.Load(domain, svid.Bundle)
	if err != nil {
		return nil, fmt.Errorf("loading the authorities: %w", err)
	}
	gateway := tlsconfig.AuthorizeID(spiffeid.RequireFromString(ID("gateway")))
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
