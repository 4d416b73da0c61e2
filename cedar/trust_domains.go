package cedar

import (
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// TrustDomains returns the SPIFFE trust domains that policies and entities name, sorted: by an entity, or by a text that
// principal.trust_domain or principal.spiffe_id may be compared with.
func (s *Snapshot) TrustDomains() []string {
	seen := make(map[string]bool)
	for _, id := range s.entitiesOf(trustDomainType, spiffePathType, workloadType) {
		noteTrustDomain(seen, string(id.ID))
	}
	for _, p := range s.policies {
		for _, condition := range (*ast.Policy)(p.body.AST()).Conditions {
			ast.Inspect(ast.NewNode(condition.Body), func(n ast.IsNode) bool {
				switch n := n.(type) {
				case ast.NodeValue:
					if text, ok := n.Value.(types.String); ok {
						noteTrustDomain(seen, string(text))
					}
				case ast.NodeTypeLike:
					pattern := string(n.Value.MarshalCedar())
					noteTrustDomain(seen, strings.Trim(pattern, `"`))
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// noteTrustDomain notes the trust domain of a SPIFFE ID or a pattern for some, or one that stands by itself. A word without
// a dot is hardly one.
func noteTrustDomain(seen map[string]bool, text string) {
	name, isID := strings.CutPrefix(text, "spiffe://")
	if isID {
		name, _, _ = strings.Cut(name, "/")
	}
	if domain, err := spiffeid.TrustDomainFromString(name); err == nil && (isID || strings.Contains(name, ".")) {
		seen[domain.Name()] = true
	}
}
