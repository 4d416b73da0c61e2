package header_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

type field struct{ name, value string }

func section(joined bool, fields ...field) header.Fields {
	f := header.NewFields(joined)
	for _, field := range fields {
		f.Add(field.name, field.value)
	}
	return f
}

func TestOne(t *testing.T) {
	for _, test := range []struct {
		name    string
		fields  header.Fields
		value   string
		present bool
		refused denial.Reason
	}{
		{name: "absent", fields: section(false)},
		{name: "absent in the zero section", fields: header.Fields{}},
		{name: "present", fields: section(false, field{"Txn-Token", "abc"}), value: "abc", present: true},
		{name: "case does not matter", fields: section(false, field{"tXn-tOKEN", "abc"}), value: "abc", present: true},
		{name: "blanks around the value do not belong to it", fields: section(false, field{"txn-token", " \tabc\t "}), value: "abc", present: true},
		{name: "blanks inside do", fields: section(false, field{"txn-token", "a\tb c"}), value: "a\tb c", present: true},
		{name: "empty is present", fields: section(false, field{"txn-token", ""}), present: true},
		{name: "smuggled second field", fields: section(false, field{"txn-token", "good"}, field{"txn-token", "bad"}), present: true, refused: denial.HeaderDuplicated},
		{name: "smuggled second field in another case", fields: section(false, field{"txn-token", "good"}, field{"TXN-TOKEN", "good"}), present: true, refused: denial.HeaderDuplicated},
		{name: "second field that Envoy joined", fields: section(true, field{"txn-token", "good,bad"}), present: true, refused: denial.HeaderDuplicated},
		{name: "a comma is fine when fields come one by one", fields: section(false, field{"txn-token", "a,b"}), value: "a,b", present: true},
		{name: "response splitting", fields: section(false, field{"txn-token", "a\r\nx-admin: 1"}), present: true, refused: denial.HeaderInvalid},
		{name: "NUL", fields: section(false, field{"txn-token", "a\x00"}), present: true, refused: denial.HeaderInvalid},
		{name: "DEL", fields: section(false, field{"txn-token", "a\x7f"}), present: true, refused: denial.HeaderInvalid},
		{name: "a control character cannot be trimmed away", fields: section(false, field{"txn-token", "a\n"}), present: true, refused: denial.HeaderInvalid},
		{name: "bytes that are not UTF-8 are left to the reader", fields: section(false, field{"txn-token", "a\xe9"}), value: "a\xe9", present: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			value, present, err := test.fields.One("Txn-Token")
			if value != test.value || present != test.present {
				t.Errorf("One = %q, %t; want %q, %t", value, present, test.value, test.present)
			}
			if (err != nil) != (test.refused != "") || err != nil && denial.ReasonOf(err) != test.refused {
				t.Errorf("refused with %v, want %q", err, test.refused)
			}
			if present != test.fields.Has("txn-token") {
				t.Errorf("Has and One do not agree")
			}
		})
	}
}

func TestAllKeepsOrderAndNamesAreSorted(t *testing.T) {
	f := section(false, field{"x-forwarded-client-cert", "a"}, field{":path", "/mcp"}, field{"X-Forwarded-Client-Cert", "b"}, field{"accept", "*/*"})
	if diff := cmp.Diff([]string{"a", "b"}, f.All("X-FORWARDED-CLIENT-CERT")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{":path", "Accept", "X-Forwarded-Client-Cert"}, f.Names()); diff != "" {
		t.Error(diff)
	}
	if names := (header.Fields{}).Names(); len(names) != 0 {
		t.Errorf("the zero section has names %q", names)
	}
}

// Whatever the spelling, fields of one name are found together: no spelling hides a duplicate.
func TestNoSpellingHidesAField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9:_. -]{1,12}`).Draw(t, "name")
		spelling := []byte(name)
		for i := range spelling {
			if rapid.Bool().Draw(t, "upper") {
				spelling[i] = strings.ToUpper(name[i : i+1])[0]
			}
		}
		f := section(false, field{name, "a"}, field{string(spelling), "b"})
		if got := f.All(name); !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("%q and %q: found %q", name, spelling, got)
		}
		if _, _, err := f.One(string(spelling)); denial.ReasonOf(err) != denial.HeaderDuplicated {
			t.Fatalf("%q and %q: %v", name, spelling, err)
		}
	})
}
