package control_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/control"
)

var (
	noon       = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	errMissing = errors.New("no such entry")
	errFull    = errors.New("too many entries")
)

// room is a control with everything around it.
type room struct {
	policy   policy
	list     list
	recorder recorder
	revoked  denyList
	handler  http.Handler
}

func newRoom(t testing.TB) *room {
	t.Helper()
	r := &room{policy: policy{revision: "rev-1", verdict: authz.Verdict{Allowed: true, PolicyIDs: []string{"oncall"}}}}
	peers, err := peer.NewReader(peer.Config{
		Source: peer.Certificate, TrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("acme.example")},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := control.New(control.Config{
		Issuer: "spiffe://acme.example/countersign", Peers: peers, Revocations: &r.revoked, Policies: &r.policy, List: &r.list,
		Recorder: &r.recorder, Missing: errMissing, Full: errFull, Clock: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.handler = c.Handler()
	return r
}

type policy struct {
	verdict  authz.Verdict
	revision string
	asked    []control.Question
}

func (p *policy) MayRevoke(_ context.Context, q control.Question) (authz.Verdict, string) {
	p.asked = append(p.asked, q)
	return p.verdict, p.revision
}

// list is a deny-list without a store.
type list struct {
	set revoke.Set
	err error
}

func (l *list) Add(_ context.Context, e revoke.Entry) error {
	if _, found := l.set.Get(e.ID()); l.err == nil && !found {
		l.set.Put(e)
	}
	return l.err
}

func (l *list) Remove(_ context.Context, id string) error {
	if l.err != nil {
		return l.err
	}
	if _, found := l.set.Get(id); !found {
		return errMissing
	}
	l.set.Remove(id)
	return nil
}

func (l *list) Get(id string) (revoke.Entry, bool) { return l.set.Get(id) }
func (l *list) Entries() []revoke.Entry            { return l.set.Entries() }

type recorder struct {
	records []audit.Record
	err     error
}

func (r *recorder) Record(_ context.Context, record audit.Record) error {
	r.records = append(r.records, record)
	return r.err
}

type denyList struct {
	actor string
	err   error
}

func (d *denyList) Revoked(_ context.Context, marks revoke.Marks, _ time.Time) (revoke.Entry, bool, error) {
	if slices.Contains(marks.Actors, d.actor) {
		return revoke.Entry{Kind: revoke.KindActor, Value: d.actor, Reason: "stolen"}, true, nil
	}
	return revoke.Entry{}, false, d.err
}

// certificate is a leaf as the TLS stack hands it over, after it was verified.
func certificate(t testing.TB, uris ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

const oncall = "spiffe://acme.example/oncall"

// ask is a request of the workload on call, which a test may change.
func (r *room) ask(t testing.TB, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "https://countersign"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate(t, oncall)}}
	for _, f := range change {
		f(req)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	return w
}

func failureOf(t *testing.T, w *httptest.ResponseRecorder) control.Failure {
	t.Helper()
	var f struct {
		Reason     string `json:"error"`
		Message    string `json:"message"`
		DecisionID string `json:"decision_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return control.Failure(f)
}

func TestAddListRemove(t *testing.T) {
	r := newRoom(t)
	w := r.ask(t, "POST", "/revocations", `{"task":"case-4711","reason":"withdrawn","expires":"2026-11-26T12:00:00+00:00"}`)
	want := revoke.Entry{
		Kind: revoke.KindTask, Value: "case-4711", Reason: "withdrawn", Expires: noon.Add(24 * time.Hour), By: oncall, Added: noon,
	}
	got, err := revoke.ParseRecord([]byte(strings.TrimSpace(w.Body.String())))
	if diff := cmp.Diff(want, got); w.Code != http.StatusCreated || err != nil || diff != "" {
		t.Fatalf("%d, %v: %s", w.Code, err, diff)
	}
	if at := w.Header().Get("Location"); at != "/revocations/"+want.ID() || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", w.Header())
	}
	q := r.policy.asked[0]
	if q.Operation != control.OperationAdd || q.Workload.String() != oncall || q.Issuer != "spiffe://acme.example/countersign" ||
		!cmp.Equal(*q.Entry, want) || q.HTTP.Host != "countersign" || q.HTTP.Path != "/revocations" || !q.HTTP.SourceIP.IsValid() {
		t.Errorf("policy was asked %+v", q)
	}
	record := r.recorder.records[0]
	if record.Decision != "allow" || record.Peer != oncall || record.Method != "revocations/add" || record.Revision != "rev-1" ||
		!slices.Equal(record.Targets, []string{"task case-4711"}) || !strings.Contains(record.Detail, "withdrawn") ||
		!strings.Contains(record.Detail, want.ID()) || record.DecisionID == "" {
		t.Errorf("record %+v", record)
	}

	for _, name := range []string{"b", "c", "d"} {
		if w := r.ask(t, "POST", "/revocations", `{"txn":"`+name+`"}`); w.Code != http.StatusCreated {
			t.Fatal(w.Code, w.Body)
		}
	}
	var listed []string
	next := ""
	for range 10 {
		w := r.ask(t, "GET", "/revocations?limit=3&after="+next, "")
		var page struct {
			Revocations []struct {
				ID string `json:"id"`
			} `json:"revocations"`
			Next string `json:"next"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body, err)
		}
		for _, e := range page.Revocations {
			listed = append(listed, e.ID)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if len(listed) != 4 || !slices.IsSorted(listed) {
		t.Errorf("listed %q", listed)
	}

	if w := r.ask(t, "DELETE", "/revocations/"+want.ID(), ""); w.Code != http.StatusNoContent || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	last := r.policy.asked[len(r.policy.asked)-1]
	if last.Operation != control.OperationRemove || !cmp.Equal(*last.Entry, want) {
		t.Errorf("policy was asked %+v", last)
	}
	w = r.ask(t, "DELETE", "/revocations/"+want.ID(), "")
	if f := failureOf(t, w); w.Code != http.StatusNotFound || f.Reason != "not_found" || f.Message != errMissing.Error() {
		t.Errorf("removing it once more: %d %+v", w.Code, f)
	}
}

func TestRevokingTheSameAgainTellsWhichEntryStays(t *testing.T) {
	r := newRoom(t)
	r.ask(t, "POST", "/revocations", `{"task":"a","reason":"first"}`)
	w := r.ask(t, "POST", "/revocations", `{"task":"a","reason":"second"}`)
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), "first") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhoIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*room)
		from   func(*http.Request)
		status int
		reason string
	}{
		{name: "no TLS", from: func(r *http.Request) { r.TLS = nil }, status: 403, reason: "peer_missing"},
		{name: "no certificate", from: func(r *http.Request) { r.TLS.PeerCertificates = nil }, status: 403, reason: "peer_missing"},
		{name: "a certificate without a SPIFFE ID", from: as(t), status: 403, reason: "peer_no_uri_san"},
		{name: "two SPIFFE IDs", from: as(t, oncall, "spiffe://acme.example/planner"), status: 403, reason: "peer_multiple_uri_sans"},
		{name: "another trust domain", from: as(t, "spiffe://evil.example/oncall"), status: 403, reason: "peer_trust_domain"},
		{name: "a revoked workload", change: func(r *room) { r.revoked.actor = oncall }, status: 403, reason: "revoked"},
		{name: "nobody knows who is revoked", change: func(r *room) { r.revoked.err = io.EOF }, status: 503, reason: "status_unknown"},
		{name: "no permit", change: func(r *room) { r.policy.verdict = authz.Verdict{} }, status: 403, reason: "policy_no_permit"},
		{name: "a forbid", change: func(r *room) { r.policy.verdict = authz.Verdict{Forbidden: true, Public: "ask first"} }, status: 403, reason: "policy_forbidden"},
		{name: "a policy that errs", change: func(r *room) { r.policy.verdict = authz.Verdict{Allowed: true, Errors: []string{"x"}} }, status: 403, reason: "policy_error"},
		{name: "no policies yet", change: func(r *room) { r.policy.revision = "" }, status: 503, reason: "policy_unavailable"},
		{name: "nothing can be recorded", change: func(r *room) { r.recorder.err = io.EOF }, status: 503, reason: "audit_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t)
			known := revoke.Entry{Kind: revoke.KindTask, Value: "known"}
			r.list.set.Put(known)
			if test.change != nil {
				test.change(r)
			}
			if test.from == nil {
				test.from = func(*http.Request) {}
			}
			for _, asked := range [][2]string{{"POST", "/revocations"}, {"GET", "/revocations"}, {"DELETE", "/revocations/" + known.ID()}} {
				w := r.ask(t, asked[0], asked[1], `{"task":"a"}`, test.from)
				f := failureOf(t, w)
				if w.Code != test.status || f.Reason != test.reason || f.DecisionID == "" {
					t.Errorf("%s: %d %+v", asked[0], w.Code, f)
				}
				if f.Message == "" && test.status == 503 || test.status == 403 && f.Message != r.policy.verdict.Public {
					t.Errorf("%s: the caller is told %q", asked[0], f.Message)
				}
			}
			if diff := cmp.Diff([]revoke.Entry{known}, r.list.Entries()); diff != "" {
				t.Errorf("something changed all the same: %s", diff)
			}
			if test.reason != "audit_failed" && len(r.recorder.records) != 3 {
				t.Errorf("%d records, want 3", len(r.recorder.records))
			}
			for _, record := range r.recorder.records {
				if test.reason != "audit_failed" && (record.Decision != "deny" || record.Reason != test.reason) {
					t.Errorf("record %+v", record)
				}
			}
		})
	}
}

