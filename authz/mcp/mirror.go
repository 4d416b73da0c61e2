package mcp

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/header"
)

const (
	methodHeader = "Mcp-Method"
	nameHeader   = "Mcp-Name"
	paramPrefix  = "Mcp-Param-"
)

// checkMirrors holds the headers that repeat parts of the body against the body (2026-07-28, transports, request
// headers; SEP-2243). There they are required. Earlier versions do not have them, but something in front may still
// route by them, so what is there must be true.
func (c *Call) checkMirrors(h header.Fields, mirrored bool, rules Rules) error {
	if err := c.checkMirror(h, methodHeader, c.Method, c.Modern); err != nil {
		return err
	}
	name := ""
	if mirrored {
		name = c.Targets[0].Name
	}
	if err := c.checkMirror(h, nameHeader, name, c.Modern && mirrored); err != nil {
		return err
	}
	return c.checkParams(h, rules.ParamHeaders)
}

// checkMirror compares one header with the value in the body, which is empty where the body has none.
func (c *Call) checkMirror(h header.Fields, field, inBody string, required bool) error {
	value, present, err := h.One(field)
	switch {
	case err != nil:
		return err
	case !present && required:
		return denial.New(denial.HeaderMissing, "%s is missing", field)
	case !present:
		return nil
	case inBody == "":
		return denial.New(denial.HeaderMismatch, "%s is %.64q, the body has nothing like it", field, value)
	}
	if field == nameHeader {
		if value, err = decodeSentinel(field, value); err != nil {
			return err
		}
	}
	if value != inBody {
		return denial.New(denial.HeaderMismatch, "%s is %.64q, the body says %.64q", field, value, inBody)
	}
	return nil
}

// checkParams compares the Mcp-Param-* headers with the arguments of a tool. Without the tool's pinned definition
// nobody can tell which argument a header repeats, and the backend may read the header.
func (c *Call) checkParams(h header.Fields, pins ParamHeaders) error {
	var paths map[string][]string
	if pins != nil && c.Method == "tools/call" {
		paths, _ = pins.ParamHeaders(c.Targets[0].Name)
	}
	for _, field := range h.Names() {
		if len(field) < len(paramPrefix) || !strings.EqualFold(field[:len(paramPrefix)], paramPrefix) {
			continue
		}
		if _, declared := paths[strings.ToLower(field[len(paramPrefix):])]; !declared {
			return denial.New(denial.HeaderUnverifiable,
				"%.64q: the tool does not declare it or is not pinned; pin the server's tools/list", field)
		}
	}
	for _, suffix := range slices.Sorted(maps.Keys(paths)) {
		if err := c.checkParam(h, paramPrefix+suffix, paths[suffix]); err != nil {
			return err
		}
	}
	return nil
}

// checkParam compares one header with the argument that it repeats. A null argument counts as absent.
func (c *Call) checkParam(h header.Fields, field string, path []string) error {
	value, present, err := h.One(field)
	if err != nil {
		return err
	}
	argument := at(c.Arguments, path)
	switch {
	case argument == nil && present:
		return denial.New(denial.HeaderMismatch, "%s is there, the argument %q is not", field, path)
	case argument == nil:
		return nil
	case !present && c.Modern:
		return denial.New(denial.HeaderMissing, "%s is missing, the argument %q is there", field, path)
	case !present:
		return nil
	}
	if value, err = decodeSentinel(field, value); err != nil {
		return err
	}
	if !sameValue(value, argument) {
		return denial.New(denial.HeaderMismatch, "%s is %.64q and differs from the argument %q", field, value, path)
	}
	return nil
}

// at returns the value at the path, nil when it is absent or null.
func at(o Object, path []string) Value {
	var v Value = o
	for _, name := range path {
		object, ok := v.(Object)
		if !ok {
			return nil
		}
		v, _ = object.Get(name)
	}
	if v == (Value)(Null{}) {
		return nil
	}
	return v
}

// sameValue compares a decoded header with an argument: strings exactly, numbers by value, booleans as true and false.
// Arrays and objects cannot be repeated in a header.
func sameValue(mirrored string, v Value) bool {
	switch v := v.(type) {
	case String:
		return mirrored == string(v)
	case Bool:
		return mirrored == strconv.FormatBool(bool(v))
	case Int, Float:
		return sameNumber(mirrored, v)
	default:
		return false
	}
}

const (
	sentinelOpen  = "=?base64?"
	sentinelClose = "?="
)

// decodeSentinel undoes =?base64?…?= (2026-07-28, transports, value encoding), the form of values that cannot stand in
// a header as they are. What only resembles it, by case or a missing end, is refused: readers differ about it.
func decodeSentinel(field, value string) (string, error) {
	if len(value) < len(sentinelOpen) || !strings.EqualFold(value[:len(sentinelOpen)], sentinelOpen) {
		return value, nil
	}
	encoded, opened := strings.CutPrefix(value, sentinelOpen)
	encoded, closed := strings.CutSuffix(encoded, sentinelClose)
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !opened || !closed || err != nil || !utf8.Valid(decoded) {
		return "", denial.New(denial.HeaderMismatch, "%s is %.64q, which is not base64 of UTF-8 text", field, value)
	}
	return string(decoded), nil
}
