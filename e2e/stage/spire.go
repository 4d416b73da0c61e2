package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// SVIDTTL is the lifetime of the X.509-SVIDs that SPIRE issues on the stage. The agent replaces each after half of it.
const SVIDTTL = 30 * time.Second

// spire is a SPIRE server and an agent. A workload is who it is because of the program that it runs, which is why every
// workload has its own.
type spire struct {
	House
	dir           string
	server, agent *Process
	programs      Programs
	port          int
	serverSocket  string
	agentSocket   string
	// bundlePort is where the server offers its bundle to other trust domains (SPIFFE Federation, https_spiffe).
	bundlePort int
	federates  []string // trust domains whose bundles the workloads get, too
}

// host is the SPIFFE ID under which the agent attests; every workload's entry is below it.
func (s *spire) host() string { return s.ID("host") }

// startSPIRE runs a server.
func startSPIRE(ctx context.Context, dir string, house House, programs Programs) (*spire, error) {
	dir = filepath.Join(dir, "spire")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of SPIRE: %w", err)
	}
	s := &spire{
		House: house, dir: dir, programs: programs,
		serverSocket: filepath.Join(dir, "server.sock"),
		agentSocket:  filepath.Join(dir, "agent.sock"),
	}
	if err := s.startServer(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// admit registers the workloads, SPIFFE ID by path of the program, and runs the agent. It returns when the agent answers;
// a workload that asks it waits until its entry has arrived there.
func (s *spire) admit(ctx context.Context, workloads map[string]string) error {
	// Registered before the agent starts: it then learns all of them at its first synchronisation.
	for workload, path := range workloads {
		if err := s.register(ctx, workload, path); err != nil {
			return err
		}
	}
	return s.startAgent(ctx)
}

// federate makes the server take over the bundle of another trust domain: once by hand, which is what https_spiffe begins
// with, and from then on from the other server itself, which proves its SPIFFE ID with that bundle.
func (s *spire) federate(ctx context.Context, other *spire) error {
	bundle, err := other.command(ctx, "bundle", "show", "-format", "spiffe")
	if err != nil {
		return fmt.Errorf("asking for the bundle of %s: %w", other.Domain, err)
	}
	file := filepath.Join(s.dir, other.Domain+".bundle.json")
	if err := replaceFile(file, bundle); err != nil {
		return err
	}
	if _, err := s.command(ctx, "federation", "create", "-trustDomain", other.Domain,
		"-bundleEndpointURL", fmt.Sprintf("https://127.0.0.1:%d", other.bundlePort), "-bundleEndpointProfile", "https_spiffe",
		"-endpointSpiffeID", other.ID("spire/server"),
		"-trustDomainBundlePath", file, "-trustDomainBundleFormat", "spiffe"); err != nil {
		return fmt.Errorf("federating with %s: %w", other.Domain, err)
	}
	if _, err := s.command(ctx, "federation", "refresh", "-id", "spiffe://"+other.Domain); err != nil {
		return fmt.Errorf("fetching the bundle of %s: %w", other.Domain, err)
	}
	s.federates = append(s.federates, "spiffe://"+other.Domain)
	return nil
}

func (s *spire) startServer(ctx context.Context) error {
	ports, err := FreePorts(ctx, 2)
	if err != nil {
		return err
	}
	s.port, s.bundlePort = ports[0], ports[1]
	config := fmt.Sprintf(`server {
  bind_address = "127.0.0.1"
  bind_port = %d
  socket_path = %q
  trust_domain = %q
  data_dir = %q
  log_level = "INFO"
  default_x509_svid_ttl = %q
  federation {
    bundle_endpoint {
      address = "127.0.0.1"
      port = %d
      profile "https_spiffe" {}
    }
  }
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = %q } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
`, s.port, s.serverSocket, s.Domain, s.dir, SVIDTTL.String(), s.bundlePort, filepath.Join(s.dir, "server.sqlite3"))
	file := filepath.Join(s.dir, "server.conf")
	if err := replaceFile(file, []byte(config)); err != nil {
		return err
	}
	if s.server, err = start(s.dir, "spire-server", false, s.programs.SPIREServer, "run", "-config", file); err != nil {
		return err
	}
	return s.server.until(ctx, "is healthy", func() bool {
		_, err := s.command(ctx, "healthcheck")
		return err == nil
	})
}

func (s *spire) register(ctx context.Context, workload, path string) error {
	entry := []string{
		"entry", "create", "-parentID", s.host(), "-spiffeID", s.ID(workload),
		"-selector", "unix:path:" + path, "-x509SVIDTTL", strconv.Itoa(int(SVIDTTL.Seconds())),
	}
	for _, domain := range s.federates {
		entry = append(entry, "-federatesWith", domain)
	}
	if _, err := s.command(ctx, entry...); err != nil {
		return fmt.Errorf("registering %s: %w", workload, err)
	}
	return nil
}

func (s *spire) startAgent(ctx context.Context) error {
	out, err := s.command(ctx, "token", "generate", "-spiffeID", s.host(), "-output", "json")
	if err != nil {
		return fmt.Errorf("making the join token: %w", err)
	}
	var token struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(out, &token); err != nil {
		return fmt.Errorf("reading the join token: %w", err)
	}
	bundle, err := s.command(ctx, "bundle", "show")
	if err != nil {
		return fmt.Errorf("asking for the bundle: %w", err)
	}
	bundleFile := filepath.Join(s.dir, "bundle.pem")
	if err := replaceFile(bundleFile, bundle); err != nil {
		return err
	}
	config := fmt.Sprintf(`agent {
  server_address = "127.0.0.1"
  server_port = %d
  socket_path = %q
  trust_domain = %q
  trust_bundle_path = %q
  data_dir = %q
  log_level = "INFO"
}
plugins {
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data { discover_workload_path = true } }
}
`, s.port, s.agentSocket, s.Domain, bundleFile, filepath.Join(s.dir, "agent"))
	file := filepath.Join(s.dir, "agent.conf")
	if err := replaceFile(file, []byte(config)); err != nil {
		return err
	}
	program := s.programs.SPIREAgent
	s.agent, err = start(s.dir, "spire-agent", false, program, "run", "-config", file, "-joinToken", token.Value)
	if err != nil {
		return err
	}
	return s.agent.until(ctx, "is healthy", func() bool {
		return exec.CommandContext(ctx, program, "healthcheck", "-socketPath", s.agentSocket).Run() == nil
	})
}

// command runs a command of the SPIRE server against it and returns what it printed.
func (s *spire) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.programs.SPIREServer, append(args, "-socketPath", s.serverSocket)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("spire-server %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

func (s *spire) workloadAPI() string { return "unix://" + s.agentSocket }

func (s *spire) stop() {
	for _, p := range []*Process{s.agent, s.server} {
		if p != nil {
			p.Stop()
		}
	}
}
