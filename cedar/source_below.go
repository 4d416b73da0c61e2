package cedar

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The maxima of a look below a directory of policies.
const (
	maxBelow = 10_000 // files and directories that are looked at
	maxLost  = 20     // files that are reported
)

// RefuseBelow reports the files with policies in directories below a directory of policies. [Load] refuses them: it does
// not read them, and a forbid there would be lost. Names that begin with a dot are not looked at. The error has a line for
// each file; see [Diagnostics].
func RefuseBelow(dir string) error {
	var r reader
	r.refuseBelow(dir)
	r.problems.of("unreadable")
	return r.problems.err()
}

// refuseBelow reports files with policies in directories below dir. Of a mounted ConfigMap it looks at what is mounted and
// at what lies beside that.
func (r *reader) refuseBelow(dir string) {
	l := below{reader: r, seen: make(map[string]bool), left: maxBelow}
	target := resolve(dir)
	l.directories(target, dir)
	if _, err := os.Lstat(filepath.Join(dir, "..data")); err == nil {
		l.directories(dir, dir)
	}
}

// below is a look at what lies below a directory of policies.
type below struct {
	*reader
	seen map[string]bool // directories, by where they really are: a link may lead back up
	left int             // files and directories that may still be looked at
	lost int             // files that were reported
}

// directories looks into the directories in one. Name is what messages call it.
func (l *below) directories(dir, name string) {
	for _, entry := range l.list(dir, name) {
		if path := filepath.Join(dir, entry.Name()); isDirectory(path, entry) {
			l.look(path, filepath.Join(name, entry.Name()))
		}
	}
}

// look reports the policies in a directory and below.
func (l *below) look(dir, name string) {
	for _, entry := range l.list(dir, name) {
		path, called := filepath.Join(dir, entry.Name()), filepath.Join(name, entry.Name())
		switch {
		case isDirectory(path, entry):
			l.look(path, called)
		case isPolicyFile(entry.Name()) && l.lost < maxLost:
			l.lost++
			l.problems.add(called, 0, 0, "not read: directories below are not part of the policy; move it up or out")
		}
	}
}

// list returns what is in a directory, each directory once. Hidden files, and what a check of the file system has found
// (lost+found), are nobody's policies.
func (l *below) list(dir, name string) []fs.DirEntry {
	actual, err := filepath.EvalSymlinks(dir)
	if l.left <= 0 || err == nil && l.seen[actual] {
		return nil
	}
	l.seen[actual] = true
	found, listing := os.ReadDir(dir)
	if err := cmp.Or(err, listing); errors.Is(err, fs.ErrNotExist) {
		return nil // it was removed meanwhile, or the caller says so
	} else if err != nil {
		l.problems.add(name, 0, 0, "looking for policies that are not read: %v", withoutPath(err))
		return nil
	}
	var shown []fs.DirEntry
	for _, entry := range found {
		if l.left--; l.left < 0 {
			l.problems.add(name, 0, 0, "more than %d files below the directory of the policies: "+
				"nobody knows whether policies are among them, so move them out", maxBelow)
			return nil
		}
		if hidden := strings.HasPrefix(entry.Name(), "."); !hidden && entry.Name() != "lost+found" {
			shown = append(shown, entry)
		}
	}
	return shown
}

// isDirectory reports whether an entry is a directory, or a link to one.
func isDirectory(path string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
