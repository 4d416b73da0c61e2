package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/format"
	"countersign.dev/cedar/syntax"
)

// maxFmtInput is the most bytes of policies on standard input, as of a file.
const maxFmtInput = 1 << 20

// The bounds of what --width and --indent can be.
const (
	maxFmtWidth  = 1000
	maxFmtIndent = 16
)

// standardInput is what messages call it.
const standardInput = "<stdin>"

// policyFmt is the command line of policy fmt.
type policyFmt struct {
	options             format.Options
	check, diff, asJSON bool
	watch               bool

	stdin          io.Reader
	stdout, stderr io.Writer
}

func newPolicyFmtCommand() *cobra.Command {
	var f policyFmt
	cmd := &cobra.Command{
		Use:   "fmt [PATH... | -]",
		Short: "Format policies the way Cedar's own formatter does",
		Long: `Fmt rewrites policy files in the usual layout and prints the names of those that changed. PATH is a file, a
directory with *.cedar files, or a glob pattern; "-" or nothing formats standard input to standard output.

The layout is that of Cedar's own formatter (cedar format). Comments stay, and what the policies mean stays the same. A
file that is formatted already is not touched; others are replaced in one step, with the same permissions, and where PATH
is a link its target. Compressed files (.gz) are left alone, and it says so. If one of the files has a syntax error, none
is written.

--check and --diff write nothing: they print the names of the files that are not formatted, or what would change.

Exit status: 0 success; 1 a syntax error, a file that could not be read or written, or, with --check or --diff, one that
is not formatted; 2 wrong usage.`,
		Example: `  countersign policy fmt policies/
  countersign policy fmt --check 'policies/*.cedar'
  countersign policy fmt < draft.cedar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.stdin, f.stdout, f.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return f.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.check, "check", false, "write nothing, print the names of files that are not formatted")
	flags.BoolVar(&f.diff, "diff", false, "write nothing, print what would change")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	flags.IntVar(&f.options.Width, "width", format.DefaultWidth, "number of `COLUMNS` that lines do not exceed if that can be avoided")
	flags.IntVar(&f.options.Indent, "indent", format.DefaultIndent, "number of `SPACES` for a level")
	watchFlag(cmd, &f.watch)
	return cmd
}

func (f *policyFmt) run(ctx context.Context, args []string) error {
	fromInput := len(args) == 0 || slices.Equal(args, []string{"-"})
	switch {
	case f.options.Width < 1 || f.options.Width > maxFmtWidth:
		return usageError{fmt.Errorf("--width %d: use 1 to %d", f.options.Width, maxFmtWidth)}
	case f.options.Indent < 1 || f.options.Indent > maxFmtIndent:
		return usageError{fmt.Errorf("--indent %d: use 1 to %d", f.options.Indent, maxFmtIndent)}
	case !fromInput && slices.Contains(args, "-"):
		return usageError{errors.New("- stands alone: give either files or standard input")}
	case fromInput && f.watch:
		return usageError{errors.New("--watch needs files")}
	case fromInput:
		return f.input()
	}
	return rerun(ctx, f.stdout, f.watch, func() []string { return f.paths(args) }, func(context.Context) error { return f.files(args) })
}

// paths are what a change shows up in: the arguments, and what patterns match.
func (f *policyFmt) paths(args []string) []string {
	files, _, err := formattable(args)
	if err != nil {
		return args
	}
	return append(slices.Clone(args), files...)
}

// formattable returns the files that arguments name, those that are compressed apart.
func formattable(args []string) (files, compressed []string, err error) {
	all, err := filesWith(args, ".cedar", ".cedar.gz")
	for _, name := range all {
		if strings.HasSuffix(name, ".gz") {
			compressed = append(compressed, name)
		} else {
			files = append(files, name)
		}
	}
	return files, compressed, err
}

// formatted is a file before and after.
type formatted struct {
	name          string
	before, after []byte
}

func (f formatted) changed() bool { return !bytes.Equal(f.before, f.after) }

// format formats a text; without one that can be read it returns what is wrong.
func (f *policyFmt) format(name string, source []byte) (formatted, []diagnostic.Diagnostic) {
	after, found := format.Source(name, source, f.options)
	if after == nil {
		// Other rules are about text that can be read; policy lint has them.
		found = slices.DeleteFunc(found, func(d diagnostic.Diagnostic) bool { return d.Rule != syntax.RuleSyntax })
		return formatted{name, source, source}, found
	}
	return formatted{name, source, after}, nil
}

// input formats standard input to standard output.
func (f *policyFmt) input() error {
	source, err := io.ReadAll(io.LimitReader(f.stdin, maxFmtInput+1))
	if err != nil {
		return f.unread(standardInput, fmt.Errorf("reading policies: %w", err))
	}
	if len(source) > maxFmtInput {
		return f.unread(standardInput, fmt.Errorf("%s: too much for a policy file; the limit is %d bytes", standardInput, maxFmtInput))
	}
	result, wrong := f.format(standardInput, source)
	if f.check || f.diff || f.asJSON || len(wrong) > 0 {
		return f.print([]formatted{result}, wrong)
	}
	_, err = f.stdout.Write(result.after)
	return err
}

// files formats files: all or, if one of them cannot be read, none.
func (f *policyFmt) files(args []string) error {
	names, compressed, err := formattable(args)
	for _, name := range compressed {
		_, _ = fmt.Fprintf(f.stderr, "countersign: %s is left alone: it is compressed; format the text that it was made from\n", name)
	}
	if err == nil && len(names) == 0 {
		err = errors.New("nothing to format: all of these files are compressed")
	}
	if err != nil {
		return f.unread(strings.Join(args, " "), err)
	}
	var all []formatted
	var wrong []diagnostic.Diagnostic
	for _, name := range names {
		source, err := cedar.ReadFile(name)
		if err != nil && f.asJSON {
			wrong = append(wrong, unreadable(name, err)...)
			continue
		}
		if err != nil {
			return err
		}
		result, found := f.format(name, source)
		all = append(all, result)
		wrong = append(wrong, found...)
	}
	if !f.check && !f.diff && len(wrong) == 0 {
		for _, file := range all {
			if !file.changed() {
				continue
			}
			if err := rewriteFile(file.name, file.before, file.after); err != nil {
				return err
			}
		}
	}
	return f.print(all, wrong)
}

// unread says that nothing could be read, which a program learns from the findings.
func (f *policyFmt) unread(file string, err error) error {
	if usage := (usageError{}); !f.asJSON || errors.As(err, &usage) {
		return err
	}
	return f.print(nil, unreadable(file, err))
}

// print says which files changed or would, and what is wrong in them.
func (f *policyFmt) print(all []formatted, wrong []diagnostic.Diagnostic) error {
	changed := slices.ContainsFunc(all, formatted.changed)
	var err error
	if f.asJSON {
		err = f.printJSON(all, wrong)
	} else {
		err = f.printText(all, wrong)
	}
	if err != nil {
		return err
	}
	if len(wrong) > 0 || changed && (f.check || f.diff) {
		return errFound
	}
	return nil
}

func (f *policyFmt) printText(all []formatted, wrong []diagnostic.Diagnostic) error {
	texts := make(map[string][]byte, len(all))
	for _, file := range all {
		texts[file.name] = file.before
		if !file.changed() || len(wrong) > 0 && !f.check && !f.diff {
			continue
		}
		if f.check || !f.diff {
			if _, err := fmt.Fprintln(f.stdout, file.name); err != nil {
				return err
			}
		}
		if f.diff {
			if _, err := f.stdout.Write(file.diff()); err != nil {
				return err
			}
		}
	}
	source := func(file string) []byte { return texts[file] }
	return diagnostic.Text(f.stderr, wrong, source, colourOn(f.stderr))
}

// diff is what changes, in the unified format.
func (f formatted) diff() []byte { return diff.Diff(f.name+".orig", f.before, f.name, f.after) }

func (f *policyFmt) printJSON(all []formatted, wrong []diagnostic.Diagnostic) error {
	type file struct {
		File    string `json:"file"`
		Changed bool   `json:"changed"`
		Diff    string `json:"diff,omitempty"`
		// Text is for standard input, which has no file to be written to.
		Text *string `json:"text,omitempty"`
	}
	out := struct {
		Written     bool                    `json:"written"`
		Files       []file                  `json:"files"`
		Diagnostics []diagnostic.Diagnostic `json:"diagnostics"`
	}{Files: []file{}, Diagnostics: wrong}
	if wrong == nil {
		out.Diagnostics = []diagnostic.Diagnostic{}
	}
	for _, result := range all {
		entry := file{File: result.name, Changed: result.changed()}
		if f.diff {
			entry.Diff = string(result.diff())
		}
		if result.name == standardInput && len(wrong) == 0 {
			text := string(result.after)
			entry.Text = &text
		}
		out.Files = append(out.Files, entry)
		out.Written = out.Written || entry.Changed && entry.Text == nil && !f.check && !f.diff && len(wrong) == 0
	}
	return printJSON(f.stdout, out)
}
