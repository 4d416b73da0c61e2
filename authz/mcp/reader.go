package mcp

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/authz/denial"
)

// ParseObject reads JSON text that is one object, under the rules that hold for request bodies. The reasons are those
// of the JSON group in [denial]; text that is another value is [denial.JSONSyntax].
func ParseObject(jsonText []byte) (Object, error) {
	v, err := new(reader).read(jsonText)
	if err != nil {
		return Object{}, err
	}
	o, ok := v.(Object)
	if !ok {
		return Object{}, denial.New(denial.JSONSyntax, "not an object")
	}
	return o, nil
}

// reader turns JSON text into a [Value] in one pass.
//
// What the outermost object said before the first broken rule is kept, so that a refusal can be addressed to the
// request that it refuses.
type reader struct {
	dec    *jsontext.Decoder
	values int
	// id and method are members of the outermost object, once they were read. A name that comes again in any
	// spelling takes its value back: nobody can tell which one the sender means.
	id     Value
	method Value
}

// read reads text, which must be one JSON value with nothing but white space around it.
func (r *reader) read(text []byte) (Value, error) {
	if !utf8.Valid(text) {
		return nil, denial.New(denial.JSONUTF8, "the text is not valid UTF-8")
	}
	if at := loneSurrogate(text); at >= 0 {
		return nil, denial.New(denial.JSONUTF8, "half of a surrogate pair at byte %d", at)
	}
	// The decoder reads a bytes.Buffer in place. Duplicate names are looked for here, together with case variants.
	r.dec = jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	v, err := r.next(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, denial.New(denial.JSONTrailing, "more text after the value at byte %d", r.dec.InputOffset())
	}
	return v, nil
}

// next reads a value that is nested in depth arrays and objects.
func (r *reader) next(depth int) (Value, error) {
	t, err := r.dec.ReadToken()
	if err != nil {
		return nil, r.syntax(err)
	}
	if r.values++; r.values > MaxValues {
		return nil, denial.New(denial.JSONLimit, "more than %d values", MaxValues)
	}
	switch kind := t.Kind(); kind {
	case '"':
		return String(t.String()), nil
	case '0':
		return parseNumber(t.String())
	case 't', 'f':
		return Bool(kind == 't'), nil
	case 'n':
		return Null{}, nil
	case '[', '{':
		if depth++; depth > MaxDepth {
			return nil, denial.New(denial.JSONDepth, "more than %d levels at byte %d", MaxDepth, r.dec.InputOffset())
		}
		if kind == '[' {
			return r.array(depth)
		}
		return r.object(depth)
	default:
		return nil, denial.New(denial.JSONSyntax, "unexpected %q at byte %d", kind.String(), r.dec.InputOffset())
	}
}

func (r *reader) array(depth int) (Value, error) {
	elements := Array{}
	for r.dec.PeekKind() != ']' {
		if len(elements) == MaxElements {
			return nil, denial.New(denial.JSONLimit, "an array of more than %d elements", MaxElements)
		}
		v, err := r.next(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, v)
	}
	_, err := r.dec.ReadToken()
	return elements, r.syntax(err)
}

func (r *reader) object(depth int) (Value, error) {
	members := []Member{}
	var names nameSet
	for r.dec.PeekKind() != '}' {
		if len(members) == MaxElements {
			return nil, denial.New(denial.JSONLimit, "an object of more than %d members", MaxElements)
		}
		t, err := r.dec.ReadToken()
		if err != nil {
			return nil, r.syntax(err)
		}
		name := t.String()
		if err := names.add(members, name); err != nil {
			if depth == 1 {
				r.forget(name)
			}
			return nil, err
		}
		v, err := r.next(depth)
		if err != nil {
			return nil, err
		}
		members = append(members, Member{name, v})
		if depth == 1 {
			r.remember(name, v)
		}
	}
	_, err := r.dec.ReadToken()
	return Object{members}, r.syntax(err)
}

func (r *reader) remember(name string, v Value) {
	switch name {
	case "id":
		r.id = v
	case "method":
		r.method = v
	}
}

func (r *reader) forget(name string) {
	if strings.EqualFold(name, "id") {
		r.id = nil
	}
	if strings.EqualFold(name, "method") {
		r.method = nil
	}
}

// syntax turns an error of the decoder into a refusal; nil stays nil.
func (r *reader) syntax(err error) error {
	if err == nil {
		return nil
	}
	return denial.New(denial.JSONSyntax, "after byte %d: %w", r.dec.InputOffset(), err)
}

// loneSurrogate returns where text escapes half of a surrogate pair (RFC 8259, section 8.2), or -1. Parsers disagree
// whether that is an error, U+FFFD, or three bytes that are not UTF-8.
func loneSurrogate(text []byte) int {
	for i := bytes.IndexByte(text, '\\'); i >= 0; {
		rest := text[i:]
		length := 2 // a backslash and what it escapes
		if unit, ok := escapedUnit(rest); ok {
			length = 6
			switch {
			case unit >= 0xdc00 && unit <= 0xdfff:
				return i
			case unit >= 0xd800 && unit <= 0xdbff:
				if low, ok := escapedUnit(rest[6:]); !ok || low < 0xdc00 || low > 0xdfff {
					return i
				}
				length = 12
			}
		}
		i += min(length, len(rest))
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			return -1
		}
		i += next
	}
	return -1
}

// escapedUnit returns the UTF-16 code unit of an escape like \u0041 at the beginning of text.
func escapedUnit(text []byte) (unit uint64, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return unit, err == nil
}
