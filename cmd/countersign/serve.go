package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/trust"
	"countersign.dev/envoy"
)

// drainTime is how long checks in flight may take after SIGTERM.
const drainTime = 10 * time.Second

func newServeCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Answer Envoy's external-authorization checks",
		Long: `Serve answers checks over gRPC (envoy.service.auth.v3.Authorization) until SIGTERM or an interrupt, then lets
checks in flight finish. Policies, entities, pinned tools, keys and revocations are read again when their files
change and on SIGHUP; a bad file never replaces a good one. Listeners need a restart.

On the admin listener: /healthz, /readyz, /metrics, /status, /.well-known/jwks.json, /.well-known/root-jwks.json
and /.well-known/oauth-protected-resource.`,
		Example: "  countersign serve --config countersign.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(path)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, newLogger(c.Log, cmd.ErrOrStderr()), cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func newLogger(c logConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked when the configuration was loaded
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// serve runs until ctx ends.
func serve(ctx context.Context, c *config, log *slog.Logger, stdout io.Writer) error {
	id, err := openServerIdentity(ctx, c)
	if err != nil {
		return err
	}
	defer id.close()
	p, err := openParts(ctx, c, id.source, trust.NewStore, log)
	if err != nil {
		return err
	}
	records, err := openAudit(c.Audit, stdout)
	if err != nil {
		return err
	}
	defer records.Close() //nolint:errcheck // every record was written when it was made
	build := readBuildInfo()
	m := newMetrics(records, build, log)
	m.shadow.configured(c.Servers)
	m.watchCache(p.verifier.CacheStats)
	p.policies.Observe(newPolicyMetrics(m.registry))
	p.watchBundle(m.registry)
	p.owners.serve(ctx, c, m, log)
	p.revocations.watch(m)
	authorizer, err := p.authorizer(c, m)
	if err != nil {
		return err
	}

	re := newReloader(sources(p, id), m, log)
	a := &admin{build: build, started: time.Now().UTC(), parts: p, reloader: re, metrics: m, identity: id.name}
	check := &envoy.Server{Decider: authorizer, Resources: p.servers, Panicked: func(v any) {
		m.panics.Inc()
		log.Error("recovered from a panic in a check", "panic", v, "stack", string(debug.Stack()))
	}}
	grpcServer, healthServer := envoy.NewGRPCServer(envoy.ServerConfig{
		Authorization: check, Credentials: id.credentials,
		MaxBody: c.maxBody(), MaxConnectionAge: c.Listen.GRPC.MaxConnectionAge,
	})
	s := &server{config: c, log: log, admin: a, grpc: grpcServer, health: healthServer, reloader: re, records: records}
	if c.Listen.Keys != "" {
		s.https = append(s.https, httpsListener{"keys", c.Listen.Keys, newKeysServer(id.source, a.jwks)})
	}
	if c.Listen.Token != "" {
		endpoint, err := p.tokenEndpoint(c, m)
		if err != nil {
			return err
		}
		s.https = append(s.https, httpsListener{"token", c.Listen.Token, newTokenServer(id.source, endpoint, log)})
	}
	if c.Listen.Control != "" {
		control, err := p.control(c, m)
		if err != nil {
			return err
		}
		s.https = append(s.https, httpsListener{"control", c.Listen.Control, newControlServer(id.source, control.Handler(), log)})
	}
	return s.run(ctx)
}

// sources lists what is read again while running.
func sources(p *parts, id *serverIdentity) []source {
	all := []source{
		{"policy", p.reloadPolicies, p.policies.Files},
	}
	if p.bundle != nil {
		all = append(all, source{"bundle", p.polled, func() []string { return nil }})
	}
	all = append(all,
		source{"keys", p.reloadKeys, p.keyFiles},
		source{"revocations", p.revocations.file.Reload, p.revocations.file.Files})
	if id.files != nil {
		all = append(all, source{"identity", id.files.Reload, id.files.Files})
	}
	for _, s := range p.shadows { // whatever counts comes first
		all = append(all, source{s.name, s.reload, s.store.Files})
	}
	return all
}

// auditLog is where records go.
type auditLog interface {
	Record(ctx context.Context, r audit.Record) error
	Reopen() error
	Close() error
}

func openAudit(c auditConfig, stdout io.Writer) (auditLog, error) {
	if c.Output == "stdout" {
		return stdoutLog{audit.NewLog(stdout)}, nil
	}
	file, err := audit.OpenFile(c.Output)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return file, nil
}

// stdoutLog is an audit log that is neither rotated nor closed by us.
type stdoutLog struct{ *audit.Log }

func (stdoutLog) Reopen() error { return nil }
func (stdoutLog) Close() error  { return nil }

// serverIdentity is how we prove ourselves to Envoy and to others, and which Envoys may connect.
type serverIdentity struct {
	source      x509Source // noIdentity if none is configured
	credentials credentials.TransportCredentials
	files       *svidFiles // nil unless the identity is in files
	name        func() string
	close       func()
}

func openServerIdentity(ctx context.Context, c *config) (*serverIdentity, error) {
	// A unix socket is guarded by the permissions of its directory.
	id := &serverIdentity{
		source: noIdentity{}, credentials: insecure.NewCredentials(), name: func() string { return "" }, close: func() {},
	}
	if !c.Identity.given() {
		return id, nil
	}
	source, files, err := openIdentity(ctx, c.Identity)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id.source, id.files = source, files
	id.close = func() { _ = source.Close() } // the process ends
	if !strings.HasPrefix(c.Listen.GRPC.Address, "unix://") {
		matcher, err := clientMatcher(c.Identity.Clients)
		if err != nil {
			id.close()
			return nil, fmt.Errorf("identity.clients: %w", err)
		}
		id.credentials = serverCredentials(source, matcher)
	}
	id.name = func() string {
		svid, err := source.GetX509SVID()
		if err != nil {
			return ""
		}
		return svid.ID.String()
	}
	return id, nil
}

