// Package redistest runs a real redis-server for tests, and a proxy in front of it that can be cut.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"countersign.dev/authz/redisstore"
)

// Server is a redis-server on the loopback interface that writes every command to a file before it answers (appendonly).
// It leaves it to the kernel when that reaches the disk, which is not needed to survive [Server.Kill], and is slow. It
// ends with the test.
type Server struct {
	t       testing.TB
	program string
	dir     string
	address string
	process *exec.Cmd
}

// Start runs a server that is empty. It looks for the program in $REDIS_SERVER, then in PATH; the test fails
// when there is none, because nothing is ever left out.
func Start(t testing.TB) *Server {
	t.Helper()
	program := os.Getenv("REDIS_SERVER")
	if program == "" {
		var err error
		if program, err = exec.LookPath("redis-server"); err != nil {
			t.Fatal("no redis-server: install it (Debian: redis-server), or name it in REDIS_SERVER")
		}
	}
	s := &Server{t: t, program: program, dir: t.TempDir(), address: freeAddress(t)}
	s.Run()
	t.Cleanup(func() {
		if s.process != nil {
			s.Kill()
		}
	})
	return s
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Run starts the server, again after [Server.Kill], with what is on its disk, and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	//nolint:gosec // the program is the one that the developer named
	s.process = exec.CommandContext(context.WithoutCancel(s.t.Context()), s.program, "--port", port, "--bind", "127.0.0.1",
		"--dir", s.dir, "--appendonly", "yes", "--appendfsync", "no", "--save", "", "--logfile", filepath.Join(s.dir, "log"))
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("starting redis-server: %v", err)
	}
	store := s.Store()
	var last error
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if last = store.Health(context.Background()); last == nil {
			return
		}
	}
	s.t.Fatalf("redis-server does not answer: %v", last)
}

// Kill ends the server at once (SIGKILL).
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // it is gone if this fails
	_ = s.process.Wait()         // says that it was killed
	s.process = nil
}

// Empty removes everything, as a failover to a server without data does.
func (s *Server) Empty() {
	s.t.Helper()
	if err := s.Store().FlushAll(context.Background()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// Dump returns everything that the server ever wrote to its files, for tests of what must not be there.
func (s *Server) Dump() string {
	s.t.Helper()
	data, err := os.ReadDir(filepath.Join(s.dir, "appendonlydir"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all []byte
	for _, file := range data {
		part, err := os.ReadFile(filepath.Join(s.dir, "appendonlydir", file.Name())) //nolint:gosec // a file of ours
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, part...)
	}
	return string(all)
}

// URL is how to reach the server.
func (s *Server) URL() string { return "redis://" + s.address }

// Store returns a new client, as another process has.
func (s *Server) Store() *redisstore.Store { return open(s.t, s.URL()) }

func open(t testing.TB, url string) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(context.Background(), redisstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}
