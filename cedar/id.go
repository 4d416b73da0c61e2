package cedar

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// checkIDs reports ids that no request can ever have. Cedar cannot tell, and a forbid for one would never apply.
// Servers and tools that are not configured are fine: one set of policies may serve several installations.
func (p *policy) checkIDs() []complaint {
	body := p.ast()
	ids := slices.Concat(scopeEntities(body.Principal), scopeEntities(body.Resource), conditionEntities(body))
	slices.SortFunc(ids, compareUID)
	var bad []complaint
	for _, id := range slices.Compact(ids) {
		if want := wrongID(id); want != "" {
			bad = append(bad, complaint{rule: "impossible-id", entity: id, message: id.String() + " can never be", help: want})
		}
	}
	return bad
}

// wrongID returns what the id should look like; nothing when it does.
func wrongID(id types.EntityUID) string {
	name := string(id.ID)
	switch id.Type {
	case workloadType, spiffePathType:
		if workload, err := spiffeid.FromString(name); err != nil || workload.Path() == "" {
			return `write the whole SPIFFE ID, "spiffe://<trust domain>/<path>" without a "/" at the end`
		}
	case trustDomainType:
		if domain, err := spiffeid.TrustDomainFromString(name); err != nil || domain.Name() != name {
			return `write the name of the trust domain alone, in lower case, without "spiffe://"`
		}
	case toolType, promptType, taskType:
		if server, rest, ok := strings.Cut(name, "/"); !ok || server == "" || rest == "" {
			return `write "<server>/<name>"`
		}
	case uriPathType:
		if prefixes, _, exact := uriPrefixes(name); !exact || len(prefixes) == 0 || prefixes[len(prefixes)-1] != name {
			return `write "<scheme>://<authority>/<path>" in normal form, without a "/" at the end, query and fragment`
		}
	}
	return ""
}
