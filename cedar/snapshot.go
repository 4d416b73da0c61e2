package cedar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

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
	policies policies
	doubts   doubts
	public   map[string]string // policy id -> @reason
}

var _ authz.Policy = (*Snapshot)(nil)

// Load reads and checks everything that cfg names. It is all or nothing: the error lists everything to repair, one
// problem a line, each with its place.
func Load(ctx context.Context, cfg Config) (*Snapshot, error) {
	src, err := read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return newSnapshot(src, cfg)
}

func newSnapshot(src *sources, cfg Config) (*Snapshot, error) {
	s := &Snapshot{digest: src.digest(coreSchema)}
	parsed, bad := parsePolicies(src.policies, cfg.Policies)
	pinned, badPins := readPins(src.tools)
	if len(badPins) > 0 { // without the tools, the rest cannot be judged
		return nil, slices.Concat(bad, badPins).err()
	}
	words, err := newVocabulary(pinned)
	if err != nil {
		return nil, err
	}
	registry, badEntities := newRegistry(words, pinned, src.entities)
	if err := slices.Concat(bad, parsed.validate(words), badEntities).err(); err != nil {
		return nil, err
	}
	s.schema, s.pins, s.registry, s.policies, s.doubts = words.text, pinned, registry, parsed, findDoubts(parsed)
	s.public = make(map[string]string)
	for _, p := range parsed {
		if p.public != "" {
			s.public[string(p.id)] = p.public
		}
	}
	return s, nil
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
