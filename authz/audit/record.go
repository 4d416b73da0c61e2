// Package audit keeps one record per decision, as one line of JSON.
//
// A record says who asked, on whose behalf, for what, what was decided and why. It has no field for a token, and
// holds argument values only where a server is configured so; otherwise there is their hash.
package audit

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Record describes one decision. Empty members are left out of the line, except for time, decision, decision_id and
// duration_us. The order of members is fixed.
type Record struct {
	// Time is when the decision was asked for ("time", RFC 3339 in UTC).
	Time time.Time
	// Decision is "allow" or "deny" ("decision").
	Decision string
	// Reason is the stable name of the rule that the request broke ("reason").
	Reason string
	// Detail says what was seen, for operators only ("detail").
	Detail string
	// DecisionID names this decision; the caller is told it with a denial ("decision_id").
	DecisionID string
	// RequestID is Envoy's stream id ("request_id").
	RequestID string
	// Peer is the SPIFFE ID of the calling workload ("peer").
	Peer string
	// Subject is the user on whose behalf the call is made ("subject").
	Subject string
	// Actors are the workloads of the delegation, the presenter first ("actors").
	Actors []string
	// Task and Purpose say what the delegation is for ("task", "purpose").
	Task, Purpose string
	// Txn is the transaction that all tokens of a chain share ("txn").
	Txn string
	// JTI is the id of the token presented ("jti").
	JTI string
	// ParentHash identifies the token presented by the hash that the token for the backend carries as par_hash, or, for
	// an access token, as rctx.at_s256 ("parent_hash").
	ParentHash string
	// IdentityProvider and Client are the issuer of the access token presented, and the OAuth client that it was issued
	// to; empty if the token was none ("identity_provider", "client_id").
	IdentityProvider, Client string
	// TokenJTI is the id of the token signed for the backend ("token_jti").
	TokenJTI string
	// Expires is when that token expires ("exp", seconds since 1970, as in RFC 7519).
	Expires time.Time
	// Server is the MCP backend ("server").
	Server string
	// Method is the JSON-RPC method, or the kind of message ("method").
	Method string
	// Tool is the first tool that is called ("tool").
	Tool string
	// Targets are the names of all tools, prompts, resources and tasks that the call is about ("targets").
	Targets []string
	// RequestHash is the SHA-256 of the body in base64url ("req_s256").
	RequestHash string
	// ArgumentsHash is the SHA-256 of the canonical arguments in base64url ("arg_s256").
	ArgumentsHash string
	// Arguments are the arguments themselves, as JSON ("arguments").
	Arguments jsontext.Value
	// PolicyIDs are the deciding policies ("policy_ids").
	PolicyIDs []string
	// PolicyErrors are the policies that could not be evaluated ("policy_errors").
	PolicyErrors []string
	// PolicySkipped are the permits that could not be evaluated and did not count, where so configured
	// ("policy_skipped").
	PolicySkipped []string
	// PolicyCandidates is how many policies covered the request by their scope ("policy_candidates").
	PolicyCandidates int
	// Revision is the policy revision that decided ("revision").
	Revision string
	// Duration is how long deciding took ("duration_us", microseconds).
	Duration time.Duration
}

// line is the JSON form of a [Record].
type line struct {
	Time          time.Time      `json:"time"`
	Decision      string         `json:"decision"`
	Reason        string         `json:"reason,omitempty"`
	Detail        string         `json:"detail,omitempty"`
	DecisionID    string         `json:"decision_id"`
	RequestID     string         `json:"request_id,omitempty"`
	Peer          string         `json:"peer,omitempty"`
	Subject       string         `json:"subject,omitempty"`
	Actors        []string       `json:"actors,omitempty"`
	Task          string         `json:"task,omitempty"`
	Purpose       string         `json:"purpose,omitempty"`
	Txn           string         `json:"txn,omitempty"`
	JTI           string         `json:"jti,omitempty"`
	ParentHash    string         `json:"parent_hash,omitempty"`
	Provider      string         `json:"identity_provider,omitempty"`
	Client        string         `json:"client_id,omitempty"`
	TokenJTI      string         `json:"token_jti,omitempty"`
	Expires       int64          `json:"exp,omitzero"`
	Server        string         `json:"server,omitempty"`
	Method        string         `json:"method,omitempty"`
	Tool          string         `json:"tool,omitempty"`
	Targets       []string       `json:"targets,omitempty"`
	RequestHash   string         `json:"req_s256,omitempty"`
	ArgumentsHash string         `json:"arg_s256,omitempty"`
	Arguments     jsontext.Value `json:"arguments,omitzero"`
	PolicyIDs     []string       `json:"policy_ids,omitempty"`
	PolicyErrors  []string       `json:"policy_errors,omitempty"`
	Skipped       []string       `json:"policy_skipped,omitempty"`
	Candidates    int            `json:"policy_candidates,omitzero"`
	Revision      string         `json:"revision,omitempty"`
	Duration      int64          `json:"duration_us"`
}

// MarshalJSON implements json.Marshaler. Bytes that are not UTF-8 are replaced by U+FFFD.
func (r Record) MarshalJSON() ([]byte, error) {
	l := line{
		Time: r.Time.UTC(), Decision: r.Decision, Reason: r.Reason, Detail: r.Detail, DecisionID: r.DecisionID,
		RequestID: r.RequestID, Peer: r.Peer, Subject: r.Subject, Actors: r.Actors, Task: r.Task, Purpose: r.Purpose,
		Txn: r.Txn, JTI: r.JTI, ParentHash: r.ParentHash,
		Provider: r.IdentityProvider, Client: r.Client, TokenJTI: r.TokenJTI, Server: r.Server, Method: r.Method,
		Tool: r.Tool, Targets: r.Targets, RequestHash: r.RequestHash, ArgumentsHash: r.ArgumentsHash,
		Arguments: r.Arguments, PolicyIDs: r.PolicyIDs, PolicyErrors: r.PolicyErrors, Revision: r.Revision,
		Skipped: r.PolicySkipped, Candidates: r.PolicyCandidates,
		Duration: r.Duration.Microseconds(),
	}
	if !r.Expires.IsZero() {
		l.Expires = r.Expires.Unix()
	}
	return json.Marshal(l, jsontext.AllowInvalidUTF8(true))
}
