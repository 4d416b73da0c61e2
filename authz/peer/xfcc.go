package peer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// MaxXFCC is the longest x-forwarded-client-cert in bytes, all fields together.
const MaxXFCC = 16 << 10

// fromXFCC reads the identity from the last element of the last field: the one that the proxy in front of Envoy wrote.
// Earlier elements may come from anybody. They must parse all the same, because a quotation mark left open in one of
// them could swallow the last.
//
// Envoy itself must only forward the header (FORWARD_ONLY or ALWAYS_FORWARD_ONLY). If it appends to it, the last
// element names the proxy, and taking that for the caller would lend the proxy's rights to all its clients.
func fromXFCC(fields []string, proxy spiffeid.ID) (Peer, error) {
	last, err := lastElement(fields)
	if err != nil {
		return Peer{}, err
	}
	uris, hashes := last.all("uri"), last.all("hash")
	if len(uris) != 1 || uris[0] == "" { // Envoy writes "URI=" for a certificate without URI SAN
		return Peer{}, denial.New(denial.PeerXFCCInvalid, "the last element has URIs %q: exactly one is needed", uris)
	}
	id, err := parseWorkload(uris[0])
	if err != nil {
		return Peer{}, err
	}
	if id == proxy {
		return Peer{}, denial.New(denial.PeerXFCCInvalid,
			"the last element names the proxy %s itself: Envoy must forward XFCC, not append to it", proxy)
	}
	if len(hashes) == 0 {
		return Peer{ID: id}, nil
	}
	digest, err := hex.DecodeString(hashes[0])
	if err != nil || len(digest) != sha256.Size || len(hashes) > 1 {
		return Peer{}, denial.New(denial.PeerXFCCInvalid, "the last element has hashes %q: one SHA-256 in hex is needed", hashes)
	}
	return Peer{ID: id, CertificateHash: base64.RawURLEncoding.EncodeToString(digest)}, nil
}

func lastElement(fields []string) (element, error) {
	total := 0
	for _, field := range fields {
		total += len(field)
	}
	if total > MaxXFCC {
		return nil, denial.New(denial.PeerXFCCInvalid, "%d bytes are over the limit of %d", total, MaxXFCC)
	}
	if total == 0 {
		return nil, denial.New(denial.PeerXFCCMissing, "the proxy sent no x-forwarded-client-cert")
	}
	var last element
	for i, field := range fields {
		elements, err := parseXFCC(field)
		if err != nil {
			return nil, denial.New(denial.PeerXFCCInvalid, "field %d: %w", i+1, err)
		}
		last = elements[len(elements)-1]
	}
	return last, nil
}

// element is one hop: its pairs in order, with keys in lower case.
type element []pair

type pair struct{ key, value string }

func (e element) all(key string) []string {
	var values []string
	for _, p := range e {
		if p.key == key {
			values = append(values, p.value)
		}
	}
	return values
}

// parseXFCC reads one field value: elements separated by commas, each with key=value pairs separated by semicolons
// (Envoy, "HTTP header manipulation", x-forwarded-client-cert). Blanks are allowed around an element, as some proxies
// join fields with ", ". There is at least one element, and each has at least one pair.
func parseXFCC(field string) ([]element, error) {
	s := scanner{text: field}
	var elements []element
	for {
		s.skipBlanks()
		var current element
		for {
			p, err := s.pair()
			if err != nil {
				return nil, err
			}
			current = append(current, p)
			if !s.take(';') {
				break
			}
		}
		elements = append(elements, current)
		s.skipBlanks()
		if s.atEnd() {
			return elements, nil
		}
		if !s.take(',') {
			return nil, fmt.Errorf("byte %d: a comma or semicolon was expected", s.at)
		}
	}
}

var errOpenQuote = errors.New("a quotation mark is not closed")

// scanner walks over a field value byte by byte.
type scanner struct {
	text string
	at   int
}

func (s *scanner) atEnd() bool { return s.at == len(s.text) }

func (s *scanner) take(c byte) bool {
	if s.atEnd() || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) skipBlanks() {
	for s.take(' ') || s.take('\t') {
	}
}

func (s *scanner) pair() (pair, error) {
	key := s.run(func(c byte) bool { return strings.IndexByte(letters+digits+"-_", c) >= 0 })
	if key == "" || !s.take('=') {
		return pair{}, fmt.Errorf("byte %d: a key and an equals sign were expected", s.at)
	}
	if s.take('"') {
		value, err := s.quoted()
		return pair{strings.ToLower(key), value}, err
	}
	// A bare value ends at the separator. Everything that needs quotes ends it too, and is then refused.
	value := s.run(func(c byte) bool { return c > ' ' && c != 0x7f && strings.IndexByte(`,;="`, c) < 0 })
	return pair{strings.ToLower(key), value}, nil
}

func (s *scanner) run(accept func(byte) bool) string {
	start := s.at
	for !s.atEnd() && accept(s.text[s.at]) {
		s.at++
	}
	return s.text[start:s.at]
}

// quoted reads up to the closing quotation mark. A backslash takes away the meaning of the next byte, also when it is
// another backslash: a subject is escaped that way (RFC 2253, section 2.4), and may end with one.
func (s *scanner) quoted() (string, error) {
	var value strings.Builder
	for ; !s.atEnd(); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return value.String(), nil
		case c < ' ' || c == 0x7f:
			return "", fmt.Errorf("byte %d: a control character", s.at)
		case c == '\\' && s.at+1 < len(s.text):
			s.at++
			if next := s.text[s.at]; next < ' ' || next == 0x7f {
				return "", fmt.Errorf("byte %d: a control character", s.at)
			} else if next != '"' && next != '\\' {
				value.WriteByte('\\')
			}
			value.WriteByte(s.text[s.at])
		default:
			value.WriteByte(c)
		}
	}
	return "", errOpenQuote
}
