package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Federation is two houses whose trust domains federate:
//
//	planner ──mTLS──▶ Envoy :crm ────▶ crm ──mTLS──▶ Envoy :ledger ────▶ ledger ──mTLS──▶ Envoy :archive ────▶ archive
//	   └─────────── acme.example ────────┘              └───────────────────── partner.example ─────────────────────┘
//
// Each has a Countersign of its own with keys of its own, and believes the other's as a hop issuer. The people and the
// delegations are acme's.
type Federation struct{ Acme, Partner *Stage }

// StartFederation raises both houses. On an error nothing is left behind.
func StartFederation(ctx context.Context, options Options) (*Federation, error) {
	f := &Federation{}
	if err := f.raise(ctx, options); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Federation) raise(ctx context.Context, options Options) (err error) {
	if f.Acme, err = found(ctx, acmeWithPartner, options); err != nil {
		return err
	}
	if f.Partner, err = found(ctx, partner, options); err != nil {
		return err
	}
	f.Partner.Issuer = f.Acme.Issuer
	if err := f.Acme.meet(ctx, f.Partner); err != nil {
		return err
	}
	if err := f.Partner.meet(ctx, f.Acme); err != nil {
		return err
	}
	for _, s := range []*Stage{f.Partner, f.Acme} {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	for _, s := range []*Stage{f.Partner, f.Acme} {
		if err := s.acquainted(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close ends every process of both houses, and removes the files.
func (f *Federation) Close() error {
	var err error
	for _, s := range []*Stage{f.Acme, f.Partner} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// RotateAuthority has the partner's SPIRE server add an X.509 authority, and returns once acme's SPIRE server has it. The
// only way for it is https_spiffe.
func (f *Federation) RotateAuthority(ctx context.Context) error {
	ours, theirs := f.Acme.spire, f.Partner.spire
	if _, err := theirs.command(ctx, "localauthority", "x509", "prepare"); err != nil {
		return fmt.Errorf("preparing an authority: %w", err)
	}
	domain := "spiffe://" + theirs.Domain
	return ours.server.until(ctx, "has the new authority of "+theirs.Domain, func() bool {
		if _, err := ours.command(ctx, "federation", "refresh", "-id", domain); err != nil {
			return false
		}
		bundle, err := ours.command(ctx, "bundle", "list", "-id", domain)
		return err == nil && bytes.Count(bundle, []byte("BEGIN CERTIFICATE")) == 2
	})
}

// meet makes a house that does not run yet federate with another one.
func (s *Stage) meet(ctx context.Context, other *Stage) error {
	s.neighbour = other
	n := &neighbour{House: other.House, KeysPort: other.replicas[0].KeysPort}
	if s.spire != nil {
		if err := s.spire.federate(ctx, other.spire); err != nil {
			return err
		}
	} else {
		n.Bundle = other.CA.bundle()
	}
	s.gateway.Neighbour = n
	for i := range s.replicas {
		s.replicas[i].Neighbour = n
	}
	return nil
}

// acquainted waits until Countersign has the keys of the other house's.
func (s *Stage) acquainted(ctx context.Context) error {
	return s.reloaded(ctx, "knows the keys of "+s.neighbour.Domain, func(now Status) bool {
		for _, issuer := range now.Issuers {
			if issuer.Issuer == s.neighbour.ID("countersign") {
				return len(issuer.Keys) > 0
			}
		}
		return false
	})
}
