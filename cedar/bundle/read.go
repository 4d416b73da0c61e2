package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// maxArchive bounds what is decompressed at all: the files, the manifest with its signature, and up to two blocks of the
// archive for each member.
const maxArchive = MaxText + maxManifest + maxSignature + 1024*(MaxFiles+4)

// Bundle is a bundle that was read.
type Bundle struct {
	Manifest Manifest
	// Digest is the SHA-256 of the manifest's text in hexadecimal. It stands for all content, and not for who signed.
	Digest string
	// KeyID is the kid of the key that signed; empty if nobody's signature was asked for.
	KeyID string
	// Signer is the kid that an unchecked signature names; empty without one.
	Signer string
	// Files are in the order of the manifest.
	Files []File

	manifest []byte // its text
}

// Read takes a bundle apart and checks all of it but its times, which [Manifest.CheckTime] compares, its name, and whether it
// is too old, which a [Floor] knows.
func Read(data []byte, trust Trust) (*Bundle, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%d bytes are too many for a bundle: at most %d", len(data), MaxSize)
	}
	a, err := open(data)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	if b.manifest, err = a.member(manifestMember, maxManifest); err != nil {
		return nil, err
	}
	signature, err := a.signature()
	if err != nil {
		return nil, err
	}
	if b.KeyID, err = trust.verify(b.manifest, signature); err != nil {
		return nil, err
	}
	if b.KeyID == "" {
		b.Signer = unchecked(signature)
	}
	b.Digest = digest(b.manifest)
	if b.Manifest, err = parseManifest(b.manifest); err != nil {
		return nil, err
	}
	for _, e := range b.Manifest.Files {
		content, err := a.member(e.Path, e.Size)
		if err != nil {
			return nil, err
		}
		if int64(len(content)) != e.Size || digest(content) != e.SHA256 {
			return nil, fmt.Errorf("%s is not the file that the manifest names: its size or its SHA-256 is another", e.Path)
		}
		b.Files = append(b.Files, File{e.Path, content})
	}
	return b, a.end()
}

// archive goes through the members of a bundle. One that was looked at and not taken waits.
type archive struct {
	compressed *bytes.Reader
	text       *bounded
	tar        *tar.Reader
	waiting    *tar.Header
}

func open(data []byte) (*archive, error) {
	a := &archive{compressed: bytes.NewReader(data)}
	zr, err := gzip.NewReader(a.compressed)
	if err != nil {
		return nil, fmt.Errorf("not a bundle, which is a .tar.gz: %w", err)
	}
	zr.Multistream(false)
	a.text = &bounded{zr, maxArchive}
	a.tar = tar.NewReader(a.text)
	return a, nil
}

// next returns the header of the next member, nil behind the last one.
func (a *archive) next() (*tar.Header, error) {
	if h := a.waiting; h != nil {
		a.waiting = nil
		return h, nil
	}
	h, err := a.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the archive: %w", err)
	case h.Typeflag != tar.TypeReg || h.Linkname != "" || h.Format != tar.FormatUSTAR || len(h.PAXRecords) > 0:
		return nil, fmt.Errorf("member %.120q is no plain file: links, directories and extended headers are refused", h.Name)
	}
	return h, nil
}

// member reads the next member, which must have this name.
func (a *archive) member(name string, limit int64) ([]byte, error) {
	h, err := a.next()
	switch {
	case err != nil:
		return nil, err
	case h == nil:
		return nil, fmt.Errorf("the archive ends before %s", name)
	case h.Name != name:
		return nil, fmt.Errorf("member %.120q is where %s has to be", h.Name, name)
	case h.Size > limit:
		return nil, fmt.Errorf("%s has %d bytes: at most %d", name, h.Size, limit)
	}
	content, err := io.ReadAll(a.tar)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return content, nil
}

// signature reads the signature, nil if there is none.
func (a *archive) signature() ([]byte, error) {
	h, err := a.next()
	if err != nil {
		return nil, err
	}
	a.waiting = h
	if h == nil || h.Name != signatureMember {
		return nil, nil
	}
	return a.member(signatureMember, maxSignature)
}

// end refuses whatever follows the last file.
func (a *archive) end() error {
	h, err := a.next()
	if err != nil {
		return err
	}
	if h != nil {
		return fmt.Errorf("member %.120q is not in the manifest", h.Name)
	}
	rest, err := io.CopyN(io.Discard, a.text, 1)
	switch {
	case rest > 0:
		return errors.New("something follows the end of the archive")
	case !errors.Is(err, io.EOF): // the checksum of the compressed text is compared here
		return fmt.Errorf("reading the archive: %w", err)
	case a.compressed.Len() > 0:
		return errors.New("something follows the compressed archive")
	}
	return nil
}

// bounded fails where a reader gives more than it may, which an end would hide.
type bounded struct {
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("decompressed, the archive is too large")
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
