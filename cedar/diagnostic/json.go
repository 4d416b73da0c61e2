package diagnostic

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes the findings as one array of [Diagnostic], which is empty for none. The error is that of w.
func JSON(w io.Writer, ds []Diagnostic) error {
	if ds == nil {
		ds = []Diagnostic{}
	}
	return encode(w, ds)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}
