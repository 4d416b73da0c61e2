package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"countersign.dev/e2e/workload/wire"
)

// installWorkloads gives each workload a program of its own: another path, the same content.
func installWorkloads(dir, program string, actors []string) (map[string]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the workloads: %w", err)
	}
	paths := map[string]string{}
	for _, name := range actors {
		paths[name] = filepath.Join(dir, name)
		if err := os.Link(program, paths[name]); err == nil {
			continue
		}
		if err := copyFile(paths[name], program); err != nil {
			return nil, fmt.Errorf("installing the program of %s: %w", name, err)
		}
	}
	return paths, nil
}

// copyFile copies a program, for when the two places are on different file systems.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// greeting is what a workload said first, and where it will say the rest.
type greeting struct {
	reply wire.Reply
	rest  *json.Decoder
}

// startWorkload runs a workload and waits until it has its identity and is ready.
func (s *Stage) startWorkload(ctx context.Context, name, role string, args ...string) (*Process, greeting, error) {
	all := []string{"-role", role, "-gateway", s.ID("gateway")}
	if s.neighbour != nil {
		all = append(all, "-other-gateway", s.neighbour.ID("gateway"))
	}
	if s.spire != nil {
		all = append(all, "-workload-api", s.spire.workloadAPI())
	} else {
		svid := s.SVIDs[name]
		all = append(all, "-certificate", svid.Certificate, "-key", svid.Key, "-bundle", svid.Bundle)
		if s.neighbour != nil {
			all = append(all, "-other-bundle", s.neighbour.CA.bundle())
		}
	}
	p, err := start(s.Dir, name, true, s.workloads[name], append(all, args...)...)
	if err != nil {
		return nil, greeting{}, err
	}
	g := greeting{rest: json.NewDecoder(p.stdout)}
	said := make(chan error, 1)
	go func() { said <- g.rest.Decode(&g.reply) }()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil && g.reply.Own.ID != s.ID(name) {
		err = fmt.Errorf("it is %q", g.reply.Own.ID)
	}
	if err != nil {
		p.Stop()
		return nil, greeting{}, p.failure("waiting until "+name+" is ready", err)
	}
	s.ended = append(s.ended, p.Stop)
	return p, g, nil
}

// startServer runs an MCP server.
func (s *Stage) startServer(ctx context.Context, name string, port int) (*Process, error) {
	args := []string{
		"-listen", fmt.Sprintf("127.0.0.1:%d", port), "-record", s.Received[name].file,
		"-countersign", s.ID("countersign"), "-audience", TrustDomain,
		"-keys", fmt.Sprintf("https://127.0.0.1:%d/.well-known/jwks.json", s.replicas[0].KeysPort),
	}
	switch name {
	case "crm":
		args = append(args, "-next", s.url("ledger"))
		if s.options.ShadowMode {
			args = append(args, "-trusting")
		}
	case "ledger":
		args = append(args, "-next", s.url("archive"))
	}
	if s.options.UpstreamTLS {
		args = append(args, "-tls")
	}
	p, _, err := s.startWorkload(ctx, name, name, args...)
	return p, err
}

// Relay runs a relay to an MCP server, as a workload and with the token in a file, and returns its plain loopback URL. It
// is for clients that have no identity, such as the MCP Inspector.
func (s *Stage) Relay(ctx context.Context, workload, server, tokenFile string) (string, error) {
	ports, err := FreePorts(ctx, 1)
	if err != nil {
		return "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	_, _, err = s.startWorkload(ctx, workload, "relay", "-listen", address, "-upstream", s.URLs[server], "-token", tokenFile)
	return "http://" + address + "/mcp", err
}
