package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle/remote"
)

// jwksMaxAge is how long others may keep our public keys.
const jwksMaxAge = 5 * time.Minute

// admin serves probes, metrics, status and public keys over plain HTTP. Nothing on it changes anything.
type admin struct {
	build    buildInfo
	started  time.Time
	parts    *parts
	reloader *reloader
	metrics  *metrics
	identity func() string
	draining atomic.Bool
}

// status is the answer of /status.
type status struct {
	Build       buildInfo            `json:"build"`
	Started     time.Time            `json:"started"`
	Ready       bool                 `json:"ready"`
	Identity    string               `json:"identity,omitempty"`
	Policy      cedar.Status         `json:"policy"`
	Bundle      *remote.Status       `json:"bundle,omitempty"`
	Shadow      shadowStatus         `json:"shadow"`
	Issuers     []trust.IssuerStatus `json:"issuers"`
	SigningKey  string               `json:"signing_key"`
	RootKey     string               `json:"root_signing_key,omitempty"`
	Revocations revocationStatus     `json:"revocations"`
	Reloads     []reloadResult       `json:"reloads"`
}

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /status", a.status)
	mux.HandleFunc("GET "+publicKeysPath, a.jwks)
	if a.parts.rootKeys != nil {
		mux.HandleFunc("GET "+rootKeysPath, func(w http.ResponseWriter, _ *http.Request) { writeKeys(w, a.parts.rootKeys) })
	}
	mux.HandleFunc("GET /.well-known/oauth-protected-resource", a.resource)
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/", a.resource)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// ready reports whether checks can be answered: policies are in force, shared revocations were read, and no shutdown has
// begun.
func (a *admin) ready() bool {
	_, loaded := a.parts.policies.Snapshot()
	return loaded && a.parts.revocations.known() && !a.draining.Load()
}

func (a *admin) readyz(w http.ResponseWriter, _ *http.Request) {
	switch {
	case a.draining.Load():
		writeText(w, http.StatusServiceUnavailable, "shutting down\n")
	case !a.parts.revocations.known():
		writeText(w, http.StatusServiceUnavailable, "the shared revocations were not read yet; see /status\n")
	case !a.ready():
		writeText(w, http.StatusServiceUnavailable, "no valid policies were loaded yet; see /status\n")
	default:
		writeText(w, http.StatusOK, "ok\n")
	}
}

func (a *admin) status(w http.ResponseWriter, _ *http.Request) {
	var rootKey string
	if a.parts.rootKeys != nil {
		rootKey = a.parts.rootKeys.Current().KeyID
	}
	writeJSON(w, status{
		Build: a.build, Started: a.started, Ready: a.ready(), Identity: a.identity(),
		Policy: a.parts.policies.Status(), Bundle: a.parts.bundleStatus(), Shadow: a.parts.shadowStatus(),
		Issuers:    append(a.parts.issuers.Status(), a.parts.providers.Status()...),
		SigningKey: a.parts.keys.Current().KeyID, RootKey: rootKey,
		Revocations: a.parts.revocations.status(), Reloads: a.reloader.status(),
	})
}

// jwks publishes the keys that countersign.
func (a *admin) jwks(w http.ResponseWriter, _ *http.Request) { writeKeys(w, a.parts.keys) }

func writeKeys(w http.ResponseWriter, keys *trust.SigningKeys) {
	w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int(jwksMaxAge.Seconds())))
	writeJSON(w, keys.Public())
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // the client is gone if this fails
}

func writeJSON(w http.ResponseWriter, value any) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
}
