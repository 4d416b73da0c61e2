package cedar

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
)

// The maxima of what is read.
const (
	maxPolicyFile = 1 << 20  // bytes of one file as it is stored, the most that a ConfigMap holds
	maxTotal      = 16 << 20 // bytes of the text of all files together
	maxRereads    = 3        // attempts to read while the files are being replaced
)

// Config names the files that make up a policy.
type Config struct {
	// Policies is the directory with the *.cedar and *.cedar.gz files. Directories below it are not read, and must not have any;
	// see [RefuseBelow].
	Policies string
	// Entities is a file with the operator's entities in Cedar's JSON format; empty for none. A name that ends in .gz is
	// that of a compressed file.
	Entities string
	// Tools maps the name of every configured server to the file with its pinned tools/list result, compressed if its name
	// ends in .gz; to the empty string when its tools are not pinned.
	Tools map[string]string
	// Source gives the files instead: then Policies and Entities are empty, and so are the values of Tools. Nil for files.
	Source Source
	// Accept has the last word on what was loaded, with the tests that came along; nil for none, and then no tests are read.
	Accept Acceptance
	// OnError says what a policy that cannot be evaluated does. Default [Deny].
	OnError OnError
	// VerifyIndex is the share of questions, from 0 to 1, that plain Cedar decides as well, with all policies and
	// everything they could read. When the answers differ, the question is denied. It costs time in proportion to the
	// number of policies.
	VerifyIndex float64
	// Observer is told about every question; nil for nobody.
	Observer Observer
	// Log is where disagreements are written; nil for nowhere.
	Log *slog.Logger
}

// paths returns what a change of the policy shows up in.
func (c Config) paths() []string {
	if c.Source != nil {
		return nil
	}
	paths := []string{c.Policies}
	if c.Entities != "" {
		paths = append(paths, c.Entities)
	}
	for _, server := range slices.Sorted(maps.Keys(c.Tools)) {
		if c.Tools[server] != "" {
			paths = append(paths, c.Tools[server])
		}
	}
	return paths
}

// file is a file as it was read.
type file struct {
	name string // the configured path, for messages
	data []byte // the text, decompressed
}

// sources is the content of one generation of files.
type sources struct {
	policies []file // by name
	entities *file  // nil for none
	tools    map[string]file
	tests    []file // by name; they decide nothing
}

// digest is that of what decides: not of the tests. It depends on content only, not on paths and times, so that replicas agree.
func (s *sources) digest(schema []byte) [sha256.Size]byte {
	h := sha256.New()
	part := func(kind string, data []byte) {
		var size [8]byte
		for _, b := range [][]byte{[]byte(kind), data} {
			binary.BigEndian.PutUint64(size[:], uint64(len(b)))
			h.Write(size[:])
			h.Write(b)
		}
	}
	part("schema", schema)
	sums := make([]string, len(s.policies))
	for i, f := range s.policies {
		sum := sha256.Sum256(f.data)
		sums[i] = string(sum[:])
	}
	slices.Sort(sums)
	for _, sum := range sums {
		part("policies", []byte(sum))
	}
	if s.entities != nil {
		part("entities", s.entities.data)
	}
	for _, server := range slices.Sorted(maps.Keys(s.tools)) {
		part("server "+server, s.tools[server].data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// read reads all files of one generation. Kubernetes replaces a mounted ConfigMap, and git-sync a worktree, by swapping
// one link; when that happens in between, everything is read again.
func read(ctx context.Context, cfg Config) (*sources, error) {
	if cfg.Source != nil {
		return readSource(ctx, cfg)
	}
	for range maxRereads {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading the policy: %w", err)
		}
		before := generation(cfg)
		r := reader{left: maxTotal}
		s := r.readAll(cfg)
		if !slices.Equal(before, generation(cfg)) {
			continue
		}
		r.problems.of("unreadable")
		if err := r.problems.err(); err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, fmt.Errorf("reading the policy: the files kept being replaced during %d attempts", maxRereads)
}

// generation tells which generation of each directory is in place.
func generation(cfg Config) []string {
	var all []string
	for i, path := range cfg.paths() {
		if i > 0 { // the first is a directory
			path = filepath.Dir(path)
		}
		all = append(all, resolve(path))
	}
	return all
}

// resolve returns the directory that dir stands for now, following the "..data" link of a mounted ConfigMap.
func resolve(dir string) string {
	for _, candidate := range []string{filepath.Join(dir, "..data"), dir} {
		if target, err := filepath.EvalSymlinks(candidate); err == nil {
			return target
		}
	}
	return dir
}
