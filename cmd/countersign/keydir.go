package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
)

// keyDirectory is a directory of signing keys while one command changes it. Every change is one step that is there or
// not, also after a crash: servers that read the directory at any moment see whole files and a key that may sign.
type keyDirectory struct {
	path string
	lock *os.File
}

// openKeyDirectory keeps other commands out until it is closed.
func openKeyDirectory(path string) (*keyDirectory, error) {
	if path == "" {
		return nil, usageError{errors.New("name the directory of the keys with --directory DIR")}
	}
	if _, err := os.Lstat(filepath.Join(path, "..data")); err == nil {
		return nil, fmt.Errorf("%s is a mounted Secret, which only Kubernetes can change: "+
			"do it in a copy and replace the Secret, as 'countersign keys --help' shows", path)
	}
	lock, err := os.Open(path) //nolint:gosec // the user names the directory
	if err != nil {
		return nil, fmt.Errorf("opening the directory of the keys: %w", err)
	}
	d := &keyDirectory{path: path, lock: lock}
	// The kernel lets go of it whatever ends the process.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // descriptors are small
		return nil, errors.Join(fmt.Errorf("%s: another command changes the keys: %w", path, err), lock.Close())
	}
	if err := d.sweep(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *keyDirectory) file(name string) string { return filepath.Join(d.path, name) }

func (d *keyDirectory) close() error { return d.lock.Close() }

// sweep removes what a crash left behind: there may be a private key in it.
func (d *keyDirectory) sweep() error {
	left, err := filepath.Glob(filepath.Join(d.path, unfinished))
	if err != nil {
		return fmt.Errorf("looking for unfinished files: %w", err)
	}
	for _, file := range left {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing an unfinished file: %w", err)
		}
	}
	return nil
}

// put writes a key, replacing the file if it is there. The new file belongs to whom the file like belongs to, so that
// servers can read the one if they can read the other.
func (d *keyDirectory) put(name string, key jose.JSONWebKey, notBefore time.Time, like string) error {
	data, err := trust.EncodeSigningKey(key, notBefore)
	if err != nil {
		return err
	}
	info, err := os.Stat(d.file(like))
	if err != nil {
		return fmt.Errorf("looking at the permissions of keys: %w", err)
	}
	if err := putLike(d.file(name), data, info); err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	return d.sync()
}

// putLike puts a file with the permissions and the owner of another one.
func putLike(path string, data []byte, like fs.FileInfo) error {
	return putFile(path, data, func(f *os.File) error { return own(f, like) })
}

// own gives a file the permissions, owner and group of another one.
func own(file *os.File, like fs.FileInfo) error {
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no owner is known", like.Name())
	}
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	if me, ok := mine.Sys().(*syscall.Stat_t); !ok || me.Uid != owner.Uid || me.Gid != owner.Gid {
		if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("giving it the owner of %s: %w", like.Name(), err)
		}
	}
	return file.Chmod(like.Mode().Perm())
}

func (d *keyDirectory) remove(name string) error {
	if err := os.Remove(d.file(name)); err != nil {
		return fmt.Errorf("removing a key: %w", err)
	}
	return d.sync()
}

// sync makes the last change survive a power failure.
func (d *keyDirectory) sync() error {
	if err := d.lock.Sync(); err != nil {
		return fmt.Errorf("writing %s to disk: %w", d.path, err)
	}
	return nil
}
