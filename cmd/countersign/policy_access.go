package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/access"
)

// accessFlags are what policy who and policy what have in common.
type accessFlags struct {
	from                       policySource
	subject                    string
	all, matrix, asJSON, asCSV bool
}

func (f *accessFlags) flags(cmd *cobra.Command) {
	f.from.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.subject, "subject", "", "`USER` on whose behalf: alice, 'UserGroup::\"finance\"', or nobody; default: every user where it matters")
	flags.BoolVar(&f.all, "all", false, "print the answers that are no as well")
	flags.BoolVar(&f.matrix, "matrix", false, "print one answer for each pair")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.BoolVar(&f.asCSV, "csv", false, "print CSV")
}

// list asks, and prints the answers.
func (f *accessFlags) list(cmd *cobra.Command, q access.Query, line, column func(*access.Row) string) error {
	if n := count(f.matrix, f.asJSON, f.asCSV); n > 1 {
		return usageError{errors.New("give one of --matrix, --json and --csv")}
	}
	source, err := f.from.open()
	if err != nil {
		return err
	}
	snapshot, err := cedar.Load(cmd.Context(), source)
	if err != nil {
		return err
	}
	q.User = user(f.subject)
	rows, err := access.List(cmd.Context(), snapshot, q)
	switch {
	case err != nil && cmd.Context().Err() == nil: // it is about a name on the command line
		return usageError{err}
	case err != nil:
		return err
	}
	if wrong := unknownIn(snapshot, q); wrong != "" {
		return usageError{errors.New(wrong)}
	}
	if !f.all && !f.matrix {
		rows = access.Allowed(rows)
	}
	return f.print(cmd.OutOrStdout(), snapshot, rows, line, column)
}

// unknownIn returns what is misspelt of the tools and the server that are asked about: the answer would be no, and not mean
// anything.
func unknownIn(snapshot *cedar.Snapshot, q access.Query) string {
	for _, tool := range q.Tools {
		server, name, _ := strings.Cut(tool, "/")
		if wrong := snapshot.Unknown(server, name); wrong != "" {
			return wrong
		}
	}
	if q.Server == "" {
		return ""
	}
	return snapshot.Unknown(q.Server, "")
}

func (f *accessFlags) print(
	out io.Writer, snapshot *cedar.Snapshot, rows []access.Row, line, column func(*access.Row) string,
) error {
	switch {
	case f.asJSON:
		if rows == nil {
			rows = []access.Row{}
		}
		return printJSON(out, map[string]any{"revision": snapshot.Revision(), "rows": rows})
	case f.asCSV:
		return access.CSV(out, rows)
	case len(rows) == 0:
		_, err := fmt.Fprintln(out, "nothing is allowed")
		return err
	case f.matrix:
		return access.Matrix(out, rows, line, column)
	}
	return access.Table(out, rows)
}

func count(flags ...bool) int {
	n := 0
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// user reads --subject: Cedar, or the id of a user.
func user(text string) string {
	if text == "" || text == access.Nobody || strings.Contains(text, `::"`) {
		return text
	}
	return "User::" + strconv.Quote(text)
}

// caller reads --peer: Cedar, a SPIFFE ID, or any other workload.
func caller(text string) []string {
	switch {
	case text == "":
		return nil
	case text == cedar.OtherWorkload, strings.Contains(text, `::"`):
		return []string{text}
	}
	return []string{"Workload::" + strconv.Quote(text)}
}
