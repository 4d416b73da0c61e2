package mcp

import (
	"slices"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

// Protocol versions.
const (
	Version20241105 = "2024-11-05"
	Version20250326 = "2025-03-26"
	Version20250618 = "2025-06-18"
	Version20251125 = "2025-11-25"
	Version20260728 = "2026-07-28"
)

const (
	versionHeader    = "MCP-Protocol-Version"
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"

	// assumedVersion is the version of a request that names none (2025-06-18, transports, protocol version header).
	assumedVersion = Version20250326
	// lastLegacy is the newest version that initialize can lead to.
	lastLegacy = Version20251125
)

var versions = [...]string{Version20241105, Version20250326, Version20250618, Version20251125, Version20260728}

// Versions returns the protocol versions that can be read, oldest first.
func Versions() []string { return slices.Clone(versions[:]) }

func knownVersion(v string) bool { return slices.Contains(versions[:], v) }

// versionField is the protocol version that the header section names.
type versionField struct {
	version string
	present bool
	err     error // the header is there and cannot be used
}

func readVersionField(h header.Fields) versionField {
	v, present, err := h.One(versionHeader)
	if err == nil && present && (!visibleASCII(v) || len(v) > MaxVersion) {
		err = denial.New(denial.VersionUnsupported, "%s has %d bytes", versionHeader, len(v))
	}
	if err != nil {
		return versionField{present: true, err: err}
	}
	return versionField{version: v, present: present}
}

// inForce returns the version whose rules apply.
func (f versionField) inForce() string {
	if f.present {
		return f.version
	}
	return assumedVersion
}

// check makes sure that the version that the header names, or that its absence stands for, is known and not older than
// oldest.
func (f versionField) check(oldest string) error {
	if f.err != nil {
		return f.err
	}
	if !knownVersion(f.inForce()) {
		return denial.New(denial.VersionUnsupported, "%s is %q", versionHeader, f.version)
	}
	return notOlder(f.inForce(), oldest)
}

// notOlder refuses a version before oldest. Versions are dates, so they compare as strings.
func notOlder(version, oldest string) error {
	switch {
	case oldest == "":
		return nil
	case !knownVersion(oldest):
		return denial.New(denial.VersionUnsupported, "the oldest version allowed, %q, is not known", oldest)
	case version < oldest:
		return denial.New(denial.VersionUnsupported, "%s is older than %s", version, oldest)
	}
	return nil
}

// checkAgreement holds the version in params._meta against the header (2026-07-28, transports, protocol version
// header). A version there without a header is refused: a proxy in front would have taken the request for an old one.
func (f versionField) checkAgreement(meta Object) error {
	v, present := meta.Get(metaVersion)
	if !present {
		return nil
	}
	inBody, ok := v.(String)
	switch {
	case !ok:
		return denial.New(denial.ParamsInvalid, "_meta %s is not a string", metaVersion)
	case !f.present:
		return denial.New(denial.HeaderMissing, "_meta names %.64q and %s is missing", string(inBody), versionHeader)
	case string(inBody) != f.version:
		return denial.New(denial.VersionMismatch, "%s is %q, _meta says %.64q", versionHeader, f.version, string(inBody))
	}
	return nil
}

// requireMeta makes sure that a request of 2026-07-28 has what every such request must have (basic, _meta).
func requireMeta(meta Object) error {
	if _, ok := meta.Get(metaVersion); !ok {
		return denial.New(denial.ParamsInvalid, "_meta %s is missing", metaVersion)
	}
	capabilities, _ := meta.Get(metaCapabilities)
	if _, ok := capabilities.(Object); !ok {
		return denial.New(denial.ParamsInvalid, "_meta %s is missing or not an object", metaCapabilities)
	}
	return nil
}

// checkRequested judges the version that an initialize request asks for. It may be any string: a server answers an
// unknown one with a version that it has, and refusing would shut out clients newer than this reader. What it can lead
// to decides: at most [lastLegacy], whatever was asked. So initialize is refused where only later versions are
// allowed, and so is, where any bound is set, a version that is not a date, because nobody can tell its age.
func checkRequested(requested, oldest string) error {
	if !visibleASCII(requested) || len(requested) > MaxVersion {
		return denial.New(denial.ParamsInvalid, "protocolVersion has %d bytes or is not visible ASCII", len(requested))
	}
	if oldest == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, requested); err != nil {
		return denial.New(denial.VersionUnsupported, "protocolVersion is %q", requested)
	}
	return notOlder(min(requested, lastLegacy), oldest)
}
