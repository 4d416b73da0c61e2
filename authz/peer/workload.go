package peer

import (
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/denial"
)

// MaxID is the longest SPIFFE ID in bytes (SPIFFE-ID, section 2.3).
const MaxID = 2048

// maxShown bounds how much of a refused name is quoted in a detail, in bytes.
const maxShown = 128

// parsePrincipal reads the peer principal. Envoy puts other names in its place when a certificate has no URI SAN; each
// kind is refused with its own reason, because each has its own remedy.
func parsePrincipal(name string) (spiffeid.ID, error) {
	switch {
	case name == "":
		return spiffeid.ID{}, denial.New(denial.PeerMissing, "Envoy reported no principal")
	case strings.Contains(name, "!"):
		// "!" is no character of a SPIFFE ID: it stands for a byte that was not UTF-8.
		return spiffeid.ID{}, denial.New(denial.PeerSanitised, "%q has bytes that Envoy replaced", shown(name))
	case isSubjectDN(name):
		return spiffeid.ID{}, denial.New(denial.PeerSubjectDN,
			"%q is a certificate subject: the certificate has no SAN", shown(name))
	case isDNSName(name):
		return spiffeid.ID{}, denial.New(denial.PeerDNSName,
			"%q is a DNS name: the certificate has no URI SAN", shown(name))
	}
	return parseWorkload(name)
}

// parseWorkload reads the SPIFFE ID of a workload (SPIFFE-ID, section 2): at most [MaxID] bytes, with a path.
func parseWorkload(name string) (spiffeid.ID, error) {
	if len(name) > MaxID {
		return spiffeid.ID{}, denial.New(denial.PeerInvalid, "%d bytes are too many for a SPIFFE ID", len(name))
	}
	id, err := spiffeid.FromString(name)
	if err != nil {
		return spiffeid.ID{}, denial.New(denial.PeerInvalid, "%q is not a SPIFFE ID: %w", shown(name), err)
	}
	if id.Path() == "" {
		return spiffeid.ID{}, denial.New(denial.PeerInvalid, "%q names a trust domain, not a workload", shown(name))
	}
	return id, nil
}

// isSubjectDN reports whether name starts with an attribute type and "=", as a distinguished name does (RFC 2253,
// section 3). A URI cannot: its scheme ends with a colon.
func isSubjectDN(name string) bool {
	attribute, _, found := strings.Cut(name, "=")
	return found && attribute != "" && strings.Trim(attribute, letters+digits+".-") == ""
}

// isDNSName reports whether name consists of characters of DNS names only, wildcards included. No URI does: it has a
// colon.
func isDNSName(name string) bool { return strings.Trim(name, letters+digits+".-_*") == "" }

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

func shown(name string) string {
	if len(name) > maxShown {
		return name[:maxShown] + "…"
	}
	return name
}
