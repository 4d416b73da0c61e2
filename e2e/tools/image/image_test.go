package main

import (
	"archive/tar"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	checks "github.com/google/go-containerregistry/pkg/v1/validate"
)

const program = "package main\n\nfunc main() { println(\"hello\") }\n"

// compile builds a program of a few lines for Linux.
func compile(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, source)
	cmd.Env = append(os.Environ(), append([]string{"GOOS=linux", "CGO_ENABLED=0"}, env...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// pack runs the command and returns the tarball.
func packed(t *testing.T, binary string) string {
	t.Helper()
	output := filepath.Join(t.TempDir(), "new", "image.tar")
	if _, err := run(binary, output, "countersign:test"); err != nil {
		t.Fatal(err)
	}
	return output
}

func load(t *testing.T, file string) v1.Image {
	t.Helper()
	tag, err := name.NewTag("countersign:test")
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// content returns the files of an image by path.
func content(t *testing.T, img v1.Image) map[string][]byte {
	t.Helper()
	r := mutate.Extract(img)
	defer r.Close()
	return untar(t, r)
}

func untar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.ModTime.Unix() != 0 {
			t.Errorf("%s carries something of the machine it was made on", header.Name)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageRunsTheBinaryAsNobody(t *testing.T) {
	file, err := load(t, packed(t, compile(t, "GOARCH=arm64"))).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Config.User != "65532:65532" {
		t.Errorf("user %q", file.Config.User)
	}
	if got := strings.Join(file.Config.Entrypoint, " "); got != "/countersign" {
		t.Errorf("entrypoint %q", got)
	}
	if file.OS != "linux" || file.Architecture != "arm64" {
		t.Errorf("for %s/%s, built for linux/arm64", file.OS, file.Architecture)
	}
}

func TestImageHoldsTheBinaryAndAuthoritiesOnly(t *testing.T) {
	binary := compile(t)
	files := content(t, load(t, packed(t, binary)))
	want, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if string(files["countersign"]) != string(want) {
		t.Error("the binary is missing or was changed")
	}
	if !x509.NewCertPool().AppendCertsFromPEM(files["etc/ssl/certs/ca-certificates.crt"]) {
		t.Error("no certificate authorities")
	}
	if len(files) != 2 {
		t.Errorf("%d files, want two", len(files))
	}
}

func TestSameBinaryGivesTheSameTarball(t *testing.T) {
	binary := compile(t)
	first, err := os.ReadFile(packed(t, binary))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(packed(t, binary))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("two tarballs of one binary differ")
	}
}

// What is written must also be an OCI image layout, for those who read that.
func TestTarballIsAnOCILayout(t *testing.T) {
	f, err := os.Open(packed(t, compile(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	for path, data := range untar(t, f) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := checks.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	annotations := manifest.Manifests[0].Annotations
	if annotations["org.opencontainers.image.ref.name"] != "test" ||
		!strings.HasSuffix(annotations["io.containerd.image.name"], "/library/countersign:test") {
		t.Errorf("annotations %v do not name the image", annotations)
	}
}

func TestUnusableBinariesAreRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"not a program":             text,
		"for a machine unknown":     compile(t, "GOARCH=riscv64"),
		"not there":                 filepath.Join(t.TempDir(), "absent"),
		"in need of an interpreter": compilePIE(t),
	}
	for name, binary := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := run(binary, filepath.Join(t.TempDir(), "image.tar"), "countersign:test"); err == nil {
				t.Error("was packed")
			}
		})
	}
}

// compilePIE builds a position-independent program, which names the system's loader even without cgo.
func compilePIE(t *testing.T) string {
	t.Helper()
	return compile(t, "GOFLAGS=-buildmode=pie")
}
