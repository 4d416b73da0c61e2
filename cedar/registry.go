package cedar

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
)

// registry makes entities. What the operator declared about a workload, user, server or tool (groups and tags) is
// merged into the entity made from the request's facts: parents are added, tags taken over, attributes never.
type registry struct {
	static   types.EntityMap // groups, actions, servers and pinned tools: the same for every request
	declared types.EntityMap // parents and tags of workloads, SPIFFE paths, users, servers and tools
	members  types.EntityMap // the workloads and users among them, without attributes: only there when a request names them
}

// merge adds what the operator declared.
func (r *registry) merge(id types.EntityUID, attributes types.Record, parents ...types.EntityUID) types.Entity {
	declared := r.declared[id]
	return types.Entity{
		UID:        id,
		Parents:    types.NewEntityUIDSet(slices.AppendSeq(parents, declared.Parents.All())...),
		Attributes: attributes,
		Tags:       declared.Tags,
	}
}

func workloadUID(id spiffeid.ID) types.EntityUID { return uid(workloadType, id.String()) }

// workload has all its path prefixes as direct parents, so that `in` needs one look. Its attributes are made by
// workloadAttributes, when somebody reads them.
func (r *registry) workload(id spiffeid.ID) types.Entity {
	if member, ok := r.members[workloadUID(id)]; ok {
		return member
	}
	prefixes := spiffePrefixes(id)
	parents := make([]types.EntityUID, 0, 2+2*len(prefixes))
	parents = append(parents, uid(trustDomainType, id.TrustDomain().Name()))
	for _, prefix := range prefixes {
		path := uid(spiffePathType, prefix)
		parents = append(parents, path)
		if declared, ok := r.declared[path]; ok {
			parents = slices.AppendSeq(parents, declared.Parents.All())
		}
	}
	return r.merge(workloadUID(id), types.Record{}, parents...)
}

func workloadAttributes(id spiffeid.ID, want facts) types.Record {
	attributes := make(types.RecordMap, 4)
	if want.has(factSpiffeID) {
		attributes["spiffe_id"] = types.String(id.String())
	}
	if want.has(factTrustDomain) {
		attributes["trust_domain"] = types.String(id.TrustDomain().Name())
	}
	if want.has(factWorkloadPath) {
		attributes["path"] = types.String(id.Path())
	}
	if want.has(factKubernetes) {
		if namespace, account, ok := serviceAccount(id.Path()); ok {
			attributes["k8s"] = types.NewRecord(types.RecordMap{
				"namespace": types.String(namespace), "service_account": types.String(account),
			})
		}
	}
	return types.NewRecord(attributes)
}

// serviceAccount reads a path of the form that SPIRE and Istio give to a Kubernetes service account:
// /ns/<namespace>/sa/<account>. Segments of a SPIFFE ID are not empty.
func serviceAccount(path string) (namespace, account string, ok bool) {
	rest, isNamespace := strings.CutPrefix(path, "/ns/")
	namespace, rest, _ = strings.Cut(rest, "/")
	account, isAccount := strings.CutPrefix(rest, "sa/")
	return namespace, account, isNamespace && isAccount && !strings.Contains(account, "/")
}

// spiffePrefixes returns the ID and the IDs above it. SPIFFE IDs have one way to be written (SPIFFE-ID, section 2), so
// cutting at "/" is exact.
func spiffePrefixes(id spiffeid.ID) []string {
	full := id.String()
	base := len(full) - len(id.Path())
	prefixes := make([]string, 0, strings.Count(id.Path(), "/"))
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

// userID makes the subject somebody among those of all root issuers.
func userID(q *authz.Query) string { return q.SubjectPrefix + q.Delegation.Subject }

func userUID(id string) types.EntityUID { return uid(userType, id) }

// user leaves the attributes to userAttributes, as workload does.
func (r *registry) user(id string) types.Entity {
	if member, ok := r.members[userUID(id)]; ok {
		return member
	}
	return r.merge(userUID(id), types.Record{})
}

func userAttributes(subject, issuer string, want facts) types.Record {
	attributes := make(types.RecordMap, 2)
	if want.has(factUserSubject) {
		attributes["subject"] = types.String(subject)
	}
	if want.has(factUserIssuer) {
		attributes["issuer"] = types.String(issuer)
	}
	return types.NewRecord(attributes)
}

// newServer makes a server.
func (r *registry) newServer(id types.EntityUID) types.Entity {
	return r.merge(id, types.NewRecord(types.RecordMap{"name": id.ID}))
}

// newTool makes a tool; without a pin one that is taken for dangerous because nobody vouched for it.
func (r *registry) newTool(id types.EntityUID, server, name string, p *pin) types.Entity {
	readOnly, destructive, idempotent, openWorld := false, true, false, true
	if p != nil {
		readOnly, destructive, idempotent, openWorld = p.Hints.ReadOnly, p.Hints.Destructive, p.Hints.Idempotent, p.Hints.OpenWorld
	}
	return r.merge(id, types.NewRecord(types.RecordMap{
		"name":  types.String(name),
		"known": types.Boolean(p != nil),
		"hints": types.NewRecord(types.RecordMap{
			"read_only": types.Boolean(readOnly), "destructive": types.Boolean(destructive),
			"idempotent": types.Boolean(idempotent), "open_world": types.Boolean(openWorld),
		}),
	}), uid(serverType, server))
}

// offered is a prompt or task of a server.
func offered(id types.EntityUID, server, name string) types.Entity {
	return types.Entity{
		UID:        id,
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
