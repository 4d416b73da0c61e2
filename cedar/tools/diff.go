package tools

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
)

// Kind says what changed.
type Kind string

// The kinds of changes.
const (
	ToolAdded      Kind = "tool-added"
	ToolRemoved    Kind = "tool-removed"
	HintChanged    Kind = "hint"           // what the server says that a call does
	MemberAdded    Kind = "member-added"   // an argument that policies can name
	MemberRemoved  Kind = "member-removed" // one that they could
	TypeChanged    Kind = "member-type"    // its Cedar type, or which values it can have
	RequiredChange Kind = "member-required"
	TextChanged    Kind = "text"       // a title or description, at any place: what models read
	OutputChanged  Kind = "output"     // the output schema
	SchemaChanged  Kind = "schema"     // the rest of the input schema, which policies do not see
	OtherChanged   Kind = "definition" // anything else that the server says
)

// Change is one difference between two definitions of a tool.
type Change struct {
	Tool string `json:"tool"`
	Kind Kind   `json:"kind"`
	// Path is a JSON Pointer (RFC 6901): for members, from the arguments; for the rest, from the tool's definition.
	Path string `json:"path,omitempty"`
	// Old and New are what was said, with everything that hides written out; empty for nothing. Types are those of
	// Cedar, the rest is as in JSON, texts without quotes.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Hidden is what hides in New.
	Hidden []string `json:"hidden,omitempty"`
}

// Lines returns the lines that differ, with "-" and "+" before them, and some around them.
func (c Change) Lines() string {
	whole := func(text string) []byte {
		if text == "" {
			return nil
		}
		return []byte(text + "\n")
	}
	lines := diff.Diff("old", whole(c.Old), "new", whole(c.New))
	if _, rest, ok := bytes.Cut(lines, []byte("+++ new\n")); ok {
		lines = rest
	}
	return string(lines)
}

// Diff returns what changed from one list to another, sorted by tool, kind and path. The order of tools does not count.
// The error names a tool that cannot be pinned.
func Diff(before, after []mcp.Tool) ([]Change, error) {
	was, is := byName(before), byName(after)
	names := maps.Clone(was)
	maps.Copy(names, is)
	var all []Change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, existed := was[name]
		now, exists := is[name]
		shown, hidden := Visible(name)
		switch {
		case !existed:
			description, more := Visible(now.Description)
			hidden = union(hidden, more)
			all = append(all, Change{Tool: shown, Kind: ToolAdded, New: description, Hidden: hidden})
		case !exists:
			description, _ := Visible(old.Description)
			all = append(all, Change{Tool: shown, Kind: ToolRemoved, Old: description})
		default:
			changes, err := diffTool(old, now)
			if err != nil {
				return nil, err
			}
			all = append(all, changes...)
		}
	}
	return all, nil
}

func byName(list []mcp.Tool) map[string]mcp.Tool {
	all := make(map[string]mcp.Tool, len(list))
	for _, t := range list {
		all[t.Name] = t
	}
	return all
}

func union(a, b []string) []string {
	a = slices.Concat(a, b)
	slices.Sort(a)
	return slices.Compact(a)
}

// differ collects the changes of one tool.
type differ struct {
	tool    string
	changes []Change
}

func (d *differ) add(kind Kind, path, old, now string) {
	path, _ = Visible(path)
	old, _ = Visible(old)
	now, hidden := Visible(now)
	d.changes = append(d.changes, Change{d.tool, kind, path, old, now, hidden})
}

func diffTool(old, now mcp.Tool) ([]Change, error) {
	name, _ := Visible(old.Name)
	d := differ{tool: name}
	d.hints(old.Hints, now.Hints)
	if err := d.members(old, now); err != nil {
		return nil, err
	}
	// Everything that was said, whatever it means. What is said in other words above is not repeated.
	d.values("", old.Definition, now.Definition)
	slices.SortStableFunc(d.changes, func(a, b Change) int {
		if a.Kind != b.Kind {
			return order(a.Kind) - order(b.Kind)
		}
		return strings.Compare(a.Path, b.Path)
	})
	return d.changes, nil
}

