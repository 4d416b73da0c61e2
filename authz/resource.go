package authz

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
)

// metadataPath is where the metadata of a protected resource is, before the path of the resource (RFC 9728, section 3.1).
const metadataPath = "/.well-known/oauth-protected-resource"

// MaxMetadata is the size that a metadata document stays below, in bytes: what Envoy lets through as the body of an
// answer of ours, see max_denied_response_body_bytes.
const MaxMetadata = 1 << 10

// maxResource is the longest resource URI, in bytes.
const maxResource = 512

// resourceMetadata is the document (RFC 9728, section 2).
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	Methods              []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name"`
}

// published is where a document is, and what is in it.
type published struct {
	authority, path string
	document        []byte
}

// publish checks what a server says about access tokens, and writes its document.
func (s *Servers) publish(server *Server) error {
	if server.Bearer == nil {
		return nil
	}
	if server.ResourceMetadata != "" {
		return errors.New("resource_metadata is for a document that somebody else serves: leave it out")
	}
	if err := server.Bearer.Check(); err != nil {
		return err
	}
	u, err := parseResource(server.Bearer.Resource)
	if err != nil {
		return err
	}
	for other, p := range s.documents {
		if p.authority == u.Host && p.path == metadataPath+u.Path {
			return fmt.Errorf("resource %q is that of server %q", server.Bearer.Resource, other)
		}
	}
	document, err := json.Marshal(resourceMetadata{
		Resource: server.Bearer.Resource, AuthorizationServers: server.Bearer.IdentityProviders,
		Scopes: server.Bearer.InitialScopes, Methods: []string{"header"}, Name: server.Name,
	})
	if err != nil {
		return fmt.Errorf("writing the metadata document: %w", err)
	}
	if len(document) >= MaxMetadata {
		return fmt.Errorf("the metadata document has %d bytes, at least %d too many: shorten resource, "+
			"identity_providers or initial_scopes", len(document), len(document)-MaxMetadata+1)
	}
	s.documents[server.Name] = published{authority: u.Host, path: metadataPath + u.Path, document: document}
	return nil
}

// parseResource accepts a resource URI in its canonical form only: clients compare it byte by byte (RFC 9728, section
// 3.3), and so do we with the audience of their tokens.
func parseResource(resource string) (*url.URL, error) {
	u, err := url.Parse(resource)
	switch {
	case err != nil:
		return nil, fmt.Errorf("resource: %w", err)
	case len(resource) > maxResource || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsAny(resource, "?#%\"\\ "):
		return nil, fmt.Errorf("resource %q: want an https URL of at most %d bytes without user, query, fragment or escapes",
			resource, maxResource)
	case u.Host != strings.ToLower(u.Host) || authority(u.Host) != u.Host || u.String() != resource:
		return nil, fmt.Errorf("resource %q: want its canonical form, such as https://crm.acme.example/mcp", resource)
	case u.Path != "" && (u.Path == "/" || path.Clean(u.Path) != u.Path):
		return nil, fmt.Errorf("resource %q: its path must not end with a slash, nor have empty segments or dots", resource)
	}
	return u, nil
}

// authority is an authority in one form: host names have no case (RFC 9110, section 4.2.3), and 443 is the port of https.
func authority(s string) string { return strings.TrimSuffix(strings.ToLower(s), ":443") }

// MetadataURL is the URL of the document that challenges point to (RFC 9728, section 5.1); empty for none.
func (s *Server) MetadataURL() string {
	if s.Bearer == nil {
		return s.ResourceMetadata
	}
	host := strings.TrimPrefix(s.Bearer.Resource, "https://")
	path := ""
	if i := strings.IndexByte(host, '/'); i >= 0 {
		host, path = host[:i], host[i:]
	}
	return "https://" + host + metadataPath + path
}

// Metadata returns the metadata document of a protected resource. Which one is told by the server that the route names,
// or else by the authority of the request, with its port; in either case the path must be the one of its document, whole
// and without a query. It is public: a client needs it before it has any credential.
func (s *Servers) Metadata(server, host, path string) (document []byte, ok bool) {
	if server != "" {
		named := s.byName[server]
		if named == nil || named.Bearer == nil {
			return nil, false
		}
		if p := s.documents[named.Name]; p.path == path {
			return p.document, true
		}
		return nil, false
	}
	for _, p := range s.documents {
		if p.authority == authority(host) && p.path == path {
			return p.document, true
		}
	}
	return nil, false
}
