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
	// Mode is "shadow" where the server is tried out, so that nothing is refused; else empty ("mode").
	Mode string
	// WouldDeny is the Reason for which the request would have been refused if the server was not tried out; it was let
	// through without a token ("would_deny").
	WouldDeny string
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
	// RootIssuer vouches for the subject, and SubjectPrefix is what stands in front of its subjects where policy names users
	// ("root_issuer", "subject_prefix").
	RootIssuer, SubjectPrefix string
	// Actors are the workloads of the delegation, the presenter first ("actors").
	Actors []string
	// Scope is what the delegation grants ("scope").
	Scope []string
	// Audience is the trust domain that the delegation is for ("audience").
	Audience string
	// Depth is how many hops the delegation has behind it; zero for a root ("depth").
	Depth int
	// ParentIssuedAt and ParentExpires are iat and exp of the delegation ("parent_iat", "parent_exp", seconds since 1970).
	ParentIssuedAt, ParentExpires time.Time
	// SenderConstrained says that the delegation is bound to a certificate ("sender_constrained").
	SenderConstrained bool
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
	// Host and Path are those of the HTTP request, each cut to [MaxLocation] bytes. A path never has its query, which may
	// hold secrets: where there was one, it ends with "?" ("host", "path").
	Host, Path string
	// SourceIP is the address of the proxy's peer ("source_ip").
	SourceIP string
	// ProtocolVersion is the MCP protocol version that the request names ("protocol_version").
	ProtocolVersion string
	// Server is the MCP backend ("server").
	Server string
	// Backend is the SPIFFE ID of the workload that the token is for, or would have been had the request not been refused; empty
	// if that is not known ("backend").
	Backend string
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
	// Shadow is what another set of policies says; nil where none was asked. It decides nothing.
	Shadow *Shadow
	// Duration is how long deciding took ("duration_us", microseconds).
	Duration time.Duration
}

// MaxLocation is the most that is kept of a host or path, in bytes. What was cut ends with an ellipsis.
const MaxLocation = 2048

// Shadow is the answer of policies that are tried out to the question that the live ones decided.
type Shadow struct {
	// Live is what the live policies say, "allow" or "deny": not the decision on the request, which may have been refused or
	// let through for other reasons ("live_decision").
	Live string
	// Decision is "allow" or "deny" ("shadow_decision").
	Decision string
	// Reason is why they would deny; of the class of our own failures where they gave no answer ("shadow_reason").
	Reason string
	// Detail says more about that, for operators only ("shadow_detail").
	Detail string
	// PolicyIDs are the policies that would decide ("shadow_policy_ids").
	PolicyIDs []string
	// PolicyErrors are the policies that could not be evaluated ("shadow_policy_errors").
	PolicyErrors []string
	// SingleUse says that they would have the delegation used once for the request, where the live ones do not, or the other
	// way round; nil where both agree ("shadow_single_use").
	SingleUse *bool
	// Scope is what they would let the backend pass on, where that is not the same; nil where both agree, or nothing was
	// passed on ("shadow_scope").
	Scope []string
	// Revision is theirs ("shadow_revision").
	Revision string
}

