// Package corpustest reads the tests that Cedar generates for its implementations, and which cedar-go carries in its
// module: 7,750 policy sets with schemas, entities, requests, and the answers of the Rust implementation.
package corpustest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Files returns the files whose names end in suffix, by their names in the archive. The test is skipped where there is no
// go command to say where the module is.
func Files(t testing.TB, suffix string) map[string][]byte {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cedar-policy/cedar-go").Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("the go command tells where the module is")
	} else if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "corpus-tests.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close() //nolint:errcheck // it is only read
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(header.Name, suffix) {
			continue
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
