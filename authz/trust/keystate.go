package trust

import (
	"fmt"
	"time"
)

// KeyState is where a signing key is in its life.
type KeyState string

// The states, in the order in which a key goes through them.
const (
	// Published means that others can learn the key. It does not sign yet.
	Published KeyState = "published"
	// Signing means that the key signs.
	Signing KeyState = "signing"
	// Retiring means that the key signs no more, while what it signed may still be in use.
	Retiring KeyState = "retiring"
	// Retirable means that nothing is left that the key is needed for.
	Retirable KeyState = "retirable"
)

// KeyFile is one key of a directory of [SigningKeys].
type KeyFile struct {
	// KeyID and Algorithm are those of the key, File is the name of its file in the directory.
	KeyID, Algorithm, File string
	// NotBefore is from when the key may sign. Zero means always.
	NotBefore time.Time
	State     KeyState
	// Until is when the state ends: Published at NotBefore, Signing when the next key takes over, Retiring when the key
	// may be removed. Zero if nothing ends it.
	Until time.Time
}

// ListKeyFiles tells the states of all keys in a directory of [SigningKeys], those that will sign next first. It is an
// error if any file in it is not right. A key that signs no more is kept for as long as keep says: the longest life of
// what it signed, and what the clocks of signer and verifier may differ from ours.
//
// The end of a key's use is the nbf of the key that took over. If that has none, it is the time of its file, which is
// when it was put there, or later: a copy of the directory makes keys be kept too long and never too short.
func ListKeyFiles(dir string, now time.Time, keep time.Duration) ([]KeyFile, error) {
	keys, _, err := readKeyDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	sortKeys(keys)
	files := make([]KeyFile, 0, len(keys))
	var (
		next     time.Time // when the first of the keys to come takes over
		replaced time.Time // when the first key that came took over from those after it
	)
	for _, key := range keys {
		f := KeyFile{KeyID: key.KeyID, Algorithm: key.Algorithm, File: key.file}
		if key.notBefore > 0 {
			f.NotBefore = time.Unix(key.notBefore, 0)
		}
		switch {
		case key.notBefore > now.Unix():
			f.State, f.Until, next = Published, f.NotBefore, f.NotBefore
		case replaced.IsZero():
			f.State, f.Until = Signing, next
			replaced = key.since()
		default:
			f.State, f.Until = Retiring, replaced.Add(keep)
			if !now.Before(f.Until) {
				f.State, f.Until = Retirable, time.Time{}
			}
			if since := key.since(); since.Before(replaced) {
				replaced = since
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// since is from when the key signed, if it came to that.
func (k signingKey) since() time.Time {
	if k.notBefore > 0 {
		return time.Unix(k.notBefore, 0)
	}
	return k.modified
}
