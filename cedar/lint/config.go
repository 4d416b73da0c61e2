package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"countersign.dev/cedar/diagnostic"
)

// ConfigName is the name of the configuration file that [FindConfig] looks for.
const ConfigName = ".countersign-lint.yaml"

// maxConfig is far above any real configuration, in bytes.
const maxConfig = 1 << 20

// Config says which rules are applied and how. The zero value applies the defaults.
type Config struct {
	// Rules has a level or options by rule id.
	Rules map[string]Setting `yaml:"rules"`
	// Exclude are patterns of files that are not looked at, relative to the directory of the configuration. A pattern
	// without a slash is about the name of the file; one that ends in a slash about all that is in a directory.
	Exclude []string `yaml:"exclude"`

	dir string // of the file
}

// Setting is how one rule is applied; in the file it is a level, or an object.
type Setting struct {
	// Level is error, warning, note or off; empty for that of the rule.
	Level string `yaml:"level"`
	// WithinDays is how many days ahead rule expired looks. Default 30.
	WithinDays *int `yaml:"within_days"`
	// Known are annotations that rule unknown-annotation knows besides its own.
	Known []string `yaml:"known"`
	// Max is the highest level that rule level accepts. Default 1.
	Max *int `yaml:"max"`

	place string // file:line:column
}

// UnmarshalYAML implements the interface of goccy/go-yaml.
func (s *Setting) UnmarshalYAML(node ast.Node) error {
	type plain Setting
	if text, ok := node.(*ast.StringNode); ok {
		s.Level = text.Value
	} else if err := yaml.NodeToValue(node, (*plain)(s), yaml.Strict()); err != nil {
		return err
	}
	at := node.GetToken().Position
	s.place = fmt.Sprintf("%d:%d", at.Line, at.Column)
	return nil
}

// options are the settings of all rules together, with defaults.
type options struct {
	known      []string
	withinDays int
	maxLevel   int
}

func (c *Config) options() options {
	o := options{known: c.Rules["unknown-annotation"].Known, withinDays: 30, maxLevel: 1}
	if days := c.Rules["expired"].WithinDays; days != nil {
		o.withinDays = *days
	}
	if level := c.Rules["level"].Max; level != nil {
		o.maxLevel = *level
	}
	return o
}

// level is the severity of a rule's findings, and whether it is applied at all.
func (c *Config) level(r Rule) (level diagnostic.Severity, on bool) {
	switch set := c.Rules[r.ID].Level; set {
	case "":
		return r.Severity, !r.Off
	case "off":
		return "", false
	default:
		return diagnostic.Severity(set), true
	}
}

// FindConfig returns the configuration file of a directory: the one in it, or in the nearest directory above. It is
// empty when there is none.
func FindConfig(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", ConfigName, err)
	}
	for {
		file := filepath.Join(dir, ConfigName)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("looking for %s: %w", ConfigName, err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", nil
		}
		dir = parent
	}
}

// ReadConfig reads a configuration file. Unknown rules, options and levels are errors, with their places.
func ReadConfig(file string) (*Config, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the linter: %w", err)
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("%s: %d bytes are too many for a configuration; the limit is %d", file, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(file) //nolint:gosec // whoever runs the linter names it
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the linter: %w", err)
	}
	c, err := ParseConfig(file, data)
	if err != nil {
		return nil, err
	}
	c.dir = filepath.Dir(file)
	return c, nil
}

// ParseConfig reads the text of a configuration; name is for the errors.
func ParseConfig(name string, data []byte) (*Config, error) {
	var c Config
	err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&c)
	var located yaml.Error
	switch {
	case errors.Is(err, io.EOF): // nothing but comments
	case errors.As(err, &located) && located.GetToken() != nil:
		at := located.GetToken().Position
		return nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, located.GetMessage())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Rules)) {
		if message := c.Rules[id].problem(id); message != "" {
			return nil, fmt.Errorf("%s:%s: rules.%s: %s", name, c.Rules[id].place, id, message)
		}
	}
	for _, pattern := range c.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("%s: exclude %q: %w", name, pattern, err)
		}
	}
	return &c, nil
}

// problem says what is wrong with the setting of a rule.
func (s Setting) problem(id string) string {
	rules := Rules()
	at := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	if at < 0 {
		return strings.TrimSuffix("there is no such rule; "+diagnostic.DidYouMean(id, ids()), "; ")
	}
	if !slices.Contains([]string{"", "off", string(diagnostic.Error), string(diagnostic.Warning), string(diagnostic.Note)}, s.Level) {
		return fmt.Sprintf("level %q: use error, warning, note or off", s.Level)
	}
	for _, option := range []struct {
		name  string
		given bool
	}{{"within_days", s.WithinDays != nil}, {"known", s.Known != nil}, {"max", s.Max != nil}} {
		if option.given && !slices.Contains(rules[at].Options, option.name) {
			return "the rule has no option " + option.name
		}
	}
	for _, number := range []*int{s.WithinDays, s.Max} {
		if number != nil && *number < 0 {
			return "a number must not be negative"
		}
	}
	return ""
}

// Excludes reports whether a file is not to be looked at.
func (c *Config) Excludes(file string) bool {
	relative := filepath.ToSlash(file)
	if absolute, err := filepath.Abs(file); err == nil {
		if dir, err := filepath.Abs(c.dir); err == nil {
			if below, err := filepath.Rel(dir, absolute); err == nil {
				relative = filepath.ToSlash(below)
			}
		}
	}
	for _, pattern := range c.Exclude {
		dir, isDir := strings.CutSuffix(pattern, "/")
		matched := false
		switch {
		case isDir:
			for above := path.Dir(relative); above != "." && above != "/" && !matched; above = path.Dir(above) {
				matched, _ = path.Match(dir, above) // checked when it was read
			}
		case strings.Contains(pattern, "/"):
			matched, _ = path.Match(pattern, relative)
		default:
			matched, _ = path.Match(pattern, path.Base(relative))
		}
		if matched {
			return true
		}
	}
	return false
}
