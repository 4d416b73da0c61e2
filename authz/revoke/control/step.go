package control

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"countersign.dev/authz"
	"countersign.dev/authz/audit"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/revoke"
)

// request is one request on its way through the steps.
type request struct {
	*Control
	id        string
	now       time.Time
	http      authz.HTTPFacts
	operation string
	peer      peer.Peer
	entry     *revoke.Entry
	verdict   authz.Verdict
	revision  string
}

func (c *Control) begin(operation string, req *http.Request) *request {
	r := &request{Control: c, id: rand.Text(), now: c.Clock(), operation: operation}
	r.http = authz.HTTPFacts{ID: r.id, Host: req.Host, Path: req.URL.EscapedPath()}
	if from, err := netip.ParseAddrPort(req.RemoteAddr); err == nil {
		r.http.SourceIP = from.Addr()
	}
	return r
}

// identify establishes who asks, and that it is not revoked.
func (r *request) identify(ctx context.Context, req *http.Request) (err error) {
	if req.TLS == nil || len(req.TLS.PeerCertificates) == 0 {
		return denial.New(denial.PeerMissing, "no client certificate")
	}
	if r.peer, err = r.Peers.Leaf(req.TLS.PeerCertificates[0]); err != nil {
		return err
	}
	return revoke.Refuse(ctx, r.Revocations, revoke.Marks{Actors: []string{r.peer.ID.String()}}, r.now)
}

// permit asks policy.
func (r *request) permit(ctx context.Context) error {
	v, revision := r.Policies.MayRevoke(ctx, Question{
		Now: r.now, Workload: r.peer.ID, Issuer: r.Issuer, Operation: r.operation, Entry: r.entry, HTTP: r.http,
	})
	r.verdict, r.revision = v, revision
	if revision == "" {
		return denial.New(denial.PolicyUnavailable, "no valid policies were loaded yet")
	}
	return v.Refusal(`Action::"revoke"`)
}

// record keeps what was decided. It survives a caller that hangs up.
func (r *request) record(ctx context.Context, refused error) error {
	record := audit.Record{
		Time: r.now, DecisionID: r.id, Decision: "allow", Method: "revocations/" + r.operation, Revision: r.revision,
		PolicyIDs: r.verdict.PolicyIDs, PolicyErrors: r.verdict.Errors, Duration: r.Clock().Sub(r.now),
	}
	if !r.peer.ID.IsZero() {
		record.Peer = r.peer.ID.String()
	}
	if r.entry != nil {
		record.Targets, record.Detail = []string{r.entry.String()}, r.describe()
	}
	if refused != nil {
		record.Decision, record.Reason, record.Detail = "deny", string(denial.ReasonOf(refused)), refused.Error()
		if e, ok := errors.AsType[*denial.Error](refused); ok {
			record.Detail = e.Detail
		}
	}
	if err := r.Recorder.Record(context.WithoutCancel(ctx), record); err != nil {
		return denial.New(denial.AuditFailed, "recording the decision: %w", err)
	}
	return nil
}

func (r *request) describe() string {
	text := "id " + r.entry.ID()
	if !r.entry.Expires.IsZero() {
		text += ", expires " + r.entry.Expires.UTC().Format(time.RFC3339)
	}
	if r.entry.Reason != "" {
		text += ": " + r.entry.Reason
	}
	return text
}

// failure turns an error of the list into a refusal, and records that nothing came of what was decided.
func (r *request) failure(ctx context.Context, err error) error {
	if errors.Is(err, r.Missing) {
		return err
	}
	failed := denial.New(denial.RevocationUnknown, "%w", err)
	return errors.Join(failed, r.record(ctx, failed))
}