// line is the JSON form of a [Record].
type line struct {
	Time          time.Time      `json:"time"`
	Decision      string         `json:"decision"`
	Reason        string         `json:"reason,omitempty"`
	Mode          string         `json:"mode,omitempty"`
	WouldDeny     string         `json:"would_deny,omitempty"`
	Detail        string         `json:"detail,omitempty"`
	DecisionID    string         `json:"decision_id"`
	RequestID     string         `json:"request_id,omitempty"`
	Peer          string         `json:"peer,omitempty"`
	Subject       string         `json:"subject,omitempty"`
	RootIssuer    string         `json:"root_issuer,omitempty"`
	SubjectPrefix string         `json:"subject_prefix,omitempty"`
	Actors        []string       `json:"actors,omitempty"`
	Scope         []string       `json:"scope,omitempty"`
	Audience      string         `json:"audience,omitempty"`
	Depth         int            `json:"depth,omitzero"`
	ParentIssued  int64          `json:"parent_iat,omitzero"`
	ParentExpires int64          `json:"parent_exp,omitzero"`
	Constrained   bool           `json:"sender_constrained,omitzero"`
	Task          string         `json:"task,omitempty"`
	Purpose       string         `json:"purpose,omitempty"`
	Txn           string         `json:"txn,omitempty"`
	JTI           string         `json:"jti,omitempty"`
	ParentHash    string         `json:"parent_hash,omitempty"`
	Provider      string         `json:"identity_provider,omitempty"`
	Client        string         `json:"client_id,omitempty"`
	TokenJTI      string         `json:"token_jti,omitempty"`
	Expires       int64          `json:"exp,omitzero"`
	Host          string         `json:"host,omitempty"`
	Path          string         `json:"path,omitempty"`
	SourceIP      string         `json:"source_ip,omitempty"`
	Version       string         `json:"protocol_version,omitempty"`
	Server        string         `json:"server,omitempty"`
	Backend       string         `json:"backend,omitempty"`
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
	shadowLine
	Duration int64 `json:"duration_us"`
}

// shadowLine is the JSON form of a [Shadow].
type shadowLine struct {
	Live         string   `json:"live_decision,omitempty"`
	Decision     string   `json:"shadow_decision,omitempty"`
	Reason       string   `json:"shadow_reason,omitempty"`
	Detail       string   `json:"shadow_detail,omitempty"`
	PolicyIDs    []string `json:"shadow_policy_ids,omitempty"`
	PolicyErrors []string `json:"shadow_policy_errors,omitempty"`
	SingleUse    *bool    `json:"shadow_single_use,omitzero"`
	Scope        []string `json:"shadow_scope,omitzero"` // empty is nothing to pass on
	Revision     string   `json:"shadow_revision,omitempty"`
}

// MarshalJSON implements json.Marshaler. Bytes that are not UTF-8 are replaced by U+FFFD.
func (r Record) MarshalJSON() ([]byte, error) {
	l := line{
		Time: r.Time.UTC(), Decision: r.Decision, Reason: r.Reason, Mode: r.Mode, WouldDeny: r.WouldDeny,
		Detail: r.Detail, DecisionID: r.DecisionID, RequestID: r.RequestID, Peer: r.Peer,
		Subject: r.Subject, RootIssuer: r.RootIssuer, SubjectPrefix: r.SubjectPrefix, Actors: r.Actors,
		Scope: r.Scope, Audience: r.Audience, Depth: r.Depth, Constrained: r.SenderConstrained,
		ParentIssued: seconds(r.ParentIssuedAt), ParentExpires: seconds(r.ParentExpires), Expires: seconds(r.Expires),
		Host: r.Host, Path: r.Path, SourceIP: r.SourceIP, Version: r.ProtocolVersion,
		Task: r.Task, Purpose: r.Purpose, Txn: r.Txn, JTI: r.JTI, ParentHash: r.ParentHash,
		Provider: r.IdentityProvider, Client: r.Client, TokenJTI: r.TokenJTI, Server: r.Server, Backend: r.Backend, Method: r.Method,
		Tool: r.Tool, Targets: r.Targets, RequestHash: r.RequestHash, ArgumentsHash: r.ArgumentsHash,
		Arguments: r.Arguments, PolicyIDs: r.PolicyIDs, PolicyErrors: r.PolicyErrors, Revision: r.Revision,
		Skipped: r.PolicySkipped, Candidates: r.PolicyCandidates,
		Duration: r.Duration.Microseconds(),
	}
	if r.Shadow != nil {
		l.shadowLine = shadowLine(*r.Shadow)
	}
	return json.Marshal(l, jsontext.AllowInvalidUTF8(true))
}

// seconds is a time as in RFC 7519; zero for none.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
