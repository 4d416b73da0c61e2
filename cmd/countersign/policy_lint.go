package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/lint"
)

// policyLint is the command line of policy lint.
type policyLint struct {
	from        policySource
	config, fix string
	findings    findings
	failOn      string
	list        bool
	explain     string
	watch       bool

	stdout, stderr io.Writer
}

func newPolicyLintCommand() *cobra.Command {
	var l policyLint
	cmd := &cobra.Command{
		Use:   "lint [PATH...] [--config FILE | --policies DIR [--entities FILE] [--tools SERVER=FILE]...]",
		Short: "Find likely mistakes in policies, and fix some",
		Long: `Lint finds what is legal in a policy and yet most likely a mistake: policies that never apply, that permit more
than they seem to, or that name what is not there. PATH is a file, a directory with *.cedar or *.cedar.gz files, or a glob
pattern; without one it looks at the policies of the configuration. With --config or --policies, or with entities.json and tools/
in the only directory it is given, it also knows the servers, pinned tools and groups, and finds names that are none of
them.

--list-rules prints the rules, --explain RULE what is behind one. The nearest ` + lint.ConfigName + ` above the
files (or --lint-config) says which of them are applied:

  rules:
    unscoped-policy: error        # error, warning, note or off
    expired: {level: warning, within_days: 14}
    unknown-annotation: {known: [team]}
  exclude: [generated/]

To ignore a finding, write why: // countersign:ignore RULE[,RULE] REASON on its line or the one above.

--fix repairs what it can without letting anybody do more; --fix=all also what may allow more. Every other part
of the policies stays as it is, which is checked. Compressed files (.gz) are read, but not written.

What could not be read is an error; in the formats for programs it is a finding of rule unreadable, and the other files are
looked at.

Exit status: 0 nothing at or above --fail-on; 1 a finding, or a file that could not be read or fixed; 2 wrong usage.`,
		Example: `  countersign policy lint policies/
  countersign policy lint --config countersign.yaml --format sarif > lint.sarif
  countersign policy lint policies/crm.cedar --fix
  countersign policy lint --explain action-eq-parent`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l.stdout, l.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return l.run(cmd.Context(), args)
		},
	}
	l.from.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&l.config, "lint-config", "", "configuration of the linter, instead of the nearest "+lint.ConfigName+" (`FILE`)")
	flags.StringVar(&l.fix, "fix", "", "repair what can be repaired: `safe`, or all to include what may allow more")
	flags.Lookup("fix").NoOptDefVal = "safe"
	l.findings.flags(cmd)
	flags.StringVar(&l.failOn, "fail-on", string(diagnostic.Warning), "the least `SEVERITY` that is a failure: error, warning, note or never")
	flags.BoolVar(&l.list, "list-rules", false, "print the rules and do nothing else")
	flags.StringVar(&l.explain, "explain", "", "print what is behind a `RULE` and do nothing else")
	watchFlag(cmd, &l.watch)
	return cmd
}

// severities in order, the least first.
var severities = []string{string(diagnostic.Note), string(diagnostic.Warning), string(diagnostic.Error)}

func (l *policyLint) run(ctx context.Context, args []string) error {
	if err := l.findings.check(); err != nil {
		return err
	}
	switch {
	case l.fix != "" && l.from.bundle != "":
		return usageError{errors.New("--fix writes no bundle: fix the files that it was built from, and build another one")}
	case !slices.Contains([]string{"", "safe", "all"}, l.fix):
		return usageError{fmt.Errorf("--fix=%s: use safe or all", l.fix)}
	case l.failOn != "never" && !slices.Contains(severities, l.failOn):
		return usageError{fmt.Errorf("--fail-on %q: use error, warning, note or never", l.failOn)}
	case l.list:
		return l.printRules()
	case l.explain != "":
		return l.printRule()
	case len(args) == 0 && !l.from.given():
		return usageError{errors.New("name policy files or directories, or use --config FILE or --policies DIR")}
	}
	paths := func() []string { return l.paths(args) }
	return rerun(ctx, l.stdout, l.watch, paths, func(ctx context.Context) error { return l.once(ctx, args) })
}

