package delegation

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/jws"
	"countersign.dev/authz/mcp"
)

// readClaims reads a payload. JSON that is not strict is refused as [denial.TokenMalformed], claims that are missing,
// unknown or of another form as [denial.TokenClaims]. Whether they fit together is not looked at here.
func readClaims(payload []byte) (*Claims, error) {
	o, err := mcp.ParseObject(payload)
	if err != nil {
		return nil, denial.New(denial.TokenMalformed, "payload: %w", err)
	}
	if n := nesting(o); n > MaxNesting {
		return nil, denial.New(denial.TokenMalformed, "payload: %d levels of nesting: at most %d", n, MaxNesting)
	}
	if err := controlFree(o); err != nil {
		return nil, denial.New(denial.TokenClaims, "%w", err)
	}
	c, err := claims(o, payload)
	if err != nil {
		return nil, denial.New(denial.TokenClaims, "%w", err)
	}
	return c, nil
}

func claims(o mcp.Object, payload []byte) (*Claims, error) {
	m := members{object: o, where: "claims"}
	c := &Claims{
		Issuer:             m.text("iss", MaxURI),
		Audience:           m.text("aud", MaxIdentifier),
		IssuedAt:           m.date("iat"),
		Expiry:             m.date("exp"),
		ID:                 m.text("jti", MaxIdentifier),
		Txn:                m.text("txn", MaxIdentifier),
		Subject:            m.text("sub", MaxURI),
		SubjectProfile:     m.optionalText("sub_profile", MaxIdentifier),
		RequestingWorkload: m.text("req_wl", MaxURI),
		Scope:              m.scope(),
		Details:            m.details(),
		ParentHash:         m.hash("par_hash"),
		Depth:              m.count("del_depth"),
		MaxDepth:           m.count("del_max_depth"),
		Root:               m.optionalText("del_root", MaxSize),
	}
	if len(c.Subject) > MaxIdentifier && !strings.HasPrefix(c.Subject, "spiffe://") {
		m.fail("sub", "is longer than %d bytes", MaxIdentifier)
	}
	if act, ok := m.nested("act"); ok {
		c.Actor = act.actor(&m)
	}
	if mayAct, ok := m.nested("may_act"); ok {
		c.MayAct = mayAct.mayAct(&m)
	}
	if cnf, ok := m.nested("cnf"); ok {
		if c.CertificateHash = cnf.hash("x5t#S256"); c.CertificateHash == "" {
			cnf.fail("x5t#S256", "is missing")
		}
		m.adopt(cnf.close())
	}
	if status, ok := m.nested("status"); ok {
		c.Status = status.status(&m)
	}
	if tctx, ok := m.nested("tctx"); ok {
		c.Task = tctx.task(&m)
	} else {
		m.fail("tctx", "is missing")
	}
	if rctx, ok := m.nested("rctx"); ok {
		c.Request = rctx.requestContext(&m)
	}
	if err := m.close(); err != nil {
		return nil, err
	}
	for name, raw := range jws.RawMembers(payload) {
		switch name {
		case "tctx":
			c.Task.Raw = bytes.Clone(raw)
		case "rctx":
			if err := c.Request.keepRaw(raw); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (m *members) scope() Scope {
	scope, err := ParseScope(m.anyText("scope", MaxSize))
	if err != nil {
		m.fail("scope", "is invalid: %w", err)
	}
	return scope
}

// actor reads act and what is nested in it.
func (m *members) actor(parent *members) *Actor {
	a := &Actor{
		Issuer:         m.text("iss", MaxURI),
		Subject:        m.text("sub", MaxURI),
		SubjectProfile: m.optionalText("sub_profile", MaxIdentifier),
	}
	if inner, ok := m.nested("act"); ok {
		a.Actor = inner.actor(m)
	}
	parent.adopt(m.close())
	return a
}

func (m *members) mayAct(parent *members) *Actor {
	a := &Actor{
		Issuer:         m.optionalText("iss", MaxURI),
		Subject:        m.text("sub", MaxURI),
		SubjectProfile: m.optionalText("sub_profile", MaxIdentifier),
	}
	parent.adopt(m.close())
	return a
}

// knownTask are the members of tctx with a meaning. Another spelling of one would mean the same to a backend that
// ignores case.
var knownTask = []string{"task", "purpose", "intent_s256", "task_exp"}

func (m *members) task(parent *members) Task {
	t := Task{
		Task:       m.anyText("task", MaxIdentifier),
		Purpose:    m.anyText("purpose", MaxIdentifier),
		IntentHash: m.hash("intent_s256"),
		Expiry:     m.date("task_exp"),
	}
	for name := range m.object.All() {
		if i := slices.IndexFunc(knownTask, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 && knownTask[i] != name {
			m.fail(name, "is another spelling of %s", knownTask[i])
		}
	}
	parent.adopt(m.err)
	return t
}

func (m *members) requestContext(parent *members) RequestContext {
	r := RequestContext{
		Peer:      m.optionalText("peer", MaxURI),
		RequestID: m.optionalText("req_id", MaxIdentifier),
		Policy:    m.optionalText("pol", MaxIdentifier),

		AccessTokenHash: m.hash("at_s256"),
	}
	for _, name := range []string{"req_ip", "authn", "acr", "auth_time"} {
		m.optional(name)
	}
	if b, ok := m.nested("mcp"); ok {
		r.MCP = &Binding{
			Server:        b.text("srv", MaxIdentifier),
			Method:        b.text("mth", MaxIdentifier),
			Tool:          b.optionalText("tool", MaxIdentifier),
			RequestHash:   b.hash("req_s256"),
			ArgumentsHash: b.hash("arg_s256"),
		}
		if r.MCP.RequestHash == "" {
			b.fail("req_s256", "is missing")
		}
		m.adopt(b.close())
	}
	parent.adopt(m.close())
	return r
}

// keepRaw takes over the members that are copied as they are written.
func (r *RequestContext) keepRaw(text []byte) error {
	kept := map[string]*[]byte{
		"req_ip": &r.IP, "authn": &r.Authentication, "acr": &r.AuthenticationClass, "auth_time": &r.AuthenticationTime,
	}
	for name, raw := range jws.RawMembers(text) {
		to, ok := kept[name]
		if !ok {
			continue
		}
		if len(raw) > MaxRaw {
			return fmt.Errorf("rctx: %s has %d bytes: at most %d", name, len(raw), MaxRaw)
		}
		*to = bytes.Clone(raw)
	}
	return nil
}
