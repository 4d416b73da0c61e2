package bundle

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"countersign.dev/cedar"
)

// FromPolicy returns the files of a policy as a bundle has them, whatever directories they lie in.
func FromPolicy(p *cedar.Files) ([]File, error) {
	var files []File
	from := make(map[string]string)
	add := func(at string, f cedar.File) error {
		if other, taken := from[at]; taken {
			return fmt.Errorf("%s and %s would both be %s", other, f.Name, at)
		}
		from[at] = f.Name
		files = append(files, File{at, f.Data})
		return nil
	}
	for _, f := range p.Policies {
		if err := add(policies+strings.TrimSuffix(filepath.Base(f.Name), ".gz"), f); err != nil {
			return nil, err
		}
	}
	if p.Entities != nil {
		if err := add(entities, *p.Entities); err != nil {
			return nil, err
		}
	}
	for _, server := range slices.Sorted(maps.Keys(p.Tools)) {
		if err := add(tools+server+".json", p.Tools[server]); err != nil {
			return nil, err
		}
	}
	for _, f := range p.Tests {
		if err := add(tests+strings.TrimSuffix(filepath.Base(f.Name), ".gz"), f); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Policy returns the files of the bundle. Messages call the files by their paths in it.
func (b *Bundle) Policy() *cedar.Files {
	p := &cedar.Files{Tools: make(map[string]cedar.File)}
	for _, f := range b.Files {
		file := cedar.File{Name: f.Path, Data: f.Data}
		switch directory, name := path.Split(f.Path); {
		case f.Path == entities:
			p.Entities = &file
		case directory == policies:
			p.Policies = append(p.Policies, file)
		case directory == tools:
			p.Tools[strings.TrimSuffix(name, ".json")] = file
		case directory == tests:
			p.Tests = append(p.Tests, file)
		}
	}
	return p
}
