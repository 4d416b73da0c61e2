package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/cedar"
)

// A misspelt tool or trust domain is denied by whatever the policies are, so that a case which expects that proves nothing.

// knownDomains returns the trust domains that policies, entities and the peers of cases that are allowed name. While
// policies and entities name none, any will do.
func knownDomains(s *cedar.Snapshot, files []*File) []string {
	known := s.TrustDomains()
	if len(known) == 0 {
		return nil
	}
	all := make(map[string]bool)
	for _, name := range known {
		all[name] = true
	}
	for _, f := range files {
		maps.Copy(all, f.allowed)
	}
	return slices.Sorted(maps.Keys(all))
}

// unknownName returns what is wrong with the names in a case.
func (r *runner) unknownName(c *Case, q *question) string {
	wrong := ""
	if q.revoke == nil {
		wrong = r.unknownTool(c.Request.Server, c.Request.Tool, c.Unpinned)
	}
	if wrong == "" && !q.backend.IsZero() {
		wrong = r.unknownTool(q.server, q.tool, c.Unpinned)
	}
	if wrong == "" && !c.Stranger {
		wrong = r.unknownDomains(q)
	}
	return wrong
}

func (r *runner) unknownTool(server, tool string, unpinned bool) string {
	if unpinned {
		tool = "" // the server must be known all the same
	}
	wrong := r.snapshot.Unknown(server, tool)
	if wrong != "" && tool != "" && r.snapshot.Unknown(server, "") == "" {
		wrong = ifMeant(wrong, "unpinned")
	}
	return wrong
}

func (r *runner) unknownDomains(q *question) string {
	if len(r.domains) == 0 {
		return ""
	}
	for _, w := range []struct {
		what string
		id   spiffeid.ID
	}{{"peer", q.peer()}, {"backend", q.backend}} {
		if name := w.id.TrustDomain().Name(); !w.id.IsZero() && !slices.Contains(r.domains, name) {
			return ifMeant(fmt.Sprintf("no policy, entity or case that is allowed names the trust domain %q of the %s%s",
				name, w.what, didYouMean(name, r.domains)), "stranger")
		}
	}
	return ""
}

// ifMeant adds to what is unknown how a case says that it is meant.
func ifMeant(wrong, member string) string {
	if strings.HasSuffix(wrong, "?") {
		return wrong + " If it is meant, write " + member + ": true"
	}
	return wrong + ": if it is meant, write " + member + ": true"
}

// peer is the workload that asks.
func (q *question) peer() spiffeid.ID {
	if q.revoke != nil {
		return q.revoke.Workload
	}
	return q.query.Peer.ID
}
