package cedar

import (
	"regexp"
	"strconv"
	"strings"
)

// maxSegments bounds the prefixes of one URI, which the caller chooses.
const maxSegments = 64

// A hierarchical URI: scheme, authority, path, rest (RFC 3986, appendix B).
var hierarchical = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(.*)$`)

// plainAuthority is an authority in the one way of writing it: no user, lower case, no dot in front or at the end, no
// empty port and no zero before it.
var plainAuthority = regexp.MustCompile(
	`^(?:|(?:[a-z0-9_~-](?:[a-z0-9._~-]*[a-z0-9_~-])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]*)?)$`)

// defaultPorts has the schemes that are read as hierarchical without "//" too (WHATWG URL, special schemes; RFC 8089 for
// file), with the port that means the same as none.
var defaultPorts = map[string]string{
	"file": "", "ftp": ":21", "http": ":80", "https": ":443", "ws": ":80", "wss": ":443",
}

// dots finds dot segments behind the path: a server that does not know about queries takes them for a part of it.
var dots = regexp.MustCompile(`(?i)(?:\.|%2e){2}`)

// uriPrefixes returns the URIs that stand for uri and everything above it: scheme and authority, then one more path
// segment each, without query and fragment. None for a URI without an authority part ("urn:…", "memo:…").
//
// Exact is false when the text leaves open which resource is meant: dot segments, encoded or reversed slashes, encoded
// letters, empty segments, capitals or a default port in the authority. Servers differ in how they read these, so
// nothing can be concluded from prefixes, neither for a permit nor for a forbid.
func uriPrefixes(uri string) (prefixes []string, scheme string, exact bool) {
	parts := hierarchical.FindStringSubmatch(uri)
	if parts == nil {
		scheme, rest, ok := strings.Cut(uri, ":")
		_, special := defaultPorts[scheme]
		return nil, scheme, ok && scheme == strings.ToLower(scheme) && !special && !strings.HasPrefix(rest, "/")
	}
	scheme, authority, path := parts[1], parts[2], strings.TrimSuffix(parts[3], "/")
	port, special := defaultPorts[scheme]
	if scheme != strings.ToLower(scheme) || !plainAuthority.MatchString(authority) || !plainPath(path) ||
		special && port != "" && strings.HasSuffix(authority, port) || dots.MatchString(parts[4]) {
		return nil, scheme, false
	}
	end := len(scheme) + len("://") + len(authority)
	prefixes = append(prefixes, uri[:end])
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment != "" { // only when there is no path
			end += 1 + len(segment)
			prefixes = append(prefixes, uri[:end])
		}
	}
	return prefixes, scheme, len(prefixes) <= maxSegments
}

func plainPath(path string) bool {
	if path == "" {
		return true
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c == '\\' || c >= 0x7f:
			return false
		case c == '%' && !plainEscape(path[i:]):
			return false
		}
	}
	return true
}

// plainEscape reports whether s begins with a percent-encoding in normal form (RFC 3986, section 6.2.2) of something
// that is no separator.
func plainEscape(s string) bool {
	const hex = "0123456789ABCDEF"
	if len(s) < 3 {
		return false
	}
	if strings.IndexByte(hex, s[1]) < 0 || strings.IndexByte(hex, s[2]) < 0 {
		return false
	}
	code, err := strconv.ParseUint(s[1:3], 16, 8)
	if err != nil {
		return false
	}
	c := rune(code)
	unreserved := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~", c)
	return !unreserved && !strings.ContainsRune("/\\%\x00", c)
}
