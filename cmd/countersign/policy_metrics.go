package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"countersign.dev/cedar"
)

// policyMetrics counts what deciding with policies takes, and what goes wrong with it.
type policyMetrics struct {
	candidates prometheus.Histogram
	failures   *prometheus.CounterVec
	checks     *prometheus.CounterVec
}

var _ cedar.Observer = (*policyMetrics)(nil)

func newPolicyMetrics(registry prometheus.Registerer) *policyMetrics {
	m := &policyMetrics{
		candidates: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "countersign_policy_candidates",
			Help:    "Policies whose scope covers a question, which are the ones evaluated. Policies without a scope cover every question.",
			Buckets: []float64{0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000},
		}),
		// As many as there are policies that fail, not as there are requests.
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_policy_errors_total",
			Help: "Questions for which a policy could not be evaluated, whether it denied or was skipped (policy.on_error). " +
				"Policy * is a request that could not be put into Cedar's terms, *index a disagreement found by policy.verify_index.",
		}, []string{"policy"}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_policy_index_checks_total",
			Help: "Decisions that were made a second time without the index (policy.verify_index), by whether they agreed. " +
				"Each disagreement was denied.",
		}, []string{"agreed"}),
	}
	for _, agreed := range []string{"true", "false"} { // an alert needs the counter before the first disagreement
		m.checks.WithLabelValues(agreed)
	}
	registry.MustRegister(m.candidates, m.failures, m.checks)
	return m
}

// Decided implements [cedar.Observer].
func (m *policyMetrics) Decided(candidates int, failed []string) {
	m.candidates.Observe(float64(candidates))
	for _, policy := range failed {
		m.failures.WithLabelValues(policy).Inc()
	}
}

// Verified implements [cedar.Observer].
func (m *policyMetrics) Verified(agreed bool) {
	label := "false"
	if agreed {
		label = "true"
	}
	m.checks.WithLabelValues(label).Inc()
}
