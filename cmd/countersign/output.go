package main

import (
	"encoding/json"
	"io"
	"os"
)

// printJSON prints the one document of --json.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // what is printed is for programs and people, and for no browser
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// colourOn reports whether to write in colour: on a terminal, unless the environment says no (https://no-color.org).
func colourOn(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && isTerminal(w)
}

// isTerminal reports whether a person is at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}
