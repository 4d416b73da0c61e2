package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"countersign.dev/authz"
	"countersign.dev/cedar"
)

// shadow is an opened [shadowSet].
type shadow struct {
	shadowSet
	store *cedar.Store
}

// openShadows opens the sets without loading them.
func openShadows(c *config, log *slog.Logger) []shadow {
	var opened []shadow
	for _, set := range c.shadowSets() {
		opened = append(opened, shadow{set, cedar.NewStore(c.shadowSource(set.config), log.With("set", set.name))})
	}
	return opened
}

// reload loads the set again. Even a panic is only an error: the live policies go on.
func (s shadow) reload(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("loading the policies panicked: %v", p)
		}
	}()
	return s.store.Reload(ctx)
}

// reloadShadows loads the sets for a check of the configuration.
func (p *parts) reloadShadows(ctx context.Context) error {
	var all error
	for _, s := range p.shadows {
		if err := s.reload(ctx); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return all
}

// shadowPolicies are the sets by server.
func (p *parts) shadowPolicies() map[string]authz.Policies {
	byServer := make(map[string]authz.Policies)
	for _, s := range p.shadows {
		for _, server := range s.servers {
			byServer[server] = s.store
		}
	}
	return byServer
}

// shadowStatus says what is tried out.
type shadowStatus struct {
	// Servers are those in shadow mode: everything passes there.
	Servers []string `json:"servers"`
	// Policies are the sets that are asked beside the live policies.
	Policies []shadowPolicyStatus `json:"policies"`
}

type shadowPolicyStatus struct {
	// Source is the name that the set has among the sources of reloads.
	Source string `json:"source"`
	// Servers are those that it is asked about.
	Servers []string `json:"servers"`
	cedar.Status
}

func (p *parts) shadowStatus() shadowStatus {
	status := shadowStatus{Servers: p.inShadowMode, Policies: []shadowPolicyStatus{}}
	for _, s := range p.shadows {
		status.Policies = append(status.Policies, shadowPolicyStatus{s.name, s.servers, s.store.Status()})
	}
	return status
}

// everythingPasses is said wherever a server in shadow mode is reported.
const everythingPasses = "shadow mode: nothing is refused at these servers, only recorded"

// warnOfShadow says in the log which servers are not protected.
func (p *parts) warnOfShadow(log *slog.Logger) {
	if len(p.inShadowMode) > 0 {
		log.Warn(everythingPasses, "servers", p.inShadowMode)
	}
}
