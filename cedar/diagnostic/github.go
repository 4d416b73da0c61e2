package diagnostic

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// What GitHub Actions takes for the end of a message, and also of a property.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes the findings as workflow commands, which GitHub Actions shows beside the changed lines. The error is
// that of w.
func GitHub(w io.Writer, ds []Diagnostic) error {
	out := bufio.NewWriter(w)
	for _, d := range ds {
		command := string(d.Severity)
		if d.Severity == Note {
			command = "notice"
		}
		properties := []string{"file=" + githubProperty.Replace(filepath.ToSlash(d.File))}
		number := func(name string, n int) {
			if n > 0 {
				properties = append(properties, name+"="+strconv.Itoa(n))
			}
		}
		number("line", d.Start.Line)
		number("endLine", d.End.Line)
		if d.End.Line <= d.Start.Line { // GitHub has columns for one line only
			number("col", d.Start.Column)
			number("endColumn", d.End.Column-1) // the last one
		}
		properties = append(properties, "title="+githubProperty.Replace(d.Rule))
		message := d.Message
		if d.Policy != "" {
			message = "policy " + d.Policy + ": " + message
		}
		if d.Help != "" {
			message += "\n" + d.Help
		}
		_, _ = fmt.Fprintf(out, "::%s %s::%s\n", command, strings.Join(properties, ","), githubMessage.Replace(message))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}
