package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	"countersign.dev/authz/verify"
	"countersign.dev/e2e/workload/wire"
)

// witness stands in front of an MCP server: it writes down what arrived, and what the verifier says about it. To let in
// or to refuse is not its business.
type witness struct {
	record   *recorder
	verifier *verify.Verifier
	next     http.Handler
}

// largest is the largest body that a server reads; far above what Envoy lets through, so that tests see what it does.
const largest = 64 << 20

// ServeHTTP implements [http.Handler].
func (wi *witness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, largest))
	if err != nil {
		// Written down all the same: part of a body that got this far is what must never happen.
		wi.record.add(req, body, fmt.Errorf("reading the body: %w", err))
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	_, err = wi.verifier.Verify(req.Context(), req.Method, req.Header, body)
	wi.record.add(req, body, err)
	req.Body = io.NopCloser(bytes.NewReader(body))
	wi.next.ServeHTTP(w, req)
}

// recorder appends requests to a file.
type recorder struct {
	mu   sync.Mutex
	file string
}

func newRecorder(file string) *recorder { return &recorder{file: file} }

func (r *recorder) add(req *http.Request, body []byte, refused error) {
	const short = 16 << 10
	sum := sha256.Sum256(body)
	entry := wire.Request{
		Method: req.Method, Path: req.URL.RequestURI(), Protocol: req.Proto, Header: req.Header,
		Size: len(body), SHA256: base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	if len(body) <= short {
		entry.Body = string(body)
	}
	if refused != nil {
		entry.Refused = refused.Error()
	}
	if err := r.append(entry); err != nil {
		// A server whose record has gaps would make tests pass that must fail.
		log.Fatalf("recording a request: %v", err)
	}
}

func (r *recorder) append(entry wire.Request) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
