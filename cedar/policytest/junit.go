package policytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"countersign.dev/cedar/terminal"
)

// The elements of the JUnit format that build servers read.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`

		seconds float64
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit XML, a suite for each file. A case that is wrong itself, and a file that cannot be run,
// is an error there, and an expectation that was not met a failure.
func (r *Report) JUnit(w io.Writer) error {
	report := junitReport{}
	for i := range r.Results {
		result := &r.Results[i]
		if n := len(report.Suites); n == 0 || report.Suites[n-1].Name != result.File {
			report.Suites = append(report.Suites, junitSuite{Name: result.File})
		}
		suite := &report.Suites[len(report.Suites)-1]
		suite.seconds += result.Duration.Seconds()
		suite.Time = fmt.Sprintf("%.6f", suite.seconds)
		c := junitCase{Name: result.Name, Class: result.File, Time: fmt.Sprintf("%.6f", result.Duration.Seconds())}
		if c.Name == "" {
			c.Name = "load"
		}
		suite.Tests, report.Tests = suite.Tests+1, report.Tests+1
		switch {
		case result.Passed:
		case result.Broken != "":
			first, _, _ := strings.Cut(result.Broken, "\n")
			c.Error = &junitMessage{Message: first, Text: result.describe()}
			suite.Errors, report.Errors = suite.Errors+1, report.Errors+1
		default:
			d := result.Differences[0]
			c.Failure = &junitMessage{
				Message: fmt.Sprintf("%s: expected %s, got %s", d.What, d.Want, d.Got), Text: result.describe(),
			}
			suite.Failures, report.Failures = suite.Failures+1, report.Failures+1
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(report); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	return nil
}

// describe is what the text report says of a failure.
func (r *Result) describe() string {
	var text strings.Builder
	printer{terminal.New(&text, false)}.failure(r)
	return text.String()
}
