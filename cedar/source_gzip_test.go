package cedar_test

import (
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/cedar"
)

// zipped is a text as gzip has it.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCompressedFilesAreTheSamePolicy(t *testing.T) {
	plain := map[string]string{"policies/a.cedar": someone, "entities.json": "[]", "crm.json": `{"tools":[]}`}
	cfg, _ := written(t, plain)
	want, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg, dir := written(t, map[string]string{"policies/a.cedar.gz": zipped(t, someone)})
	put(t, filepath.Join(dir, "entities.json.gz"), zipped(t, "[]"))
	put(t, filepath.Join(dir, "crm.json.gz"), zipped(t, `{"tools":[]}`))
	cfg.Entities, cfg.Tools["crm"] = filepath.Join(dir, "entities.json.gz"), filepath.Join(dir, "crm.json.gz")
	got, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision() != want.Revision() {
		t.Errorf("revision %s, uncompressed %s", got.Revision(), want.Revision())
	}
}

// A text of several MiB fits into one ConfigMap.
func TestCompressedPoliciesMayExceedAConfigMap(t *testing.T) {
	var text strings.Builder
	for i := range 20_000 {
		text.WriteString(strings.ReplaceAll(someone, "someone", "policy-"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+"-"+strings.Repeat("y", i/1300)))
		text.WriteString("// some words about it, as people write them\n")
	}
	cfg, _ := written(t, map[string]string{"policies/a.cedar.gz": zipped(t, text.String())})
	files, err := cedar.ReadFiles(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(files.Policies[0].Data); got != text.String() || len(got) < 1<<20 {
		t.Errorf("%d bytes came back, want %d", len(got), text.Len())
	}
}

func TestPositionsAreThoseOfTheText(t *testing.T) {
	cfg, dir := written(t, map[string]string{"policies/p.cedar.gz": zipped(t, "// first\n"+someone+"\n  permit")})
	_, err := cedar.Load(t.Context(), cfg)
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "policies", "p.cedar.gz")+":3:9: ") {
		t.Errorf("got %v", err)
	}
}

func TestCompressedFilesThatAreRefused(t *testing.T) {
	good := zipped(t, someone)
	truncated := good[:len(good)-1]
	flipped := []byte(good)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	long := zipped(t, noise(9<<20))
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"the same file twice": {
			map[string]string{"policies/a.cedar": someone, "policies/a.cedar.gz": good},
			"policies/a.cedar.gz: a.cedar is there as well: remove one of them",
		},
		"not compressed at all": {map[string]string{"policies/a.cedar.gz": someone}, "a.cedar.gz: not a gzip file: "},
		"truncated":             {map[string]string{"policies/a.cedar.gz": truncated}, "a.cedar.gz: decompressing the file: unexpected EOF"},
		"a wrong checksum":      {map[string]string{"policies/a.cedar.gz": string(flipped)}, "a.cedar.gz: decompressing the file: gzip: invalid checksum"},
		"a second member": {
			map[string]string{"policies/a.cedar.gz": good + zipped(t, `@id("b") permit (principal, action, resource);`)},
			"a.cedar.gz: something follows the compressed text",
		},
		"something behind it": {map[string]string{"policies/a.cedar.gz": good + "x"}, "a.cedar.gz: something follows the compressed text"},
		"a bomb": {
			map[string]string{"policies/a.cedar.gz": zipped(t, strings.Repeat("\n", 2<<20))},
			"a.cedar.gz: the text has more than 200 times the bytes of the file: that is no policy",
		},
		"too much together": {
			map[string]string{"policies/a.cedar.gz": long, "policies/b.cedar.gz": long},
			"b.cedar.gz: decompressed, the text has more than the 7340032 bytes that are left: all files together may have 16777216",
		},
		"more than a ConfigMap holds": {
			map[string]string{"policies/a.cedar.gz": strings.Repeat("x", 1<<20+1)},
			"a.cedar.gz: 1048577 bytes are too many",
		},
		"compressed twice": {
			map[string]string{"policies/a.cedar": someone, "policies/b.cedar.gz.gz": good}, // no policy file by its name
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := written(t, tc.files)
			_, err := cedar.ReadFiles(t.Context(), cfg)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// noise is a text that compresses about 1:100.
func noise(size int) string {
	var b strings.Builder
	state := uint32(1)
	for b.Len() < size {
		state = state*1664525 + 1013904223
		b.WriteString(strings.Repeat(string(rune('a'+state>>24%26)), 150) + string(rune('a'+state>>16%26)))
	}
	return b.String()[:size]
}

// Several ConfigMaps in one projected volume are one directory with one ..data.
func TestProjectedVolume(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policies")
	generation := map[string]string{
		"crm.cedar":       `@id("crm") permit (principal, action, resource);`,
		"ledger.cedar.gz": zipped(t, `@id("ledger") permit (principal, action, resource);`),
	}
	mount(t, dir, "2026_01", generation)
	cfg := acme()
	cfg.Policies, cfg.Entities = dir, ""
	first, err := cedar.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if first.Policies() != 2 {
		t.Errorf("%d policies, want 2", first.Policies())
	}
	t.Run("a compressed file beside the mounted ones is not overlooked", func(t *testing.T) {
		stray := filepath.Join(dir, "stray.cedar.gz")
		put(t, stray, zipped(t, someone))
		defer func() { _ = os.Remove(stray) }()
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "stray.cedar.gz: the file is not part of") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one of them grows", func(t *testing.T) {
		next := maps.Clone(generation)
		next["wiki.cedar"] = someone
		mount(t, dir, "2026_02", next)
		second, err := cedar.Load(t.Context(), cfg)
		if err != nil || second.Policies() != 3 {
			t.Errorf("%v", err)
		}
	})
	t.Run("two of them bring the same file", func(t *testing.T) {
		next := maps.Clone(generation)
		next["ledger.cedar"] = someone
		mount(t, dir, "2026_03", next)
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "ledger.cedar is there as well") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadFiles(t *testing.T) {
	files, err := cedar.ReadFiles(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	if len(files.Policies) != 3 || files.Entities == nil || len(files.Tools) != 2 || files.Tools["crm"].Name != "testdata/acme/tools/crm.json" {
		t.Errorf("got %d policies, %d tools", len(files.Policies), len(files.Tools))
	}
	cfg := acme()
	cfg.Entities = "testdata/acme/gone.json"
	if _, err := cedar.ReadFiles(t.Context(), cfg); err == nil {
		t.Errorf("got %v", err)
	}
}

// One file is read as all of them are.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.cedar": "text", "q.cedar.gz": zipped(t, "text"), "torn.cedar.gz": "text", "large.cedar": strings.Repeat(" ", 1<<20+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"p.cedar": "", "q.cedar.gz": "", "torn.cedar.gz": "not a gzip file", "large.cedar": "bytes are too many", "none.cedar": "no such file",
		".": "not a regular file",
	} {
		text, err := cedar.ReadFile(filepath.Join(dir, name))
		if want == "" && (err != nil || string(text) != "text") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
