package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestPolicyMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newPolicyMetrics(registry)
	m.Decided(20, nil)
	m.Decided(3, []string{"transfer-cap", "*index"})
	m.Decided(3, []string{"transfer-cap"})
	m.Verified(true)
	m.Verified(true)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetName() + "=" + label.GetValue()
			}
			got[name] = metric.GetCounter().GetValue() + metric.GetHistogram().GetSampleSum()
		}
	}
	if diff := cmp.Diff(map[string]float64{
		"countersign_policy_candidates":                       26,
		"countersign_policy_errors_total policy=*index":       1,
		"countersign_policy_errors_total policy=transfer-cap": 2,
		"countersign_policy_index_checks_total agreed=true":   2,
		"countersign_policy_index_checks_total agreed=false":  0,
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
