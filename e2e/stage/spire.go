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
	server, agent *Process
	port          int
	program       string // of the server, for its commands
	serverSocket  string
	agentSocket   string
}

// host is the SPIFFE ID under which the agent attests; every workload's entry is below it.
var host = ID("host")

// startSPIRE runs server and agent and registers the workloads: SPIFFE ID by path of the program. It returns when the
// agent answers; a workload that asks it waits until its entry has arrived there.
func startSPIRE(ctx context.Context, dir string, programs Programs, workloads map[string]string) (*spire, error) {
	dir = filepath.Join(dir, "spire")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of SPIRE: %w", err)
	}
	s := &spire{
		program:      programs.SPIREServer,
		serverSocket: filepath.Join(dir, "server.sock"),
		agentSocket:  filepath.Join(dir, "agent.sock"),
	}
	if err := s.startServer(ctx, dir, programs.SPIREServer); err != nil {
		s.stop()
		return nil, err
	}
	// Registered before the agent starts: it then learns all of them at its first synchronisation.
	for workload, path := range workloads {
		if err := s.register(ctx, workload, path); err != nil {
			s.stop()
			return nil, err
		}
	}
	if err := s.startAgent(ctx, dir, programs.SPIREAgent); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *spire) startServer(ctx context.Context, dir, program string) error {
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`server {
  bind_address = "127.0.0.1"
  bind_port = %d
  socket_path = %q
  trust_domain = %q
  data_dir = %q
  log_level = "INFO"
  default_x509_svid_ttl = %q
}
plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = %q } }
  KeyManager "memory" { plugin_data {} }
  NodeAttestor "join_token" { plugin_data {} }
}
`, ports[0], s.serverSocket, TrustDomain, dir, SVIDTTL.String(), filepath.Join(dir, "server.sqlite3"))
	file := filepath.Join(dir, "server.conf")
	if err := replaceFile(file, []byte(config)); err != nil {
		return err
	}
	if s.server, err = start(dir, "spire-server", false, program, "run", "-config", file); err != nil {
		return err
	}
	s.port = ports[0]
	return s.server.until(ctx, "is healthy", func() bool {
		_, err := s.command(ctx, "healthcheck")
		return err == nil
	})
}

func (s *spire) register(ctx context.Context, workload, path string) error {
	_, err := s.command(ctx, "entry", "create", "-parentID", host, "-spiffeID", ID(workload),
		"-selector", "unix:path:"+path, "-x509SVIDTTL", strconv.Itoa(int(SVIDTTL.Seconds())))
	if err != nil {
		return fmt.Errorf("registering %s: %w", workload, err)
	}
	return nil
}

func (s *spire) startAgent(ctx context.Context, dir, program string) error {
	out, err := s.command(ctx, "token", "generate", "-spiffeID", host, "-output", "json")
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
	bundleFile := filepath.Join(dir, "bundle.pem")
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
`, s.port, s.agentSocket, TrustDomain, bundleFile, filepath.Join(dir, "agent"))
	file := filepath.Join(dir, "agent.conf")
	if err := replaceFile(file, []byte(config)); err != nil {
		return err
	}
	s.agent, err = start(dir, "spire-agent", false, program, "run", "-config", file, "-joinToken", token.Value)
	if err != nil {
		return err
	}
	return s.agent.until(ctx, "is healthy", func() bool {
		return exec.CommandContext(ctx, program, "healthcheck", "-socketPath", s.agentSocket).Run() == nil
	})
}

// command runs a command of the SPIRE server against it and returns what it printed.
func (s *spire) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.program, append(args, "-socketPath", s.serverSocket)...)
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
