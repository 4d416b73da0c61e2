package stage

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// initialiseStore says that nothing is revoked in a new store, as an operator does once.
func (s *Stage) initialiseStore(ctx context.Context) error {
	if s.options.Redis == "" {
		return nil
	}
	file, err := s.replicas[0].write(s.ConfigDir, "countersign")
	if err != nil {
		return err
	}
	_, err = s.run(ctx, "revoke", "init", "--config", file)
	return err
}

// Revoker is a workload that revokes with the program's own command, at one of the replicas.
func (s *Stage) Revoker(svid SVID, replica int) func(ctx context.Context, args ...string) (string, error) {
	return func(ctx context.Context, args ...string) (string, error) {
		command := []string{"revoke"}
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			command, args = append(command, args[0]), args[1:] // a subcommand
		}
		return s.run(ctx, append(append(command,
			"--endpoint", s.ControlURLs[replica], "--server", s.ID("countersign"),
			"--certificate", svid.Certificate, "--key", svid.Key, "--bundle", svid.Bundle), args...)...)
	}
}

// run runs a command of Countersign to its end and returns what it printed.
func (s *Stage) run(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.options.Programs.Countersign, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("countersign %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
