package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// source is something that files say and that is read again while running. A failed reload keeps what was there.
type source struct {
	name   string
	reload func(ctx context.Context) error
	files  func() []string
}

// reloadResult is the outcome of the last reload of a source.
type reloadResult struct {
	Source string    `json:"source"`
	At     time.Time `json:"at"`
	Error  string    `json:"error,omitempty"`
}

// reloader reads all sources again when told to, one after the other.
type reloader struct {
	sources []source
	metrics *metrics
	log     *slog.Logger

	running sync.Mutex // one reload at a time
	mu      sync.Mutex // results
	results map[string]reloadResult
}

func newReloader(sources []source, m *metrics, log *slog.Logger) *reloader {
	return &reloader{sources: sources, metrics: m, log: log, results: make(map[string]reloadResult)}
}

// reload reads every source again and reports each failure when it first appears.
func (r *reloader) reload(ctx context.Context) error {
	r.running.Lock()
	defer r.running.Unlock()
	var all error
	for _, s := range r.sources {
		err := s.reload(ctx)
		r.note(s.name, err)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return all
}

func (r *reloader) note(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := reloadResult{Source: name, At: time.Now().UTC()}
	if err != nil {
		result.Error = err.Error()
	}
	before, known := r.results[name]
	r.results[name] = result
	r.metrics.reloaded(name, err)
	switch {
	case err != nil && before.Error != result.Error:
		r.log.Error("reload failed, keeping what was loaded before", "source", name, "error", err)
	case err == nil && known && before.Error != "":
		r.log.Info("reload succeeded again", "source", name)
	}
}

// files lists everything to watch.
func (r *reloader) files() []string {
	var all []string
	for _, s := range r.sources {
		all = append(all, s.files()...)
	}
	return all
}

// status returns the last result of every source, in their order.
func (r *reloader) status() []reloadResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]reloadResult, 0, len(r.sources))
	for _, s := range r.sources {
		if result, ok := r.results[s.name]; ok {
			all = append(all, result)
		}
	}
	return all
}
