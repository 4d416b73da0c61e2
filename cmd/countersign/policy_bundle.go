package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle"
)

// readBundle reads a bundle and checks that one of the keys in a file (JWK Set) signed it; without a file, anybody may have.
func readBundle(path, keys string) (*bundle.Bundle, error) {
	signers, err := bundle.TrustFile(keys)
	if err != nil {
		return nil, err
	}
	data, err := readLimited(path, bundle.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	b, err := bundle.Read(data, signers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// filesIn returns the files of a bundle. Messages put its path in front of their names, because a file with the same name
// may lie in the working directory.
func filesIn(path string, b *bundle.Bundle) *cedar.Files {
	files := b.Policy()
	at := func(f *cedar.File) { f.Name = path + "/" + f.Name }
	for i := range files.Policies {
		at(&files.Policies[i])
	}
	for i := range files.Tests {
		at(&files.Tests[i])
	}
	if files.Entities != nil {
		at(files.Entities)
	}
	for server, f := range files.Tools {
		at(&f)
		files.Tools[server] = f
	}
	return files
}

// keptBundle is the bundle of a configuration in commands that ask no host: the last good one, as a restart would find it.
type keptBundle struct{ config *bundleConfig }

var _ cedar.Source = keptBundle{}

// Read implements [cedar.Source].
func (k keptBundle) Read(context.Context) (*cedar.Files, error) {
	b, err := k.open()
	if err != nil {
		return nil, err
	}
	return filesIn(k.config.State, b), nil
}

// Usable implements [cedar.Source]: nothing is put in force with it.
func (keptBundle) Usable() bool { return false }

// open reads the state file.
func (k keptBundle) open() (*bundle.Bundle, error) {
	const instead = "name a bundle that was downloaded with --bundle FILE, or policies with --policies DIR"
	if k.config.State == "" {
		return nil, fmt.Errorf("the policies of this configuration come in a bundle from %s, which is not fetched here, "+
			"and policy.bundle.state names no file where the last good one is kept: %s", k.config.URL, instead)
	}
	b, err := readBundle(k.config.State, k.config.Keys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the policies of this configuration come in a bundle from %s, which is not fetched here, "+
			"and none was kept yet (%w): %s", k.config.URL, err, instead)
	}
	if err != nil {
		return nil, err
	}
	return b, checkTaken(b, k.config.Name, 0)
}

// checkKept checks the last good bundle, if the policies come in bundles, as a restart would load it: the policies, their
// tests, and that the servers have the tools that the configuration has rules for. The note says why it was not checked;
// empty if it was, or there is none.
func (c *config) checkKept(ctx context.Context) (note string, err error) {
	if c.Policy.Bundle == nil {
		return "", nil
	}
	b, err := keptBundle{c.Policy.Bundle}.open()
	if err != nil {
		return "policies, single_use and handles were not checked: " + err.Error(), nil
	}
	files := filesIn(c.Policy.Bundle.State, b)
	from := c.policySource()
	from.Source, from.Accept = inMemory{files}, c.acceptance()
	_, err = cedar.Load(ctx, from)
	for i := range c.Servers {
		s := &c.Servers[i]
		pinned, ok := files.Tools[s.Name]
		switch {
		case ok:
			err = errors.Join(err, s.checkPinned(pinned.Name, pinned.Data))
		case len(s.SingleUse)+len(s.Handles) > 0:
			note = fmt.Sprintf("single_use and handles of %s were not checked: %s has no pinned tools of it", s.Name, c.Policy.Bundle.State)
		}
	}
	return note, err
}

// inMemory are files that were read already.
type inMemory struct{ files *cedar.Files }

var _ cedar.Source = inMemory{}

// Read implements [cedar.Source].
func (m inMemory) Read(context.Context) (*cedar.Files, error) { return m.files, nil }

// Usable implements [cedar.Source].
func (inMemory) Usable() bool { return true }
