package bundle_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle"
)

func TestABundleComesBackAsItWasMade(t *testing.T) {
	key := newKey(t, "ES256")
	made := bundle.Manifest{
		Name: "production", Counter: 42, Created: time.Date(2026, 11, 25, 9, 0, 0, 123, time.FixedZone("", 3600)),
		NotAfter: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	data, err := bundle.Write(made, acme())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(signed(t, data, key), trusting(t, key))
	if err != nil {
		t.Fatal(err)
	}
	if b.KeyID != key.KeyID || b.Signer != "" {
		t.Errorf("signed by %q, unverified %q", b.KeyID, b.Signer)
	}
	m := b.Manifest
	if m.Name != "production" || m.Counter != 42 || m.Created.Format(time.RFC3339Nano) != "2026-11-25T08:00:00Z" ||
		!m.NotAfter.Equal(made.NotAfter) || !m.NotBefore.IsZero() {
		t.Errorf("manifest %+v", m)
	}
	want := acme()
	slices.SortFunc(want, func(a, b bundle.File) int { return strings.Compare(a.Path, b.Path) })
	if diff := cmp.Diff(want, b.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	unsigned, err := bundle.Read(data, bundle.TrustAnybody())
	if err != nil || unsigned.Digest != b.Digest || unsigned.Signer != "" {
		t.Errorf("the signature is part of the digest: %v", err)
	}
}

func TestSameInputGivesTheSameBytes(t *testing.T) {
	first := written(t)
	files := acme()
	slices.Reverse(files)
	second, err := bundle.Write(bundle.Manifest{Name: "production", Counter: 42}, files)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the order of the files shows")
	}
	key := newKey(t, "EdDSA") // whose signatures are not random
	if !bytes.Equal(signed(t, first, key), signed(t, second, key)) {
		t.Error("signing differs")
	}
}

func TestSigningAgainReplacesTheSignature(t *testing.T) {
	old, next := newKey(t, "ES256"), newKey(t, "EdDSA")
	data := signed(t, signed(t, written(t), old), next)
	if b, err := bundle.Read(data, trusting(t, next)); err != nil || b.KeyID != next.KeyID {
		t.Errorf("%v", err)
	}
	if err := trusting(t, old).Verify(data); err == nil {
		t.Error("the old signature is still there")
	}
	if b, err := bundle.Read(data, bundle.TrustAnybody()); err != nil || b.Signer != next.KeyID || b.KeyID != "" {
		t.Errorf("who signed, unverified: %v", err)
	}
	if _, err := bundle.Sign([]byte("no bundle"), next); err == nil {
		t.Error("something else was signed")
	}
	if _, err := bundle.Sign(written(t), next.Public()); err == nil {
		t.Error("signed with a public key")
	}
}

func TestWhatCannotBePacked(t *testing.T) {
	one := acme()[:1]
	for name, tc := range map[string]struct {
		manifest bundle.Manifest
		files    []bundle.File
		want     string
	}{
		"no counter":            {bundle.Manifest{}, one, "counter 0"},
		"a counter out of JSON": {bundle.Manifest{Counter: 1 << 53}, one, "counter 9007199254740992"},
		"a name with a space":   {bundle.Manifest{Counter: 1, Name: "a b"}, one, `name "a b"`},
		"over before it begins": {bundle.Manifest{Counter: 1, NotBefore: time.Unix(2, 0), NotAfter: time.Unix(1, 0)}, one, "not_after is not after"},
		"no policies":           {bundle.Manifest{Counter: 1}, acme()[2:], "no policies/*.cedar"},
		"a path that climbs":    {bundle.Manifest{Counter: 1}, []bundle.File{{Path: "policies/../x.cedar"}}, `path "policies/../x.cedar"`},
		"a hidden file":         {bundle.Manifest{Counter: 1}, []bundle.File{{Path: "policies/.x.cedar"}}, `path "policies/.x.cedar"`},
		"a directory below":     {bundle.Manifest{Counter: 1}, []bundle.File{{Path: "policies/a/x.cedar"}}, `path "policies/a/x.cedar"`},
		"another directory":     {bundle.Manifest{Counter: 1}, []bundle.File{{Path: "bin/x.cedar"}}, `path "bin/x.cedar"`},
		"twice":                 {bundle.Manifest{Counter: 1}, append(acme(), one...), `path "policies/crm.cedar" comes after "policies/crm.cedar"`},
		"too large": {
			bundle.Manifest{Counter: 1}, []bundle.File{{Path: "policies/a.cedar", Data: make([]byte, bundle.MaxText+1)}}, "a size of 16777217 bytes",
		},
		"too large together": {
			bundle.Manifest{Counter: 1}, []bundle.File{
				{Path: "policies/a.cedar", Data: make([]byte, bundle.MaxText)}, {Path: "policies/b.cedar", Data: make([]byte, 1)},
			}, "the files have 16777217 bytes together",
		},
		"too many files": {bundle.Manifest{Counter: 1}, make([]bundle.File, bundle.MaxFiles+1), "4097 files"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := bundle.Write(tc.manifest, tc.files); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m := bundle.Manifest{Counter: 7, NotBefore: noon, NotAfter: noon.Add(time.Hour)}
	for name, tc := range map[string]struct {
		at   time.Time
		want string
	}{
		"a clock a little behind": {noon.Add(-bundle.Skew), ""},
		"too early":               {noon.Add(-bundle.Skew - time.Second), "not valid before 2026-11-25T12:00:00Z"},
		"in between":              {noon.Add(time.Minute), ""},
		"a clock a little ahead":  {noon.Add(time.Hour + bundle.Skew), ""},
		"too late":                {noon.Add(time.Hour + bundle.Skew + time.Second), "not valid after 2026-11-25T13:00:00Z"},
	} {
		err := m.CheckTime(tc.at)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	if err := (bundle.Manifest{Counter: 7}).CheckTime(time.Unix(1<<40, 0)); err != nil {
		t.Errorf("without times: %v", err)
	}
}

func TestThereIsNoWayBack(t *testing.T) {
	at := func(counter uint64, text string) *bundle.Bundle {
		data, err := bundle.Write(bundle.Manifest{Counter: counter}, []bundle.File{{Path: "policies/a.cedar", Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := bundle.Read(data, bundle.TrustAnybody())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var floor bundle.Floor
	if err := floor.Check(at(1, "a")); err != nil {
		t.Errorf("the first one: %v", err)
	}
	floor = floor.Raise(at(5, "a"))
	for name, tc := range map[string]struct {
		b    *bundle.Bundle
		want string
	}{
		"newer":                        {at(6, "b"), ""},
		"the same":                     {at(5, "a"), ""},
		"the same counter, other text": {at(5, "b"), "another content needs a higher counter"},
		"older":                        {at(4, "a"), "bundle 4 is older than 5"},
	} {
		err := floor.Check(tc.b)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	if floor.Raise(at(3, "a")) != floor {
		t.Error("the floor sank")
	}
}

func TestPolicyThereAndBack(t *testing.T) {
	entities := cedar.File{Name: "/etc/entities.json.gz", Data: []byte("[]")}
	policy := &cedar.Files{
		Policies: []cedar.File{{Name: "/etc/policies/b.cedar", Data: []byte("b")}, {Name: "/etc/policies/a.cedar.gz", Data: []byte("a")}},
		Entities: &entities, Tools: map[string]cedar.File{"crm": {Name: "/x/y.json", Data: []byte("{}")}},
	}
	policy.Tests = []cedar.File{{Name: "/t/crm.yaml", Data: []byte("cases: []")}}
	files, err := bundle.FromPolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	data, err := bundle.Write(bundle.Manifest{Counter: 1}, files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(data, bundle.TrustAnybody())
	if err != nil {
		t.Fatal(err)
	}
	want := &cedar.Files{
		Policies: []cedar.File{{Name: "policies/a.cedar", Data: []byte("a")}, {Name: "policies/b.cedar", Data: []byte("b")}},
		Entities: &cedar.File{Name: "entities.json", Data: []byte("[]")},
		Tools:    map[string]cedar.File{"crm": {Name: "tools/crm.json", Data: []byte("{}")}},
		Tests:    []cedar.File{{Name: "tests/crm.yaml", Data: []byte("cases: []")}},
	}
	if diff := cmp.Diff(want, b.Policy()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, clash := range map[string]*cedar.Files{
		"policies": {Policies: []cedar.File{{Name: "a/x.cedar"}, {Name: "b/x.cedar.gz"}}},
		"tests":    {Tests: []cedar.File{{Name: "/t/crm.yaml"}, {Name: "/u/crm.yaml"}}},
	} {
		if _, err := bundle.FromPolicy(clash); err == nil || !strings.Contains(err.Error(), "would both be") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
