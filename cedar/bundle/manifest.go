package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a bundle, in bytes unless stated otherwise.
const (
	// MaxSize is the most that a bundle may have.
	MaxSize = 16 << 20
	// MaxText is the most that all its files together may have, decompressed and without the manifest.
	MaxText = 16 << 20
	// MaxFiles is how many files it may have.
	MaxFiles = 4096
	// MaxCounter is the greatest counter: every JSON reader keeps it exact (RFC 8259, section 6).
	MaxCounter = 1<<53 - 1
	// Skew is how far clocks may differ where not_before and not_after are compared with them.
	Skew = time.Minute

	maxManifest  = 1 << 20
	maxSignature = 4 << 10
)

// Format is the member format of every manifest.
const Format = "countersign-bundle/1"

// Manifest says what a bundle is. Times are in UTC and whole seconds.
type Manifest struct {
	// Format is [Format].
	Format string `json:"format"`
	// Name says what the bundle is for, such as a fleet or a stage. Bundles of one key and different names cannot stand in
	// for each other. Up to 128 letters, digits, '.', '_' and '-'; empty where one key signs for one purpose only.
	Name string `json:"name,omitempty"`
	// Counter grows from bundle to bundle of a name: 1 to [MaxCounter].
	Counter uint64 `json:"counter"`
	// Created is when the bundle was made, for people; zero if that is not said.
	Created time.Time `json:"created,omitzero"`
	// NotBefore is from when the bundle may decide; zero for always.
	NotBefore time.Time `json:"not_before,omitzero"`
	// NotAfter is until when it may decide; zero for ever.
	NotAfter time.Time `json:"not_after,omitzero"`
	// Files are all files by path, ascending.
	Files []Entry `json:"files"`
}

// Entry is one file of a bundle.
type Entry struct {
	// Path is where it is in the archive, with the directory that says what it is.
	Path string `json:"path"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// SHA256 is its digest in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
}

// Where files are in a bundle.
const (
	policies = "policies/"
	tools    = "tools/"
	tests    = "tests/"
	entities = "entities.json"
)

var (
	// Names begin with a letter, digit or underscore: no dot files, no "..", no options for programs that unpack.
	filePath   = regexp.MustCompile(`^(?:entities\.json|policies/` + baseName + `\.cedar|tools/` + baseName + `\.json|tests/` + baseName + `\.(?:yaml|yml|json))$`)
	bundleName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,128}$`)
)

const baseName = `[A-Za-z0-9_][A-Za-z0-9._-]{0,79}`

// parseManifest reads a manifest strictly: exact names, each once, no others.
func parseManifest(text []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(text, &m, json.RejectUnknownMembers(true)); err != nil {
		return m, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return m, fmt.Errorf("the manifest: %w", err)
	}
	return m, nil
}

// check refuses what no bundle may say.
func (m Manifest) check() error {
	switch {
	case m.Format != Format:
		return fmt.Errorf("format is %.80q, must be %q", m.Format, Format)
	case !bundleName.MatchString(m.Name):
		return fmt.Errorf("name %.140q: use up to 128 letters, digits, '.', '_' and '-'", m.Name)
	case m.Counter < 1 || m.Counter > MaxCounter:
		return fmt.Errorf("counter %d: must be 1 to %d", m.Counter, uint64(MaxCounter))
	case !m.NotAfter.IsZero() && !m.NotAfter.After(m.NotBefore):
		return errors.New("not_after is not after not_before")
	case len(m.Files) > MaxFiles:
		return fmt.Errorf("%d files: at most %d", len(m.Files), MaxFiles)
	}
	for name, at := range map[string]time.Time{"created": m.Created, "not_before": m.NotBefore, "not_after": m.NotAfter} {
		if _, offset := at.Zone(); offset != 0 || at.Nanosecond() != 0 {
			return fmt.Errorf("%s is not in UTC and whole seconds", name)
		}
	}
	return checkEntries(m.Files)
}

func checkEntries(entries []Entry) error {
	var total int64
	hasPolicies, before := false, ""
	for _, e := range entries {
		switch {
		case !filePath.MatchString(e.Path):
			return fmt.Errorf("path %.120q: want entities.json, policies/<name>.cedar, tools/<server>.json or tests/<name>.yaml, "+
				"with names of up to 80 letters, digits, '.', '_' and '-'", e.Path)
		case e.Path <= before:
			return fmt.Errorf("path %q comes after %q: paths ascend, and each comes once", e.Path, before)
		case e.Size < 0 || e.Size > MaxText:
			return fmt.Errorf("%s: a size of %d bytes: at most %d", e.Path, e.Size, int64(MaxText))
		case len(e.SHA256) != sha256.Size*2 || strings.Trim(e.SHA256, "0123456789abcdef") != "":
			return fmt.Errorf("%s: sha256 is not a digest in lower-case hexadecimal", e.Path)
		}
		hasPolicies = hasPolicies || strings.HasPrefix(e.Path, policies)
		total, before = total+e.Size, e.Path
	}
	switch {
	case total > MaxText:
		return fmt.Errorf("the files have %d bytes together: at most %d", total, int64(MaxText))
	case !hasPolicies:
		return errors.New("no policies/*.cedar: a bundle that permits nothing must say so with a forbid")
	}
	return nil
}

// CheckTime returns an error unless the bundle may decide at a time, give or take [Skew].
func (m Manifest) CheckTime(now time.Time) error {
	switch {
	case !m.NotBefore.IsZero() && now.Before(m.NotBefore.Add(-Skew)):
		return fmt.Errorf("bundle %d is not valid before %s", m.Counter, m.NotBefore.Format(time.RFC3339))
	case !m.NotAfter.IsZero() && now.After(m.NotAfter.Add(Skew)):
		return fmt.Errorf("bundle %d is not valid after %s", m.Counter, m.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// encode returns the text of the manifest.
func (m Manifest) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("the manifest: %w", err)
	}
	text, err := json.Marshal(m, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return append(bytes.TrimSpace(text), '\n'), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
