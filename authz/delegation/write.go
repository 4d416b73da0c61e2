package delegation

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/mcp"
)

// writer writes a JSON object member by member. It exists for the members that must be copied byte by byte: an encoder
// would write them anew. Empty optional members are left out.
type writer struct {
	text []byte
	err  error
}

func (w *writer) name(name string) {
	if len(w.text) > 0 && w.text[len(w.text)-1] != '{' {
		w.text = append(w.text, ',')
	}
	w.quote(name)
	w.text = append(w.text, ':')
}

func (w *writer) quote(s string) {
	var err error
	if w.text, err = jsontext.AppendQuote(w.text, s); err != nil && w.err == nil {
		w.err = fmt.Errorf("writing %.80q: %w", s, err)
	}
}

func (w *writer) string(name, value string) {
	w.name(name)
	w.quote(value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.string(name, value)
	}
}

func (w *writer) integer(name string, n int64) {
	w.name(name)
	w.text = strconv.AppendInt(w.text, n, 10)
}

func (w *writer) date(name string, t time.Time) { w.integer(name, t.Unix()) }

func (w *writer) raw(name string, text []byte) {
	if text != nil {
		w.name(name)
		w.text = append(w.text, text...)
	}
}

func (w *writer) object(name string, members func()) {
	w.name(name)
	w.text = append(w.text, '{')
	members()
	w.text = append(w.text, '}')
}

// payload returns the claims as JSON. It does not check them: what is signed is read again first.
func (c *Claims) payload() ([]byte, error) {
	if c.Actor.length() > DepthLimit+1 {
		return nil, fmt.Errorf("more than %d actors", DepthLimit+1)
	}
	w := &writer{text: append(make([]byte, 0, 2048), '{')}
	w.string("iss", c.Issuer)
	w.string("aud", c.Audience)
	w.date("iat", c.IssuedAt)
	w.date("exp", c.Expiry)
	w.string("jti", c.ID)
	w.string("txn", c.Txn)
	w.string("sub", c.Subject)
	w.optional("sub_profile", c.SubjectProfile)
	w.string("req_wl", c.RequestingWorkload)
	w.actor("act", c.Actor)
	w.string("scope", c.Scope.String())
	w.details(c.Details)
	w.raw("tctx", c.Task.text())
	w.requestContext(&c.Request)
	if c.CertificateHash != "" {
		w.object("cnf", func() { w.string("x5t#S256", c.CertificateHash) })
	}
	if c.MayAct != nil {
		party := *c.MayAct
		if party.Actor != nil {
			return nil, errors.New("may_act names one party, not a chain")
		}
		w.actor("may_act", &party)
	}
	w.status(c.Status)
	w.optional("par_hash", c.ParentHash)
	w.integer("del_depth", int64(c.Depth))
	w.integer("del_max_depth", int64(c.MaxDepth))
	w.optional("del_root", c.Root)
	w.text = append(w.text, '}')
	return w.text, w.err
}

func (w *writer) actor(name string, a *Actor) {
	if a == nil {
		return
	}
	w.object(name, func() {
		w.optional("iss", a.Issuer)
		w.string("sub", a.Subject)
		w.optional("sub_profile", a.SubjectProfile)
		w.actor("act", a.Actor)
	})
}

func (w *writer) details(details []Detail) {
	if len(details) == 0 {
		return
	}
	list := make(mcp.Array, 0, len(details))
	for _, d := range details {
		list = append(list, d.object())
	}
	// The only exported way to write a value is as part of an object: {"":[…]}.
	text := mcp.NewObject(mcp.Member{Value: list}).AppendJSON(nil)
	w.raw(detailsClaim, text[len(`{"":`):len(text)-1])
}

// text returns tctx as it is written.
func (t *Task) text() []byte {
	if t.Raw != nil {
		return t.Raw
	}
	w := &writer{text: []byte{'{'}}
	w.string("task", t.Task)
	w.string("purpose", t.Purpose)
	w.optional("intent_s256", t.IntentHash)
	w.date("task_exp", t.Expiry)
	return append(w.text, '}')
}

func (w *writer) requestContext(r *RequestContext) {
	w.object("rctx", func() {
		w.raw("req_ip", r.IP)
		w.raw("authn", r.Authentication)
		w.raw("acr", r.AuthenticationClass)
		w.raw("auth_time", r.AuthenticationTime)
		w.optional("at_s256", r.AccessTokenHash)
		w.optional("peer", r.Peer)
		w.optional("req_id", r.RequestID)
		w.optional("pol", r.Policy)
		if b := r.MCP; b != nil {
			w.object("mcp", func() {
				w.string("srv", b.Server)
				w.string("mth", b.Method)
				w.optional("tool", b.Tool)
				w.optional("req_s256", b.RequestHash)
				w.optional("arg_s256", b.ArgumentsHash)
			})
		}
	})
}