// as has the request come from a workload with these SPIFFE IDs.
func as(t *testing.T, ids ...string) func(*http.Request) {
	return func(r *http.Request) { r.TLS.PeerCertificates = []*x509.Certificate{certificate(t, ids...)} }
}

func TestRequestsThatAreNotUnderstood(t *testing.T) {
	for _, test := range []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		reason                   string
	}{
		{name: "no body", status: 400, reason: "params_invalid"},
		{name: "a list", body: `[{"task":"a"}]`, status: 400, reason: "params_invalid"},
		{name: "two objects", body: `{"task":"a"}{"task":"b"}`, status: 400, reason: "params_invalid"},
		{name: "a member twice", body: `{"task":"a","task":"b"}`, status: 400, reason: "params_invalid"},
		{name: "another spelling", body: `{"Task":"a"}`, status: 400, reason: "params_invalid"},
		{name: "two kinds", body: `{"task":"a","txn":"b"}`, status: 400, reason: "params_invalid"},
		{name: "an unknown member", body: `{"task":"a","until":"2026-11-26T12:00:00Z"}`, status: 400, reason: "params_invalid"},
		{name: "who revoked", body: `{"task":"a","by":"spiffe://acme.example/root"}`, status: 400, reason: "params_invalid"},
		{name: "what only a status list revokes", body: `{"status":"a"}`, status: 400, reason: "params_invalid"},
		{name: "a number", body: `{"task":7}`, status: 400, reason: "params_invalid"},
		{name: "null", body: `{"task":null}`, status: 400, reason: "params_invalid"},
		{name: "expired", body: `{"task":"a","expires":"2026-11-25T12:00:00Z"}`, status: 400, reason: "params_invalid"},
		{name: "an actor that is none", body: `{"actor":"planner"}`, status: 400, reason: "params_invalid"},
		{name: "too much", body: `{"task":"` + strings.Repeat("a", revoke.MaxRequest) + `"}`, status: 413, reason: "body_too_large"},
		{name: "another content type", body: `task=a`, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, status: 415, reason: "content_type"},
		{name: "a content type that is none", body: `{}`, header: http.Header{"Content-Type": {";"}}, status: 415, reason: "content_type"},
		{name: "a body in disguise", body: `{"task":"a"}`, header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, status: 415, reason: "content_type"},
		{name: "no such parameter", method: "GET", path: "/revocations?offset=1", status: 400, reason: "params_invalid"},
		{name: "a parameter twice", method: "GET", path: "/revocations?after=a&after=b", status: 400, reason: "params_invalid"},
		{name: "no entries", method: "GET", path: "/revocations?limit=0", status: 400, reason: "params_invalid"},
		{name: "too many entries", method: "GET", path: "/revocations?limit=10001", status: 400, reason: "params_invalid"},
		{name: "an id that is none", method: "DELETE", path: "/revocations/..%2f", status: 400, reason: "params_invalid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t)
			w := r.ask(t, or(test.method, "POST"), or(test.path, "/revocations"), test.body, func(req *http.Request) {
				if test.header != nil {
					req.Header = test.header
				}
			})
			if f := failureOf(t, w); w.Code != test.status || f.Reason != test.reason || f.Message == "" {
				t.Errorf("%d %+v", w.Code, f)
			}
			if len(r.policy.asked) != 0 || len(r.list.Entries()) != 0 {
				t.Error("it had an effect")
			}
			if len(r.recorder.records) != 1 || r.recorder.records[0].Decision != "deny" {
				t.Errorf("records %+v", r.recorder.records)
			}
		})
	}
	r := newRoom(t)
	for _, asked := range [][2]string{{"PUT", "/revocations"}, {"POST", "/revocations/x"}, {"GET", "/"}} {
		if w := r.ask(t, asked[0], asked[1], `{"task":"a"}`); w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
			t.Errorf("%v: %d", asked, w.Code)
		}
	}
	w := r.ask(t, "POST", "/revocations", "", func(req *http.Request) { req.Body = io.NopCloser(broken{}) })
	if f := failureOf(t, w); w.Code != http.StatusBadRequest || f.Reason != "body_partial" {
		t.Errorf("a body that breaks off: %d %+v", w.Code, f)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// What was decided and did not happen is recorded as well.
func TestAStoreThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		reason string
	}{
		"it is away": {io.EOF, 503, "status_unknown"},
		"it is full": {fmt.Errorf("adding: %w", errFull), 507, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, asked := range [][2]string{{"POST", "/revocations"}, {"DELETE", "/revocations/" + revoke.Entry{Kind: "task"}.ID()}} {
				r := newRoom(t)
				r.list.err = test.err
				w := r.ask(t, asked[0], asked[1], `{"task":"a"}`)
				if f := failureOf(t, w); w.Code != test.status || f.Reason != test.reason || f.Message == "" {
					t.Errorf("%s: %d %+v", asked[0], w.Code, f)
				}
				if n := len(r.recorder.records); n != 2 || r.recorder.records[0].Decision != "allow" || r.recorder.records[1].Decision != "deny" {
					t.Errorf("%s: records %+v", asked[0], r.recorder.records)
				}
			}
		})
	}
}

