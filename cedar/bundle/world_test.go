package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/trust"
	"countersign.dev/cedar/bundle"
)

// acme are the files of a small policy.
func acme() []bundle.File {
	return []bundle.File{
		{Path: "policies/crm.cedar", Data: []byte(`@id("a") permit (principal, action, resource in Server::"crm");`)},
		{Path: "policies/guard.cedar", Data: []byte(`@id("b") forbid (principal, action == Action::"delegate", resource);`)},
		{Path: "entities.json", Data: []byte("[]")},
		{Path: "tools/crm.json", Data: []byte(`{"tools":[]}`)},
		{Path: "tests/crm.yaml", Data: []byte("cases: []\n")},
	}
}

// written makes bundle 42.
func written(t testing.TB) []byte {
	t.Helper()
	data, err := bundle.Write(bundle.Manifest{Name: "production", Counter: 42}, acme())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newKey(t testing.TB, algorithm string) jose.JSONWebKey {
	t.Helper()
	key, err := trust.GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t testing.TB, data []byte, key jose.JSONWebKey) []byte {
	t.Helper()
	data, err := bundle.Sign(data, key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func trusting(t testing.TB, keys ...jose.JSONWebKey) bundle.Trust {
	t.Helper()
	for i := range keys {
		keys[i] = keys[i].Public()
	}
	signers, err := bundle.TrustKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return signers
}

// member is a member of an archive as an attacker may make it.
type member struct {
	tar.Header
	data string
}

// members takes an archive apart.
func members(t testing.TB, data []byte) []member {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all []member
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{*h, string(content)})
	}
}

// archive is a tar of members, whatever they are.
func archive(t testing.TB, all []member) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, m := range all {
		if m.Typeflag == tar.TypeReg {
			m.Size = int64(len(m.data))
		}
		if err := tw.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	return zip(t, data, gzip.BestSpeed)
}

// store is a gzip file too, and made much sooner.
func store(t testing.TB, data []byte) []byte {
	t.Helper()
	return zip(t, data, gzip.NoCompression)
}

func zip(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zw.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// changed is a bundle with other members.
func changed(t testing.TB, data []byte, change func([]member) []member) []byte {
	t.Helper()
	return store(t, archive(t, change(members(t, data))))
}

// file is a member that is a plain file.
func file(name, data string) member {
	return member{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Format: tar.FormatUSTAR}, data}
}

// edit replaces the text of a member.
func edit(name string, change func(string) string) func([]member) []member {
	return func(all []member) []member {
		i := slices.IndexFunc(all, func(m member) bool { return m.Name == name })
		all[i].data = change(all[i].data)
		return all
	}
}

// manifest is the text of a manifest with these files.
func manifest(head string, files ...bundle.File) string {
	var entries []string
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		entries = append(entries, fmt.Sprintf(`{"path":%q,"size":%d,"sha256":%q}`, f.Path, len(f.Data), hex.EncodeToString(sum[:])))
	}
	return `{"format":"countersign-bundle/1",` + head + `,"files":[` + strings.Join(entries, ",") + `]}`
}
