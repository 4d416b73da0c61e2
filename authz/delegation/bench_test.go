package delegation_test

import (
	"testing"

	"countersign.dev/authz/delegation"
)

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	d0, d1, _ := w.chain(b)
	for _, c := range []struct {
		name, token string
		cache       int
	}{
		{"root/cold", d0, 0}, {"root/cached", d0, 10}, {"hop/cold", d1, 0}, {"hop/cached", d1, 10},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := w.verifier(b, func(config *delegation.Config) { config.CacheSize = c.cache })
			presenter := planner
			if c.token == d1 {
				presenter = crm
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), c.token, presenter, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCountersign(b *testing.B) {
	for _, alg := range []string{own, west} {
		w := newWorld(b)
		parent, err := w.verifier(b).Verify(b.Context(), w.mint(b, root()), planner, now)
		if err != nil {
			b.Fatal(err)
		}
		hop := w.hop(planner, crm, "mcp:ledger:read_entry")
		hop.Issuer, hop.Key = alg, w.keys[alg]
		b.Run(hop.Key.Algorithm, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := delegation.Countersign(parent, "acme.example", hop); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
