package policytest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign.dev/cedar"
)

// MaxAcceptance is how long the tests that come with policies may take before these take effect.
const MaxAcceptance = 10 * time.Second

// maxFailures bounds how many failed tests an error lists.
const maxFailures = 20

// Acceptance runs the tests that come with policies, before these take effect. The policies, entities and tools are those
// that are loaded, whatever a file says about where they are. Tests of servers that are not configured here are skipped,
// because one set of policies may serve several installations. The zero value lets policies without tests pass.
type Acceptance struct {
	// Required refuses policies without a test, or with none that is about this installation.
	Required bool
}

var _ cedar.Acceptance = Acceptance{}

// Accept implements [cedar.Acceptance]. The error has a line for each test that failed, up to 20.
func (a Acceptance) Accept(ctx context.Context, s *cedar.Snapshot, tests []cedar.File) (cedar.Tried, error) {
	ctx, cancel := context.WithTimeout(ctx, MaxAcceptance)
	defer cancel()
	tried, err := a.try(ctx, s, tests)
	if errors.Is(err, context.DeadlineExceeded) {
		return tried, fmt.Errorf("the tests of the policies took more than %s: %w", MaxAcceptance, err)
	}
	return tried, err
}

func (a Acceptance) try(ctx context.Context, s *cedar.Snapshot, tests []cedar.File) (cedar.Tried, error) {
	files, err := ParseAll(ctx, tests)
	if err != nil {
		return cedar.Tried{}, err
	}
	skipped := leaveOut(s.Servers(), files)
	report, err := Run(ctx, s, files, nil)
	if err != nil {
		return cedar.Tried{}, err
	}
	if err := report.err(); err != nil {
		return cedar.Tried{}, err
	}
	if a.Required && len(report.Results) == 0 {
		return cedar.Tried{}, errors.New("the policies came without tests for this installation, and tests are required")
	}
	return cedar.Tried{Passed: len(report.Results), Skipped: skipped}, nil
}

// ParseAll reads the texts of test files, which are not compressed any more, whatever their names say: those of the Cedar
// command line if the name ends with .json or .json.gz, and YAML otherwise.
func ParseAll(ctx context.Context, tests []cedar.File) ([]*File, error) {
	var files []*File
	var bad []error
	for _, t := range tests {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", t.Name, err)
		}
		parse := Parse
		if filepath.Ext(strings.TrimSuffix(t.Name, ".gz")) == ".json" {
			parse = ParseRunTests
		}
		f, err := parse(t.Name, t.Data)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		files = append(files, f)
	}
	return files, errors.Join(bad...)
}

// leaveOut removes the cases that are about servers other than these, and counts them. Without any servers nobody
// said which there are.
func leaveOut(servers []string, files []*File) (skipped int) {
	if len(servers) == 0 {
		return 0
	}
	for _, f := range files {
		all := len(f.Cases)
		f.Cases = slices.DeleteFunc(f.Cases, func(c Case) bool {
			if c.raw != nil || c.Request.Revoke != nil {
				return false
			}
			known := slices.Contains(servers, c.Request.Server)
			if c.Request.Delegate != nil {
				_, server, _, err := c.Request.Delegating()
				known = known && (err != nil || slices.Contains(servers, server))
			}
			return !known
		})
		skipped += all - len(f.Cases)
	}
	return skipped
}

// err returns the tests that failed, one a line; nil if none did.
func (r *Report) err() error {
	var lines []string
	for i := range r.Results {
		result := &r.Results[i]
		if result.Passed {
			continue
		}
		if len(lines) == maxFailures {
			return errors.New(strings.Join(append(lines, fmt.Sprintf("and %d other tests fail", r.Failed()-maxFailures)), "\n"))
		}
		var why []string
		if result.Broken != "" {
			why = append(why, strings.ReplaceAll(result.Broken, "\n", "; "))
		}
		for _, d := range result.Differences {
			why = append(why, fmt.Sprintf("%s: expected %s, got %s", d.What, d.Want, d.Got))
		}
		lines = append(lines, fmt.Sprintf("%s: test %q failed: %s", result.place(), result.Name, strings.Join(why, "; ")))
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
