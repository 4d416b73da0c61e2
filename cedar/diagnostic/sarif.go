package diagnostic

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// Rule describes what a diagnostic with its ID means.
type Rule struct {
	ID string
	// Short is what the rule finds, in one sentence.
	Short string
	// Help says why it matters and what to do, in Markdown; empty for nothing.
	Help string
	// Severity is that of its findings unless somebody configured another.
	Severity Severity
}

// SARIF writes the findings as one log of the Static Analysis Results Interchange Format 2.1.0 (OASIS), with the rules
// that the tool knows. Columns count code points, and relative paths stay relative: whoever reads the log takes them
// from the root of the repository. The error is that of w.
func SARIF(w io.Writer, ds []Diagnostic, tool string, rules []Rule) error {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: tool, Rules: make([]sarifRule, len(rules))}},
		ColumnKind: "unicodeCodePoints",
		Results:    make([]sarifResult, len(ds)),
	}
	index := make(map[string]int, len(rules))
	for i, rule := range rules {
		index[rule.ID] = i
		run.Tool.Driver.Rules[i] = newSarifRule(rule)
	}
	for i, d := range ds {
		run.Results[i] = newSarifResult(d)
		if at, known := index[d.Rule]; known {
			run.Results[i].RuleIndex = &at
		}
	}
	return encode(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID       string        `json:"id"`
		Short    sarifMessage  `json:"shortDescription"`
		Help     *sarifMessage `json:"help,omitempty"`
		Defaults sarifDefaults `json:"defaultConfiguration"`
	}
	sarifDefaults struct {
		Level Severity `json:"level"`
	}
	sarifMessage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifResult struct {
		RuleID     string           `json:"ruleId"`
		RuleIndex  *int             `json:"ruleIndex,omitempty"`
		Level      Severity         `json:"level"`
		Message    sarifMessage     `json:"message"`
		Locations  []sarifLocation  `json:"locations"`
		Properties *sarifProperties `json:"properties,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifProperties struct {
		Policy string `json:"policy"`
	}
)

func newSarifRule(rule Rule) sarifRule {
	r := sarifRule{ID: rule.ID, Short: sarifMessage{Text: rule.Short}, Defaults: sarifDefaults{rule.Severity}}
	if rule.Help != "" {
		r.Help = &sarifMessage{Text: rule.Help, Markdown: rule.Help}
	}
	return r
}

func newSarifResult(d Diagnostic) sarifResult {
	r := sarifResult{RuleID: d.Rule, Level: d.Severity, Message: sarifMessage{Text: d.Message}}
	if d.Help != "" {
		r.Message.Text += "\n" + d.Help
	}
	if d.Policy != "" {
		r.Properties = &sarifProperties{d.Policy}
	}
	at := sarifPhysical{Artifact: sarifArtifact{fileURI(d.File)}}
	if d.Start.Line > 0 {
		at.Region = &sarifRegion{StartLine: d.Start.Line, StartColumn: max(d.Start.Column, 1)}
		if d.End.Line > 0 {
			at.Region.EndLine, at.Region.EndColumn = d.End.Line, max(d.End.Column, 1)
		}
	}
	r.Locations = []sarifLocation{{at}}
	return r
}

// fileURI writes a path as a URI reference: a relative one keeps its meaning, an absolute one gets the scheme file.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
		if !strings.HasPrefix(u.Path, "/") { // a drive letter
			u.Path = "/" + u.Path
		}
	}
	return u.String()
}
