package cedar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The maxima of what is read.
const (
	maxPolicyFile = 1 << 20  // bytes of one *.cedar file, the most that a ConfigMap holds
	maxTotal      = 16 << 20 // bytes of all files together
	maxRereads    = 3        // attempts to read while the files are being replaced
)

// Config names the files that make up a policy.
type Config struct {
	// Policies is the directory with the *.cedar files. Directories below it are not read.
	Policies string
	// Entities is a file with the operator's entities in Cedar's JSON format; empty for none.
	Entities string
	// Tools maps the name of every configured server to the file with its pinned tools/list result; to the empty
	// string when its tools are not pinned.
	Tools map[string]string
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
	data []byte
}

// sources is the content of one generation of files.
type sources struct {
	policies []file // by name
	entities *file  // nil for none
	tools    map[string]file
}

// digest depends on content only, not on paths and times, so that replicas agree.
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

type reader struct {
	left     int64
	problems problems
}

func (r *reader) readAll(cfg Config) *sources {
	s := &sources{tools: make(map[string]file, len(cfg.Tools))}
	s.policies = r.readDirectory(cfg.Policies)
	if cfg.Entities != "" {
		if f, ok := r.readFile(cfg.Entities, cfg.Entities, maxTotal); ok {
			s.entities = &f
		}
	}
	for _, server := range slices.Sorted(maps.Keys(cfg.Tools)) {
		s.tools[server] = file{}
		if path := cfg.Tools[server]; path != "" {
			s.tools[server], _ = r.readFile(path, path, maxTotal)
		}
	}
	return s
}

func (r *reader) readDirectory(dir string) []file {
	target := resolve(dir)
	entries, err := os.ReadDir(target)
	if err != nil {
		r.problems.add(dir, 0, 0, "reading the policy directory: %v", withoutPath(err))
		return nil
	}
	if target != dir {
		r.refuseStrays(dir)
	}
	var files []file
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, "..") || filepath.Ext(name) != ".cedar" {
			continue
		}
		if f, ok := r.readFile(filepath.Join(target, name), filepath.Join(dir, name), maxPolicyFile); ok {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files
}

// refuseStrays reports policies that lie beside a mounted ConfigMap, where they would be overlooked.
func (r *reader) refuseStrays(dir string) {
	if _, err := os.Lstat(filepath.Join(dir, "..data")); err != nil {
		return // dir itself is a link
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.problems.add(dir, 0, 0, "reading the policy directory: %v", withoutPath(err))
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		target, err := os.Readlink(path)
		if filepath.Ext(path) == ".cedar" && (err != nil || !strings.HasPrefix(target, "..data/")) {
			r.problems.add(path, 0, 0, "the file is not part of the ConfigMap that is mounted here: add it there")
		}
	}
}

// readFile reads a regular file, or what a link to one points to. Name is what messages call it.
func (r *reader) readFile(path, name string, limit int64) (file, bool) {
	data, err := readBounded(path, min(limit, r.left))
	if err != nil {
		r.problems.add(name, 0, 0, "%v", withoutPath(err))
		return file{}, false
	}
	r.left -= int64(len(data))
	return file{name, data}, true
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return nil, errors.New("not a regular file")
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes are too many: one policy file may have %d, all files together %d; split them",
			info.Size(), maxPolicyFile, maxTotal)
	}
	f, err := os.Open(path) //nolint:gosec // the operator's configuration names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != info.Size() {
		return nil, errors.New("the file changed while it was read")
	}
	return data, nil
}

// withoutPath drops the path that os puts into its errors: it may be the target of a link, and the message has the
// configured one.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
