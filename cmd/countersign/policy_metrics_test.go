package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// metricsOf is what a registry says: values, and sums of histograms, by name and labels.
func metricsOf(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetName() + "=" + label.GetValue()
			}
			values[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetHistogram().GetSampleSum()
		}
	}
	return values
}

func TestPolicyMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newPolicyMetrics(registry)
	m.Decided(20, nil)
	m.Decided(3, []string{"transfer-cap", "*index"})
	m.Decided(3, []string{"transfer-cap"})
	m.Verified(true)
	m.Verified(true)
	if diff := cmp.Diff(map[string]float64{
		"countersign_policy_candidates":                       26,
		"countersign_policy_errors_total policy=*index":       1,
		"countersign_policy_errors_total policy=transfer-cap": 2,
		"countersign_policy_index_checks_total agreed=true":   2,
		"countersign_policy_index_checks_total agreed=false":  0,
	}, metricsOf(t, registry)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
