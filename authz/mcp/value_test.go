package mcp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

func parse(t *testing.T, text string) mcp.Object {
	t.Helper()
	o, err := mcp.ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func TestValuesKeepTheirTypeAndOrder(t *testing.T) {
	o := parse(t, `{"z":null,"b":[true,false,{}],"i":-9223372036854775808,"f":1.0,"e":1E2,"s":"\ud83d\ude00\/\u0000","o":{"x":[]}}`)
	want := []mcp.Member{
		{Name: "z", Value: mcp.Null{}},
		{Name: "b", Value: mcp.Array{mcp.Bool(true), mcp.Bool(false), mcp.NewObject()}},
		{Name: "i", Value: mcp.Int(math.MinInt64)},
		{Name: "f", Value: mcp.Float(1)},
		{Name: "e", Value: mcp.Float(100)},
		{Name: "s", Value: mcp.String("😀/\x00")},
		{Name: "o", Value: mcp.NewObject(mcp.Member{Name: "x", Value: mcp.Array{}})},
	}
	var got []mcp.Member
	for name, v := range o.All() {
		got = append(got, mcp.Member{Name: name, Value: v})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for range o.All() {
		break // a loop may stop early
	}
	if o.Len() != 7 || o.IsZero() {
		t.Errorf("%d members, zero %t", o.Len(), o.IsZero())
	}
	if v, ok := o.Get("i"); !ok || v != mcp.Int(math.MinInt64) {
		t.Errorf("got %v, %t", v, ok)
	}
	if v, ok := o.Get("I"); ok || v != nil {
		t.Errorf("got %v for a name that is not there", v)
	}
}

func TestAbsentAndEmptyObjectsDiffer(t *testing.T) {
	empty := parse(t, `{}`)
	if empty.IsZero() || !(mcp.Object{}).IsZero() || empty.Equal(mcp.Object{}) || !empty.Equal(mcp.NewObject()) {
		t.Error("an absent object is not an empty one")
	}
}

func TestNewObjectKeepsTheLaterOfTwo(t *testing.T) {
	o := mcp.NewObject(mcp.Member{Name: "a", Value: mcp.Int(1)}, mcp.Member{Name: "b"}, mcp.Member{Name: "a", Value: mcp.Int(2)})
	if got := string(o.AppendJSON(nil)); got != `{"a":2,"b":null}` {
		t.Errorf("got %s", got)
	}
}

func TestEquality(t *testing.T) {
	a := parse(t, `{"a":[1,{"x":"y"}],"b":1.0}`)
	for text, want := range map[string]bool{
		`{"a":[1,{"x":"y"}],"b":1.0}`:      true,
		`{"b":1.0,"a":[1,{"x":"y"}]}`:      true,
		`{"a":[1,{"x":"y"}],"b":1}`:        false,
		`{"a":[1,{"x":"z"}],"b":1.0}`:      false,
		`{"a":{"x":"y"},"b":1.0}`:          false,
		`{"a":1,"b":1.0}`:                  false,
		`{"a":[1,{"x":"y"}],"c":1.0}`:      false,
		`{"a":[1,{"x":"y"}]}`:              false,
		`{"a":[1,[]],"b":1.0}`:             false,
		`{"a":[1,{"x":"y"},null],"b":1.0}`: false,
	} {
		other := parse(t, text)
		if a.Equal(other) != want || other.Equal(a) != want {
			t.Errorf("%s: want %t", text, want)
		}
	}
}

func TestParseObjectReadsNothingElse(t *testing.T) {
	for text, want := range map[string]denial.Reason{
		`[]`: denial.JSONSyntax, `"a"`: denial.JSONSyntax, ``: denial.JSONSyntax, `{"a":1,"A":1}`: denial.JSONCaseVariant,
		`{}{}`: denial.JSONTrailing, `{"a":"` + "\xff" + `"}`: denial.JSONUTF8,
	} {
		if o, err := mcp.ParseObject([]byte(text)); denial.ReasonOf(err) != want || !o.IsZero() {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	deep := strings.Repeat(`{"a":`, mcp.MaxDepth) + "0" + strings.Repeat("}", mcp.MaxDepth)
	parse(t, deep)
	if _, err := mcp.ParseObject([]byte(`{"a":` + deep + `}`)); denial.ReasonOf(err) != denial.JSONDepth {
		t.Errorf("got %v", err)
	}
	var members []mcp.Member
	list := mcp.Array{}
	for i := range mcp.MaxElements {
		members = append(members, mcp.Member{Name: "n" + strconv.Itoa(i), Value: mcp.Int(0)})
		list = append(list, mcp.Int(0))
	}
	parse(t, string(mcp.NewObject(members...).AppendJSON(nil)))
	parse(t, string(mcp.NewObject(mcp.Member{Name: "a", Value: list}).AppendJSON(nil)))
	longest := "0." + strings.Repeat("0", mcp.MaxNumber-3) + "1"
	parse(t, `{"a":`+longest+`}`)
}

// A verifier that uses any RFC 8785 library computes the same hash.
func TestCanonicalHashIsThatOfJCS(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"b":1,"a":[1.0,1e21,-0.0,5e-324,1.5],"\u20ac":"\u000f/\"","\ud83d\ude00":null,"\ufb33":true}`,
		`{"amount":250,"case":4711,"dry_run":false,"nested":{"z":1,"y":9007199254740991}}`,
	} {
		o := parse(t, text)
		canonical, err := jcs.Transform([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.CanonicalHash()
		if err != nil {
			t.Fatal(err)
		}
		if want := hash(canonical); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestCanonicalHashTellsLargeIntegersApart(t *testing.T) {
	a, _ := parse(t, `{"id":9007199254740992}`).CanonicalHash()
	b, _ := parse(t, `{"id":9007199254740993}`).CanonicalHash()
	if a == b || b != hash([]byte(`{"id":9007199254740993}`)) {
		t.Error("two integers have one hash")
	}
}

func TestCanonicalHashOfNothing(t *testing.T) {
	for name, o := range map[string]mcp.Object{
		"absent": {}, "not finite": mcp.NewObject(mcp.Member{Name: "a", Value: mcp.Float(math.Inf(1))}),
	} {
		if got, err := o.CanonicalHash(); err == nil || got != "" {
			t.Errorf("%s: hashed to %q", name, got)
		}
	}
}

// values generates anything that can be read.
func values(depth int) *rapid.Generator[mcp.Value] {
	text := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r < 0xd800 || r > 0xdfff }))
	leaves := []*rapid.Generator[mcp.Value]{
		rapid.Just[mcp.Value](mcp.Null{}),
		rapid.Map(rapid.Bool(), func(b bool) mcp.Value { return mcp.Bool(b) }),
		rapid.Map(rapid.Int64(), func(n int64) mcp.Value { return mcp.Int(n) }),
		rapid.Map(rapid.Float64(), func(f float64) mcp.Value { return mcp.Float(f) }),
		rapid.Map(text, func(s string) mcp.Value { return mcp.String(s) }),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.Map(rapid.SliceOfN(values(depth-1), 0, 4), func(a []mcp.Value) mcp.Value { return append(mcp.Array{}, a...) }),
		rapid.Map(objects(depth-1), func(o mcp.Object) mcp.Value { return o }),
	)...)
}

func objects(depth int) *rapid.Generator[mcp.Object] {
	name := rapid.StringMatching(`[a-zäσ☃]{1,6}`)
	return rapid.Map(rapid.MapOfN(name, values(depth), 0, 30), func(m map[string]mcp.Value) mcp.Object {
		var members []mcp.Member
		for name, v := range m {
			members = append(members, mcp.Member{Name: name, Value: v})
		}
		return mcp.NewObject(members...)
	})
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := objects(2).Draw(t, "object")
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := mcp.ParseObject(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !back.Equal(o) {
			t.Fatalf("%s came back as %s", text, back.AppendJSON(nil))
		}
		// The hash does not depend on order, and is that of JCS where integers are safe.
		var reversed []mcp.Member
		for name, v := range o.All() {
			reversed = append([]mcp.Member{{Name: name, Value: v}}, reversed...)
		}
		a, err := o.CanonicalHash()
		b, err2 := mcp.NewObject(reversed...).CanonicalHash()
		if err != nil || err2 != nil || a != b {
			t.Fatalf("%q %v, %q %v", a, err, b, err2)
		}
	})
}

// A number is accepted exactly when the decimal that it denotes is the one that its float64 prints as.
func TestFractionsSurviveAFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?|[eE][+-]?[0-9]{1,3})`).Draw(t, "number")
		o, err := mcp.ParseObject([]byte(`{"n":` + text + `}`))
		f, rangeErr := strconv.ParseFloat(text, 64)
		want := false
		if rangeErr == nil {
			written, _ := new(big.Rat).SetString(text)
			shortest, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
			want = written.Cmp(shortest) == 0
		}
		if (err == nil) != want {
			t.Fatalf("%s: %v, want accepted %t", text, err, want)
		}
		if err == nil {
			if v, _ := o.Get("n"); v != mcp.Float(f) {
				t.Fatalf("%s was read as %v", text, v)
			}
		} else if denial.ReasonOf(err) != denial.JSONNumber {
			t.Fatal(err)
		}
	})
}

// Two names clash exactly when strings.EqualFold says so, among few members and among many.
func TestNamesClashAsEqualFoldSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alphabet := rapid.SampledFrom([]rune("kKKsSſσςΣiIİıåÅÅaǅǆ"))
		a := string(rapid.SliceOfN(alphabet, 1, 4).Draw(t, "a"))
		b := string(rapid.SliceOfN(alphabet, 1, 4).Draw(t, "b"))
		text := `{"` + a + `":0,`
		for i := range rapid.SampledFrom([]int{0, 20}).Draw(t, "others") {
			text += `"` + strconv.Itoa(i) + `":0,`
		}
		_, err := mcp.ParseObject([]byte(text + `"` + b + `":0}`))
		var want denial.Reason
		switch {
		case a == b:
			want = denial.JSONDuplicateKey
		case strings.EqualFold(a, b):
			want = denial.JSONCaseVariant
		}
		if want == "" != (err == nil) || err != nil && denial.ReasonOf(err) != want {
			t.Fatalf("%q and %q: %v, want %q", a, b, err, want)
		}
	})
}
