package trust

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckSubjectPrefixes makes sure that no subject of one root issuer can be taken for a subject of another. The prefixes
// are given by issuer. One issuer may have none; none of the others' may be the beginning of another.
func CheckSubjectPrefixes(byIssuer map[string]string) error {
	issuers := slices.Sorted(maps.Keys(byIssuer))
	for i, a := range issuers {
		for _, b := range issuers[i+1:] {
			x, y := byIssuer[a], byIssuer[b]
			if x == y || x != "" && y != "" && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x)) {
				return fmt.Errorf("subjects of %s and %s may be taken for each other: all root issuers but one need a prefix, "+
					"none of which begins another", a, b)
			}
		}
	}
	return nil
}

// Reserves returns the prefix of another root issuer that a subject begins with, "" if there is none.
func (i Issuer) Reserves(subject string) string {
	for _, prefix := range i.ReservedPrefixes {
		if strings.HasPrefix(subject, prefix) {
			return prefix
		}
	}
	return ""
}

// tellSubjectsApart reserves prefixes. A Store that only verifies may have root issuers without: it tells subjects apart
// by their issuers.
func (s *Store) tellSubjectsApart() error {
	var roots []*Issuer
	for i := range s.selves {
		roots = append(roots, &s.selves[i].Issuer)
	}
	for _, e := range s.entries {
		roots = append(roots, &e.Issuer)
	}
	roots = slices.DeleteFunc(roots, func(i *Issuer) bool { return i.Role != Root })
	prefixes := make(map[string]string, len(roots))
	var all []string
	for _, root := range roots {
		prefixes[root.ID] = root.SubjectPrefix
		if root.SubjectPrefix != "" {
			all = append(all, root.SubjectPrefix)
		}
	}
	for _, root := range roots {
		if root.SubjectPrefix == "" {
			root.ReservedPrefixes = all
		}
	}
	if len(s.selves) == 0 {
		return nil
	}
	return CheckSubjectPrefixes(prefixes)
}
