package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/mcp"
)

// MaxLine is the longest line of an audit log that is read, in bytes: a body of the largest size with what is around it.
const MaxLine = 4 << 20

// ErrNoQuestion is why a record is of no use here: policy was asked nothing, or nothing that the record still tells.
var ErrNoQuestion = errors.New("the record holds no question to policy")

// Lost is something that policy could read and the record does not have.
type Lost string

// What may be lost.
const (
	LostArguments  Lost = "arguments"  // the server does not record them
	LostSession    Lost = "session"    // session ids are never recorded, nor whether there was one
	LostDelegation Lost = "delegation" // written by a version that recorded the names in it alone
	LostHTTP       Lost = "http"       // written by a version that did not record them
	LostQuery      Lost = "query"      // the query of http.path
	LostTargets    Lost = "targets"    // the request is about several things, and the scenario about the first
	LostRest       Lost = "rest"       // host or path is longer than what is recorded
	LostKind       Lost = "kind"       // completion/complete: whether it is about a prompt or a resource is guessed
)

// Exactness says what a request lost when it was recorded. With nothing lost, policy is asked what it was asked then.
type Exactness struct{ Lost []Lost }

// Exact reports whether nothing was lost.
func (e Exactness) Exact() bool { return len(e.Lost) == 0 }

// Has reports whether something was lost.
func (e Exactness) Has(lost Lost) bool {
	return slices.Contains(e.Lost, lost)
}

func (e *Exactness) lose(lost Lost, when bool) {
	if when {
		e.Lost = append(e.Lost, lost)
	}
}

// recorded is the part of a line of the audit log that says what was asked.
type recorded struct {
	Time          time.Time      `json:"time"`
	RequestID     string         `json:"request_id"`
	Peer          string         `json:"peer"`
	Subject       string         `json:"subject"`
	RootIssuer    string         `json:"root_issuer"`
	SubjectPrefix string         `json:"subject_prefix"`
	Actors        []string       `json:"actors"`
	Scope         []string       `json:"scope"`
	Audience      string         `json:"audience"`
	Depth         int            `json:"depth"`
	IssuedAt      int64          `json:"parent_iat"`
	Expires       int64          `json:"parent_exp"`
	Constrained   bool           `json:"sender_constrained"`
	Task          string         `json:"task"`
	Purpose       string         `json:"purpose"`
	Host          string         `json:"host"`
	Path          string         `json:"path"`
	SourceIP      string         `json:"source_ip"`
	Version       string         `json:"protocol_version"`
	Server        string         `json:"server"`
	Backend       string         `json:"backend"`
	Method        string         `json:"method"`
	Targets       []string       `json:"targets"`
	ArgumentsHash string         `json:"arg_s256"`
	Arguments     jsontext.Value `json:"arguments"`
}

// FromAudit returns the request that a line of the audit log is about, and what the line does not have of it. The errors
// are a line that cannot be read, and [ErrNoQuestion].
func FromAudit(line []byte) (Request, Exactness, error) {
	var rec recorded
	if len(line) > MaxLine {
		return Request{}, Exactness{}, fmt.Errorf("a line of %d bytes: at most %d", len(line), MaxLine)
	}
	if err := json.Unmarshal(line, &rec); err != nil {
		return Request{}, Exactness{}, fmt.Errorf("reading the record: %w", err)
	}
	r, err := rec.request()
	if err != nil {
		return Request{}, Exactness{}, err
	}
	return r, rec.exactness(), nil
}

