package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

// relay passes on what comes in over plain loopback HTTP, with this workload's identity and the token in a file, which
// is read anew for each request.
func relay(ctx context.Context, address, upstream, tokenFile string, credentials *credentials, out io.Writer) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("-upstream: %w", err)
	}
	carrier := newCarrier(credentials, "", nil)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL, r.Out.Host = to, to.Host
			r.Out.Header.Del("Origin") // that of the relay, which the backend does not know
		},
		Transport:     carrier,
		FlushInterval: -1, // streams
	}
	return listenAndServe(ctx, address, nil, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			http.Error(w, "there is no token", http.StatusInternalServerError)
			return
		}
		carrier.setToken(strings.TrimSpace(string(token)))
		proxy.ServeHTTP(w, req)
	}), credentials, out)
}
