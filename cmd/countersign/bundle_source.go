package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign.dev/cedar/bundle/remote"
)

// reloadPolicies reads the policies again, and tells where a bundle came from what became of it.
func (p *parts) reloadPolicies(ctx context.Context) error {
	err := p.policies.Reload(ctx)
	if p.bundle != nil {
		p.bundle.Settle(ctx, err)
	}
	return err
}

// polled returns what went wrong when the bundle was asked for last, so that it is told like any other failed reload.
func (p *parts) polled(context.Context) error { return p.bundle.Err() }

// follow asks for newer bundles until ctx ends, if policies come in bundles, and has them put in force.
func (p *parts) follow(ctx context.Context, changed func(context.Context)) {
	if p.bundle != nil {
		go p.bundle.Run(ctx, changed)
	}
}

// bundleStatus is nil if policies do not come in bundles.
func (p *parts) bundleStatus() *remote.Status {
	if p.bundle == nil {
		return nil
	}
	status := p.bundle.Status()
	return &status
}

// watchBundle exports the state of the bundle, read when it is asked for.
func (p *parts) watchBundle(registry prometheus.Registerer) {
	if p.bundle == nil {
		return
	}
	gauge := func(name, help string, labels prometheus.Labels, value func(remote.Status) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(p.bundle.Status()) }))
	}
	counter := func(r *remote.Revision) float64 {
		if r == nil {
			return 0
		}
		return float64(r.Counter)
	}
	const name, help = "countersign_bundle_counter", "The counter of the policy bundle that was verified last, and of the one in force; 0 for none."
	gauge(name, help, prometheus.Labels{"state": "verified"}, func(s remote.Status) float64 { return counter(s.Verified) })
	gauge(name, help, prometheus.Labels{"state": "active"}, func(s remote.Status) float64 { return counter(s.Active) })
	gauge("countersign_bundle_usable", "0 if the policy bundle in force is over, and everything is refused; 1 otherwise.", nil,
		func(s remote.Status) float64 {
			if s.Usable {
				return 1
			}
			return 0
		})
	gauge("countersign_bundle_last_success_timestamp_seconds", "When the server of the policy bundle was last asked with success; 0 for never.",
		nil, func(s remote.Status) float64 { return stamp(s.LastSuccess) })
	gauge("countersign_bundle_not_after_timestamp_seconds", "Until when the policy bundle in force may decide; 0 for ever.", nil,
		func(s remote.Status) float64 {
			if s.Active == nil {
				return 0
			}
			return stamp(s.Active.NotAfter)
		})
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "countersign_bundle_errors_total", Help: "Polls of the policy bundle that failed, or brought one that was refused.",
	}, func() float64 { return float64(p.bundle.Status().Errors) }))
}

// stamp is a time as metrics have it, 0 for none.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
