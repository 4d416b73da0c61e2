package bundle_test

import (
	"bytes"
	"testing"

	"countersign.dev/cedar/bundle"
)

// Whatever is read as a bundle has one spelling: what it says can be written again, and is then read as the same.
func FuzzRead(f *testing.F) {
	key := newKey(f, "EdDSA")
	signers := trusting(f, key)
	good := signed(f, written(f), key)
	f.Add(archive(f, members(f, good)))
	f.Add(archive(f, members(f, written(f))))
	f.Add(archive(f, []member{file("manifest.json", manifest(`"counter":1`, bundle.File{Path: "policies/a.cedar"})), file("policies/a.cedar", "")}))
	f.Add(archive(f, []member{file("manifest.json", "{}")}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		// The checksum of gzip would keep the fuzzer out.
		data := store(t, text)
		b, err := bundle.Read(data, bundle.TrustAnybody())
		if err != nil {
			if signers.Verify(data) == nil {
				t.Fatal("keys let in what nobody else does")
			}
			return
		}
		if signers.Verify(data) == nil && b.Digest != "" {
			original, err := bundle.Read(good, signers)
			if err != nil || original.Digest != b.Digest {
				t.Fatal("a bundle that nobody signed was taken")
			}
		}
		again, err := bundle.Write(b.Manifest, b.Files)
		if err != nil {
			t.Fatalf("it cannot be written: %v", err)
		}
		same, err := bundle.Read(again, bundle.TrustAnybody())
		if err != nil {
			t.Fatalf("it cannot be read back: %v", err)
		}
		if len(same.Files) != len(b.Files) {
			t.Fatalf("%d files became %d", len(b.Files), len(same.Files))
		}
		for i, f := range b.Files {
			if f.Path != same.Files[i].Path || !bytes.Equal(f.Data, same.Files[i].Data) {
				t.Fatalf("%s changed", f.Path)
			}
		}
	})
}
