package cedar

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of policy files.
const (
	policyFile     = ".cedar"
	compressedFile = ".gz" // behind the name of any file
)

// TestSuffix is how the names of files with tests end, which lie beside the policies. Behind it there may be .gz.
const TestSuffix = "_test.yaml"

// reader reads the files of one generation and collects what is wrong with them.
type reader struct {
	left     int64 // bytes of text that may still come
	problems problems
}

func (r *reader) readAll(cfg Config) *sources {
	s := &sources{tools: make(map[string]file, len(cfg.Tools))}
	wanted := isPolicyFile
	if cfg.Accept != nil {
		wanted = func(name string) bool { return isPolicyFile(name) || isTestFile(name) }
	}
	for _, f := range r.readDirectory(cfg.Policies, wanted) {
		if isPolicyFile(f.name) {
			s.policies = append(s.policies, f)
		} else {
			s.tests = append(s.tests, f)
		}
	}
	r.refuseBelow(cfg.Policies)
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

// readDirectory reads the files in a directory whose names are wanted.
func (r *reader) readDirectory(dir string, wanted func(name string) bool) []file {
	target := resolve(dir)
	entries, err := os.ReadDir(target)
	if err != nil {
		r.problems.add(dir, 0, 0, "reading the policy directory: %v", withoutPath(err))
		return nil
	}
	if target != dir {
		r.refuseStrays(dir, wanted)
	}
	var files []file
	plain := make(map[string]bool)
	for _, entry := range entries { // sorted, so that x.cedar comes before x.cedar.gz
		name := entry.Name()
		if strings.HasPrefix(name, "..") || !wanted(name) {
			continue
		}
		plain[name] = true
		if without, compressed := strings.CutSuffix(name, compressedFile); compressed && plain[without] {
			r.problems.add(filepath.Join(dir, name), 0, 0, "%s is there as well: remove one of them", without)
			continue
		}
		if f, ok := r.readFile(filepath.Join(target, name), filepath.Join(dir, name), maxPolicyFile); ok {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files
}

// isPolicyFile reports whether a file in a policy directory has policies in it.
func isPolicyFile(name string) bool {
	return filepath.Ext(strings.TrimSuffix(name, compressedFile)) == policyFile
}

// isTestFile reports whether a file in a policy directory has tests in it.
func isTestFile(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, compressedFile), TestSuffix) && name[0] != '.'
}

// refuseStrays reports files that lie beside a mounted ConfigMap, where they would be overlooked.
func (r *reader) refuseStrays(dir string, wanted func(name string) bool) {
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
		if wanted(entry.Name()) && (err != nil || !strings.HasPrefix(target, "..data/")) {
			r.problems.add(path, 0, 0, "the file is not part of the ConfigMap that is mounted here: add it there")
		}
	}
}

// readFile reads a regular file, or what a link to one points to, and decompresses it if its name says so. Name is what
// messages call it. Limit is that of the file as it is stored, which a compressed text may exceed.
func (r *reader) readFile(path, name string, limit int64) (file, bool) {
	compressed := strings.HasSuffix(name, compressedFile)
	if !compressed {
		limit = min(limit, r.left)
	}
	data, err := readBounded(path, limit)
	if err == nil && compressed {
		data, err = decompress(data, r.left)
	}
	if err != nil {
		r.problems.add(name, 0, 0, "%v", withoutPath(err))
		return file{}, false
	}
	r.left -= int64(len(data))
	return file{name, data}, true
}

// ReadFile returns the text of one file with policies or tests as [Load] would read it: decompressed if its name ends in .gz,
// and not longer than such a file may be.
func ReadFile(name string) ([]byte, error) {
	r := reader{left: maxTotal}
	f, ok := r.readFile(name, name, maxPolicyFile)
	r.problems.of("unreadable")
	if !ok {
		return nil, r.problems.err()
	}
	return f.data, nil
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
