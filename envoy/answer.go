package envoy

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"countersign.dev/authz"
	"countersign.dev/authz/denial"
)

// maxHeaderValue is the longest header value that is set, in bytes: the limit of the delegation token.
const maxHeaderValue = 8192

// answer builds the CheckResponse for a decision. Nothing else builds one: Envoy lets a request pass on an empty
// CheckResponse, and on status OK next to a denied_response. A zero decision denies, and so does an allowed one that
// lacks what the backend relies on.
func answer(req *authz.Request, d authz.Decision) *authv3.CheckResponse {
	if d.Allowed {
		ok, err := allow(req, d)
		if err != nil && d.Server != nil && d.Server.Mode == authz.Shadow {
			d.WouldDeny, d.Token, d.Plain = denial.ReasonOf(err), "", nil
			ok, err = allow(req, d)
		}
		if err == nil {
			return &authv3.CheckResponse{
				Status:          &status.Status{Code: int32(codes.OK)},
				HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
				DynamicMetadata: metadata("allow", d),
			}
		}
		d.Allowed, d.Reason, d.Public = false, denial.ReasonOf(err), ""
	}
	d.WouldDeny = ""
	if d.Reason == "" {
		d.Reason = denial.Internal
	}
	r := newRefusal(req, d).reply()
	code := codes.PermissionDenied
	if r.status == typev3.StatusCode_Unauthorized {
		code = codes.Unauthenticated
	}
	return &authv3.CheckResponse{
		Status: &status.Status{Code: int32(code), Message: string(d.Reason)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: r.status},
			Headers: denialHeaders(d.ID, r),
			Body:    string(r.body),
		}},
		DynamicMetadata: metadata("deny", d),
	}
}

// allow sets the countersigned token and takes away what only proxies may say. It only takes away where the decision lets
// pass what would have been refused.
func allow(req *authz.Request, d authz.Decision) (*authv3.OkHttpResponse, error) {
	switch {
	case d.Reason != "":
		return nil, denial.New(denial.Internal, "an allowed decision with the reason %s", d.Reason)
	case d.Server == nil:
		return nil, denial.New(denial.Internal, "an allowed decision without a server")
	case d.WouldDeny != "":
		return letThrough(req, d)
	case !isToken(d.Token):
		return nil, denial.New(denial.Internal, "an allowed decision without a token that fits into a header")
	}
	headers, set := []*corev3.HeaderValueOption{setHeader(tokenHeader, d.Token)}, []string{tokenHeader}
	for _, f := range d.Plain {
		if !isReservedField(f, d.Server) {
			return nil, denial.New(denial.Internal, "%.64q is not a plain header that fits", f.Name)
		}
		headers, set = append(headers, setHeader(f.Name, f.Value)), append(set, f.Name)
	}
	remove, err := removals(req.MCP.Header, d.Server, set)
	if err != nil {
		return nil, err
	}
	return &authv3.OkHttpResponse{Headers: headers, HeadersToRemove: remove}, nil
}

// letThrough sets nothing, so that everything reserved is taken away, a token of the caller's first of all: the backend
// gets to see no evidence but ours. It is for servers that are tried out, and nothing else.
func letThrough(req *authz.Request, d authz.Decision) (*authv3.OkHttpResponse, error) {
	if d.Server.Mode != authz.Shadow || d.Token != "" || len(d.Plain) > 0 {
		return nil, denial.New(denial.Internal, "a request that %s refuses is let through, or with evidence", d.WouldDeny)
	}
	remove, err := removals(req.MCP.Header, d.Server, nil)
	if err != nil {
		return nil, err
	}
	return &authv3.OkHttpResponse{HeadersToRemove: remove}, nil
}

// isReservedField reports whether a plain header can be set: its name is one that a caller can not have written, and its
// value fits.
func isReservedField(f authz.PlainField, server *authz.Server) bool {
	return strings.HasPrefix(f.Name, reservedPrefix) && isFieldName(f.Name) && reserved(f.Name, server) && isVisible(f.Value)
}

// denialHeaders are the headers of a denial, in a fixed order.
func denialHeaders(decisionID string, r reply) []*corev3.HeaderValueOption {
	headers := []*corev3.HeaderValueOption{setHeader("cache-control", "no-store")}
	if len(r.body) > 0 {
		headers = append(headers, setHeader("content-type", "application/json"))
	}
	if isToken(decisionID) {
		headers = append(headers, setHeader(decisionHeader, decisionID))
	}
	if r.header != nil && isVisible(r.header.value) {
		headers = append(headers, setHeader(r.header.name, r.header.value))
	}
	return headers
}

// setHeader replaces all fields of that name. Both forms of saying so are there because one line of Envoy releases
// (1.37) appends otherwise; and the value is in value because a raw_value reaches the backend as an empty header.
func setHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		Append:       wrapperspb.Bool(false), //nolint:staticcheck // deprecated, and read by the releases in use
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// isVisible reports whether s can be a header value: visible ASCII, and spaces inside (RFC 9110, section 5.5).
func isVisible(s string) bool {
	if s == "" || len(s) > maxHeaderValue || strings.TrimSpace(s) != s {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isToken is isVisible for a value that has no space either.
func isToken(s string) bool { return isVisible(s) && !strings.Contains(s, " ") }
