package cedar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	cedargo "github.com/cedar-policy/cedar-go"

	"countersign.dev/authz"
	"countersign.dev/authz/mcp"
)

// Snapshot is one checked, immutable revision of policies, entities and pinned tools. It implements [authz.Policy] and
// is safe for concurrent use.
type Snapshot struct {
	digest   [sha256.Size]byte
	schema   []byte
	pins     pins
	registry *registry

	policies   policies
	conditions policies // the same without their scopes
	reads      []reads  // of each policy
	names      argumentNames
	numbers    *numbering
	index      *index
	doubts     doubts
	effects    map[cedargo.PolicyID]cedargo.Effect
	public     map[string]string // policy id -> @reason
	once       map[string]bool   // ids of the permits with @single_use
	onError    OnError
	monitor    monitor
}

var _ authz.Policy = (*Snapshot)(nil)

// Load reads and checks everything that cfg names. It is all or nothing: the error lists everything to repair, one
// problem a line, each with its place; [Diagnostics] has the same with more detail. An error of cfg.Accept is returned as it is.
func Load(ctx context.Context, cfg Config) (*Snapshot, error) {
	src, err := read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s, err := newSnapshot(src, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := cfg.accept(ctx, s, src); err != nil {
		return nil, err
	}
	return s, nil
}

func newSnapshot(src *sources, cfg Config) (*Snapshot, error) { return new(loader).load(src, cfg) }

// prepare makes everything that deciding takes from the policies.
func (s *Snapshot) prepare(all policies) {
	s.policies, s.conditions, s.reads = all, make(policies, len(all)), make([]reads, len(all))
	s.names, s.numbers = make(argumentNames), newNumbering()
	s.effects = make(map[cedargo.PolicyID]cedargo.Effect, len(all))
	s.public, s.once = make(map[string]string), make(map[string]bool)
	entries := make([]entry, len(all))
	for i, p := range all {
		entries[i] = entry{s.numbers.scope(p.ast()), int32(i)} //nolint:gosec // fewer than bytes of policy files
		s.conditions[i] = policy{id: p.id, body: p.conditions}
		s.reads[i] = s.names.number(p.facts, p.arguments)
		s.effects[p.id] = p.body.Effect()
		if p.once {
			s.once[string(p.id)] = true
		}
		if p.public != "" {
			s.public[string(p.id)] = p.public
		}
	}
	s.index = newIndex(entries)
	s.doubts = findDoubts(all, s.numbers)
	s.numbers.keep(s.registry.static)
	s.numbers.keep(s.registry.members)
}

// number returns what a policy reads with the numbers of this snapshot.
func (names argumentNames) number(read facts, arguments []string) reads {
	f := readFinder{names: names, facts: read}
	for _, name := range arguments {
		f.name(name)
	}
	return reads{f.facts, f.found}
}

// Revision implements [authz.Policy]: twelve hexadecimal digits of the hash of all content, the schema included. It
// does not depend on paths and times.
func (s *Snapshot) Revision() string { return hex.EncodeToString(s.digest[:6]) }

// Policies returns the number of policies.
func (s *Snapshot) Policies() int { return len(s.policies) }

// Schema returns the Cedar schema that the policies were checked against, with the actions of the pinned tools.
func (s *Snapshot) Schema() []byte { return append([]byte(nil), s.schema...) }

// Tools returns the names of the pinned tools of a server, sorted; none for a server without pins.
func (s *Snapshot) Tools(server string) []string { return s.pins.names(server) }

// ParamHeaders implements [authz.Policy]. It is nil for a server without pins.
func (s *Snapshot) ParamHeaders(server string) mcp.ParamHeaders {
	if pinned := s.pins[server]; pinned != nil {
		return pinnedHeaders(pinned)
	}
	return nil
}
