package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"

	"countersign.dev/authz"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/control"
	"countersign.dev/authz/revoke/denyfile"
	"countersign.dev/authz/revoke/redisfeed"
	"countersign.dev/authz/revoke/statuslist"
	"countersign.dev/authz/trust"
)

// revocations is where revocations come from: all of it is asked for every request.
type revocations struct {
	revoke.Sources
	file  *denyfile.File
	feed  *redisfeed.Feed // nil without a store
	lists *statuslist.Lists
}

func openRevocations(c *config, store *redisstore.Store, issuers *trust.Store, log *slog.Logger) (r revocations, err error) {
	r.file = denyfile.None()
	if c.Revocations.File != "" {
		if r.file, err = denyfile.OpenFile(c.Revocations.File); err != nil {
			return r, fmt.Errorf("revocations: %w", err)
		}
	}
	var lists []statuslist.Issuer
	for _, i := range c.Issuers {
		if len(i.StatusLists) > 0 {
			lists = append(lists, statuslist.Issuer{Issuer: i.Issuer, Lists: i.StatusLists, CAFile: i.StatusCA})
		}
	}
	// Without any list this still refuses tokens that refer to one.
	if r.lists, err = statuslist.New(statuslist.Config{Issuers: lists, Keys: issuers, Log: log}); err != nil {
		return r, fmt.Errorf("issuers: %w", err)
	}
	r.Sources = revoke.Sources{r.file}
	if store == nil {
		r.Sources = append(r.Sources, r.lists)
		return r, nil
	}
	if r.feed, err = redisfeed.New(redisfeed.Config{
		Store: store, MaxStaleness: c.Revocations.MaxStaleness, LastKnown: c.Revocations.LastKnown, Log: log,
	}); err != nil {
		return r, err
	}
	// Lists may have to be fetched, so they come last.
	r.Sources = append(r.Sources, r.feed, r.lists)
	return r, nil
}

// run follows what is shared until ctx ends.
func (r *revocations) run(ctx context.Context) {
	go r.lists.Run(ctx)
	if r.feed != nil {
		go r.feed.Run(ctx)
	}
}

// synced is closed when what is shared was read for the first time; nil if nothing is.
func (r *revocations) synced() <-chan struct{} {
	if r.feed == nil {
		return nil
	}
	return r.feed.Synced()
}

// known reports whether requests can be answered at all, from the start on.
func (r *revocations) known() bool {
	if r.feed == nil {
		return true
	}
	select {
	case <-r.feed.Synced():
		return true
	default:
		return false
	}
}

// sync reads what is shared once, for a command that answers one question.
func (r *revocations) sync(ctx context.Context) error {
	if r.feed == nil {
		return nil
	}
	return r.feed.Sync(ctx)
}

// revocationStatus is the part of /status about revocations.
type revocationStatus struct {
	// Entries counts those of the file and the shared ones.
	Entries     int                 `json:"entries"`
	Shared      *redisfeed.Status   `json:"shared,omitempty"`
	StatusLists []statuslist.Status `json:"status_lists,omitempty"`
}

func (r *revocations) status() revocationStatus {
	s := revocationStatus{Entries: r.file.Len(), StatusLists: r.lists.Status()}
	if r.feed != nil {
		shared := r.feed.Status()
		s.Shared, s.Entries = &shared, s.Entries+shared.Entries
	}
	return s
}

// watch exports the state, read when it is asked for.
func (r *revocations) watch(m *metrics) {
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	counter := func(name, help string, labels prometheus.Labels, value func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	const entries, entriesHelp = "countersign_revocation_entries", "Revocations by where they come from, expired ones included."
	gauge(entries, entriesHelp, prometheus.Labels{"source": "file"}, func() float64 { return float64(r.file.Len()) })
	for i, s := range r.lists.Status() {
		of := prometheus.Labels{"list": s.List, "issuer": s.Issuer}
		gauge("countersign_status_list_age_seconds", "How long ago a Token Status List was fetched; -1 if it never was.", of,
			func() float64 { return r.lists.Status()[i].Age })
		counter("countersign_status_list_errors_total", "Fetches of a Token Status List that failed.", of,
			func() float64 { return float64(r.lists.Status()[i].Failures) })
	}
	if r.feed == nil {
		return
	}
	gauge(entries, entriesHelp, prometheus.Labels{"source": "shared"}, func() float64 { return float64(r.feed.Status().Entries) })
	gauge("countersign_revocation_feed_age_seconds", "How long ago the shared revocations were known to be up to date; -1 if never.",
		nil, func() float64 { return r.feed.Status().Age })
	gauge("countersign_revocation_feed_usable", "1 if requests are answered by the shared revocations, 0 if they are refused.",
		nil, func() float64 {
			if r.feed.Status().Usable {
				return 1
			}
			return 0
		})
	counter("countersign_revocation_feed_errors_total", "Failed looks at the shared revocations.",
		nil, func() float64 { return float64(r.feed.Status().Failures) })
	counter("countersign_revocation_feed_resyncs_total", "How often all shared revocations were read.",
		nil, func() float64 { return float64(r.feed.Status().Resyncs) })
}

// control makes the interface by which workloads revoke from the parts. There is a store: the configuration was checked.
func (p *parts) control(c *config, recorder authz.Recorder) (*control.Control, error) {
	peers, err := peer.NewReader(peer.Config{Source: peer.Certificate, TrustDomains: trustDomains(c.Peer.TrustDomains)})
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	return control.New(control.Config{
		Issuer: c.Issuer, Peers: peers, Revocations: p.revocations, Policies: p.policies, List: p.revocations.feed,
		Recorder: recorder, Missing: redisfeed.ErrMissing, Full: redisfeed.ErrFull,
	})
}

// newControlServer serves it over mTLS. Every workload whose authorities we know may connect: what it may do is a
// question to policy.
func newControlServer(source trust.Identity, handler http.Handler, log *slog.Logger) *http.Server {
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeAny())
	config.MinVersion = tls.VersionTLS13
	// A resumed session is not verified again, so it could outlive the client's certificate and our bundles.
	config.SessionTicketsDisabled = true
	return &http.Server{
		Handler: handler, TLSConfig: config, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
}
