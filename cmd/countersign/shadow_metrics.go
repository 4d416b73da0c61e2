package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
)

// shadowMetrics counts what servers and policies that are tried out would do. Its labels are names of configured servers,
// reasons, and fixed words: callers cannot add to them.
type shadowMetrics struct {
	mode        *prometheus.GaugeVec
	wouldDeny   *prometheus.CounterVec
	decisions   *prometheus.CounterVec
	differences *prometheus.CounterVec
}

func newShadowMetrics(registry prometheus.Registerer) *shadowMetrics {
	m := &shadowMetrics{
		mode: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "countersign_server_mode",
			Help: "The mode of an MCP server, enforce or shadow; always 1. In shadow mode nothing is refused.",
		}, []string{"server", "mode"}),
		wouldDeny: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_would_deny_total",
			Help: "Requests that were let through without a token only because their server is in shadow mode, by the reason to refuse them.",
		}, []string{"server", "reason"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_shadow_decisions_total",
			Help: "Requests that shadow policies were asked about, by what the live policies say (allow, deny) and they " +
				"(allow, deny, or none where they gave no answer: never loaded, too slow or a panic).",
		}, []string{"server", "live", "shadow"}),
		differences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_shadow_differences_total",
			Help: "Requests for which shadow policies answer otherwise than the live ones: decision; or, where both allow, " +
				"scope (what the backend may pass on) or single_use.",
		}, []string{"server", "kind"}),
	}
	registry.MustRegister(m.mode, m.wouldDeny, m.decisions, m.differences)
	return m
}

// configured notes the modes of the servers, which only a restart changes.
func (m *shadowMetrics) configured(servers []serverConfig) {
	for _, s := range servers {
		m.mode.WithLabelValues(s.Name, s.Mode.String()).Set(1)
	}
}

// decided counts a decision, and whether it could not be recorded.
func (m *shadowMetrics) decided(r audit.Record, unrecorded bool) {
	switch {
	case r.WouldDeny != "":
		m.wouldDeny.WithLabelValues(r.Server, r.WouldDeny).Inc()
	case unrecorded && r.Mode == authz.Shadow.String():
		m.wouldDeny.WithLabelValues(r.Server, string(denial.AuditFailed)).Inc()
	}
	s := r.Shadow
	if s == nil {
		return
	}
	answer := s.Decision
	if s.Reason != "" && denial.Reason(s.Reason).Class() == denial.ClassInternal {
		answer = "none"
	}
	m.decisions.WithLabelValues(r.Server, s.Live, answer).Inc()
	for kind, differs := range map[string]bool{
		"decision": answer != "none" && answer != s.Live, "scope": s.Scope != nil, "single_use": s.SingleUse != nil,
	} {
		if differs {
			m.differences.WithLabelValues(r.Server, kind).Inc()
		}
	}
}
