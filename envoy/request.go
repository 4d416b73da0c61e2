package envoy

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"countersign.dev/authz"
	"countersign.dev/authz/header"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/peer"
)

// ServerExtension is the context extension in which a route names the MCP server behind it. Context extensions come
// from Envoy's configuration, so the caller cannot set it.
const ServerExtension = "countersign.server"

// maxRequestID is the longest stream id that is kept, in bytes. Envoy's own has at most 20 digits.
const maxRequestID = 128

// newRequest converts a CheckRequest. Every part of it may be missing: what comes out is then empty in that place,
// and refused by whoever needs it.
func newRequest(in *authv3.CheckRequest) *authz.Request {
	attributes := in.GetAttributes()
	http := attributes.GetRequest().GetHttp()
	fields := headerFields(http)
	body, sanitised := http.GetRawBody(), false
	if len(body) == 0 {
		body, sanitised = []byte(http.GetBody()), true
	}
	return &authz.Request{
		ID: clip(http.GetId(), maxRequestID),
		Peer: peer.Evidence{
			Principal:   attributes.GetSource().GetPrincipal(),
			Certificate: attributes.GetSource().GetCertificate(),
			XFCC:        fields.All(forwardedCertHeader),
		},
		Server:      attributes.GetContextExtensions()[ServerExtension],
		Destination: attributes.GetDestination().GetPrincipal(),
		Host:        withoutPort(http.GetHost()),
		Path:        http.GetPath(),
		SourceIP:    address(attributes.GetSource().GetAddress()),
		MCP: mcp.Request{
			Method: http.GetMethod(),
			Header: fields,
			Body:   body,
			// Envoy has put "!" in the place of bytes that are not UTF-8.
			Sanitised: sanitised && len(body) > 0,
			// An empty body and no body look the same here.
			HasBody: len(body) > 0,
			Size:    http.GetSize(),
		},
	}
}

// headerFields returns the header section without pseudo-headers. Envoy sends it in header_map, field by field, when
// encode_raw_headers is set, and else in headers, with the fields of one name joined.
func headerFields(http *authv3.AttributeContext_HttpRequest) header.Fields {
	raw := http.GetHeaderMap().GetHeaders()
	fields := header.NewFields(len(raw) == 0)
	for _, field := range raw {
		value := string(field.GetRawValue())
		if value == "" {
			value = field.GetValue()
		}
		addField(fields, field.GetKey(), value)
	}
	if len(raw) > 0 {
		return fields
	}
	for name, value := range http.GetHeaders() {
		addField(fields, name, value)
	}
	return fields
}

func addField(fields header.Fields, name, value string) {
	if name != "" && !strings.HasPrefix(name, ":") {
		fields.Add(name, value)
	}
}

// withoutPort removes a port from an authority (RFC 3986, section 3.2). An IPv6 address keeps its brackets.
func withoutPort(authority string) string {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || strings.Trim(authority[colon+1:], "0123456789") != "" {
		return authority
	}
	host := authority[:colon]
	if strings.Contains(host, ":") && !strings.HasSuffix(host, "]") {
		return authority // an IPv6 address without brackets
	}
	return host
}

// address returns the IP address of an Envoy address; zero for a Unix socket or an internal listener.
func address(a *corev3.Address) netip.Addr {
	ip, err := netip.ParseAddr(a.GetSocketAddress().GetAddress())
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

// clip returns the longest beginning of s that is valid UTF-8 and has at most limit bytes. Bytes that are not UTF-8
// become U+FFFD.
func clip(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
