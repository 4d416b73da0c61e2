package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"slices"
	"time"
)

// The members that are no files of the bundle.
const (
	manifestMember  = "manifest.json"
	signatureMember = "manifest.jws"
)

// File is one file of a bundle.
type File struct {
	// Path is where it is: see [Entry].
	Path string
	Data []byte
}

// Write makes a bundle that is not signed. The manifest gives what is to be said besides the files, which are sorted here.
// The same input gives the same bytes.
func Write(m Manifest, files []File) ([]byte, error) {
	files = slices.SortedStableFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	m.Format, m.Files = Format, make([]Entry, 0, len(files))
	for _, f := range files {
		m.Files = append(m.Files, Entry{Path: f.Path, Size: int64(len(f.Data)), SHA256: digest(f.Data)})
	}
	m.Created, m.NotBefore, m.NotAfter = seconds(m.Created), seconds(m.NotBefore), seconds(m.NotAfter)
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	return pack(text, nil, files)
}

// seconds keeps a zero time zero.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// pack writes the archive.
func pack(manifest, signature []byte, files []File) ([]byte, error) {
	if len(manifest) > maxManifest {
		return nil, fmt.Errorf("a manifest of %d bytes: at most %d", len(manifest), maxManifest)
	}
	members := []File{{manifestMember, manifest}}
	if signature != nil {
		members = append(members, File{signatureMember, signature})
	}
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compressing the bundle: %w", err)
	}
	tw := tar.NewWriter(zw)
	for _, f := range append(members, files...) {
		// Nothing in it depends on where and when.
		err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR, Name: f.Path, Size: int64(len(f.Data)), Mode: 0o644,
			ModTime: time.Unix(0, 0),
		})
		if err == nil {
			_, err = tw.Write(f.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", f.Path, err)
		}
	}
	if err := tw.Close(); err != nil {
		return nil, fmt.Errorf("writing the archive: %w", err)
	}
	if err := zw.Close(); err != nil {
		return nil, fmt.Errorf("compressing the bundle: %w", err)
	}
	if out.Len() > MaxSize {
		return nil, fmt.Errorf("the bundle has %d bytes: at most %d", out.Len(), MaxSize)
	}
	return out.Bytes(), nil
}
