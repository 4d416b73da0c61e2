package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"countersign.dev/authz/denial"
)

// Handler lets in what was countersigned for this backend. The next handler finds the [Call] with [FromContext] and can
// read the body as it came; the header field Txn-Token is removed, so that no token ends up in a log.
//
// Do not put it in front of a handler of the official MCP SDK: a tool in a session would find there the call that opened
// the session. Package [countersign.dev/authz/verify/gosdk] does it right.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admitted, call := v.Admit(w, r); call != nil {
			next.ServeHTTP(w, admitted.WithContext(NewContext(admitted.Context(), call)))
		}
	})
}

// Admit is [Verifier.Handler] for adapters of other frameworks: it verifies a request and returns it with its body still
// to be read and without Txn-Token. The context of the request is left as it is. If the request is refused, Admit has
// answered it and logged why, and the call is nil.
func (v *Verifier) Admit(w http.ResponseWriter, r *http.Request) (*http.Request, *Call) {
	body, err := v.readBody(w, r)
	if err != nil {
		v.refuse(w, r, err)
		return nil, nil
	}
	call, err := v.Verify(r.Context(), r.Method, r.Header, body)
	if err != nil {
		v.refuse(w, r, err)
		return nil, nil
	}
	admitted := new(http.Request)
	*admitted = *r
	admitted.Header = r.Header.Clone()
	admitted.Header.Del(Header)
	admitted.Header.Del(sealHeader)
	admitted.Body, admitted.ContentLength, admitted.TransferEncoding = http.NoBody, int64(len(body)), nil
	if len(body) > 0 {
		admitted.Body = io.NopCloser(bytes.NewReader(body))
	}
	return admitted, call
}

// readBody reads the whole body, up to the limit.
func (v *Verifier) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, denial.New(denial.BodyTooLarge, "more than %d bytes", v.maxBody)
	}
	if err != nil {
		return nil, denial.New(denial.BodyPartial, "reading the body: %w", err)
	}
	return body, nil
}

// refuse logs why, and answers without saying it: who gets here came around the gateway or was let through by mistake.
func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := denial.ReasonOf(err)
	v.log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelWarn, "request refused",
		slog.String("reason", string(reason)), slog.String("error", err.Error()), slog.String("method", r.Method))
	status := statusOf(reason)
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", Header) // RFC 9110, section 15.5.2: a 401 must say what would do
	}
	http.Error(w, "not countersigned for this request", status)
}

// statusOf tells apart no more than a client can act on.
func statusOf(reason denial.Reason) int {
	switch reason {
	case denial.BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case denial.TokenHolder, denial.TokenUnbound, denial.TokenServer, denial.TokenMethod, denial.TokenTool,
		denial.TokenRequestHash:
		return http.StatusForbidden // a genuine token, for something else
	}
	switch reason.Class() {
	case denial.ClassCredential:
		return http.StatusUnauthorized
	case denial.ClassMalformed:
		return http.StatusBadRequest
	default:
		return http.StatusServiceUnavailable
	}
}
