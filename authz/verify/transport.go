package verify

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Why a [Transport] does not send a request. They are wrapped: use [errors.Is].
var (
	// ErrNoCall means that the request's context carries no verified call. Calls that a backend makes on its own, on
	// nobody's behalf, need a client of their own.
	ErrNoCall = errors.New("no verified call in the context")
	// ErrNoDelegation means that the call being served came without a delegation: there is none to pass on.
	ErrNoDelegation = errors.New("the call has no delegation to pass on")
	// ErrEnds means that the delegation may not be passed on: policy gave this backend nothing to call others with.
	ErrEnds = errors.New("the delegation ends here")
	// ErrExpired means that the delegation or its task is over.
	ErrExpired = errors.New("the delegation has expired")
	// ErrTokenPresent means that the request has a Txn-Token already. It is neither sent nor replaced.
	ErrTokenPresent = errors.New("the request already has a " + Header)
)

// Transport is a [http.RoundTripper] that sends the token of the call being served, found in the request's context, with
// calls to the next servers. It goes to listed places only; other requests are sent as they are, without a token.
type Transport struct {
	base  http.RoundTripper
	to    []*url.URL
	clock func() time.Time
}

// NewTransport returns a transport that sends tokens to the given places, each an absolute URL: an origin such as
// "https://ledger.acme.example" for all of it, or a longer one for that path and what is below it. A nil base means
// [http.DefaultTransport]. Token bearers are told apart by mTLS, so base should have the backend's X.509-SVID, unless a
// sidecar on the way has.
func NewTransport(base http.RoundTripper, to ...string) (*Transport, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	t := &Transport{base: base, clock: time.Now}
	for _, text := range to {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("a place to send tokens to: %w", err)
		}
		if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(text, "?#") {
			return nil, fmt.Errorf("a place to send tokens to is %q: must be an https or http URL with a host, and without user, query or fragment", text)
		}
		t.to = append(t.to, u)
	}
	if len(t.to) == 0 {
		return nil, errors.New("no place to send tokens to")
	}
	return t, nil
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := t.token(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper must
		}
		return nil, fmt.Errorf("calling %s: %w", r.URL.Redacted(), err)
	}
	if token != "" {
		// On a copy, which is also how a redirect to another place does not take the token along.
		r = r.Clone(r.Context())
		r.Header.Set(Header, token)
	}
	return t.base.RoundTrip(r)
}

// token returns the token to send, "" for none.
func (t *Transport) token(r *http.Request) (string, error) {
	for name := range r.Header {
		if strings.EqualFold(name, Header) {
			return "", ErrTokenPresent
		}
	}
	if !t.listed(r.URL) {
		return "", nil
	}
	call, ok := FromContext(r.Context())
	now := t.clock()
	switch {
	case !ok || call.token == nil:
		return "", ErrNoCall
	case !call.HasDelegation:
		return "", ErrNoDelegation
	case !now.Before(call.Expiry):
		return "", fmt.Errorf("%w: the token at %s", ErrExpired, call.Expiry.Format(time.RFC3339))
	case !now.Before(call.TaskExpiry):
		return "", fmt.Errorf("%w: the task at %s", ErrExpired, call.TaskExpiry.Format(time.RFC3339))
	case call.terminal:
		return "", ErrEnds
	}
	return *call.token, nil
}

// listed reports whether tokens may go to a URL.
func (t *Transport) listed(u *url.URL) bool {
	for _, to := range t.to {
		if strings.EqualFold(to.Scheme, u.Scheme) && strings.EqualFold(to.Hostname(), u.Hostname()) && port(to) == port(u) &&
			below(strings.TrimSuffix(to.Path, "/"), u.Path) {
			return true
		}
	}
	return false
}

// below reports whether a path is another one or below it. One that is not clean is not: servers do not agree on what
// it means.
func below(top, p string) bool {
	if top == "" {
		return true
	}
	rest, ok := strings.CutPrefix(p, top)
	return ok && (rest == "" || rest[0] == '/') && path.Clean(p) == strings.TrimSuffix(p, "/")
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}
