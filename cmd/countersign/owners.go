package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/redisstore"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/replay/redisguard"
	"countersign.dev/authz/session"
	"countersign.dev/authz/session/redistable"
)

// owners is what is remembered between requests: who owns what, and which delegations were used. It is in the store
// if there is one, else in memory.
type owners struct {
	sessions authz.Sessions
	uses     authz.Uses
	begin    func(ctx context.Context, now time.Time) error
	// ids and spent count what is in memory; nil with a store.
	ids, spent func() int
}

func openOwners(c *config, store *redisstore.Store) owners {
	forSessions := session.Config{TTL: c.Sessions.TTL, PerPeer: c.Sessions.PerPeer, Total: c.Sessions.Total}
	forUses := replay.Config{PerPeer: c.Replay.PerPeer, Total: c.Replay.Total}
	if store != nil {
		guard := redisguard.New(store, forUses)
		return owners{sessions: redistable.New(store, forSessions), uses: guard, begin: guard.Begin}
	}
	table, guard := session.NewTable(forSessions), replay.NewGuard(forUses, time.Now())
	return owners{
		sessions: table, uses: guard, begin: func(context.Context, time.Time) error { return nil },
		ids: table.Len, spent: guard.Len,
	}
}

// serve prepares for requests, and has metrics count them. That the store is away is no reason not to start: until it is
// back, what needs it is refused.
func (o *owners) serve(ctx context.Context, c *config, m *metrics, log *slog.Logger) {
	for i := range c.Servers {
		// Tools are pinned anew while running, so this is not final.
		if err := c.Servers[i].checkPins(); err != nil {
			log.Warn("single use or handles of tools that are not there protect nothing", "error", err)
		}
	}
	if err := o.begin(ctx, time.Now()); err != nil {
		log.Warn("the store does not remember yet which delegations are used", "error", err)
	}
	if o.ids != nil {
		m.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "countersign_owned_ids", Help: "Sessions, tasks and handles in memory.",
			}, func() float64 { return float64(o.ids()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "countersign_spent_uses", Help: "Uses of delegations in memory, of tools of single use.",
			}, func() float64 { return float64(o.spent()) }),
		)
	}
	watched := ownerMetrics{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_owner_questions_total",
			Help: "Questions about owners (check, claim, end) and uses (spend) by kind and result: ok, or a reason.",
		}, []string{"operation", "kind", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "countersign_owner_question_duration_seconds", Help: "Time until a question about owners or uses was answered.",
			Buckets: []float64{.000001, .00001, .0001, .0005, .001, .005, .01, .05, .1, .5, 1},
		}, []string{"operation"}),
	}
	m.registry.MustRegister(watched.asked, watched.duration)
	o.sessions, o.uses = watchedSessions{o.sessions, watched}, watchedUses{o.uses, watched}
}

// ownerMetrics counts questions and their answers.
type ownerMetrics struct {
	asked    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func (m ownerMetrics) note(operation, kind string, began time.Time, err error) error {
	result := "ok"
	if err != nil {
		result = string(denial.ReasonOf(err))
	}
	m.asked.WithLabelValues(operation, kind, result).Inc()
	m.duration.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	return err
}

type watchedSessions struct {
	authz.Sessions
	metrics ownerMetrics
}

func (w watchedSessions) Claim(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	began := time.Now()
	return w.metrics.note("claim", name.Kind.String(), began, w.Sessions.Claim(ctx, name, owner, now))
}

func (w watchedSessions) Check(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	began := time.Now()
	return w.metrics.note("check", name.Kind.String(), began, w.Sessions.Check(ctx, name, owner, now))
}

func (w watchedSessions) End(ctx context.Context, name session.Name, owner session.Owner, now time.Time) error {
	began := time.Now()
	return w.metrics.note("end", name.Kind.String(), began, w.Sessions.End(ctx, name, owner, now))
}

type watchedUses struct {
	authz.Uses
	metrics ownerMetrics
}

func (w watchedUses) Spend(ctx context.Context, use replay.Use, now time.Time) error {
	began := time.Now()
	return w.metrics.note("spend", "use", began, w.Uses.Spend(ctx, use, now))
}