// server runs the listeners.
type server struct {
	config   *config
	log      *slog.Logger
	admin    *admin
	grpc     *grpc.Server
	health   *health.Server
	reloader *reloader
	records  auditLog
	https    []httpsListener
}

// httpsListener is an HTTPS server with a TLS configuration of its own; listen.<name> says where.
type httpsListener struct {
	name, address string
	server        *http.Server
}

func (s *server) run(ctx context.Context) error {
	grpcListener, err := listen(ctx, s.config.Listen.GRPC.Address)
	if err != nil {
		return fmt.Errorf("listen.grpc.address: %w", err)
	}
	adminListener, err := listen(ctx, s.config.Listen.Admin)
	if err != nil {
		return errors.Join(fmt.Errorf("listen.admin: %w", err), grpcListener.Close())
	}
	secure, err := s.listenHTTPS(ctx)
	if err != nil {
		return errors.Join(err, adminListener.Close(), grpcListener.Close())
	}
	adminServer := &http.Server{Handler: s.admin.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.admin.parts.warnOfShadow(s.log)
	s.reload(background)
	go s.watch(background)
	s.admin.parts.follow(background, s.reload)
	go s.onHangup(background)
	s.admin.parts.revocations.run(background)
	go s.onSynced(background)
	go func() { _ = s.admin.parts.providers.Run(background) }() // it ends with background
	go func() {
		if err := s.admin.parts.issuers.Run(background); err != nil && background.Err() == nil {
			s.log.Error("refreshing issuers stopped", "error", err)
		}
	}()

	failed := make(chan error, 2+len(secure))
	go func() { failed <- wrap("serving gRPC", s.grpc.Serve(grpcListener)) }()
	go func() { failed <- wrap("serving admin HTTP", adminServer.Serve(adminListener)) }()
	for i, h := range s.https {
		go func() { failed <- wrap("serving "+h.name, h.server.ServeTLS(secure[i], "", "")) }()
		s.log.Info("serving HTTPS", h.name, secure[i].Addr().String())
	}
	s.log.Info("serving", "grpc", grpcListener.Addr().String(), "admin", adminListener.Addr().String(),
		"identity", s.admin.identity(), "issuer", s.config.Issuer, "version", s.admin.build.Version)

	select {
	case err = <-failed:
	case <-ctx.Done():
		s.log.Info("shutting down")
	}
	s.drain()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, h := range s.https {
		err = errors.Join(err, h.server.Shutdown(closing))
	}
	return errors.Join(err, adminServer.Shutdown(closing))
}

// listenHTTPS opens the listeners of s.https, in their order, or none.
func (s *server) listenHTTPS(ctx context.Context) ([]net.Listener, error) {
	var opened []net.Listener
	for _, h := range s.https {
		l, err := listen(ctx, h.address)
		if err != nil {
			err = fmt.Errorf("listen.%s: %w", h.name, err)
			for _, l := range opened {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
		opened = append(opened, l)
	}
	return opened, nil
}

// drain lets checks in flight finish and takes no new ones.
func (s *server) drain() {
	s.admin.draining.Store(true)
	s.health.Shutdown()
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-time.After(drainTime):
		s.log.Warn("checks were still in flight when the time to drain was over")
		s.grpc.Stop()
	}
}

// reload reads every source again and tells Envoy whether checks can be answered.
func (s *server) reload(ctx context.Context) {
	before := s.admin.parts.policies.Status().Revision
	_ = s.reloader.reload(ctx) // reported by the reloader
	after := s.admin.parts.policies.Status()
	if after.Revision != before {
		s.admin.metrics.inForce(after.Revision)
		s.log.Info("policies in force", "revision", after.Revision, "policies", after.Policies)
		if before != "" { // at the start it was said
			s.admin.parts.warnOfShadow(s.log)
		}
	}
	envoy.SetServing(s.health, s.admin.ready())
}

func (s *server) watch(ctx context.Context) {
	w := newWatcher(s.reloader.files, s.config.Reload.Poll, s.config.Reload.Debounce, s.log)
	w.run(ctx, s.reload)
}

// onSynced tells Envoy that checks can be answered once the shared revocations are there.
func (s *server) onSynced(ctx context.Context) {
	select {
	case <-s.admin.parts.revocations.synced():
		envoy.SetServing(s.health, s.admin.ready())
	case <-ctx.Done():
	}
}

func (s *server) onHangup(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			s.log.Info("SIGHUP: reading everything again")
			if err := s.records.Reopen(); err != nil {
				s.log.Error("opening the audit file again", "error", err)
			}
			s.admin.parts.warnOfShadow(s.log)
			s.reload(ctx)
		}
	}
}

// listen opens host:port, or the socket unix:///path, replacing a socket that nobody listens on any more.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, isSocket := strings.CutPrefix(address, "unix://")
	if !isSocket {
		return lc.Listen(ctx, "tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close() // it only showed that somebody is there
			return nil, fmt.Errorf("%s is in use", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing a stale socket: %w", err)
		}
	}
	return lc.Listen(ctx, "unix", path)
}

func wrap(doing string, err error) error {
	if err == nil || errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
