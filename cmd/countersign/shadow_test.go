package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
)

func shadowFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const lists = `@id("lists") permit (principal, action in Action::"list", resource);`

// A set of its own takes the place of the common one, and a broken one is nobody's trouble but its own.
func TestSetsOfPoliciesThatAreTriedOut(t *testing.T) {
	dir := t.TempDir()
	shadowFile(t, filepath.Join(dir, "next", "p.cedar"), lists)
	shadowFile(t, filepath.Join(dir, "ledger", "p.cedar"), "permit (")
	c := newConfig()
	c.Servers = []serverConfig{
		{Name: "crm", Mode: authz.Shadow}, {Name: "ledger", ShadowPolicy: &shadowConfig{Directory: "ledger"}}, {Name: "notes"},
	}
	c.Policy.Shadow = &shadowConfig{Directory: "next"}
	c.completeShadows(dir)
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	p := &parts{shadows: openShadows(&c, log), inShadowMode: c.inShadowMode()}

	if err := p.reloadShadows(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "shadow:ledger: ") {
		t.Errorf("got %v", err)
	}
	byServer := p.shadowPolicies()
	for server, want := range map[string]bool{"crm": true, "notes": true, "ledger": false} {
		policies := byServer[server]
		if policies == nil {
			t.Errorf("%s has none", server)
		} else if _, loaded := policies.Snapshot(); loaded != want {
			t.Errorf("%s: loaded %t", server, loaded)
		}
	}
	status := p.shadowStatus()
	if diff := cmp.Diff([]string{"crm"}, status.Servers); diff != "" {
		t.Error(diff)
	}
	if len(status.Policies) != 2 || status.Policies[0].Revision == "" || status.Policies[1].LastError == "" ||
		!cmp.Equal(status.Policies[0].Servers, []string{"crm", "notes"}) || status.Policies[1].Source != "shadow:ledger" {
		t.Errorf("status: %+v", status.Policies)
	}
	if !strings.Contains(said.String(), "set=shadow") {
		t.Errorf("the log does not tell them from live ones: %s", said.String())
	}
	if err := (shadow{}).reload(t.Context()); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a panic while loading: %v", err)
	}
	said.Reset()
	p.warnOfShadow(log)
	if !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), "[crm]") {
		t.Errorf("said %q", said.String())
	}
	said.Reset()
	(&parts{}).warnOfShadow(log)
	if said.Len() != 0 {
		t.Errorf("said %q without any", said.String())
	}
}

// sink takes records, or fails.
type sink struct{ err error }

func (s *sink) Record(context.Context, audit.Record) error { return s.err }

func TestShadowMetrics(t *testing.T) {
	records, once := &sink{}, true
	var said bytes.Buffer
	m := newMetrics(records, buildInfo{}, slog.New(slog.NewTextHandler(&said, nil)))
	m.shadow.configured([]serverConfig{{Name: "crm", Mode: authz.Shadow}, {Name: "ledger"}})
	record := func(r audit.Record) { _ = m.Record(t.Context(), r) } // sink says when it fails
	record(audit.Record{Server: "crm", Decision: "allow", Mode: "shadow", WouldDeny: "policy_no_permit"})
	record(audit.Record{Server: "crm", Decision: "allow", Mode: "shadow", WouldDeny: "panic"})
	record(audit.Record{Server: "crm", Decision: "allow", Mode: "shadow"})
	record(audit.Record{Server: "ledger", Decision: "deny", Reason: "panic"})
	for _, s := range []audit.Shadow{
		{Live: "allow", Decision: "allow"},
		{Live: "allow", Decision: "allow", Scope: []string{}, SingleUse: &once},
		{Live: "allow", Decision: "deny", Reason: "policy_error"},
		{Live: "deny", Decision: "allow"},
		{Live: "deny", Decision: "deny", Reason: "policy_no_permit"},
		{Live: "allow", Decision: "deny", Reason: "policy_unavailable"},
		{Live: "deny", Decision: "deny", Reason: "panic"},
	} {
		record(audit.Record{Server: "ledger", Decision: "deny", Shadow: &s})
	}
	records.err = errors.New("disk full")
	for range 3 {
		record(audit.Record{Server: "crm", Decision: "allow", Mode: "shadow"})
	}
	record(audit.Record{Server: "crm", Decision: "allow", Mode: "shadow", WouldDeny: "expired"})
	record(audit.Record{Server: "ledger", Decision: "allow"})
	records.err = nil
	record(audit.Record{Server: "ledger", Decision: "allow"})

	got := make(map[string]float64)
	for name, value := range metricsOf(t, m.registry) {
		name = strings.TrimPrefix(name, "countersign_")
		if strings.HasPrefix(name, "shadow_") || strings.HasPrefix(name, "would_") || strings.HasPrefix(name, "server_") ||
			strings.HasPrefix(name, "panics") {
			got[name] = value
		}
	}
	if diff := cmp.Diff(map[string]float64{
		"server_mode mode=shadow server=crm":                  1,
		"server_mode mode=enforce server=ledger":              1,
		"would_deny_total reason=policy_no_permit server=crm": 1,
		"would_deny_total reason=panic server=crm":            1,
		"would_deny_total reason=audit_failed server=crm":     3,
		"would_deny_total reason=expired server=crm":          1,
		"panics_total": 2,
		"shadow_decisions_total live=allow server=ledger shadow=allow": 2,
		"shadow_decisions_total live=allow server=ledger shadow=deny":  1,
		"shadow_decisions_total live=allow server=ledger shadow=none":  1,
		"shadow_decisions_total live=deny server=ledger shadow=allow":  1,
		"shadow_decisions_total live=deny server=ledger shadow=deny":   1,
		"shadow_decisions_total live=deny server=ledger shadow=none":   1,
		"shadow_differences_total kind=decision server=ledger":         2,
		"shadow_differences_total kind=scope server=ledger":            1,
		"shadow_differences_total kind=single_use server=ledger":       1,
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := strings.Count(said.String(), "\n"); n != 2 || !strings.Contains(said.String(), "disk full") {
		t.Errorf("a log of %d lines, want one when it began and one when it was over: %s", n, said.String())
	}
}
