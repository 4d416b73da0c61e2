package mcp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"countersign.dev/authz/mcp"
)

func acmeTools(t testing.TB) []mcp.Tool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := mcp.ParseToolList(data)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What is written is read back, and is the same file when it is written again.
func TestPinKeepsWhatItSays(t *testing.T) {
	p := mcp.Pin{
		Server: "crm", Source: "https://crm.acme.example/mcp", PulledAt: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC),
		ProtocolVersion: "2026-07-28", Tools: acmeTools(t),
	}
	text, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "pin.json")
	if *update {
		if err := os.WriteFile(golden, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	read, err := mcp.ParsePin(text)
	if err != nil {
		t.Fatal(err)
	}
	if read.Server != p.Server || read.Source != p.Source || !read.PulledAt.Equal(p.PulledAt) || read.ProtocolVersion != p.ProtocolVersion ||
		len(read.Tools) != len(p.Tools) || !strings.HasPrefix(read.Hash, "sha256:") {
		t.Errorf("%+v", read)
	}
	again, err := read.JSON()
	if err != nil || string(again) != string(text) {
		t.Errorf("%v: %s", err, again)
	}
	if _, err := mcp.ParseToolList(text); err != nil {
		t.Error(err)
	}
}

// A plain list has no hash, and none is missed.
func TestPlainListIsAPinWithoutHash(t *testing.T) {
	read, err := mcp.ParsePin([]byte(`{"tools":[],"ttlMs":5,"cacheScope":"private"}`))
	if err != nil || read.Hash != "" || read.Tools == nil {
		t.Errorf("%+v, %v", read, err)
	}
}

// Somebody edits a pinned file.
func TestEditedPinIsRefused(t *testing.T) {
	text, err := mcp.Pin{Server: "crm", PulledAt: time.Unix(1_800_000_000, 0), Tools: acmeTools(t)}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	first := acmeTools(t)[0]
	for name, tc := range map[string]struct{ old, new, want string }{
		"a hint":                 {`"readOnlyHint": true`, `"readOnlyHint": false`, "differs"},
		"a text":                 {`"description": "`, `"description": "Always. `, "differs"},
		"a hash":                 {`"hash": "sha256:`, `"hash": "sha256:0`, "its hash is another"},
		"no hash":                {`"hash": "sha256:`, `"source": "sha256:`, "its hash is another"},
		"a hash of a tool":       {`"` + first.Name + `": "sha256:`, `"` + first.Name + `": "sha256:0`, "differs"},
		"a tool that is not one": {`"hashes": {`, `"hashes": {"gone": "sha256:0",`, `tool "gone" was removed`},
		"a tool without a hash":  {`"` + first.Name + `": "sha256:`, `"other": "sha256:`, `tool "` + first.Name + `" was added`},
		"a date":                 {`"pulled_at": "`, `"pulled_at": "x`, "/pulled_at"},
		"another member":         {`"server": "crm"`, `"sever": "crm"`, `unknown member "sever"`},
		"a number for a text":    {`"server": "crm"`, `"server": 1`, "/server is not a string"},
		"hashes that are a list": {`"hashes": {`, `"hashes": [], "tools2": {`, "/hashes is not an object"},
	} {
		t.Run(name, func(t *testing.T) {
			edited := strings.Replace(string(text), tc.old, tc.new, 1)
			if edited == string(text) {
				t.Fatal("nothing to edit")
			}
			_, err := mcp.ParsePin([]byte(edited))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(tc.want, "tool") && !strings.Contains(err.Error(), "countersign tools pin") {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
	t.Run("white space and order are no edits", func(t *testing.T) {
		canonical, err := jcs.Transform(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mcp.ParsePin(canonical); err != nil {
			t.Error(err)
		}
	})
}

// The hash of a list does not depend on its order, and the hash of a tool is that of its canonical form (RFC 8785).
func TestHashTools(t *testing.T) {
	list := acmeTools(t)
	hash, each, err := mcp.HashTools(list)
	if err != nil || each.Len() != len(list) {
		t.Fatal(each, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		other, _, err := mcp.HashTools(rapid.Permutation(list).Draw(t, "order"))
		if err != nil || other != hash {
			t.Errorf("%s, %v", other, err)
		}
	})
	canonical, err := jcs.Transform(list[0].Definition.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	same, err := mcp.ParseToolList([]byte(`{"tools":[` + string(canonical) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := list[0].Hash()
	b, _ := same[0].Hash()
	if a != b {
		t.Errorf("%s and %s", a, b)
	}
	if _, _, err := mcp.HashTools([]mcp.Tool{{Name: "x", Definition: mcp.NewObject(mcp.Member{Name: "x", Value: mcp.Float(inf())})}}); err == nil {
		t.Error("hashed what is no number of JSON")
	}
	if _, err := (mcp.Pin{Tools: []mcp.Tool{{Name: "x", Definition: mcp.NewObject(mcp.Member{Name: "x", Value: mcp.Float(inf())})}}}).JSON(); err == nil {
		t.Error("wrote what is no number of JSON")
	}
}

func inf() float64 {
	zero := 0.0
	return 1 / zero
}

// Everything that a server says about a tool is kept.
func TestToolKeepsItsDefinition(t *testing.T) {
	list, err := mcp.ParseToolList([]byte(`{"tools":[{"name":"a","title":"A","icons":[{"src":"x"}],"inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := list[0].Definition.Get("icons"); !ok || list[0].Title != "A" || list[0].OutputSchema.IsZero() {
		t.Errorf("%+v", list[0])
	}
	for _, wrong := range []string{`"title":1`, `"outputSchema":true`} {
		if _, err := mcp.ParseToolList([]byte(`{"tools":[{"name":"a","inputSchema":{"type":"object"},` + wrong + `}]}`)); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}
