package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	checks "github.com/google/go-containerregistry/pkg/v1/validate"
)

// write puts an OCI image layout into a tarball, and beside it the manifest.json of a docker-archive, which refers to
// the same blobs.
func write(img v1.Image, tagged reference.NamedTagged, output string) (err error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	oci, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The first is what the OCI defines, the second is what containerd, and with it kind, names the image by.
	names := map[string]string{
		"org.opencontainers.image.ref.name": tagged.Tag(),
		"io.containerd.image.name":          tagged.String(),
	}
	if err := oci.AppendImage(img, layout.WithAnnotations(names)); err != nil {
		return err
	}
	if err := writeDockerManifest(img, tagged, filepath.Join(dir, "manifest.json")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o750); err != nil {
		return err
	}
	return pack(dir, output)
}

func writeDockerManifest(img v1.Image, tagged reference.NamedTagged, file string) error {
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	described := tarball.Descriptor{Config: blob(config), RepoTags: []string{reference.FamiliarString(tagged)}}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return err
		}
		described.Layers = append(described.Layers, blob(digest))
	}
	text, err := json.Marshal(tarball.Manifest{described})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// blob is where an OCI image layout keeps what has this digest.
func blob(digest v1.Hash) string { return path.Join("blobs", digest.Algorithm, digest.Hex) }

// pack writes the files below dir into a tarball, in the order of their names and with nothing of this machine.
func pack(dir, output string) (err error) {
	f, err := os.Create(output)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	root := os.DirFS(dir)
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return packFile(w, root, path)
	})
	return errors.Join(err, w.Close())
}

func packFile(w *tar.Writer, root fs.FS, path string) (err error) {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: info.Size(), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// validate reads a tarball as a docker-archive and compares every digest in it with the content. The blobs are those of
// the OCI image layout too.
func validate(file string, tagged reference.NamedTagged) error {
	tag, err := name.NewTag(reference.FamiliarString(tagged))
	if err != nil {
		return err
	}
	img, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		return err
	}
	return checks.Image(img)
}
