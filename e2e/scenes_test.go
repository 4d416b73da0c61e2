package e2e_test

import (
	"context"
	"testing"
	"time"

	"countersign.dev/e2e/scene"
	"countersign.dev/e2e/stage"
)

// versions are an MCP protocol version with sessions, and the one without.
var versions = []string{"2025-11-25", "2026-07-28"}

// The scenes of the demo end the same over every combination of transport and protocol version.
func TestScenes(t *testing.T) {
	for _, upstream := range []struct {
		name    string
		options stage.Options
	}{
		{"plain upstream", stage.Options{}},
		{"TLS upstream", stage.Options{UpstreamTLS: true}},
		{"joined headers", stage.Options{UpstreamTLS: true, JoinedHeaders: true}},
	} {
		t.Run(upstream.name, func(t *testing.T) {
			st := raise(t, upstream.options)
			for _, http := range []string{"1.1", "2"} {
				for _, version := range versions {
					t.Run("HTTP "+http+" MCP "+version, func(t *testing.T) {
						playAll(t, st, scene.Options{Version: version, HTTP: http})
					})
				}
			}
		})
	}
}

func playAll(t *testing.T, st *stage.Stage, options scene.Options) {
	for _, s := range scene.All() {
		t.Run(s.Title, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := s.Play(ctx, st, options, teller{t}); err != nil {
				t.Error(err)
			}
		})
	}
}

// teller writes down what happens for whoever reads a failed test.
type teller struct{ t *testing.T }

func (w teller) Asked(text string) { w.t.Log("asked:", text) }
func (w teller) Answered(allowed bool, text string) {
	w.t.Logf("answered: allowed %t: %s", allowed, text)
}
func (w teller) Because(text string) { w.t.Log("because:", text) }
func (w teller) Shown(text string)   { w.t.Log(text) }
