package e2e_test

import (
	"context"
	"testing"
	"time"

	"countersign.dev/authz/redisstore/redistest"
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
		{"plain upstream", stage.Options{Login: true}},
		{"TLS upstream", stage.Options{UpstreamTLS: true, Login: true}},
		{"joined headers", stage.Options{UpstreamTLS: true, Login: true, JoinedHeaders: true}},
	} {
		t.Run(upstream.name, func(t *testing.T) { playOverEachProtocol(t, raise(t, upstream.options), scene.All()) })
	}
	t.Run("a shared store", func(t *testing.T) {
		redis := redistest.Start(t)
		st := raise(t, stage.Options{UpstreamTLS: true, Login: true, Redis: redis.URL()})
		playOverEachProtocol(t, st, append(scene.All(), scene.Fleet()...))
	})
}

func playOverEachProtocol(t *testing.T, st *stage.Stage, scenes []scene.Scene) {
	for _, http := range []string{"1.1", "2"} {
		for _, version := range versions {
			t.Run("HTTP "+http+" MCP "+version, func(t *testing.T) {
				playAll(t, st, scenes, scene.Options{Version: version, HTTP: http})
			})
		}
	}
}

func playAll(t *testing.T, st *stage.Stage, scenes []scene.Scene, options scene.Options) {
	for _, s := range scenes {
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
