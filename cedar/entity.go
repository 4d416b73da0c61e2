package cedar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// registry makes entities. What the operator declared about a workload, user, server or tool (groups and tags) is
// merged into the entity made from the request's facts: parents are added, tags taken over, attributes never.
type registry struct {
	static   types.EntityMap // groups, actions, servers and pinned tools: the same for every request
	declared types.EntityMap // parents and tags of workloads, SPIFFE paths, users, servers and tools
}

// merge adds what the operator declared.
func (r *registry) merge(id types.EntityUID, attributes types.RecordMap, parents ...types.EntityUID) types.Entity {
	declared := r.declared[id]
	return types.Entity{
		UID:        id,
		Parents:    types.NewEntityUIDSet(slices.AppendSeq(parents, declared.Parents.All())...),
		Attributes: types.NewRecord(attributes),
		Tags:       declared.Tags,
	}
}

// kubernetesPath is the path of a SPIFFE ID that SPIRE and Istio give to a Kubernetes service account.
var kubernetesPath = regexp.MustCompile(`^/ns/([^/]+)/sa/([^/]+)$`)

// workload has all its path prefixes as direct parents, so that `in` needs one look.
func (r *registry) workload(id spiffeid.ID) types.Entity {
	full, trustDomain := id.String(), id.TrustDomain().Name()
	attributes := types.RecordMap{
		"spiffe_id":    types.String(full),
		"trust_domain": types.String(trustDomain),
		"path":         types.String(id.Path()),
	}
	if m := kubernetesPath.FindStringSubmatch(id.Path()); m != nil {
		attributes["k8s"] = types.NewRecord(types.RecordMap{
			"namespace": types.String(m[1]), "service_account": types.String(m[2]),
		})
	}
	parents := []types.EntityUID{uid(trustDomainType, trustDomain)}
	for _, prefix := range spiffePrefixes(id) {
		path := uid(spiffePathType, prefix)
		parents = append(parents, path)
		parents = slices.AppendSeq(parents, r.declared[path].Parents.All())
	}
	return r.merge(uid(workloadType, full), attributes, parents...)
}

// spiffePrefixes returns the ID and the IDs above it. SPIFFE IDs have one way to be written (SPIFFE-ID, section 2), so
// cutting at "/" is exact.
func spiffePrefixes(id spiffeid.ID) []string {
	full := id.String()
	base := len(full) - len(id.Path())
	var prefixes []string
	for i := base + 1; i < len(full); i++ {
		if full[i] == '/' {
			prefixes = append(prefixes, full[:i])
		}
	}
	if base < len(full) {
		prefixes = append(prefixes, full)
	}
	return prefixes
}

func (r *registry) user(subject, issuer string) types.Entity {
	return r.merge(uid(userType, subject), types.RecordMap{
		"subject": types.String(subject), "issuer": types.String(issuer),
	})
}

func (r *registry) server(name string) types.Entity {
	id := uid(serverType, name)
	if known, ok := r.static[id]; ok {
		return known
	}
	return r.merge(id, types.RecordMap{"name": types.String(name)})
}

// tool returns the pinned tool, or one that is taken for dangerous because nobody vouched for it.
func (r *registry) tool(server, name string) types.Entity {
	id := uid(toolType, toolID(server, name))
	if known, ok := r.static[id]; ok {
		return known
	}
	return r.newTool(id, server, name, nil)
}

func (r *registry) newTool(id types.EntityUID, server, name string, p *pin) types.Entity {
	readOnly, destructive, idempotent, openWorld := false, true, false, true
	if p != nil {
		readOnly, destructive, idempotent, openWorld = p.Hints.ReadOnly, p.Hints.Destructive, p.Hints.Idempotent, p.Hints.OpenWorld
	}
	return r.merge(id, types.RecordMap{
		"name":  types.String(name),
		"known": types.Boolean(p != nil),
		"hints": types.NewRecord(types.RecordMap{
			"read_only": types.Boolean(readOnly), "destructive": types.Boolean(destructive),
			"idempotent": types.Boolean(idempotent), "open_world": types.Boolean(openWorld),
		}),
	}, uid(serverType, server))
}

// offered is a prompt or task of a server.
func offered(kind types.EntityType, server, name string) types.Entity {
	return types.Entity{
		UID:        uid(kind, toolID(server, name)),
		Parents:    types.NewEntityUIDSet(uid(serverType, server)),
		Attributes: types.NewRecord(types.RecordMap{"name": types.String(name)}),
	}
}

// resource has its server and URI prefixes as parents; without the prefixes, and exact false, when the URI is ambiguous.
func resource(server, uri string) (entity types.Entity, exact bool) {
	prefixes, scheme, exact := uriPrefixes(uri)
	parents := []types.EntityUID{uid(serverType, server)}
	if exact {
		for _, prefix := range prefixes {
			parents = append(parents, uid(uriPathType, prefix))
		}
	}
	return types.Entity{
		UID:     uid(resourceType, uri),
		Parents: types.NewEntityUIDSet(parents...),
		Attributes: types.NewRecord(types.RecordMap{
			"uri": types.String(uri), "scheme": types.String(strings.ToLower(scheme)),
		}),
	}, exact
}

// layered looks into the entities of one request first. Neither map is changed by evaluation.
type layered struct {
	request, static types.EntityMap
}

var _ types.EntityGetter = layered{}

// Get implements types.EntityGetter.
func (l layered) Get(id types.EntityUID) (types.Entity, bool) {
	if e, ok := l.request[id]; ok {
		return e, true
	}
	e, ok := l.static[id]
	return e, ok
}