// order puts first what matters most to policies.
func order(k Kind) int {
	return slices.Index([]Kind{
		HintChanged, MemberRemoved, MemberAdded, TypeChanged, RequiredChange, TextChanged, OutputChanged, SchemaChanged, OtherChanged,
	}, k)
}

func (d *differ) hints(old, now mcp.Hints) {
	for _, h := range []struct {
		name     string
		was, now bool
	}{
		{"read_only", old.ReadOnly, now.ReadOnly}, {"destructive", old.Destructive, now.Destructive},
		{"idempotent", old.Idempotent, now.Idempotent}, {"open_world", old.OpenWorld, now.OpenWorld},
	} {
		if h.was != h.now {
			d.add(HintChanged, "/"+h.name, strconv.FormatBool(h.was), strconv.FormatBool(h.now))
		}
	}
}

// members compares the arguments as policies see them.
func (d *differ) members(old, now mcp.Tool) error {
	was, err := describe(old)
	if err != nil {
		return err
	}
	is, err := describe(now)
	if err != nil {
		return err
	}
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		a, existed := was[path]
		b, exists := is[path]
		switch {
		case !existed:
			d.add(MemberAdded, path, "", typeOf(b))
		case !exists:
			d.add(MemberRemoved, path, typeOf(a), "")
		default:
			if typeOf(a) != typeOf(b) {
				d.add(TypeChanged, path, typeOf(a), typeOf(b))
			}
			if a.Required != b.Required {
				d.add(RequiredChange, path, required(a), required(b))
			}
		}
	}
	return nil
}

func describe(t mcp.Tool) (map[string]cedar.Member, error) {
	s, err := cedar.DescribeTool("", t)
	if err != nil {
		return nil, fmt.Errorf("tool %q: %w", t.Name, err)
	}
	all := make(map[string]cedar.Member, len(s.Members))
	for _, m := range s.Members {
		all[m.Path] = m
	}
	return all, nil
}

func typeOf(m cedar.Member) string {
	if len(m.Allowed) == 0 {
		return m.Type
	}
	return m.Type + ", one of " + strings.Join(m.Allowed, ", ")
}

func required(m cedar.Member) string {
	if m.Required {
		return "required"
	}
	return "optional"
}

// values compares two JSON values at a path of the definition.
func (d *differ) values(path string, old, now mcp.Value) {
	if mcp.Equal(old, now) {
		return
	}
	a, wasObject := old.(mcp.Object)
	b, isObject := now.(mcp.Object)
	if wasObject && isObject || path == "/annotations" && (old == nil || now == nil) { // none say what empty ones do
		names := map[string]bool{}
		for name := range a.All() {
			names[name] = true
		}
		for name := range b.All() {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			before, _ := a.Get(name)
			after, _ := b.Get(name)
			d.values(path+"/"+escape(name), before, after)
		}
		return
	}
	if list, ok := old.(mcp.Array); ok {
		if other, ok := now.(mcp.Array); ok && len(list) == len(other) {
			for i := range list {
				d.values(path+"/"+strconv.Itoa(i), list[i], other[i])
			}
			return
		}
	}
	if kind, report := kindAt(path); report {
		d.add(kind, path, jsonText(old), jsonText(now))
	}
}

// kindAt says what is at a path of a definition. Hints were compared with their defaults.
func kindAt(path string) (kind Kind, report bool) {
	tokens := strings.Split(path, "/")[1:]
	last := tokens[len(tokens)-1]
	switch {
	case tokens[0] == "annotations" && slices.Contains([]string{
		"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint",
	}, last):
		return "", false
	case last == "description" || last == "title":
		return TextChanged, true
	case tokens[0] == "inputSchema":
		return SchemaChanged, true
	case tokens[0] == "outputSchema":
		return OutputChanged, true
	}
	return OtherChanged, true
}

// jsonText is a value as a person reads it: a text without quotes, nothing for an absent one.
func jsonText(v mcp.Value) string {
	switch v := v.(type) {
	case nil:
		return ""
	case mcp.String:
		return string(v)
	case mcp.Object:
		return string(v.AppendJSON(nil))
	}
	text := mcp.NewObject(mcp.Member{Name: "", Value: v}).AppendJSON(nil)
	return string(text[len(`{"":`) : len(text)-1])
}
