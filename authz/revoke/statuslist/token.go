package statuslist

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"countersign.dev/authz/trust"
)

// listType is the typ of a list token (section 5.1).
const listType = "statuslist+jwt"

// Times that hold where a list does not say otherwise, or says too much.
const (
	skew       = 30 * time.Second // how far the clock of an issuer may be ahead
	defaultTTL = 5 * time.Minute  // of a list with neither ttl nor exp
	maxTTL     = 24 * time.Hour
)

// Keys are the issuers and their keys; see [trust.Store].
type Keys interface {
	Issuer(iss string) (trust.Issuer, bool)
	Key(ctx context.Context, iss, kid string) (jose.JSONWebKey, error)
}

// header is the part of the JOSE header that matters. Members that name keys in other ways are ignored: keys come from
// the configuration.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
	Critical  any    `json:"crit"`
}

// claims are those of a list token (section 5.1). Others are ignored, as the specification wants.
type claims struct {
	Issuer    *string `json:"iss"`
	Subject   string  `json:"sub"`
	IssuedAt  float64 `json:"iat"`
	NotBefore float64 `json:"nbf"`
	Expiry    float64 `json:"exp"`
	TTL       float64 `json:"ttl"`
	List      struct {
		Bits int    `json:"bits"`
		Data string `json:"lst"`
	} `json:"status_list"`
}

// verified is a list that may be believed for some time.
type verified struct {
	list
	ttl    time.Duration
	expiry time.Time // zero for none
}

// verify checks that a list token is from this issuer, is this list, and is in force.
func verify(ctx context.Context, keys Keys, issuer, uri, compact string, now time.Time) (verified, error) {
	payload, err := authenticate(ctx, keys, issuer, compact)
	if err != nil {
		return verified{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return verified{}, fmt.Errorf("the claims: %w", err)
	}
	v := verified{ttl: defaultTTL}
	switch issued := date(c.IssuedAt); {
	case c.Issuer != nil && *c.Issuer != issuer:
		return v, fmt.Errorf("iss is %.200q", *c.Issuer)
	case c.Subject != uri:
		return v, fmt.Errorf("sub is %.200q: it is another list", c.Subject)
	case issued.IsZero():
		return v, errors.New("iat is missing or no time")
	case c.NotBefore != 0 && date(c.NotBefore).IsZero():
		return v, errors.New("nbf is no time")
	case issued.After(now.Add(skew)), date(c.NotBefore).After(now.Add(skew)):
		return v, errors.New("it is not valid yet")
	}
	if c.Expiry != 0 {
		if v.expiry = date(c.Expiry); !now.Before(v.expiry) {
			return v, fmt.Errorf("exp is %s: it is over", v.expiry)
		}
		v.ttl = maxTTL
	}
	if c.TTL != 0 {
		// Section 5.1: a positive number of seconds.
		if c.TTL < 1 || math.IsNaN(c.TTL) {
			return v, errors.New("ttl is not a number of seconds")
		}
		v.ttl = time.Duration(min(c.TTL, maxTTL.Seconds()) * float64(time.Second))
	}
	if v.list, err = decodeList(c.List.Bits, c.List.Data); err != nil {
		return v, err
	}
	return v, nil
}

// authenticate checks header and signature, and returns the payload.
func authenticate(ctx context.Context, keys Keys, issuer, compact string) ([]byte, error) {
	known, ok := keys.Issuer(issuer)
	if !ok {
		return nil, errors.New("the issuer is not configured")
	}
	jws, err := jose.ParseSignedCompact(strings.TrimSpace(compact), known.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("not a JWS that the issuer may sign: %w", err)
	}
	h, err := readHeader(compact)
	if err != nil {
		return nil, err
	}
	key, err := keys.Key(ctx, issuer, h.KeyID)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	if key.Algorithm != h.Algorithm || !slices.Contains(known.Algorithms, jose.SignatureAlgorithm(h.Algorithm)) {
		return nil, fmt.Errorf("alg is %.20q, and the key for %s", h.Algorithm, key.Algorithm)
	}
	payload, err := jws.Verify(key.Key)
	if err != nil {
		return nil, fmt.Errorf("the signature: %w", err)
	}
	return payload, nil
}

// readHeader reads the JOSE header, in which no member may come twice. Parameters that must be understood are not.
func readHeader(compact string) (header, error) {
	encoded, _, _ := strings.Cut(strings.TrimSpace(compact), ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return header{}, fmt.Errorf("the header: %w", err)
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return header{}, fmt.Errorf("the header: %w", err)
	}
	switch {
	case h.Type != listType:
		return header{}, fmt.Errorf("typ is %.40q, must be %s", h.Type, listType)
	case h.KeyID == "":
		return header{}, errors.New("no kid")
	case h.Critical != nil:
		return header{}, errors.New("crit is not supported")
	}
	return h, nil
}

// date returns a NumericDate from 1970 to 9999, or the zero time.
func date(seconds float64) time.Time {
	const last = 253402300799
	if !(seconds >= 1 && seconds <= last) {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
