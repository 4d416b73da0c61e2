package cedar

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	cedargo "github.com/cedar-policy/cedar-go"
)

// Statistics describe how the policies of a snapshot are found.
type Statistics struct {
	Policies int `json:"policies"`
	Permits  int `json:"permits"`
	Forbids  int `json:"forbids"`
	// Unscoped are the ids of the policies whose scope asks nothing, in load order: every question evaluates them.
	Unscoped []string `json:"unscoped"`
	// Never are the ids of the policies that can never apply, because they are about no action.
	Never []string `json:"never,omitempty"`
	// Buckets say what policies are filed under, the fullest first. Whoever asks about it has the scope of each checked.
	Buckets []Bucket `json:"buckets"`
}

// Bucket is what some policies are filed under: the constraint of their scopes that the fewest policies have.
type Bucket struct {
	// Key is the constraint as Cedar.
	Key      string `json:"key"`
	Policies int    `json:"policies"`
}

// Statistics describes the index.
func (s *Snapshot) Statistics() Statistics {
	stats := Statistics{Policies: len(s.policies), Unscoped: []string{}, Buckets: []Bucket{}}
	for i, p := range s.policies {
		if p.body.Effect() == cedargo.Forbid {
			stats.Forbids++
		} else {
			stats.Permits++
		}
		if s.index.entries[i].scope[actionAxis].never {
			stats.Never = append(stats.Never, string(p.id))
		}
	}
	for _, position := range s.index.files[0] {
		stats.Unscoped = append(stats.Unscoped, string(s.policies[s.index.entries[position].policy].id))
	}
	texts := s.numbers.texts()
	for h, filed := range s.index.files {
		if h != 0 {
			stats.Buckets = append(stats.Buckets, Bucket{texts.heading(h), len(filed)})
		}
	}
	slices.SortFunc(stats.Buckets, func(a, b Bucket) int {
		return cmp.Or(cmp.Compare(b.Policies, a.Policies), cmp.Compare(a.Key, b.Key))
	})
	return stats
}

// numberTexts says what each number stands for.
type numberTexts map[int32]string

func (n *numbering) texts() numberTexts {
	texts := make(numberTexts)
	for a := range axes {
		for id, number := range n.entities[a] {
			texts[number] = id.String()
		}
		for kind, number := range n.kinds[a] {
			texts[number] = string(kind)
		}
	}
	for members, number := range n.lists {
		var ids []string
		for packed := []byte(members); len(packed) >= 4; packed = packed[4:] {
			ids = append(ids, texts[int32(binary.BigEndian.Uint32(packed))]) //nolint:gosec // it was one
		}
		slices.Sort(ids)
		texts[number] = "[" + strings.Join(ids, ", ") + "]"
	}
	return texts
}

// heading is the constraint that policies are filed under.
func (t numberTexts) heading(h heading) string {
	number := int32(h & 0xffffffff) //nolint:gosec // it was one
	relations := map[relation]string{isEntity: " == ", inEntity: " in ", isOfKind: " is "}
	return axisNames[axis(h>>40)] + relations[relation(h>>32&0xff)] + t[number] //nolint:gosec // as in under
}
