package exchange

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign.dev/authz/denial"
)

// form is a request body whose parameters each came once (RFC 6749, section 3.2). Those without a value are left out,
// as if they had not been sent.
type form map[string]string

// parseForm reads application/x-www-form-urlencoded text.
func parseForm(body []byte) (form, error) {
	if n := strings.Count(string(body), "&") + 1; n > MaxParameters {
		return nil, denial.New(denial.ExchangeMalformed, "%d parameters: at most %d", n, MaxParameters)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, denial.New(denial.ExchangeMalformed, "the body is not a form")
	}
	f := make(form, len(values))
	for name, all := range values {
		switch {
		case len(all) > 1:
			return nil, denial.New(denial.ExchangeDuplicate, "parameter %.40q comes %d times", name, len(all))
		case !utf8.ValidString(name) || !utf8.ValidString(all[0]):
			return nil, denial.New(denial.ExchangeMalformed, "parameter %.40q is not UTF-8", name)
		case all[0] != "":
			f[name] = all[0]
		}
	}
	return f, nil
}

// one returns a parameter that must be there and have no control characters.
func (f form) one(name string) (string, error) {
	value, ok := f[name]
	if !ok {
		return "", denial.New(denial.ExchangeMalformed, "parameter %s is missing", name)
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", denial.New(denial.ExchangeMalformed, "parameter %s has a control character", name)
	}
	return value, nil
}

// refuse refuses a request that has one of these parameters.
func (f form) refuse(reason denial.Reason, why string, names ...string) error {
	for _, name := range names {
		if _, ok := f[name]; ok {
			return denial.New(reason, "parameter %s: %s", name, why)
		}
	}
	return nil
}
