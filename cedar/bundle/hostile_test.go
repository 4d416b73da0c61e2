package bundle_test

import (
	"archive/tar"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/cedar/bundle"
)

// What somebody between the author and us can do to a signed bundle.
func TestTampering(t *testing.T) {
	key := newKey(t, "ES256")
	signers := trusting(t, key)
	good := signed(t, written(t), key)
	if err := signers.Verify(good); err != nil {
		t.Fatal(err)
	}
	other := signed(t, written(t), newKey(t, "ES256"))
	replace := func(old, with string) func(string) string {
		return func(text string) string { return strings.Replace(text, old, with, 1) }
	}
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"another key":         {other, "which is not trusted"},
		"no signature at all": {written(t), "the bundle is not signed"},
		"an empty signature": {
			changed(t, good, edit("manifest.jws", func(string) string { return "" })), "the bundle is not signed",
		},
		"a greater counter": {
			changed(t, good, edit("manifest.json", replace(`"counter": 42`, `"counter": 43`))), "does not fit the manifest",
		},
		"another name": {
			changed(t, good, edit("manifest.json", replace("production", "development"))), "does not fit the manifest",
		},
		"a space in the manifest": {
			changed(t, good, edit("manifest.json", func(s string) string { return s + " " })), "does not fit the manifest",
		},
		"another policy": {
			changed(t, good, edit("policies/guard.cedar", replace("forbid", "permit"))), "policies/guard.cedar is not the file that the manifest names",
		},
		"a policy cut short": {
			changed(t, good, edit("policies/guard.cedar", func(s string) string { return s[1:] })), "is not the file that the manifest names",
		},
		"a policy that grew": {
			changed(t, good, edit("policies/guard.cedar", func(s string) string { return s + " " })), "policies/guard.cedar has 69 bytes: at most 68",
		},
		"a policy left out": {
			changed(t, good, func(all []member) []member {
				return slices.DeleteFunc(all, func(m member) bool { return m.Name == "policies/guard.cedar" })
			}), `member "tests/crm.yaml" is where policies/guard.cedar has to be`,
		},
		"the last file left out": {
			changed(t, good, func(all []member) []member { return all[:len(all)-1] }), "the archive ends before tools/crm.json",
		},
		"a policy added": {
			changed(t, good, func(all []member) []member { return append(all, file("policies/z.cedar", "permit")) }),
			`member "policies/z.cedar" is not in the manifest`,
		},
		"a policy twice": {
			changed(t, good, func(all []member) []member { return slices.Insert(all, 4, all[3]) }), `is where policies/guard.cedar has to be`,
		},
		"the order changed": {
			changed(t, good, func(all []member) []member { all[3], all[4] = all[4], all[3]; return all }), "has to be",
		},
		"the manifest last": {
			changed(t, good, func(all []member) []member { return append(all[1:], all[0]) }), "is where manifest.json has to be",
		},
		"two manifests": {
			changed(t, good, func(all []member) []member { return slices.Insert(all, 1, all[0]) }), "the bundle is not signed",
		},
		"two signatures": {
			changed(t, good, func(all []member) []member { return slices.Insert(all, 2, all[1]) }), `member "manifest.jws" is where entities.json has to be`,
		},
		"the signature at the end": {
			changed(t, good, func(all []member) []member { return append(slices.Delete(all, 1, 2), all[1]) }), "the bundle is not signed",
		},
		"nothing in it":     {compress(t, archive(t, nil)), "the archive ends before manifest.json"},
		"not compressed":    {archive(t, members(t, good)), "not a bundle"},
		"empty":             {nil, "not a bundle"},
		"truncated by one":  {good[:len(good)-1], "unexpected EOF"},
		"truncated by half": {good[:len(good)/2], "unexpected EOF"},
		"something behind":  {append(slices.Clone(good), 0), "something follows the compressed archive"},
		"a second archive":  {append(slices.Clone(good), good...), "something follows the compressed archive"},
		"padding in the archive": {
			compress(t, append(archive(t, members(t, good)), make([]byte, 512)...)), "something follows the end of the archive",
		},
		"another archive in the archive": {
			compress(t, append(archive(t, members(t, good)), archive(t, members(t, other))...)), "something follows the end of the archive",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := signers.Verify(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// A bit that flips anywhere in what is compressed is noticed, and so is every one in what it stands for.
func TestEveryByteCounts(t *testing.T) {
	key := newKey(t, "EdDSA")
	signers := trusting(t, key)
	good := signed(t, written(t), key)
	for i := range good {
		flipped := slices.Clone(good)
		flipped[i] ^= 0x10
		// Deflate has many spellings of one text.
		if err := signers.Verify(flipped); err == nil && !bytes.Equal(archive(t, members(t, flipped)), archive(t, members(t, good))) {
			t.Errorf("byte %d of %d may be another", i, len(good))
		}
	}
	for i, m := range members(t, good) {
		for at := range m.data {
			flipped := changed(t, good, func(all []member) []member {
				text := []byte(m.data)
				text[at] ^= 1
				all[i].data = string(text)
				return all
			})
			if err := signers.Verify(flipped); err == nil {
				t.Errorf("byte %d of %s may be another", at, m.Name)
			}
		}
	}
}

func TestMembersThatAreNoFiles(t *testing.T) {
	key := newKey(t, "ES256")
	good := signed(t, written(t), key)
	const policy = 3
	for name, change := range map[string]func(*member){
		"a symbolic link": func(m *member) { m.Typeflag, m.Linkname, m.data = tar.TypeSymlink, "/etc/passwd", "" },
		"a hard link":     func(m *member) { m.Typeflag, m.Linkname, m.data = tar.TypeLink, "manifest.json", "" },
		"a directory":     func(m *member) { m.Typeflag, m.data = tar.TypeDir, "" },
		"a device":        func(m *member) { m.Typeflag, m.data = tar.TypeChar, "" },
		"a pipe":          func(m *member) { m.Typeflag, m.data = tar.TypeFifo, "" },
		"an extended header": func(m *member) {
			m.Format, m.PAXRecords = tar.FormatPAX, map[string]string{"SCHILY.xattr.user.x": "y"}
		},
		"a name in an extended header": func(m *member) { m.Format, m.Name = tar.FormatPAX, strings.Repeat("x", 300) },
		"a header of GNU tar":          func(m *member) { m.Format, m.AccessTime = tar.FormatGNU, m.ModTime.AddDate(1, 0, 0) },
		"a path that climbs":           func(m *member) { m.Name = "../policies/crm.cedar" },
		"an absolute path":             func(m *member) { m.Name = "/policies/crm.cedar" },
		"another spelling of the path": func(m *member) { m.Name = "./policies/crm.cedar" },
		"another case":                 func(m *member) { m.Name = "policies/CRM.cedar" },
	} {
		t.Run(name, func(t *testing.T) {
			data := changed(t, good, func(all []member) []member {
				if all[policy].Name != "policies/crm.cedar" {
					t.Fatalf("member %d is %s", policy, all[policy].Name)
				}
				change(&all[policy])
				return all
			})
			if err := trusting(t, key).Verify(data); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

// sign makes a signature of any kind over a manifest.
func sign(t *testing.T, key jose.JSONWebKey, payload string, headers map[jose.HeaderKey]any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: headers}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.DetachedCompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestSignaturesThatAreRefused(t *testing.T) {
	key := newKey(t, "ES256")
	good := signed(t, written(t), key)
	m := members(t, good)[0].data
	genuine := members(t, good)[1].data
	header := func(text string) string { return segment(text) + ".." + strings.Split(genuine, ".")[2] }
	const typ = "countersign-bundle+jws"
	public, err := key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	hs256 := segment(fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":%q}`, key.KeyID, typ))
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(hs256 + "." + segment(m)))
	noKid := key
	noKid.KeyID = ""
	for name, tc := range map[string]struct{ signature, want string }{
		"none": {segment(fmt.Sprintf(`{"alg":"none","kid":%q,"typ":%q}`, key.KeyID, typ)) + "..", "canonical base64url"},
		"none, with something": {
			segment(fmt.Sprintf(`{"alg":"none","kid":%q,"typ":%q}`, key.KeyID, typ)) + "..AAAA", `signed with "none", but key`,
		},
		"HS256 with the public key":    {hs256 + ".." + segment(string(mac.Sum(nil))), `signed with "HS256", but key`},
		"EdDSA with a key for ES256":   {header(fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":%q}`, key.KeyID, typ)), `signed with "EdDSA", but key`},
		"no kid":                       {sign(t, noKid, m, map[jose.HeaderKey]any{"typ": typ}), "it has no kid"},
		"an empty kid":                 {header(fmt.Sprintf(`{"alg":"ES256","kid":"","typ":%q}`, typ)), "it has no kid"},
		"a kid that is no text":        {header(fmt.Sprintf(`{"alg":"ES256","kid":7,"typ":%q}`, typ)), "alg, kid and typ, and nothing else"},
		"no typ":                       {sign(t, key, m, nil), `of type ""`},
		"the typ of a token":           {sign(t, key, m, map[jose.HeaderKey]any{"typ": "txntoken+jwt"}), `of type "txntoken+jwt"`},
		"one more header":              {sign(t, key, m, map[jose.HeaderKey]any{"typ": typ, "crit": []string{"exp"}, "exp": 1}), "and nothing else"},
		"a key of its own":             {sign(t, key, m, map[jose.HeaderKey]any{"typ": typ, "jwk": key.Public()}), "and nothing else"},
		"alg twice":                    {header(fmt.Sprintf(`{"alg":"none","alg":"ES256","kid":%q,"typ":%q}`, key.KeyID, typ)), "and nothing else"},
		"alg in other letters":         {header(fmt.Sprintf(`{"Alg":"ES256","kid":%q,"typ":%q}`, key.KeyID, typ)), "and nothing else"},
		"a header that is no JSON":     {header("x"), "and nothing else"},
		"over something else":          {sign(t, key, m+" ", map[jose.HeaderKey]any{"typ": typ}), "does not fit the manifest"},
		"with its content":             {strings.Replace(genuine, "..", "."+segment(m)+".", 1), "not one compact JWS with detached content"},
		"in JSON":                      {`{"protected":"","signature":""}`, "not one compact JWS"},
		"two of them":                  {genuine + "\n" + genuine, "not one compact JWS"},
		"a line break behind it":       {genuine + "\n", "canonical base64url"},
		"padding":                      {genuine + "=", "canonical base64url"},
		"other unused bits":            {genuine[:len(genuine)-1] + string(nextLetter(genuine[len(genuine)-1])), "canonical base64url"},
		"the signature cut short":      {genuine[:len(genuine)-6], "does not fit the manifest"},
		"half a megabyte of signature": {strings.Repeat("A", 512<<10), "manifest.jws has 524288 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			data := changed(t, good, edit("manifest.jws", func(string) string { return tc.signature }))
			if err := trusting(t, key).Verify(data); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// nextLetter is the base64url letter that differs in the last bit, which a signature of 64 bytes leaves unused.
func nextLetter(c byte) byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)^1]
}

// Whoever holds the key can still make mistakes, or somebody else's tool.
func TestManifestsThatAreRefused(t *testing.T) {
	a := bundle.File{Path: "policies/a.cedar", Data: []byte("a")}
	b := bundle.File{Path: "policies/b.cedar", Data: []byte("b")}
	digest := `"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`
	for name, tc := range map[string]struct {
		manifest, want string
		files          []bundle.File
	}{
		"not JSON":                    {"x", "reading the manifest", nil},
		"a list":                      {"[]", "reading the manifest", nil},
		"something behind":            {manifest(`"counter":1`, a) + "{}", "reading the manifest", nil},
		"an unknown member":           {manifest(`"counter":1,"allow":true`, a), "reading the manifest", nil},
		"a member twice":              {manifest(`"counter":1,"counter":2`, a), "reading the manifest", nil},
		"a member in other letters":   {manifest(`"Counter":1`, a), "reading the manifest", nil},
		"a counter below zero":        {manifest(`"counter":-1`, a), "reading the manifest", nil},
		"a counter with a fraction":   {manifest(`"counter":1.5`, a), "reading the manifest", nil},
		"a counter as text":           {manifest(`"counter":"1"`, a), "reading the manifest", nil},
		"a counter out of range":      {manifest(`"counter":9007199254740992`, a), "counter 9007199254740992", nil},
		"no counter":                  {manifest(`"name":"x"`, a), "counter 0", nil},
		"another format":              {strings.Replace(manifest(`"counter":1`, a), "bundle/1", "bundle/2", 1), "format is", nil},
		"a time that is none":         {manifest(`"counter":1,"not_after":"tomorrow"`, a), "reading the manifest", nil},
		"a time in another zone":      {manifest(`"counter":1,"not_after":"2026-12-31T00:00:00+01:00"`, a), "not_after is not in UTC", nil},
		"a time with a fraction":      {manifest(`"counter":1,"created":"2026-12-31T00:00:00.5Z"`, a), "created is not in UTC", nil},
		"no files":                    {manifest(`"counter":1`), "no policies/*.cedar", nil},
		"paths that do not ascend":    {manifest(`"counter":1`, b, a), "comes after", []bundle.File{b, a}},
		"a path twice":                {manifest(`"counter":1`, a, a), "comes after", []bundle.File{a, a}},
		"a path that climbs":          {manifest(`"counter":1`, bundle.File{Path: "policies/../../a.cedar"}), "path", nil},
		"a path with a backslash":     {manifest(`"counter":1`, bundle.File{Path: `policies\a.cedar`}), "path", nil},
		"the manifest itself":         {manifest(`"counter":1`, bundle.File{Path: "manifest.json"}), "path", nil},
		"a compressed policy":         {manifest(`"counter":1`, bundle.File{Path: "policies/a.cedar.gz"}), "path", nil},
		"a size that is not the real": {`{"format":"countersign-bundle/1","counter":1,"files":[{"path":"policies/a.cedar","size":2,` + digest + `}]}`, "is not the file", []bundle.File{a}},
		"a negative size":             {`{"format":"countersign-bundle/1","counter":1,"files":[{"path":"policies/a.cedar","size":-1,` + digest + `}]}`, "a size of -1 bytes", nil},
		"a huge size":                 {`{"format":"countersign-bundle/1","counter":1,"files":[{"path":"policies/a.cedar","size":9000000000,` + digest + `}]}`, "a size of 9000000000 bytes", nil},
		"a digest in capitals":        {strings.ToUpper(digest[len(`"sha256":`):]), "reading the manifest", nil},
		"no digest":                   {`{"format":"countersign-bundle/1","counter":1,"files":[{"path":"policies/a.cedar","size":1}]}`, "sha256 is not a digest", nil},
		"a digest with other letters": {`{"format":"countersign-bundle/1","counter":1,"files":[{"path":"policies/a.cedar","size":1,` + strings.ToUpper(digest[9:]) + `}]}`, "reading the manifest", nil},
		"a manifest of two megabytes": {manifest(`"counter":1`, a) + strings.Repeat(" ", 2<<20), "manifest.json has", nil},
	} {
		t.Run(name, func(t *testing.T) {
			all := []member{file("manifest.json", tc.manifest)}
			for _, f := range tc.files {
				all = append(all, file(f.Path, string(f.Data)))
			}
			if _, err := bundle.Read(compress(t, archive(t, all)), bundle.TrustAnybody()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, 2*bundle.MaxText)
	huge := file("manifest.json", "{}")
	record := fmt.Sprintf("%d comment=", 1<<20-512)
	record += strings.Repeat("x", 1<<20-512-len(record)-1) + "\n"
	header := relabelled(t, file("x", record), tar.TypeXHeader, "")
	header = header[:len(header)-1024] // without the end of the archive
	for name, data := range map[string][]byte{
		"no archive":          compress(t, zeros[:8<<20]),
		"the manifest":        compress(t, archive(t, []member{file("manifest.json", string(zeros[:8<<20]))})),
		"behind the files":    compress(t, append(archive(t, members(t, written(t))), zeros...)),
		"too many compressed": bytes.Repeat([]byte{0x1f}, bundle.MaxSize+1),
		"extended headers":    compress(t, archive(t, slices.Repeat([]member{{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": strings.Repeat("x", 1000)}}}}, 100))),
		"headers without end": compress(t, slices.Concat(slices.Repeat([][]byte{header}, 40)...)),
		"a size that lies":    compress(t, relabelled(t, huge, tar.TypeReg, "00077777777\x00")),
	} {
		if _, err := bundle.Read(data, bundle.TrustAnybody()); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// relabelled is an archive with one member whose header says something else than the archive has.
func relabelled(t *testing.T, m member, kind byte, size string) []byte {
	t.Helper()
	text := archive(t, []member{m})
	text[156] = kind
	copy(text[124:136], size)
	sum := 0
	copy(text[148:156], "        ")
	for _, c := range text[:512] {
		sum += int(c)
	}
	copy(text[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return text
}

func TestTrust(t *testing.T) {
	key := newKey(t, "ES256")
	good := signed(t, written(t), key)
	if err := (bundle.Trust{}).Verify(good); err == nil {
		t.Error("the zero value takes bundles")
	}
	if err := (bundle.Trust{}).Verify(written(t)); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("the zero value takes unsigned bundles: %v", err)
	}
	public := key.Public()
	nameless, symmetric, rsa := public, public, public
	nameless.KeyID = ""
	symmetric.Key, symmetric.Algorithm = []byte("secret"), "HS256"
	rsa.Algorithm = "RS256"
	for name, keys := range map[string][]jose.JSONWebKey{
		"none": nil, "without kid": {nameless}, "twice": {public, public}, "private": {key}, "symmetric": {symmetric}, "for RS256": {rsa},
	} {
		if _, err := bundle.TrustKeys(keys); err == nil {
			t.Errorf("keys %s are taken", name)
		}
	}
}
