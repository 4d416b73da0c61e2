package cedar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Source gives the files of a policy where they do not lie in a directory, such as a bundle that was fetched. It has made
// sure of where they come from; what they say is checked here, as ever.
type Source interface {
	// Read returns the newest files that may take effect. Nobody changes them afterwards. An error means that there are
	// none, or that what is in force may be out of date; it does not end what is in force.
	Read(ctx context.Context) (*Files, error)
	// Usable reports whether the files that were put in force last may still decide. While it is false, a [Store] has no
	// snapshot to give. It is asked for every request.
	Usable() bool
}

// File is one file of a policy.
type File struct {
	// Name is how messages call it.
	Name string
	// Data is its text.
	Data []byte
}

// Files are all files of one generation.
type Files struct {
	// Policies are the *.cedar files, by name.
	Policies []File
	// Entities is the file with entities, nil for none.
	Entities *File
	// Tools are the pinned tools/list results by server. Servers that are not configured may be among them, so that several
	// Countersigns can share the files: their tools are known to policy, and nothing ever asks about them.
	Tools map[string]File
	// Tests are the files with tests, for [Config.Accept]. They decide nothing.
	Tests []File
}

// ReadFiles returns the files that cfg names as [Load] would read them, decompressed; the tests among them only
// if there is a cfg.Accept. What they say is not checked.
func ReadFiles(ctx context.Context, cfg Config) (*Files, error) {
	src, err := read(ctx, cfg)
	if err != nil {
		return nil, err
	}
	files := &Files{Tools: make(map[string]File, len(src.tools))}
	for _, f := range src.policies {
		files.Policies = append(files.Policies, File{f.name, f.data})
	}
	if src.entities != nil {
		files.Entities = &File{src.entities.name, src.entities.data}
	}
	for _, f := range src.tests {
		files.Tests = append(files.Tests, File{f.name, f.data})
	}
	for server, f := range src.tools {
		if f.name != "" {
			files.Tools[server] = File{f.name, f.data}
		}
	}
	return files, nil
}

// readSource takes the files from a source.
func readSource(ctx context.Context, cfg Config) (*sources, error) {
	if cfg.Policies != "" || cfg.Entities != "" {
		return nil, errors.New("reading the policy: it comes from a source and from files, want one of them")
	}
	files, err := cfg.Source.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	s := &sources{tools: make(map[string]file, len(cfg.Tools))}
	for server, path := range cfg.Tools {
		if path != "" {
			return nil, fmt.Errorf("reading the policy: the tools of server %q come from a source and from %s, want one of them",
				server, path)
		}
		s.tools[server] = file{}
	}
	if len(files.Policies) == 0 {
		return nil, errors.New("reading the policy: no *.cedar files: a policy that permits nothing must say so with a forbid")
	}
	left := maxTotal
	take := func(f File) file {
		left -= len(f.Data)
		return file{f.Name, f.Data}
	}
	for _, f := range files.Policies {
		s.policies = append(s.policies, take(f))
	}
	slices.SortStableFunc(s.policies, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	if files.Entities != nil {
		f := take(*files.Entities)
		s.entities = &f
	}
	for _, server := range slices.Sorted(maps.Keys(files.Tools)) {
		s.tools[server] = take(files.Tools[server])
	}
	if cfg.Accept != nil {
		for _, f := range files.Tests {
			s.tests = append(s.tests, take(f))
		}
	}
	if left < 0 {
		return nil, fmt.Errorf("reading the policy: all files together have more than %d bytes", maxTotal)
	}
	return s, nil
}