func (rec *recorded) request() (Request, error) {
	r := Request{
		Now: At(rec.Time.UTC()), Peer: rec.Peer, Server: rec.Server, Backend: rec.Backend, ProtocolVersion: rec.Version,
		HTTP: HTTP{ID: rec.RequestID, Host: rec.Host, Path: rec.Path, SourceIP: rec.SourceIP},
	}
	switch {
	case rec.Time.IsZero():
		return r, fmt.Errorf("%w: it has no time", ErrNoQuestion)
	case rec.Peer == "":
		return r, fmt.Errorf("%w: nobody knew who asked", ErrNoQuestion)
	case rec.Server == "":
		return r, fmt.Errorf("%w: it is about no server", ErrNoQuestion)
	}
	if r.ProtocolVersion == "" {
		r.ProtocolVersion = NoVersion
	}
	if err := rec.aim(&r); err != nil {
		return r, err
	}
	if len(rec.Arguments) > 0 {
		r.Arguments = Arguments(rec.Arguments)
	}
	if rec.Subject != "" {
		r.Delegation = rec.delegation()
	}
	return r, nil
}

// aim says what the request is about. The record has names, and the method says what they name.
func (rec *recorded) aim(r *Request) error {
	r.Method = rec.Method
	switch {
	case wordOnly[rec.Method]:
		return nil
	case !mcp.IsMethod(rec.Method):
		return fmt.Errorf("%w: %.80q is no method", ErrNoQuestion, rec.Method)
	case about[rec.Method] == "" || len(rec.Targets) == 0 && rec.Method == "subscriptions/listen":
		return nil
	case len(rec.Targets) == 0:
		return fmt.Errorf("%w: %s without a name", ErrNoQuestion, rec.Method)
	}
	switch name, kind := rec.Targets[0], about[rec.Method]; {
	case kind == "tool":
		r.Tool = name
	case kind == "task":
		r.Task = name
	case kind == "prompt", kind != "resource" && !strings.Contains(name, ":"):
		r.Prompt = name // completion/complete: of a prompt, or of a resource, which is a URI
	default:
		r.Resource = name
	}
	return nil
}

// wordOnly are the messages without a JSON-RPC method.
var wordOnly = map[string]bool{"stream": true, "end": true, "preflight": true, "response": true}

func (rec *recorded) delegation() *Delegation {
	d := &Delegation{
		Issuer: rec.RootIssuer, Subject: rec.Subject, SubjectPrefix: rec.SubjectPrefix, Scopes: rec.Scope, Audience: rec.Audience,
		Task: rec.Task, Purpose: rec.Purpose, Actors: rec.Actors, Depth: &rec.Depth, SenderConstrained: rec.Constrained,
	}
	if rec.hasToken() {
		d.IssuedAt, d.ExpiresAt = At(time.Unix(rec.IssuedAt, 0)), At(time.Unix(rec.Expires, 0))
		if d.Scopes == nil {
			d.Scopes = delegation.Scope{} // not the default
		}
	} else if rec.Depth == 0 {
		d.Depth = nil
	}
	return d
}

// hasToken reports whether the record says more of the token than whom it names.
func (rec *recorded) hasToken() bool { return rec.Expires != 0 }

func (rec *recorded) exactness() Exactness {
	var e Exactness
	called := rec.Method == "tools/call" && rec.ArgumentsHash != "" || rec.Method == "prompts/get"
	e.lose(LostArguments, called && len(rec.Arguments) == 0)
	e.lose(LostSession, rec.Version != mcp.Version20260728 && rec.Method != "preflight")
	e.lose(LostDelegation, rec.Subject != "" && !rec.hasToken())
	e.lose(LostHTTP, rec.Host == "" && rec.Path == "" && rec.SourceIP == "")
	e.lose(LostQuery, strings.HasSuffix(rec.Path, "?"))
	e.lose(LostRest, strings.HasSuffix(rec.Host, cut) || strings.HasSuffix(strings.TrimSuffix(rec.Path, "?"), cut))
	e.lose(LostTargets, len(rec.Targets) > 1 || len(rec.Targets) > 0 && rec.Method == "subscriptions/listen")
	e.lose(LostKind, rec.Method == "completion/complete")
	return e
}

// cut is where host or path end that are longer than what a record keeps of them.
const cut = "…"
