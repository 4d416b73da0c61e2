package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
)

// metrics counts what happens. As a recorder it sits in front of the audit log, so that every decision is counted
// once, and failures to record are seen.
type metrics struct {
	registry    *prometheus.Registry
	log         *slog.Logger
	next        authz.Recorder
	decisions   *prometheus.CounterVec
	duration    prometheus.Histogram
	auditErrors prometheus.Counter
	panics      prometheus.Counter
	reloads     *prometheus.GaugeVec
	reloadTime  *prometheus.GaugeVec
	policy      *prometheus.GaugeVec
	shadow      *shadowMetrics
	unrecorded  atomic.Bool // the last decision
}

func newMetrics(next authz.Recorder, build buildInfo, log *slog.Logger) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		log:      log,
		next:     next,
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_decisions_total", Help: "Decisions by MCP server, method, decision and reason.",
		}, []string{"server", "method", "decision", "reason"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "countersign_decision_duration_seconds",
			Help:    "Time from receiving a request to having decided it, without the audit record.",
			Buckets: []float64{.00005, .0001, .0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, 1},
		}),
		auditErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_audit_errors_total", Help: "Decisions that could not be recorded; each of them was denied, or let through without a token at a server in shadow mode.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_panics_total", Help: "Panics that were recovered into denials, or into reasons to deny at a server in shadow mode.",
		}),
		reloads: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "countersign_last_reload_success", Help: "1 if the last load of a source succeeded; 0 if the last good one is still in use.",
		}, []string{"source"}),
		reloadTime: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "countersign_last_reload_success_timestamp_seconds", Help: "When a source was last loaded with success.",
		}, []string{"source"}),
		policy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "countersign_policy_info", Help: "The policy revision in force; always 1.",
		}, []string{"revision"}),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "countersign_build_info", Help: "The build of this binary; always 1.",
	}, []string{"version", "revision", "go"})
	info.WithLabelValues(build.Version, build.Revision, build.Go).Set(1)
	m.shadow = newShadowMetrics(m.registry)
	m.registry.MustRegister(m.decisions, m.duration, m.auditErrors, m.panics, m.reloads, m.reloadTime, m.policy, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Record implements authz.Recorder.
func (m *metrics) Record(ctx context.Context, r audit.Record) error {
	err := m.next.Record(ctx, r)
	if err != nil {
		m.auditErrors.Inc()
	}
	m.tellRecording(err)
	m.shadow.decided(r, err != nil)
	m.decisions.WithLabelValues(r.Server, r.Method, r.Decision, r.Reason).Inc()
	m.duration.Observe(r.Duration.Seconds())
	if denial.Reason(r.Reason) == denial.Panicked || denial.Reason(r.WouldDeny) == denial.Panicked {
		m.panics.Inc()
	}
	return err
}

// tellRecording logs when decisions begin to go unrecorded, and when that is over: not every one of them.
func (m *metrics) tellRecording(err error) {
	switch failed := err != nil; {
	case failed == m.unrecorded.Load(): // as before
	case !m.unrecorded.CompareAndSwap(!failed, failed): // somebody else was first
	case failed:
		m.log.Error("decisions cannot be recorded", "error", err)
	default:
		m.log.Info("decisions are recorded again")
	}
}

// reloaded notes the result of loading a source.
func (m *metrics) reloaded(source string, err error) {
	if err != nil {
		m.reloads.WithLabelValues(source).Set(0)
		return
	}
	m.reloads.WithLabelValues(source).Set(1)
	m.reloadTime.WithLabelValues(source).Set(float64(time.Now().Unix()))
}

// inForce notes the policy revision that decides from now on.
func (m *metrics) inForce(revision string) {
	m.policy.Reset()
	m.policy.WithLabelValues(revision).Set(1)
}

// watchCache exports the statistics of the token cache, read when they are asked for.
func (m *metrics) watchCache(stats func() (hits, misses uint64, size int)) {
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_token_cache_hits_total", Help: "Tokens whose signature had been verified before.",
		}, func() float64 { hits, _, _ := stats(); return float64(hits) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_token_cache_misses_total", Help: "Tokens that were verified in full.",
		}, func() float64 { _, misses, _ := stats(); return float64(misses) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_token_cache_entries", Help: "Verified tokens kept.",
		}, func() float64 { _, _, size := stats(); return float64(size) }),
	)
}
