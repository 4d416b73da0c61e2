// Command image packs the countersign binary into a container image, without a container engine, a base image or the
// network. The image holds the binary and the public certificate authorities, which issuers with a keys.url need, and
// nothing else. The same binary always gives the same digest.
//
// The tarball is an OCI image layout and a docker-archive in one, so that docker, podman, containerd, kind, skopeo and
// crane all load it.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	binary := flag.String("binary", "", "static Linux `FILE` to pack")
	output := flag.String("output", "", "tarball `FILE` to write")
	name := flag.String("name", "countersign:dev", "`NAME[:TAG]` that the image is loaded under")
	flag.Parse()
	digest, err := run(*binary, *output, *name)
	if err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("%s  %s  %s\n", *name, digest, *output)
}

// run builds the image, writes it, and reads it back as those who load it will.
func run(binary, output, name string) (v1.Hash, error) {
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("name %q: %w", name, err)
	}
	tagged, ok := reference.TagNameOnly(parsed).(reference.NamedTagged)
	if !ok {
		return v1.Hash{}, fmt.Errorf("name %q: want NAME[:TAG]", name)
	}
	img, err := build(binary)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("building from %s: %w", binary, err)
	}
	if err := write(img, tagged, output); err != nil {
		return v1.Hash{}, fmt.Errorf("writing %s: %w", output, err)
	}
	if err := validate(output, tagged); err != nil {
		return v1.Hash{}, fmt.Errorf("reading %s back: %w", output, err)
	}
	return img.Digest()
}
