package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
)

// findings says how findings are printed.
type findings struct {
	format string
	asJSON bool
}

var findingsFormats = []string{"text", "json", "sarif", "github"}

// flags declares the flags.
func (f *findings) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "format", "text", "`FORMAT` of the findings: text, json, sarif or github")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON; the same as --format json")
}

// check completes the format and refuses one that does not exist.
func (f *findings) check() error {
	switch {
	case !slices.Contains(findingsFormats, f.format):
		return usageError{fmt.Errorf("--format %q: use text, json, sarif or github", f.format)}
	case f.asJSON && f.format != "text" && f.format != "json":
		return usageError{errors.New("give either --json or --format")}
	case f.asJSON:
		f.format = "json"
	}
	return nil
}

// print writes findings of a command, which knows the rules. Source returns the text of a file, or nil. For people nothing is
// written when there are none.
func (f *findings) print(w io.Writer, ds []diagnostic.Diagnostic, command string, rules []diagnostic.Rule, source func(string) []byte) error {
	switch {
	case f.format == "json":
		return diagnostic.JSON(w, ds)
	case f.format == "sarif":
		return diagnostic.SARIF(w, ds, "countersign "+command, rules)
	case f.format == "github":
		return diagnostic.GitHub(w, ds)
	case len(ds) == 0:
		return nil
	}
	return diagnostic.Text(w, ds, source, colourOn(w))
}

// sourceText returns a file that a finding is about; nil when it cannot be shown.
func sourceText(file string) []byte {
	if strings.HasSuffix(file, ".gz") {
		text, err := cedar.ReadFile(file)
		if err != nil {
			return nil
		}
		return text
	}
	data, err := os.ReadFile(file) //nolint:gosec // it was checked, and the user named it
	if err != nil {
		return nil
	}
	return data
}

// textIn returns the texts of files that were read already, and reads others.
func textIn(files *cedar.Files) func(file string) []byte {
	texts := make(map[string][]byte)
	for _, f := range files.Policies {
		texts[f.Name] = f.Data
	}
	if files.Entities != nil {
		texts[files.Entities.Name] = files.Entities.Data
	}
	for _, f := range files.Tools {
		texts[f.Name] = f.Data
	}
	return func(file string) []byte {
		if text, known := texts[file]; known {
			return text
		}
		return sourceText(file)
	}
}
