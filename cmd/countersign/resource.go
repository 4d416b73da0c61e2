package main

import "net/http"

// resource answers with the metadata document of the protected resource at the host and path of the request, as Envoy's
// own answer would be. So a route for these paths may lead here as well.
func (a *admin) resource(w http.ResponseWriter, r *http.Request) {
	document, ok := a.parts.servers.Metadata("", r.Host, r.URL.RequestURI())
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "max-age=300")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) //nolint:gosec // ours, from the configuration; the client is gone if this fails
}
