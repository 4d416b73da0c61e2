package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxNotBefore is the end of the year 9999: an nbf beyond it is in the wrong unit.
const maxNotBefore = 253402300799

// readKeyDirectory reads all private keys of a directory, and what is questionable about the files. A file that is
// removed meanwhile makes it begin again.
func readKeyDirectory(dir string) (keys []signingKey, warnings []string, err error) {
	for range 3 {
		if keys, warnings, err = readKeysOnce(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return keys, warnings, err
}

func readKeysOnce(dir string) (keys []signingKey, warnings []string, err error) {
	// Kubernetes swaps the target of ..data when a volume changes. Reading through one resolved target keeps a swap
	// in the middle from mixing old and new files.
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		dir = target
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	from := make(map[string]string)
	for _, file := range files {
		name := file.Name()
		if ext := filepath.Ext(name); strings.HasPrefix(name, "..") || ext != ".jwk" && ext != ".json" {
			continue
		}
		key, mode, err := readSigningKey(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		if mode&0o004 != 0 {
			warnings = append(warnings, fmt.Sprintf("%s: a private key that everybody can read (mode %#o)", name, mode))
		}
		if other, ok := from[key.KeyID]; ok {
			return nil, nil, fmt.Errorf("%s: %s is the same key as %s", dir, name, other)
		}
		from[key.KeyID] = name
		if keys = append(keys, key); len(keys) > MaxKeys {
			return nil, nil, fmt.Errorf("%s: more than %d keys", dir, MaxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("%s: no *.jwk or *.json file with a private key", dir)
	}
	return keys, warnings, nil
}

// LoadKey reads one private key from a file of the form that [SigningKeys] describes, whatever its nbf.
func LoadKey(path string) (jose.JSONWebKey, error) {
	key, _, err := readSigningKey(path)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("private key: %w", err)
	}
	return key.JSONWebKey, nil
}

// readSigningKey also returns the permissions of the file.
func readSigningKey(path string) (signingKey, fs.FileMode, error) {
	info, err := os.Stat(path) // follows links, which is what mounted volumes consist of
	if err != nil {
		return signingKey{}, 0, err
	}
	if !info.Mode().IsRegular() {
		return signingKey{}, 0, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := readBounded(path)
	if err != nil {
		return signingKey{}, 0, err
	}
	key, err := parseSigningKey(data)
	if err != nil {
		return signingKey{}, 0, fmt.Errorf("%s: %w", path, err)
	}
	key.file, key.modified = info.Name(), info.ModTime()
	return key, info.Mode().Perm(), nil
}

// parseSigningKey reads one private JWK, strictly.
func parseSigningKey(data []byte) (signingKey, error) {
	var m members
	// This decoder compares names exactly and refuses duplicate names and trailing bytes.
	if err := json.Unmarshal(data, &m); err != nil {
		return signingKey{}, fmt.Errorf("not a JWK: %w", err)
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(data); err != nil {
		return signingKey{}, fmt.Errorf("reading the key: %w", err)
	}
	switch key.Key.(type) {
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		return signingKey{}, errors.New("not a private key of type EC P-256 or OKP Ed25519")
	}
	if err := m.checkUse("sign"); err != nil {
		return signingKey{}, err
	}
	algorithm, err := algorithmOf(key.Public().Key)
	if err != nil {
		return signingKey{}, err
	}
	if err := m.checkAlgorithm(key, algorithm); err != nil {
		return signingKey{}, err
	}
	kid, err := thumbprint(key)
	if err != nil {
		return signingKey{}, err
	}
	if _, present := m["kid"]; present && key.KeyID != kid {
		return signingKey{}, fmt.Errorf("kid is %.80q, must be the RFC 7638 thumbprint %s or absent", key.KeyID, kid)
	}
	notBefore, err := m.notBefore()
	if err != nil {
		return signingKey{}, err
	}
	key = jose.JSONWebKey{Key: key.Key, KeyID: kid, Algorithm: string(algorithm), Use: "sig"}
	if err := checkPair(key); err != nil {
		return signingKey{}, err
	}
	return signingKey{JSONWebKey: key, notBefore: notBefore}, nil
}

func (m members) notBefore() (int64, error) {
	raw, ok := m["nbf"]
	if !ok {
		return 0, nil
	}
	var seconds *int64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil || *seconds < 0 || *seconds > maxNotBefore {
		return 0, errors.New("nbf is not a time in whole Unix seconds")
	}
	return *seconds, nil
}

// checkPair signs once, so that a private key that does not belong to its public key is found here and not by
// every backend.
func checkPair(key jose.JSONWebKey) error {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, nil)
	if err != nil {
		return fmt.Errorf("the key can not sign: %w", err)
	}
	signed, err := signer.Sign([]byte("countersign"))
	if err != nil {
		return fmt.Errorf("the key can not sign: %w", err)
	}
	if _, err := signed.Verify(key.Public()); err != nil {
		return errors.New("the private key does not belong to the public key")
	}
	return nil
}

// EncodeSigningKey returns the contents of a file for a directory of [SigningKeys]. A zero notBefore means that the
// key may sign at once. The result is secret.
func EncodeSigningKey(key jose.JSONWebKey, notBefore time.Time) ([]byte, error) {
	data, err := key.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	if !notBefore.IsZero() {
		// Appended as text: a decode and encode of the members would not keep their order.
		data = fmt.Appendf(data[:len(data)-1], `,"nbf":%d}`, notBefore.Unix())
	}
	// What would not load again must not be written.
	if _, err := parseSigningKey(data); err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	return append(data, '\n'), nil
}
