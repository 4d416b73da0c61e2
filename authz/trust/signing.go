package trust

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SigningKeys are the private keys that Countersign signs with. They are safe for concurrent use.
//
// In a directory, every file named *.jwk or *.json holds one private JWK (RFC 7517) for ES256 (P-256) or EdDSA
// (Ed25519). Its kid is the RFC 7638 thumbprint; it may be left out. The optional member nbf (Unix seconds, zero if
// absent) says from when the key may sign.
//
// All keys are published and verify. The one that signs is the one with the greatest nbf that has come, and of
// several the one with the lowest kid: the same on all replicas that see the same directory. To rotate, add a key
// with an nbf at least ten minutes ahead (twice the time for which others may cache our key set), and remove the
// old file no sooner than the lifetime of a token after that moment; [ListKeyFiles] says when. After a theft, remove the
// file at once.
//
// A replica whose clock is ahead begins with the next key early, one whose clock is behind keeps the old one longer.
// Neither is refused anywhere: a key verifies for as long as it is in the directory, whatever its nbf.
type SigningKeys struct {
	dir    string // empty if generated
	losses atomic.Uint64
	held   atomic.Pointer[holding]

	reload sync.Mutex // one reload at a time
	err    atomic.Pointer[error]
}

// holding is a consistent set of keys. It is replaced as a whole.
type holding struct {
	signing  []signingKey // in order of preference
	public   keySet
	warnings []string
	loaded   time.Time
}

// signingKey is a private key and the time from which it may sign.
type signingKey struct {
	jose.JSONWebKey
	notBefore int64     // Unix seconds
	file      string    // name, empty if generated
	modified  time.Time // of the file
}

// LoadSigningKeys reads the keys in dir. A file that is not right is an error that names it, and so is a directory
// without a key that may sign now. The directory may be a mounted ConfigMap or Secret.
func LoadSigningKeys(dir string) (*SigningKeys, error) {
	if dir == "" {
		return nil, errors.New("signing keys: no directory given")
	}
	k := &SigningKeys{dir: dir}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// GenerateSigningKeys makes one key that lives in memory only. Alg is "ES256" or "EdDSA". After a restart, and on
// another replica, tokens signed with it are refused.
func GenerateSigningKeys(alg string) (*SigningKeys, error) {
	key, err := GenerateKey(alg)
	if err != nil {
		return nil, err
	}
	k := &SigningKeys{}
	k.held.Store(newHolding([]signingKey{{JSONWebKey: key}}, nil))
	return k, nil
}

func newHolding(keys []signingKey, warnings []string) *holding {
	sortKeys(keys)
	h := &holding{signing: keys, public: make(keySet, len(keys)), warnings: warnings, loaded: time.Now()}
	for _, key := range keys {
		h.public[key.KeyID] = key.Public()
	}
	return h
}

// sortKeys puts keys into the order in which they are preferred for signing.
func sortKeys(keys []signingKey) {
	slices.SortFunc(keys, func(a, b signingKey) int {
		return cmp.Or(cmp.Compare(b.notBefore, a.notBefore), cmp.Compare(a.KeyID, b.KeyID))
	})
}

// current returns the key that signs at a time.
func (h *holding) current(now time.Time) (jose.JSONWebKey, bool) {
	for _, key := range h.signing {
		if key.notBefore <= now.Unix() {
			return key.JSONWebKey, true
		}
	}
	return jose.JSONWebKey{}, false
}

// Current returns the private key that signs now. If the clock was set back to before the nbf of every key it
// returns the zero key, which can not sign.
func (k *SigningKeys) Current() jose.JSONWebKey {
	key, _ := k.held.Load().current(time.Now())
	return key
}

// Public returns the public keys, sorted by kid, as they are to be published (RFC 7517, section 5). It includes
// keys whose nbf is still to come.
func (k *SigningKeys) Public() jose.JSONWebKeySet {
	public := k.held.Load().public
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(public))}
	for _, kid := range slices.Sorted(maps.Keys(public)) {
		set.Keys = append(set.Keys, public[kid])
	}
	return set
}

// verification returns the public key of that kid.
func (k *SigningKeys) verification(kid string) (jose.JSONWebKey, bool) {
	key, ok := k.held.Load().public[kid]
	return key, ok
}

// Reload reads the directory again. On an error the last good keys stay in use. Generated keys do not change. The keys of
// a [Store] are reloaded by [Store.Reload].
func (k *SigningKeys) Reload() error { return k.reloadApart() }

// reloadApart is Reload, and refuses a directory with a key that one of others has.
func (k *SigningKeys) reloadApart(others ...*SigningKeys) error {
	if k.dir == "" {
		return nil
	}
	k.reload.Lock()
	defer k.reload.Unlock()
	next, err := k.read()
	for _, other := range others {
		if err == nil {
			err = next.apartFrom(other)
		}
	}
	k.err.Store(&err)
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	old := k.held.Swap(next)
	// Counted after the swap, see entry.install.
	if old != nil && lost(old.public, next.public) {
		k.losses.Add(1)
	}
	return nil
}

func (k *SigningKeys) read() (*holding, error) {
	keys, warnings, err := readKeyDirectory(k.dir)
	if err != nil {
		return nil, err
	}
	h := newHolding(keys, warnings)
	if _, ok := h.current(h.loaded); !ok {
		return nil, fmt.Errorf("%s: no key may sign yet: the nbf of every key is in the future", k.dir)
	}
	return h, nil
}

// apartFrom returns an error if both have the same key.
func (k *SigningKeys) apartFrom(other *SigningKeys) error { return k.held.Load().apartFrom(other) }

func (h *holding) apartFrom(other *SigningKeys) error {
	theirs := other.held.Load().public
	for _, kid := range slices.Sorted(maps.Keys(h.public)) {
		if _, shared := theirs[kid]; shared {
			return fmt.Errorf("key %s begins delegations and countersigns too: each needs keys of its own", kid)
		}
	}
	return nil
}

// Dir returns the directory the keys come from, "" if they were generated.
func (k *SigningKeys) Dir() string { return k.dir }

// Warnings returns what an operator should change about the files, such as a private key that every user of the
// machine can read.
func (k *SigningKeys) Warnings() []string { return slices.Clone(k.held.Load().warnings) }

func (k *SigningKeys) status(own Issuer) IssuerStatus {
	h := k.held.Load()
	status := IssuerStatus{Issuer: own.ID, Role: own.Role, Keys: slices.Sorted(maps.Keys(h.public)), Updated: h.loaded}
	if err := k.err.Load(); err != nil && *err != nil {
		status.Error = (*err).Error()
	}
	return status
}
