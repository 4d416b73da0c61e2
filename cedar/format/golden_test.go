package format_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"countersign.dev/cedar/format"
	"countersign.dev/cedar/syntax/corpustest"
)

var update = flag.Bool("update", false, "rewrite testdata/ours/ours.txtar")

// better are the places where Cedar's own formatter loses something or changes its mind the next time. What comes out
// here is in testdata/ours/ours.txtar.
var better = map[string]string{
	"condition_22_before":    "moves the comment behind the string, and formats that differently the next time",
	"string_before_operator": "moves the comment behind the string, and formats that differently the next time",
	"trailing_comma":         "drops the comments at commas",
	"trailing_comma_scope":   "drops the comments at commas",
	"only_comments":          "begins with an empty line",
	"empty":                  "makes an empty line of nothing",
	"block_comments":         "refuses them",
	"unary_run":              "refuses them",
	"action_type":            "refuses them",
}

var nameOptions = regexp.MustCompile(`@(\d+),(\d+)$`)

// What testdata/*.txtar has comes out as it does of Cedar's own formatter, whose output is in testdata/golden.
func TestSameAsCedar(t *testing.T) {
	ours := &txtar.Archive{Comment: []byte("What differs from Cedar's own formatter, and why. Written by go test -update.\n")}
	policies := 0
	archives, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, golden := range archives {
		inputs, expected := read(t, "testdata/"+filepath.Base(golden)), read(t, golden)
		if len(inputs) != len(expected) {
			t.Fatalf("%s: run e2e/cedar/format.mjs", golden)
		}
		for _, name := range slices.Sorted(maps.Keys(inputs)) {
			t.Run(strings.TrimSuffix(filepath.Base(golden), ".txtar")+"/"+name, func(t *testing.T) {
				got := formatted(t, name, inputs[name])
				policies += bytes.Count(got, []byte("permit (")) + bytes.Count(got, []byte("forbid ("))
				if _, ok := better[name]; ok {
					if bytes.Equal(got, expected[name]) {
						t.Error("does not differ any more")
					}
					ours.Files = append(ours.Files, txtar.File{Name: name, Data: got})
					return
				}
				if diff := cmp.Diff(string(expected[name]), string(got)); diff != "" {
					t.Errorf("of\n%s\n(-Cedar's own +here):\n%s", inputs[name], diff)
				}
			})
		}
	}
	if policies < 150 {
		t.Errorf("only %d policies", policies)
	}
	if *update {
		if err := os.WriteFile("testdata/ours/ours.txtar", txtar.Format(ours), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := read(t, "testdata/ours/ours.txtar")
	for _, file := range ours.Files {
		if diff := cmp.Diff(string(want[file.Name]), string(file.Data)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", file.Name, better[file.Name], diff)
		}
	}
	if len(want) != len(ours.Files) || len(want) != len(better) {
		t.Errorf("%d differences listed, %d met, %d in the archive", len(better), len(ours.Files), len(want))
	}
}

// formatted is the text formatted with the options in its name.
func formatted(t *testing.T, name string, source []byte) []byte {
	t.Helper()
	var o format.Options
	if m := nameOptions.FindStringSubmatch(name); m != nil {
		o.Width, _ = strconv.Atoi(m[1])
		o.Indent, _ = strconv.Atoi(m[2])
	}
	got, found := format.Source(name, source, o)
	if got == nil {
		t.Fatalf("refused: %v", found)
	}
	return got
}

// read returns the files of an archive.
func read(t testing.TB, path string) map[string][]byte {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	return files
}

// Every fifth policy of Cedar's own corpus.
func TestCorpusSameAsCedar(t *testing.T) {
	sources := corpustest.Files(t, ".cedar")
	sums, err := os.Open("testdata/golden/corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close() //nolint:errcheck // it is only read
	compared := 0
	for lines := bufio.NewScanner(sums); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "#" {
			continue
		}
		for i, o := range []format.Options{{}, {Width: 40, Indent: 4}} {
			got, found := format.Source(fields[0], sources["corpus-tests/"+fields[0]], o)
			sum := sha256.Sum256(got)
			if hex.EncodeToString(sum[:6]) != fields[i+1] {
				t.Errorf("%s with %+v differs: %v\n%s", fields[0], o, found, got)
			}
			compared++
		}
	}
	if compared < 3000 {
		t.Errorf("compared %d", compared)
	}
}
