package access

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"countersign.dev/cedar"
)

// Table writes rows for people. Conditions stand below their rows, because they are long.
func Table(out io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(t, "PRINCIPAL\tUSER\tTOOL\tANSWER\tPERMITS"); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Principal, cmp.Or(r.User, "any"), r.Tool, r.Answer,
			cmp.Or(strings.Join(r.Permits, ","), "-")); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return conditions(out, rows)
}

// conditions lists each condition once, with the rows that it is of.
func conditions(out io.Writer, rows []Row) error {
	var texts []string
	of := make(map[string][]string)
	for i := range rows {
		text := rows[i].Condition()
		if text == "" {
			continue
		}
		if _, seen := of[text]; !seen {
			texts = append(texts, text)
		}
		of[text] = append(of[text], fmt.Sprintf("%s, %s, %s", rows[i].Principal, cmp.Or(rows[i].User, "any"), rows[i].Tool))
	}
	for _, text := range texts {
		if _, err := fmt.Fprintf(out, "\nwhen %s\n  %s\n", text, strings.Join(of[text], "\n  ")); err != nil {
			return err
		}
	}
	return nil
}

// CSV writes rows for a spreadsheet.
func CSV(out io.Writer, rows []Row) error {
	w := csv.NewWriter(out)
	records := [][]string{{"principal", "user", "tool", "answer", "condition", "permits", "forbids", "may_fail"}}
	for i := range rows {
		r := &rows[i]
		records = append(records, []string{r.Principal, r.User, r.Tool, string(r.Answer), r.Condition(),
			strings.Join(r.Permits, " "), strings.Join(r.Forbids, " "), strings.Join(r.MayFail, " ")})
	}
	return w.WriteAll(records)
}

// Matrix writes one answer for each pair of what two functions name of a row: the lines and the columns. Rows of one
// pair are joined: "depends" where they differ.
func Matrix(out io.Writer, rows []Row, line, column func(*Row) string) error {
	var lines, columns []string
	cells := make(map[[2]string]cedar.Answer)
	for i := range rows {
		at := [2]string{line(&rows[i]), column(&rows[i])}
		if !slices.Contains(lines, at[0]) {
			lines = append(lines, at[0])
		}
		if !slices.Contains(columns, at[1]) {
			columns = append(columns, at[1])
		}
		if before, seen := cells[at]; seen && before != rows[i].Answer {
			cells[at] = cedar.Depends
		} else {
			cells[at] = rows[i].Answer
		}
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintf(t, "\t%s\n", strings.Join(columns, "\t")); err != nil {
		return err
	}
	for _, l := range lines {
		row := []string{l}
		for _, c := range columns {
			row = append(row, cmp.Or(string(cells[[2]string{l, c}]), "-"))
		}
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// ByUser names the user of a row for a matrix.
func ByUser(r *Row) string { return cmp.Or(r.User, "any") }

// ByTool names the tool of a row for a matrix.
func ByTool(r *Row) string { return r.Tool }

// ByPrincipal names the caller of a row for a matrix.
func ByPrincipal(r *Row) string { return r.Principal }