// paths are what a change shows up in.
func (l *policyLint) paths(args []string) []string {
	paths := slices.Clone(args)
	if from, known, err := l.source(args); known && err == nil {
		paths = append(paths, from.Policies, from.Entities)
		for _, file := range from.Tools {
			paths = append(paths, file)
		}
	}
	paths = append(paths, l.from.config, l.config)
	if l.config == "" && len(args) > 0 {
		if found, err := lint.FindConfig(filepath.Dir(args[0])); err == nil {
			paths = append(paths, found)
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// once looks at all files.
func (l *policyLint) once(ctx context.Context, args []string) error {
	sources, world, unread, err := l.read(ctx, args)
	if err != nil {
		return err
	}
	config, err := l.settings(sources)
	if err != nil {
		return err
	}
	sources = slices.DeleteFunc(sources, func(s lint.Source) bool { return config.Excludes(s.Name) })
	linter := lint.New(config, world, time.Now())
	failed := false
	if l.fix != "" {
		for i := range sources {
			if err := l.repair(ctx, linter, &sources[i]); err != nil {
				failed = true
				_, _ = fmt.Fprintf(l.stderr, "countersign: %s\n", err)
			}
		}
	}
	findings, err := linter.Lint(ctx, sources)
	if err != nil {
		return err
	}
	ds := slices.Concat(unread, lint.Diagnostics(findings))
	slices.SortStableFunc(ds, diagnostic.Compare)
	if err := l.print(ds, sources); err != nil {
		return err
	}
	if failed || len(unread) > 0 || slices.ContainsFunc(findings, l.fails) {
		return errFound
	}
	return nil
}

func (l *policyLint) fails(f lint.Finding) bool {
	return l.failOn != "never" && slices.Index(severities, string(f.Severity)) >= slices.Index(severities, l.failOn)
}

// source returns where the policies, entities and tools are; false when it is known of the policies at most.
func (l *policyLint) source(args []string) (from cedar.Config, known bool, err error) {
	if l.from.given() {
		from, err = l.from.open()
		return from, err == nil, err
	}
	directory := directoryOf(args)
	if directory == "" {
		return from, false, nil
	}
	from, err = l.from.openDirectory(directory)
	return from, err == nil && (from.Entities != "" || len(from.Tools) > 0), err
}

// read returns the policy files, and what they can name as far as it is known. A program that reads the findings learns
// from them, too, what could not be read; for people that is an error.
func (l *policyLint) read(ctx context.Context, args []string) (
	sources []lint.Source, world lint.World, unread []diagnostic.Diagnostic, err error,
) {
	collect := func(file string, err error) error {
		if usage := (usageError{}); l.findings.format == "text" || errors.As(err, &usage) || ctx.Err() != nil {
			return err
		}
		unread = append(unread, unreadable(file, err)...)
		return nil
	}
	from, known, err := l.source(args)
	if err != nil {
		return nil, nil, nil, err
	}
	if known {
		if sources, world, err = everything(ctx, from); err != nil {
			if err = collect(from.Policies, err); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	if len(args) == 0 {
		return sources, world, unread, nil
	}
	if l.findings.format != "text" {
		args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
			_, err := policyFiles([]string{arg})
			return err != nil && collect(arg, err) == nil
		})
	}
	names, err := policyFiles(args)
	if err != nil {
		return nil, nil, nil, err
	}
	sources = nil
	for _, name := range names {
		data, err := cedar.ReadFile(name)
		if err == nil {
			sources = append(sources, lint.Source{Name: name, Data: data})
		} else if err := collect(name, err); err != nil {
			return nil, nil, nil, err
		}
	}
	return sources, world, unread, nil
}

// everything reads policies with the entities and tools that belong to them.
func everything(ctx context.Context, from cedar.Config) ([]lint.Source, lint.World, error) {
	files, err := cedar.ReadFiles(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	world, err := inventory(from, files)
	if err != nil {
		return nil, nil, err
	}
	sources := make([]lint.Source, len(files.Policies))
	for i, file := range files.Policies {
		sources[i] = lint.Source{Name: file.Name, Data: file.Data}
	}
	return sources, world, nil
}

// unreadable is an error as findings. File is what could not be read if the error does not say it.
func unreadable(file string, err error) []diagnostic.Diagnostic {
	if ds := cedar.Diagnostics(err); len(ds) > 0 {
		return ds
	}
	return []diagnostic.Diagnostic{{
		Rule: "unreadable", Severity: diagnostic.Error, File: file, Message: strings.TrimPrefix(err.Error(), file+": "),
	}}
}

func inventory(from cedar.Config, files *cedar.Files) (lint.World, error) {
	tools := make(map[string][]byte, len(from.Tools))
	for server := range from.Tools {
		tools[server] = nil
	}
	for server, file := range files.Tools {
		tools[server] = file.Data
	}
	var entities []byte
	if files.Entities != nil {
		entities = files.Entities.Data
	}
	return lint.NewInventory(entities, tools)
}

// settings reads the configuration of the linter: the one that was named, or the nearest above the first file.
func (l *policyLint) settings(sources []lint.Source) (*lint.Config, error) {
	file := l.config
	if file == "" && len(sources) > 0 {
		above := filepath.Dir(sources[0].Name)
		for info, err := os.Stat(above); err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR); info, err = os.Stat(above) {
			above = filepath.Dir(above) // it is in a bundle
		}
		found, err := lint.FindConfig(above)
		if err != nil {
			return nil, err
		}
		file = found
	}
	if file == "" {
		return &lint.Config{}, nil
	}
	return lint.ReadConfig(file)
}

// repair fixes one file and says what it did.
func (l *policyLint) repair(ctx context.Context, linter *lint.Linter, s *lint.Source) error {
	fixed, done, err := linter.Fix(ctx, *s, l.fix == "all")
	if err != nil || bytes.Equal(fixed, s.Data) {
		return err
	}
	switch filepath.Ext(s.Name) {
	case ".cedar":
	case ".gz":
		return fmt.Errorf("%s: not fixed: it is compressed; fix the text that it was made from, and compress that", s.Name)
	default:
		return fmt.Errorf("%s: not fixed: only *.cedar files are written", s.Name)
	}
	if err := rewriteFile(s.Name, s.Data, fixed); err != nil {
		return err
	}
	s.Data = fixed
	for _, f := range done {
		_, _ = fmt.Fprintf(l.stderr, "%s:%d:%d: fixed %s: %s\n", f.File, f.Start.Line, f.Start.Column, f.Rule, f.Message)
	}
	return nil
}

// rewriteFile puts a new content in place of the one that was read, in one step and with the same permissions. A link
// stays one. A file that changed meanwhile is left alone.
func rewriteFile(name string, before, content []byte) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	err = putFile(target, content, func(f *os.File) error {
		if now, err := os.ReadFile(target); err != nil || !bytes.Equal(now, before) { //nolint:gosec // as above
			return errors.Join(errors.New("the file changed while it was fixed"), err)
		}
		return f.Chmod(info.Mode().Perm())
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// print writes the findings in the format that was asked for.
func (l *policyLint) print(ds []diagnostic.Diagnostic, sources []lint.Source) error {
	texts := make(map[string][]byte, len(sources))
	for _, s := range sources {
		texts[s.Name] = s.Data
	}
	source := func(file string) []byte { return texts[file] }
	err := l.findings.print(l.stdout, ds, "policy lint", lint.Describe(lint.Rules()), source)
	if err != nil || l.findings.format != "text" {
		return err
	}
	summary, files := "ok: no findings", "files"
	if len(ds) > 0 {
		summary = "\n" + diagnostic.Summary(ds)
	}
	if len(sources) == 1 {
		files = "file"
	}
	_, err = fmt.Fprintf(l.stdout, "%s in %d %s\n", summary, len(sources), files)
	return err
}

// ruleJSON is a rule for programs.
type ruleJSON struct {
	ID       string              `json:"id"`
	Severity diagnostic.Severity `json:"severity"`
	Off      bool                `json:"off"`
	Fixable  bool                `json:"fixable"`
	World    bool                `json:"needs_config"`
	Summary  string              `json:"summary"`
	Why      string              `json:"why"`
	Bad      string              `json:"bad"`
	Good     string              `json:"good"`
}

func newRuleJSON(r lint.Rule) ruleJSON {
	return ruleJSON{r.ID, r.Severity, r.Off, r.Fixable, r.World, r.Summary, r.Why, r.Bad, r.Good}
}

// printRules lists the rules.
func (l *policyLint) printRules() error {
	rules := lint.Rules()
	if l.findings.format == "json" {
		all := make([]ruleJSON, len(rules))
		for i, r := range rules {
			all[i] = newRuleJSON(r)
		}
		return printJSON(l.stdout, all)
	}
	table := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	for _, r := range rules {
		level := string(r.Severity)
		if r.Off {
			level = "off"
		}
		var notes []string
		if r.Fixable {
			notes = append(notes, "fixable")
		}
		if r.World {
			notes = append(notes, "needs --config")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.ID, level, strings.Join(notes, ", "), r.Summary)
	}
	return table.Flush()
}

// printRule explains one rule.
func (l *policyLint) printRule() error {
	var known []string
	for _, r := range lint.Rules() {
		if r.ID == l.explain && l.findings.format == "json" {
			return printJSON(l.stdout, newRuleJSON(r))
		}
		if r.ID == l.explain {
			_, err := fmt.Fprintf(l.stdout, "# %s (%s)\n\n%s", r.ID, r.Severity, r.Documentation())
			return err
		}
		known = append(known, r.ID)
	}
	err := fmt.Errorf("there is no rule %q", l.explain)
	if help := diagnostic.DidYouMean(l.explain, known); help != "" {
		err = fmt.Errorf("%w: %s", err, help)
	}
	return usageError{err}
}
