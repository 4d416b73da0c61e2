package scenario

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
)

// defaultVersion is what clients with sessions speak.
const defaultVersion = mcp.Version20251125

// subject is what a request is about.
type subject struct{ member, name string }

// subject returns what the request is about; empty for the server.
func (r Request) subject() (subject, error) {
	var found subject
	for _, s := range []subject{{"tool", r.Tool}, {"prompt", r.Prompt}, {"resource", r.Resource}, {"task", r.Task}} {
		if s.name == "" {
			continue
		}
		if found.name != "" {
			return s, problem(s.member, "a request is about one thing, and this is about the %s %q", found.member, found.name)
		}
		found = s
	}
	return found, nil
}

// method returns the JSON-RPC method, or the word for a message without one.
func (r Request) method(s subject) (string, error) {
	if r.Method != "" {
		return r.Method, nil
	}
	switch s.member {
	case "tool":
		return "tools/call", nil
	case "prompt":
		return "prompts/get", nil
	case "resource":
		return "resources/read", nil
	case "task":
		return "tasks/get", nil
	}
	if r.Delegate != nil {
		return "tools/list", nil
	}
	return "", problem("method", "say what is asked for: a tool, a prompt, a resource, a task, or a method")
}

// about says which members may be what a method is about.
var about = map[string]string{
	"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource", "resources/subscribe": "resource",
	"resources/unsubscribe": "resource", "subscriptions/listen": "resource", "completion/complete": "prompt resource",
	"tasks/get": "task", "tasks/result": "task", "tasks/update": "task", "tasks/cancel": "task",
}

// call returns the request as the wire would give it.
func (r Request) call() (*mcp.Call, error) {
	s, err := r.subject()
	if err != nil {
		return nil, err
	}
	method, err := r.method(s)
	if err != nil {
		return nil, err
	}
	if s.name != "" && !strings.Contains(about[method], s.member) {
		return nil, problem(s.member, "%s is not about a %s", method, s.member)
	}
	if r.Arguments != nil && method != "tools/call" && method != "prompts/get" {
		return nil, problem("arguments", "%s has no arguments", method)
	}
	versions := []string{r.ProtocolVersion}
	if r.ProtocolVersion == "" {
		versions = []string{defaultVersion, mcp.Version20260728}
	}
	for _, version := range versions {
		m := message{method: method, subject: s, arguments: r.Arguments, version: version, session: r.Session}
		var request mcp.Request
		if request, err = m.request(); err != nil {
			return nil, err
		}
		var call *mcp.Call
		if call, err = mcp.Read(request, mcp.Rules{}); err == nil {
			return call, nil
		}
		if denial.ReasonOf(err) != denial.MethodUnknown {
			break
		}
	}
	return nil, problem(r.blame(err), "the request would be refused before policy is asked: %w", err)
}

// blame is the member that a refusal is most likely about.
func (r Request) blame(err error) string {
	switch reason := denial.ReasonOf(err); {
	case reason == denial.VersionUnsupported:
		return "protocol_version"
	case reason == denial.HeaderInvalid:
		return "session"
	case reason == denial.MethodUnknown || r.Method != "" && reason == denial.ParamsInvalid:
		return "method"
	case r.Arguments != nil && reason != denial.ParamsInvalid:
		return "arguments"
	}
	if s, _ := r.subject(); s.member != "" {
		return s.member
	}
	return "method"
}

// message is what goes over the wire.
type message struct {
	method    string
	subject   subject
	arguments Arguments
	version   string
	session   string
}

func (m message) request() (mcp.Request, error) {
	h := header.NewFields(false)
	if m.version != NoVersion && m.method != "initialize" && m.method != "preflight" {
		h.Add("MCP-Protocol-Version", m.version)
	}
	if m.session != "" {
		h.Add("Mcp-Session-Id", m.session)
	}
	switch m.method {
	case "stream":
		return mcp.Request{Method: "GET", Header: h}, nil
	case "end":
		return mcp.Request{Method: "DELETE", Header: h}, nil
	case "preflight":
		return mcp.Request{Method: "OPTIONS", Header: h}, nil
	}
	body, err := m.body()
	if err != nil {
		return mcp.Request{}, err
	}
	h.Add("Content-Type", "application/json")
	if m.version == mcp.Version20260728 && m.method != "response" {
		h.Add("Mcp-Method", m.method)
		if m.subject.name != "" && m.method != "subscriptions/listen" && m.method != "completion/complete" {
			h.Add("Mcp-Name", "=?base64?"+base64.StdEncoding.EncodeToString([]byte(m.subject.name))+"?=")
		}
	}
	return mcp.Request{Method: "POST", Header: h, Body: body, HasBody: true, Size: int64(len(body))}, nil
}

func (m message) body() ([]byte, error) {
	if m.method == "response" {
		return []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`), nil
	}
	id := `"id":1,`
	if strings.HasPrefix(m.method, "notifications/") {
		id = ""
	}
	name, err := jsontext.AppendQuote(nil, m.subject.name)
	if err != nil {
		return nil, problem(m.subject.member, "%w", err)
	}
	method, err := jsontext.AppendQuote(nil, m.method)
	if err != nil {
		return nil, problem("method", "%w", err)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0",%s"method":%s,"params":{%s}}`, id, method, m.params(string(name))), nil
}

// params returns the members of params. Name is quoted.
func (m message) params(name string) string {
	var members []string
	if m.version == mcp.Version20260728 {
		members = append(members, `"_meta":{"io.modelcontextprotocol/protocolVersion":"`+m.version+
			`","io.modelcontextprotocol/clientCapabilities":{}}`)
	}
	if m.arguments != nil {
		members = append(members, `"arguments":`+string(m.arguments))
	}
	kind := m.subject.member
	switch {
	case m.method == "initialize" && m.version != mcp.Version20260728:
		version := m.version
		if version == NoVersion {
			version = defaultVersion
		}
		quoted, err := jsontext.AppendQuote(nil, version)
		if err != nil {
			quoted = []byte("null") // which is no version
		}
		members = append(members, `"protocolVersion":`+string(quoted), `"capabilities":{}`)
	case m.method == "completion/complete" && kind == "prompt":
		members = append(members, `"ref":{"type":"ref/prompt","name":`+name+`}`)
	case m.method == "completion/complete" && kind == "resource":
		members = append(members, `"ref":{"type":"ref/resource","uri":`+name+`}`)
	case m.method == "subscriptions/listen" && kind == "resource":
		members = append(members, `"notifications":{"resourceSubscriptions":[`+name+`]}`)
	case m.method == "subscriptions/listen":
		members = append(members, `"notifications":{}`)
	case kind == "tool" || kind == "prompt":
		members = append(members, `"name":`+name)
	case kind == "resource":
		members = append(members, `"uri":`+name)
	case kind == "task":
		members = append(members, `"taskId":`+name)
	}
	return strings.Join(members, ",")
}
