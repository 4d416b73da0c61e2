package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// user is who the binary runs as; it owns nothing in the image.
	user = "65532:65532"
	// entrypoint is where the binary is.
	entrypoint = "/countersign"
	// authorities is where Go looks for certificate authorities first.
	authorities = "/etc/ssl/certs/ca-certificates.crt"
)

// architectures are the names that images use for what the binary was compiled for.
var architectures = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

// build returns the image. Authorities are a layer of their own: they change less often than the binary.
func build(binary string) (v1.Image, error) {
	architecture, err := inspect(binary)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	certificates, err := layer(authorities, 0o444, publicAuthorities())
	if err != nil {
		return nil, err
	}
	executable, err := layer(entrypoint, 0o555, program)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, certificates, executable); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", architecture
	file.Config = v1.Config{
		User:       user,
		Entrypoint: []string{entrypoint},
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "countersign",
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(img, file)
}

// inspect returns the architecture of a binary, and refuses one that could not start in an image without libraries.
func inspect(binary string) (architecture string, err error) {
	f, err := elf.Open(binary)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", errors.New("it is linked dynamically: build it with CGO_ENABLED=0")
		}
	}
	architecture, ok := architectures[f.Machine]
	if !ok {
		return "", fmt.Errorf("it is for the machine %s: build it for amd64 or arm64", f.Machine)
	}
	return architecture, nil
}

// layer is a layer with one file. Directories are made by whoever unpacks it. Owner is root and time is 1970, so that
// the same content always is the same layer.
func layer(path string, mode int64, content []byte) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path[1:], Mode: mode, Size: int64(len(content)), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// publicAuthorities returns the authorities of the Mozilla programme as PEM, without those that are trusted under
// conditions only: a PEM file cannot carry the conditions.
func publicAuthorities() []byte {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			file.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return file.Bytes()
}
