package mcp

import (
	"bytes"
	"mime"
	"strconv"
	"strings"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

// partialHeader is how Envoy says that it cut the body off.
const partialHeader = "X-Envoy-Auth-Partial-Body"

// checkBody makes sure that the body of a POST is all there and is nothing but JSON text. A cut body must not be
// decided: the part that was kept can be a whole JSON value that says something else.
func checkBody(req Request, maxBody int) error {
	if !req.HasBody || len(req.Body) == 0 {
		return denial.New(denial.BodyMissing, "POST without a body: is with_request_body set in Envoy?")
	}
	if err := checkComplete(req); err != nil {
		return err
	}
	if maxBody <= 0 {
		maxBody = DefaultMaxBody
	}
	if len(req.Body) > maxBody {
		return denial.New(denial.BodyTooLarge, "%d bytes, at most %d", len(req.Body), maxBody)
	}
	if req.Sanitised && bytes.IndexByte(req.Body, '!') >= 0 {
		return denial.New(denial.BodySanitised, `a "!" may stand for a byte that is not UTF-8: set pack_as_bytes in Envoy`)
	}
	if err := checkCoding(req.Header); err != nil {
		return err
	}
	return checkContentType(req.Header)
}

// checkComplete holds three independent counts against the bytes that arrived. A proxy that cannot tell the size (-1)
// also does not mark partial bodies, so then the sender's own Content-Length must be there.
func checkComplete(req Request) error {
	partial, marked, err := req.Header.One(partialHeader)
	if err != nil {
		return err
	}
	if marked && partial != "false" {
		return denial.New(denial.BodyPartial, "%s is %.16q", partialHeader, partial)
	}
	length, declared, err := req.Header.One("Content-Length")
	if err != nil {
		return err
	}
	have := int64(len(req.Body))
	switch {
	case declared && length != strconv.FormatInt(have, 10):
		return denial.New(denial.BodySize, "Content-Length is %.32q, %d bytes arrived", length, have)
	case req.Size >= 0 && req.Size != have:
		return denial.New(denial.BodySize, "the proxy received %d bytes and handed over %d", req.Size, have)
	case req.Size < 0 && !declared:
		return denial.New(denial.BodySize, "neither the proxy nor Content-Length says how long the body is")
	case declared && req.Header.Has("Transfer-Encoding"):
		return denial.New(denial.BodySize, "both Content-Length and Transfer-Encoding (RFC 9112, section 6.3)")
	}
	return nil
}

// checkCoding refuses bodies that have to be decoded before they are JSON text.
func checkCoding(h header.Fields) error {
	if err := checkCoded(h, "Content-Encoding", "identity"); err != nil {
		return err
	}
	return checkCoded(h, "Transfer-Encoding", "chunked")
}

func checkCoded(h header.Fields, field, plain string) error {
	coding, present, err := h.One(field)
	if err != nil {
		return err
	}
	if present && coding != "" && !strings.EqualFold(coding, plain) {
		return denial.New(denial.BodyEncoded, "%s is %.32q", field, coding)
	}
	return nil
}

// checkContentType accepts application/json in UTF-8, the only encoding of JSON between systems (RFC 8259, section
// 8.1). Backends have been seen to parse JSON whatever the type says, so another type is no way around reading.
func checkContentType(h header.Fields) error {
	value, present, err := h.One("Content-Type")
	if err != nil {
		return err
	}
	if !present {
		return denial.New(denial.ContentType, "Content-Type is missing")
	}
	media, parameters, err := mime.ParseMediaType(value)
	if err != nil || media != "application/json" {
		return denial.New(denial.ContentType, "Content-Type is %.64q", value)
	}
	for name, v := range parameters {
		if name != "charset" || !strings.EqualFold(v, "utf-8") {
			return denial.New(denial.ContentType, "Content-Type is %.64q", value)
		}
	}
	return nil
}

// checkNoBody makes sure that a GET, DELETE or OPTIONS has no content, which RFC 9110 (section 9.3) gives no meaning
// and which some servers read anyway.
func checkNoBody(req Request) error {
	length, declared, err := req.Header.One("Content-Length")
	if err != nil {
		return err
	}
	if req.HasBody || len(req.Body) > 0 || req.Size > 0 || declared && length != "0" ||
		req.Header.Has("Transfer-Encoding") {
		return denial.New(denial.BodyUnexpected, "%s with a body", req.Method)
	}
	return nil
}

// sessionID reads Mcp-Session-Id: visible ASCII characters (2025-11-25, transports, session management).
func sessionID(h header.Fields) (string, error) {
	id, present, err := h.One("Mcp-Session-Id")
	if err != nil || !present {
		return "", err
	}
	if !visibleASCII(id) || len(id) > MaxSessionID {
		return "", denial.New(denial.HeaderInvalid, "Mcp-Session-Id of %d bytes is not 1 to %d visible ASCII characters",
			len(id), MaxSessionID)
	}
	return id, nil
}

// visibleASCII reports whether s has at least one byte and only bytes from ! to ~.
func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
