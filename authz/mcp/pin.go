package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Pin is a tools/list result that an operator recorded, with where it is from and hashes of what it says. The hashes
// show that somebody edited the file; they do not show who wrote it.
type Pin struct {
	// Server is the configured name of the server; empty if the file does not say.
	Server string
	// Source is the URL that the list was pulled from, and PulledAt when; empty and zero if the file does not say.
	Source   string
	PulledAt time.Time
	// ProtocolVersion is the MCP version that the server spoke.
	ProtocolVersion string
	// Hash is that of all tools, as [HashTools] returns it; empty for a plain tools/list result.
	Hash string
	// Tools are in the order of the file.
	Tools []Tool
}

const (
	hashPrefix = "sha256:"
	hashAdvice = `; pull it again with "countersign tools pull", or accept what the file says with "countersign tools pin"`
)

// pinMembers are the members of a pin file, as opposed to those of a tools/list result.
var pinMembers = []string{"server", "source", "pulled_at", "protocol_version", "hash", "hashes", "tools"}

// Hash returns the SHA-256 of the tool's definition in the JSON Canonicalization Scheme (RFC 8785), as "sha256:" and
// hexadecimal digits. The order of members, white space and the way in which numbers and strings are written do not
// count; everything else does.
func (t Tool) Hash() (string, error) { return hashObject(t.Definition) }

// HashTools returns the hash of a list of tools, which does not depend on their order: that of a JSON object with the
// hash of every tool by its name. It returns that object, too.
func HashTools(tools []Tool) (hash string, each Object, err error) {
	members := make([]Member, 0, len(tools))
	for _, t := range tools {
		h, err := t.Hash()
		if err != nil {
			return "", Object{}, fmt.Errorf("tool %q: %w", t.Name, err)
		}
		members = append(members, Member{t.Name, String(h)})
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	each = NewObject(members...)
	hash, err = hashObject(each)
	return hash, each, err
}

func hashObject(o Object) (string, error) {
	text := jsontext.Value(o.AppendJSON(nil))
	if err := text.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return "", fmt.Errorf("canonicalizing: %w", err)
	}
	sum := sha256.Sum256(text)
	return hashPrefix + hex.EncodeToString(sum[:]), nil
}

// JSON returns the pin as a file: indented, tools by name, with their hashes.
func (p Pin) JSON() ([]byte, error) {
	hash, each, err := HashTools(p.Tools)
	if err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(slices.Values(p.Tools), func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
	tools := make(Array, len(sorted))
	for i, t := range sorted {
		tools[i] = t.Definition
	}
	var members []Member
	for _, m := range []Member{{"server", String(p.Server)}, {"source", String(p.Source)}} {
		if m.Value != Value(String("")) {
			members = append(members, m)
		}
	}
	if !p.PulledAt.IsZero() {
		members = append(members, Member{"pulled_at", String(p.PulledAt.UTC().Format(time.RFC3339))})
	}
	if p.ProtocolVersion != "" {
		members = append(members, Member{"protocol_version", String(p.ProtocolVersion)})
	}
	members = append(members, Member{"hash", String(hash)}, Member{"hashes", each}, Member{"tools", tools})
	text := jsontext.Value(NewObject(members...).AppendJSON(nil))
	if err := text.Indent(jsontext.WithIndent("  ")); err != nil {
		return nil, fmt.Errorf("writing the pin: %w", err)
	}
	return append(text, '\n'), nil
}

// ParsePin reads what [ParseToolList] reads, with everything that a pin file says. A file with a hash must have the
// tools that the hash is of.
func ParsePin(data []byte) (Pin, error) {
	p, changed, err := ReadPin(data)
	switch {
	case err != nil:
		return Pin{}, err
	case len(changed) > 0:
		return Pin{}, fmt.Errorf("the file was changed after it was pinned (%s)%s", strings.Join(changed, ", "), hashAdvice)
	}
	return p, nil
}

// ReadPin is [ParsePin] for somebody who wants to see what was changed: it lists what does not have the hash in the
// file instead of refusing it.
func ReadPin(data []byte) (p Pin, changed []string, err error) {
	result, err := ParseObject(data)
	if err != nil {
		return Pin{}, nil, fmt.Errorf("tools/list result: %w", err)
	}
	where := ""
	if v, ok := result.Get("result"); ok {
		where = "/result"
		if result, ok = v.(Object); !ok {
			return Pin{}, nil, fmt.Errorf("tools/list result: %s is not an object", where)
		}
	}
	if v, ok := result.Get("nextCursor"); ok && v != (Value)(Null{}) {
		return Pin{}, nil, fmt.Errorf("tools/list result: %s/nextCursor: the list is not complete, join its pages", where)
	}
	if p.Tools, err = readTools(result, where); err != nil {
		return Pin{}, nil, err
	}
	_, hashed := result.Get("hash")
	if _, each := result.Get("hashes"); !hashed && !each || where != "" {
		return p, nil, nil
	}
	if changed, err = p.read(result); err != nil {
		return Pin{}, nil, fmt.Errorf("pinned tools: %w", err)
	}
	return p, changed, nil
}

// read reads the members of a pin besides its tools, and lists what does not have its hash.
func (p *Pin) read(o Object) (changed []string, err error) {
	var pulled string
	hashes := Object{}
	for name, v := range o.All() {
		text, isText := v.(String)
		switch name {
		case "tools":
			continue
		case "hashes":
			if hashes, isText = v.(Object); !isText {
				return nil, fmt.Errorf("/hashes is not an object")
			}
			continue
		case "server":
			p.Server = string(text)
		case "source":
			p.Source = string(text)
		case "pulled_at":
			pulled = string(text)
		case "protocol_version":
			p.ProtocolVersion = string(text)
		case "hash":
			p.Hash = string(text)
		default:
			return nil, fmt.Errorf("unknown member %.64q; there are %s", name, strings.Join(pinMembers, ", "))
		}
		if !isText {
			return nil, fmt.Errorf("/%s is not a string", name)
		}
	}
	if pulled != "" {
		if p.PulledAt, err = time.Parse(time.RFC3339, pulled); err != nil {
			return nil, fmt.Errorf("/pulled_at: %w", err)
		}
	}
	return p.compare(hashes)
}

func (p *Pin) compare(hashes Object) (changed []string, err error) {
	hash, each, err := HashTools(p.Tools)
	if err != nil {
		return nil, err
	}
	for name, h := range each.All() {
		switch was, ok := hashes.Get(name); {
		case !ok:
			changed = append(changed, fmt.Sprintf("tool %q was added", name))
		case was != h:
			changed = append(changed, fmt.Sprintf("tool %q differs", name))
		}
	}
	for name := range hashes.All() {
		if _, ok := each.Get(name); !ok {
			changed = append(changed, fmt.Sprintf("tool %.64q was removed", name))
		}
	}
	if len(changed) == 0 && hash != p.Hash {
		changed = append(changed, "its hash is another")
	}
	return changed, nil
}
