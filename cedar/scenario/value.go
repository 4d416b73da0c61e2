package scenario

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Time is a point in time, written as 2026-01-31T12:00:00Z, or as 2026-01-31 for the beginning of that day in UTC.
type Time struct{ time.Time }

// At returns t as it is written in a scenario.
func At(t time.Time) Time { return Time{t} }

// IsZero reports whether no time is given.
func (t Time) IsZero() bool { return t.Time.IsZero() }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return t.UTC().AppendFormat(nil, time.RFC3339Nano), nil }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, `"`+time.RFC3339Nano+`"`), nil
}

// MarshalYAML writes the time as text.
func (t Time) MarshalYAML() (any, error) { return t.UTC().Format(time.RFC3339Nano), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if parsed, err := time.Parse(layout, string(text)); err == nil && 1970 <= parsed.Year() && parsed.Year() <= 9999 {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a time: write 2026-01-31T12:00:00Z, or 2026-01-31", text)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error { return fromJSON(data, t.UnmarshalText) }

// UnmarshalYAML reads the text of a scalar.
func (t *Time) UnmarshalYAML(node ast.Node) error { return fromYAML(node, t.UnmarshalText) }

// Duration is a length of time, written as 90s, 5m or 1h30m. It may be negative.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// MarshalYAML writes the duration as text.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// maxDuration keeps sums of a time and a duration among the years that are read.
const maxDuration = 100 * 365 * 24 * time.Hour

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed.Abs() > maxDuration {
		return fmt.Errorf("%.40q is not a duration: write 90s, 5m or 1h30m", text)
	}
	*d = Duration(parsed)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error { return fromJSON(data, d.UnmarshalText) }

// UnmarshalYAML reads the text of a scalar.
func (d *Duration) UnmarshalYAML(node ast.Node) error { return fromYAML(node, d.UnmarshalText) }

func fromJSON(data []byte, read func([]byte) error) error {
	text, err := jsontext.AppendUnquote(nil, data)
	if err != nil {
		return fmt.Errorf("%.40q is not a text: %w", data, err)
	}
	return read(text)
}

func fromYAML(node ast.Node, read func([]byte) error) error {
	text, ok := node.(*ast.StringNode)
	if !ok {
		return refuse(node, "expected a text")
	}
	if err := read([]byte(text.Value)); err != nil {
		return refuse(node, "%s", err)
	}
	return nil
}

func refuse(node ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: node.GetToken()}
}

// Arguments are the arguments of a tool or prompt, as JSON text of one object; nil when none are sent.
type Arguments []byte

// MarshalJSON implements json.Marshaler.
func (a Arguments) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("null"), nil
	}
	return a, nil
}

// UnmarshalJSON implements json.Unmarshaler. The text is kept as it is.
func (a *Arguments) UnmarshalJSON(data []byte) error {
	*a = nil
	if string(data) != "null" {
		*a = bytes.Clone(data)
	}
	return nil
}

// MarshalYAML writes the arguments in the flow style of YAML, which is JSON.
func (a Arguments) MarshalYAML() ([]byte, error) { return a.MarshalJSON() }

// UnmarshalYAML turns a mapping into JSON, with numbers as they are written.
func (a *Arguments) UnmarshalYAML(node ast.Node) error {
	*a = nil
	switch node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return refuse(node, "expected names and values")
	}
	text, err := appendJSON(nil, node)
	*a = text
	return err
}
