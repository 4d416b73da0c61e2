package mcp

import (
	"strings"
	"unicode"

	"countersign.dev/authz/denial"
)

// fewNames is the number of members up to which comparing each name with each other is cheaper than a map.
const fewNames = 16

// nameSet finds names of one object that some parser takes for one another.
type nameSet struct{ folded map[string]string }

// add refuses a name that is unsafe next to the members before it.
func (s *nameSet) add(before []Member, name string) error {
	if strings.IndexByte(name, 0) >= 0 {
		return denial.New(denial.JSONNULKey, "the member name %.64q", name)
	}
	if len(before) < fewNames {
		for i := range before {
			if strings.EqualFold(before[i].Name, name) {
				return clash(before[i].Name, name)
			}
		}
		return nil
	}
	if s.folded == nil {
		s.folded = make(map[string]string, 4*fewNames)
		for i := range before {
			s.folded[fold(before[i].Name)] = before[i].Name
		}
	}
	key := fold(name)
	if other, taken := s.folded[key]; taken {
		return clash(other, name)
	}
	s.folded[key] = name
	return nil
}

func clash(a, b string) error {
	if a == b {
		return denial.New(denial.JSONDuplicateKey, "%.64q comes twice", a)
	}
	return denial.New(denial.JSONCaseVariant, "%.64q and %.64q", a, b)
}

// fold maps names that are equal under Unicode simple folding, as strings.EqualFold sees it, to one string: every
// rune is replaced by the smallest one that folds to it. "K", "k" and U+212A (Kelvin) become "K".
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (r < 'a' || r > 'z') {
			return r
		}
		smallest := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			smallest = min(smallest, next)
		}
		return smallest
	}, name)
}

// The members that a protocol version gives a meaning to, for each object whose members decide what a call does. A
// backend that ignores case (Go's encoding/json does) would read another spelling as the same member.
var (
	knownEnvelope = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	knownError    = []string{"code", "message", "data"}
	knownParams   = []string{
		"_meta", "name", "arguments", "uri", "ref", "argument", "context", "cursor", "level", "task", "taskId",
		"notifications", "inputResponses", "requestState",
		"protocolVersion", "capabilities", "clientInfo",
		"requestId", "reason", "progressToken", "progress", "total", "message", "status",
	}
	knownMeta = []string{
		metaVersion, metaCapabilities, "io.modelcontextprotocol/clientInfo", "io.modelcontextprotocol/logLevel",
		"io.modelcontextprotocol/related-task", "progressToken", "traceparent", "tracestate", "baggage",
	}
	knownRef           = []string{"type", "name", "title", "uri"}
	knownNotifications = []string{
		"toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions",
	}
)

// refuseVariants refuses a member that is a known one but for its case, also where the exact one is absent.
func refuseVariants(o Object, known []string) error {
	for i := range o.members {
		if err := refuseVariant(o.members[i].Name, known); err != nil {
			return err
		}
	}
	return nil
}

func refuseVariant(name string, known []string) error {
	for _, k := range known {
		if name == k {
			return nil
		}
		if strings.EqualFold(name, k) {
			return denial.New(denial.JSONCaseVariant, "%.64q instead of %q", name, k)
		}
	}
	return nil
}
