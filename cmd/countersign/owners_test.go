package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/redisstore/redistest"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/session"
)

// servedOwners are what `serve` would ask, and the log that it writes.
func servedOwners(t *testing.T, redisURL string) (owners, *metrics, *bytes.Buffer) {
	t.Helper()
	c := newConfig()
	c.Store.Redis.URL = redisURL
	store, err := openStore(t.Context(), c.Store.Redis)
	if err != nil {
		t.Fatal(err)
	}
	if store != nil {
		t.Cleanup(func() { _ = store.Close() })
	}
	m, log := newMetrics(audit.NewLog(&bytes.Buffer{}), buildInfo{}, slog.New(slog.DiscardHandler)), &bytes.Buffer{}
	o := openOwners(&c, store)
	o.serve(t.Context(), &c, m, slog.New(slog.NewTextHandler(log, nil)))
	return o, m, log
}

// asked are the questions that were counted, by kind, operation and result.
func asked(t *testing.T, m *metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]float64)
	for _, family := range families {
		if family.GetName() != "countersign_owner_questions_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() { // sorted by name
				labels = append(labels, l.GetValue())
			}
			counts[strings.Join(labels, " ")] = metric.GetCounter().GetValue()
		}
	}
	return counts
}

func TestOwnersAreCounted(t *testing.T) {
	for name, url := range map[string]string{"in memory": "", "in a store": redistest.Start(t).URL()} {
		t.Run(name, func(t *testing.T) {
			o, m, log := servedOwners(t, url)
			what := session.Name{Server: "crm", Kind: session.Task, ID: "t-1"}
			planner, intern := session.Owner{Peer: "spiffe://acme.example/planner"}, session.Owner{Peer: "spiffe://acme.example/intern"}
			now := time.Now().Add(time.Second)
			use := replay.Use{Issuer: "i", ID: "1", RequestHash: "h", IssuedAt: now, Expiry: now.Add(time.Minute)}
			for i, err := range []error{
				o.sessions.Check(t.Context(), what, planner, now), o.sessions.Claim(t.Context(), what, planner, now),
				o.sessions.Claim(t.Context(), what, intern, now), o.sessions.End(t.Context(), what, planner, now),
				o.uses.Spend(t.Context(), use, now), o.uses.Spend(t.Context(), use, now),
			} {
				want := [...]denial.Reason{denial.SessionUnknown, "", denial.TaskForeign, "", "", denial.Replayed}[i]
				if (err == nil) != (want == "") || err != nil && denial.ReasonOf(err) != want {
					t.Errorf("question %d: %v, want %q", i, err, want)
				}
			}
			if diff := cmp.Diff(map[string]float64{
				"task check session_unknown": 1, "task claim ok": 1, "task claim task_foreign": 1, "task end ok": 1,
				"use spend ok": 1, "use spend replayed": 1,
			}, asked(t, m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if log.Len() != 0 {
				t.Errorf("it warned: %s", log)
			}
		})
	}
}

// A replica starts while the store is away. What needs it is refused, and nothing falls back to memory.
func TestWithoutTheStoreOwnersAreUnknown(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	o, _, log := servedOwners(t, server.URL())
	if !strings.Contains(log.String(), "does not remember yet") {
		t.Errorf("logged %q", log)
	}
	now := time.Now()
	err := o.sessions.Claim(t.Context(), session.Name{Server: "crm", ID: "a"}, session.Owner{Peer: "p"}, now)
	if denial.ReasonOf(err) != denial.SessionUnavailable {
		t.Errorf("claim: %v", err)
	}
	if err := o.uses.Spend(t.Context(), replay.Use{IssuedAt: now, Expiry: now.Add(time.Minute)}, now); denial.ReasonOf(err) != denial.ReplayUnavailable {
		t.Errorf("spend: %v", err)
	}
}
