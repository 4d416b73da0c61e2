package mcp

import (
	"crypto/sha256"
	"net/http"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

// Read reads one HTTP request.
//
// The order is: HTTP framing, JSON, JSON-RPC envelope, protocol version, method, params, mirrored headers. The first
// rule that is broken decides the reason.
//
// The call is never nil. When there is an error it holds what was certain up to there, for the answer and the record:
// the version that the header names; the id and method that the outermost object had, if they came before the broken
// rule, are well-formed themselves and were not given twice; and Kind once the envelope was understood. Nothing else
// of a refused call may be relied on. BodyHash is set unless the framing was refused.
func Read(req Request, rules Rules) (*Call, error) {
	r := reading{header: req.Header, rules: rules, declared: readVersionField(req.Header)}
	call := r.newCall()
	var err error
	switch req.Method {
	case http.MethodPost:
		err = r.readPost(call, req)
	case http.MethodGet:
		err = r.readBodiless(call, req, KindStream)
	case http.MethodDelete:
		err = r.readBodiless(call, req, KindEnd)
	case http.MethodOptions:
		err = r.readPreflight(call, req)
	default:
		err = denial.New(denial.HTTPMethod, "%.32q", req.Method)
	}
	return call, err
}

// reading is what the messages of one request have in common.
type reading struct {
	header   header.Fields
	rules    Rules
	declared versionField
	batch    bool
}

func (r reading) newCall() *Call {
	return &Call{Version: r.declared.version, Modern: r.declared.version == Version20260728}
}

// readPreflight reads an OPTIONS request, which browsers send without the headers of the request that it is about.
func (r reading) readPreflight(c *Call, req Request) error {
	c.Kind = KindPreflight
	c.BodyHash = sha256.Sum256(nil)
	return checkNoBody(req)
}

// readBodiless reads a GET or DELETE, which only the versions with sessions have.
func (r reading) readBodiless(c *Call, req Request, kind Kind) error {
	c.Kind = kind
	c.BodyHash = sha256.Sum256(nil)
	if c.Modern {
		return denial.New(denial.HTTPMethod, "%s in %s", req.Method, c.Version)
	}
	if err := checkNoBody(req); err != nil {
		return err
	}
	if err := r.declared.check(r.rules.MinVersion); err != nil {
		return err
	}
	if err := r.readSession(c); err != nil {
		return err
	}
	return c.checkMirrors(r.header, false, r.rules)
}

func (r reading) readPost(c *Call, req Request) error {
	if err := checkBody(req, r.rules.MaxBody); err != nil {
		return err
	}
	c.BodyHash = sha256.Sum256(req.Body)
	json := new(reader)
	tree, err := json.read(req.Body)
	if err != nil {
		c.ID, _ = readID(json.id)
		if name, ok := json.method.(String); ok {
			c.Method = string(name)
		}
		return err
	}
	switch tree := tree.(type) {
	case Object:
		return r.readMessage(c, tree)
	case Array:
		return r.readBatch(c, tree)
	default:
		return denial.New(denial.RPCInvalid, "the body is not an object")
	}
}

// readMessage reads one JSON-RPC message, of a batch or on its own.
func (r reading) readMessage(c *Call, o Object) error {
	e, err := readEnvelope(o)
	c.Kind, c.ID, c.Method = e.kind, e.id, e.method
	if err != nil {
		return err
	}
	if err := r.readVersion(c, e); err != nil {
		return err
	}
	if err := r.readSession(c); err != nil {
		return err
	}
	subject := aboutServer
	if c.Kind != KindResponse {
		if subject, err = r.readMethod(c, e.params); err != nil {
			return err
		}
	}
	if r.batch {
		return nil // the headers are about the batch
	}
	return c.checkMirrors(r.header, subject.mirrored(), r.rules)
}

// readVersion settles which protocol version a message is of, and whether it has what that version demands.
func (r reading) readVersion(c *Call, e envelope) error {
	if err := refuseVariants(e.params, knownParams); err != nil {
		return err
	}
	meta, err := readMeta(e.params)
	if err != nil {
		return err
	}
	if r.declared.err != nil {
		return r.declared.err
	}
	if err := r.declared.checkAgreement(meta); err != nil {
		return err
	}
	if c.Method == "initialize" && !c.Modern {
		return r.readInitialize(c, e.params)
	}
	if err := r.declared.check(r.rules.MinVersion); err != nil {
		return err
	}
	if !c.Modern {
		return nil
	}
	switch c.Kind {
	case KindResponse:
		return denial.New(denial.RPCInvalid, "a response in %s, whose servers ask nothing", c.Version)
	case KindRequest:
		return requireMeta(meta)
	}
	return nil
}

// readInitialize takes the version from the params: the header of an initialize request, if any, is left over from an
// earlier session.
func (r reading) readInitialize(c *Call, params Object) error {
	if err := r.declared.check(""); err != nil {
		return err
	}
	v, _ := params.Get("protocolVersion")
	requested, ok := v.(String)
	if !ok {
		return denial.New(denial.ParamsInvalid, "protocolVersion is missing or not a string")
	}
	if err := checkRequested(string(requested), r.rules.MinVersion); err != nil {
		return err
	}
	c.Version = string(requested)
	return nil
}

// readMethod reads what the method and its params ask for.
func (r reading) readMethod(c *Call, params Object) (about, error) {
	m, err := lookUp(c.Method, r.declared.inForce(), c.Kind)
	if err != nil {
		return aboutServer, err
	}
	if c.Targets, err = readTargets(m.about, params); err != nil {
		return aboutServer, err
	}
	c.Arguments, err = readArguments(m.about, params)
	return m.about, err
}

// readMeta returns params._meta, zero when absent.
func readMeta(params Object) (Object, error) {
	v, present := params.Get("_meta")
	if !present {
		return Object{}, nil
	}
	meta, ok := v.(Object)
	if !ok {
		return Object{}, denial.New(denial.ParamsInvalid, "_meta is not an object")
	}
	return meta, refuseVariants(meta, knownMeta)
}

// readSession reads the session, which 2026-07-28 does not have: there the header is ignored (SEP-2567).
func (r reading) readSession(c *Call) (err error) {
	if c.Modern {
		return nil
	}
	c.SessionID, err = sessionID(r.header)
	return err
}
