// Package header holds an HTTP header section with the multiplicity of each field (RFC 9110, section 5).
//
// Envoy hands the section over in one of two forms: every field on its own, or fields of one name joined by
// commas. In the joined form a comma in a field that may appear once only cannot be told from a second field,
// so it is refused.
package header

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"countersign.dev/authz/denial"
)

// Fields is a header section. Names are compared without regard to case. The zero value is an empty section whose
// fields came one by one.
type Fields struct {
	values map[string][]string
	joined bool
}

// NewFields returns an empty section. Joined says that fields of one name come joined by commas.
func NewFields(joined bool) Fields {
	return Fields{values: make(map[string][]string), joined: joined}
}

// Add appends a field. It must not be called on the zero value, nor after the section was handed on.
func (f Fields) Add(name, value string) {
	key := canonical(name)
	f.values[key] = append(f.values[key], value)
}

// Has reports whether at least one field of that name is present.
func (f Fields) Has(name string) bool { return len(f.All(name)) > 0 }

// All returns the values of that name in the order in which they came. The caller must not change them.
func (f Fields) All(name string) []string {
	return f.values[canonical(name)]
}

// One returns the value of a field that may appear once only, and whether it is present. More than one value, or a
// comma in the joined form, is refused as [denial.HeaderDuplicated]; a control character as [denial.HeaderInvalid].
// Leading and trailing blanks are not part of a field value (RFC 9110, section 5.5) and are removed.
func (f Fields) One(name string) (value string, present bool, err error) {
	values := f.All(name)
	switch {
	case len(values) == 0:
		return "", false, nil
	case len(values) > 1:
		return "", true, denial.New(denial.HeaderDuplicated, "%s came %d times", name, len(values))
	case f.joined && strings.Contains(values[0], ","):
		return "", true, denial.New(denial.HeaderDuplicated,
			"%s has a comma, and joined headers cannot tell it from two fields: set encode_raw_headers in Envoy", name)
	case strings.ContainsFunc(values[0], isControl):
		return "", true, denial.New(denial.HeaderInvalid, "%s has a control character", name)
	}
	return strings.Trim(values[0], " \t"), true, nil
}

// Names returns the field names that are present, in canonical form and sorted.
func (f Fields) Names() []string { return slices.Sorted(maps.Keys(f.values)) }

// canonical lowers the case first, because the standard library leaves names with odd characters as they are, and two
// spellings of one name must not count as two fields.
func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(strings.ToLower(name)) }

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }
