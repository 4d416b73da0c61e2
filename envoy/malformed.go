package envoy

import (
	"net/http"

	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// defect is how a malformed request is answered.
type defect struct {
	status  typev3.StatusCode
	code    int
	message string
}

// defects has the malformed requests that have an answer of their own: 2026-07-28, transports, Streamable HTTP, and
// RFC 9110, section 15.5. All others are an invalid request.
var defects = map[denial.Reason]defect{
	denial.HeaderMismatch:     {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Header mismatch"},
	denial.HeaderMissing:      {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Header mismatch"},
	denial.HeaderUnverifiable: {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Header mismatch"},
	denial.HeaderDuplicated:   {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Header mismatch"},
	denial.HeaderInvalid:      {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Header mismatch"},
	denial.JSONDuplicateKey:   {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Ambiguous member name"},
	denial.JSONCaseVariant:    {typev3.StatusCode_BadRequest, codeHeaderMismatch, "Ambiguous member name"},

	denial.VersionUnsupported: {typev3.StatusCode_BadRequest, codeUnsupportedVersion, "Unsupported protocol version"},
	denial.VersionMismatch:    {typev3.StatusCode_BadRequest, codeUnsupportedVersion, "Unsupported protocol version"},

	denial.JSONSyntax:   {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONUTF8:     {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONNULKey:   {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONTrailing: {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONNumber:   {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONDepth:    {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},
	denial.JSONLimit:    {typev3.StatusCode_BadRequest, codeParseError, "Parse error"},

	denial.ParamsInvalid: {typev3.StatusCode_BadRequest, codeInvalidParams, "Invalid params"},
	denial.BodyTooLarge:  {typev3.StatusCode_PayloadTooLarge, codeInvalidRequest, "Request too large"},
	denial.ContentType:   {typev3.StatusCode_UnsupportedMediaType, codeInvalidRequest, "Unsupported media type"},
}

// malformed answers a request that breaks a rule of HTTP, JSON, JSON-RPC or MCP.
func (r refusal) malformed() reply {
	switch r.reason {
	case denial.HTTPMethod:
		if r.call.Modern {
			return r.notAllowed(http.MethodPost)
		}
		return r.notAllowed("POST, GET, DELETE")
	case denial.MethodUnknown:
		return r.unknownMethod()
	case denial.VersionUnsupported, denial.VersionMismatch:
		d := defects[r.reason]
		return r.explained(d.status, r.unsupportedVersion(d))
	}
	d, known := defects[r.reason]
	if !known {
		d = defect{typev3.StatusCode_BadRequest, codeInvalidRequest, "Invalid request"}
	}
	return r.explained(d.status, r.failure(d.code, d.message))
}

// unknownMethod answers as a server would that has no such method: 404 since 2026-07-28, and before that in band,
// because clients of those versions take 404 for the end of their session. A notification is dropped (JSON-RPC 2.0,
// section 4.1).
func (r refusal) unknownMethod() reply {
	w := r.failure(codeMethodNotFound, "Method not found")
	switch {
	case r.call.Kind == mcp.KindNotification:
		return reply{status: typev3.StatusCode_Accepted}
	case r.call.Modern:
		return r.explained(typev3.StatusCode_NotFound, w)
	case r.call.Kind == mcp.KindRequest:
		return r.explained(typev3.StatusCode_OK, w)
	default:
		return r.explained(typev3.StatusCode_BadRequest, w)
	}
}

// supported are the protocol versions that the server accepts.
func (r refusal) supported() []string {
	var versions []string
	for _, v := range mcp.Versions() {
		// Versions are dates, and sort like them.
		if v >= r.server.MinVersion {
			versions = append(versions, v)
		}
	}
	return versions
}
