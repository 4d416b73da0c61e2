package authz

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// serverName is what fits into scopes ("mcp:<server>:<tool>") and Cedar ids ("<server>/<tool>") without quoting.
var serverName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Servers is the set of MCP backends. It is immutable.
type Servers struct {
	byName    map[string]*Server
	byBackend map[spiffeid.ID]*Server
	byMatch   map[match]*Server
	documents map[string]published // by server; those with Bearer
}

// match is one host and path; either may be empty for any.
type match struct{ host, path string }

// NewServers checks the servers and returns the set. Errors name the server and what to change.
func NewServers(servers []Server) (*Servers, error) {
	s := &Servers{
		byName:    make(map[string]*Server, len(servers)),
		byBackend: make(map[spiffeid.ID]*Server),
		byMatch:   make(map[match]*Server),
		documents: make(map[string]published),
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("no MCP servers are configured: name at least one")
	}
	shared := make(map[spiffeid.ID]bool)
	for i := range servers {
		server := &servers[i]
		if err := s.add(server); err != nil {
			return nil, err
		}
		if server.Backend.IsZero() {
			continue
		}
		if _, taken := s.byBackend[server.Backend]; taken {
			shared[server.Backend] = true
		}
		s.byBackend[server.Backend] = server
	}
	// A workload that serves several MCP servers does not tell which one is meant.
	for backend := range shared {
		delete(s.byBackend, backend)
	}
	return s, nil
}

func (s *Servers) add(server *Server) error {
	if !serverName.MatchString(server.Name) {
		return fmt.Errorf("server name %q: use 1 to 64 letters, digits, '.', '_' or '-', "+
			"beginning and ending with a letter or digit", server.Name)
	}
	if s.byName[server.Name] != nil {
		return fmt.Errorf("server %q is configured twice", server.Name)
	}
	if server.ResourceMetadata != "" {
		u, err := url.Parse(server.ResourceMetadata)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(server.ResourceMetadata, "\"\\ ") {
			return fmt.Errorf("server %q: resource_metadata %q: want an https URL", server.Name, server.ResourceMetadata)
		}
	}
	if _, err := server.Mode.MarshalText(); err != nil {
		return fmt.Errorf("server %q: %w", server.Name, err)
	}
	if err := s.publish(server); err != nil {
		return fmt.Errorf("server %q: bearer: %w", server.Name, err)
	}
	s.byName[server.Name] = server
	for _, m := range matches(server) {
		if other := s.byMatch[m]; other != nil {
			return fmt.Errorf("servers %q and %q both match host %q and path %q", other.Name, server.Name, m.host, m.path)
		}
		s.byMatch[m] = server
	}
	return nil
}

// matches lists the combinations of a server's hosts and paths.
func matches(server *Server) []match {
	if len(server.Hosts) == 0 && len(server.Paths) == 0 {
		return nil
	}
	orAny := func(list []string) []string {
		if len(list) == 0 {
			return []string{""}
		}
		return list
	}
	var all []match
	for _, host := range orAny(server.Hosts) {
		for _, path := range orAny(server.Paths) {
			all = append(all, match{strings.ToLower(host), path})
		}
	}
	return all
}

// Find returns the server that a request is for: the one that the route names; else the one whose workload Envoy
// served the request as; else the one that matches host and path. Hosts and paths are compared whole, so that no
// unnormalised path can stand for another. A route that names an unknown server is refused, and so is a host or path
// that is not among those of the server: what else the backend serves is not the MCP server.
func (s *Servers) Find(req *Request) (*Server, error) {
	path, _, _ := strings.Cut(req.Path, "?")
	host := strings.ToLower(req.Host)
	if req.Server != "" {
		server := s.byName[req.Server]
		if server == nil {
			return nil, denial.New(denial.ServerUnknown,
				"the route's context extension names server %.64q, which is not configured", req.Server)
		}
		return server.at(host, path)
	}
	if id, err := spiffeid.FromString(req.Destination); err == nil {
		if server := s.byBackend[id]; server != nil {
			return server.at(host, path)
		}
	}
	for _, m := range []match{{host, path}, {host, ""}, {"", path}} {
		if server := s.byMatch[m]; server != nil && m != (match{}) {
			return server, nil
		}
	}
	return nil, denial.New(denial.ServerUnknown,
		"no server matches host %.128q and path %.128q, and the route names none", req.Host, path)
}

// at returns the server if it has the host and path, or names none.
func (s *Server) at(host, path string) (*Server, error) {
	sameHost := func(h string) bool { return strings.EqualFold(h, host) }
	if len(s.Hosts) > 0 && !slices.ContainsFunc(s.Hosts, sameHost) || len(s.Paths) > 0 && !slices.Contains(s.Paths, path) {
		return nil, denial.New(denial.ServerUnknown, "server %s is not at host %.128q and path %.128q", s.Name, host, path)
	}
	return s, nil
}

// backend returns the workload that the server's tokens are for.
func (s *Server) backend(req *Request) (spiffeid.ID, error) {
	if !s.Backend.IsZero() {
		return s.Backend, nil
	}
	id, err := spiffeid.FromString(req.Destination)
	if err != nil || id.Path() == "" {
		return spiffeid.ID{}, denial.New(denial.ServerUnknown,
			"server %s has no configured backend, and Envoy reports no SPIFFE ID of its own (%.128q)", s.Name, req.Destination)
	}
	return id, nil
}
