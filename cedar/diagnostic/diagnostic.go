// Package diagnostic is how the tools for authors say what they found in a file: as text with the line in question, as
// JSON, and as SARIF.
package diagnostic

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Place is a position in a file; Line and Column are from 1, Column counts characters. A zero Line means the whole file.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Diagnostic is one finding.
type Diagnostic struct {
	// Rule is the stable name of what was found, such as "syntax", "optional-attribute" or the id of a lint rule.
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// File is the path as it was given.
	File string `json:"file"`
	// Start and End enclose the text in question; End is where it ends, exclusive. End may be zero.
	Start Place `json:"start,omitzero"`
	End   Place `json:"end,omitzero"`
	// Policy is the @id of the policy that it is about; empty if none.
	Policy string `json:"policy,omitempty"`
	// Message says what is wrong, without a place, in one line.
	Message string `json:"message"`
	// Help says what to do about it, in one line; empty if there is nothing to say.
	Help string `json:"help,omitempty"`
}
