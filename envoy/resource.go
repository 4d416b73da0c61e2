package envoy

import (
	"net/http"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// Resources knows the metadata documents of protected resources (RFC 9728). [authz.Servers] does.
type Resources interface {
	// Metadata returns the document for a request: of the server that the route names, or else of the resource at this
	// authority. The path must be exactly that of the document.
	Metadata(server, authority, path string) (document []byte, ok bool)
}

// metadataCaching is how long clients may keep a metadata document.
const metadataCaching = "max-age=300"

// resource answers a request for a metadata document. It comes before everything else, because whoever asks may have
// no credential yet, and the document says nothing that the configuration does not mean to publish. A request that is
// anything but GET for exactly that document goes the way of all requests.
func (s *Server) resource(in *authv3.CheckRequest) (*authv3.CheckResponse, bool) {
	request := in.GetAttributes().GetRequest().GetHttp()
	if s.Resources == nil || request.GetMethod() != http.MethodGet || request.GetSize() > 0 ||
		request.GetBody() != "" || len(request.GetRawBody()) > 0 {
		return nil, false
	}
	server := in.GetAttributes().GetContextExtensions()[ServerExtension]
	document, ok := s.Resources.Metadata(server, request.GetHost(), request.GetPath())
	if !ok {
		return nil, false
	}
	// To Envoy this is a denial: the request goes no further, and what is in here is the answer.
	return &authv3.CheckResponse{
		Status: &status.Status{Code: int32(codes.PermissionDenied), Message: "answered"},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode_OK},
			Headers: []*corev3.HeaderValueOption{
				setHeader("cache-control", metadataCaching), setHeader("content-type", "application/json"),
			},
			Body: string(document),
		}},
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{"decision": structpb.NewStringValue("metadata")}},
	}, true
}
