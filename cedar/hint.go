package cedar

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
)

// What the validator says, as far as there is advice to give.
var (
	ofAction       = regexp.MustCompile(` (?:in context )?for Action::"(?:[^"\\]|\\.)*"`)
	optionalAccess = regexp.MustCompile("access to optional attribute `([^`]+)`( in context| on entity)?")
	tagAccess      = regexp.MustCompile(`unable to guarantee safety of access to tag`)
	unknownAction  = regexp.MustCompile("unrecognized action `Action::\"((?:[^\"\\\\]|\\\\.)*)\"`")
	unknownType    = regexp.MustCompile("unrecognized entity type `([^`]+)`")
	unknownMember  = regexp.MustCompile("attribute `([^`]+)`.* not found")
)

// explain shortens and completes what the validator says about one policy. The same mistake is reported for every
// action that the policy is about; once is enough.
func (v *vocabulary) explain(err error) []string {
	var messages []string
	for _, e := range flatten(err) {
		text := e.Error()
		messages = append(messages, ofAction.ReplaceAllString(text, " in context")+v.hint(text))
	}
	slices.Sort(messages)
	return slices.Compact(messages)
}

func (v *vocabulary) hint(message string) string {
	if m := optionalAccess.FindStringSubmatch(message); m != nil {
		owner, last, found := "", m[1], false
		if i := strings.LastIndexByte(m[1], '.'); i >= 0 {
			owner, last, found = m[1][:i], m[1][i+1:], true
		}
		switch {
		case m[2] == " in context" && found:
			owner = "context." + owner
		case m[2] == " in context":
			owner = "context"
		case !found:
			owner = "…"
		}
		return fmt.Sprintf(": test it first, `%s has %s && …`", owner, last)
	}
	if tagAccess.MatchString(message) {
		return ": test it first with hasTag, `x.hasTag(\"k\") && x.getTag(\"k\") …`"
	}
	if m := unknownAction.FindStringSubmatch(message); m != nil {
		var names []string
		for id := range v.schema.Actions {
			names = append(names, string(id.ID))
		}
		return didYouMean(m[1], names)
	}
	if m := unknownType.FindStringSubmatch(message); m != nil {
		var names []string
		for name := range v.schema.Entities {
			names = append(names, string(name))
		}
		return didYouMean(m[1], names)
	}
	if m := unknownMember.FindStringSubmatch(message); m != nil {
		member, known := m[1][strings.LastIndexByte(m[1], '.')+1:], v.members()
		if slices.Contains(known, member) {
			return ": not everything that the policy is about has it, narrow its action or resource"
		}
		return didYouMean(member, known)
	}
	return ""
}

// members returns the names of all attributes.
func (v *vocabulary) members() []string {
	names := make(map[string]bool)
	var collect func(t resolved.IsType)
	collect = func(t resolved.IsType) {
		if record, ok := t.(resolved.RecordType); ok {
			for name, attribute := range record {
				names[string(name)] = true
				collect(attribute.Type)
			}
		}
	}
	for _, entity := range v.schema.Entities {
		collect(entity.Shape)
	}
	for _, action := range v.schema.Actions {
		if action.AppliesTo != nil {
			collect(action.AppliesTo.Context)
		}
	}
	return slices.Collect(maps.Keys(names))
}

// flatten returns the errors that errors.Join put together.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // exactly the outermost is meant
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// didYouMean suggests the nearest of the known words, if one is near.
func didYouMean(word string, known []string) string {
	slices.Sort(known)
	best, least := "", len(word)/3+2
	for _, k := range known {
		if d := distance(word, k, least); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is the number of bytes to insert, delete or replace to turn a into b; at least limit when it is not smaller.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func keys[K ~string, V any](m map[K]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, string(k))
	}
	return names
}