func TestNothingMayBeMissing(t *testing.T) {
	if _, err := control.New(control.Config{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}

// Whatever the body: an answer in JSON, and an entry only if it can be written and read again as the same.
func FuzzPost(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"task":"a"}`, `{"task":"a","reason":"b","expires":"2027-01-01T00:00:00Z"}`, `{"actor":"spiffe://acme.example/*"}`,
		`{"before":"2026-11-25T10:00:00+01:00","issuer":"https://tts.acme.example","subject":"alice"}`, `{"task":"\u0000"}`, `{"task":"a"`,
		`{"kid":"é"}`, "{\"sub\":\"\xff\"}", `{"jti":"a","jti":"b"}`, `[]`, `null`, `{"txn":{}}`,
	} {
		f.Add([]byte(seed))
	}
	r := newRoom(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := len(r.list.Entries())
		w := r.ask(t, "POST", "/revocations", string(body))
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
		if w.Code != http.StatusCreated {
			if len(r.list.Entries()) != before {
				t.Fatalf("%d, and an entry", w.Code)
			}
			return
		}
		e, err := revoke.ParseRecord([]byte(strings.TrimSpace(w.Body.String())))
		if err != nil {
			t.Fatalf("the answer %s: %v", w.Body, err)
		}
		request, err := e.Request()
		if err != nil {
			t.Fatal(err)
		}
		again, err := revoke.ParseRequest(request)
		if err != nil || again.ID() != e.ID() || again.Reason != e.Reason || !again.Expires.Equal(e.Expires) {
			t.Fatalf("%s is %+v, then %+v: %v", body, e, again, err)
		}
	})
}
