package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

// policyTest is policy test as it was called.
type policyTest struct {
	from       policySource
	run        string
	verbose    bool
	cover      bool
	coverMin   float64
	junit      string
	asJSON     bool
	watch      bool
	allowEmpty bool

	match   *regexp.Regexp
	watched []string // what a change of the tests or policies shows up in, as of the last run
	beside  []string // directories of policies that were found in the last run, beside tests or without any
}

func newPolicyTestCommand() *cobra.Command {
	var t policyTest
	cmd := &cobra.Command{
		Use:   "test [DIR | FILE]... [flags]",
		Short: "Run the tests of policies",
		Long: `Test runs tables of requests, in files named *_test.yaml, and compares what policy says with what they
expect. It looks for them, and for compressed ones (.gz), in the directories given, and below; in the current one if none
is. The policies are found beside each file, unless the flags name others. With --bundle it runs the tests in the bundle.

    defaults: {trust_domain: acme.example, peer: /planner, server: ledger, delegation: {subject: alice}}
    cases:
    - name: a small transfer
      tool: transfer
      arguments: {amount: 100}
      expect: allow
      policies: [planner-transfers]
    - name: too much, whoever asks
      for: {peer: [/planner, /crm], arguments.amount: [10001, 10001.5]}
      tool: transfer
      expect: deny
      policies: [transfer-cap]

Expect is allow or deny, which is what policy says, or refused, for a request that does not get that far: its delegation
has expired, does not cover the tool, or is somebody else's.

A case is wrong, and fails, when it names what nobody knows: a tool that is not pinned though others of its server are, or
a trust domain of the peer that no policy, entity or allowed case names. Most likely it is misspelt, and denied for that.
If it is meant, write unpinned: true or stranger: true.

A case that does not list errors fails when a policy cannot be evaluated, so that nothing is denied by accident. A file
that ends with .json has tests of the Cedar command line (cedar run-tests), which plain Cedar answers.

Coverage counts that each policy decides, and that each when and unless is true once and false once. Directories with
*.cedar files that no test is about count as unseen, unless the flags name the policies.

Exit status: 0 all tests passed; 1 one failed, a file or policy is wrong, the coverage is too low, or there are no
tests; 2 wrong usage.`,
		Example: `  countersign policy test policies/ --cover
  countersign policy test --config countersign.yaml tests/ --run 'transfer' -v
  countersign policy test --cover-min 100 --junit report.xml
  countersign policy test --policies policies/ cedar-tests.json`,
		RunE: t.start,
	}
	t.from.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&t.run, "run", "", "only the cases whose name matches the regular expression `REGEX`")
	flags.BoolVarP(&t.verbose, "verbose", "v", false, "show the cases that passed too")
	flags.BoolVar(&t.cover, "cover", false, "list what no test has seen of the policies")
	flags.Float64Var(&t.coverMin, "cover-min", 0, "fail if less than `PERCENT` of the policies and conditions was seen")
	flags.StringVar(&t.junit, "junit", "", "write the results to `FILE` as JUnit XML too")
	flags.BoolVar(&t.asJSON, "json", false, "print JSON")
	flags.BoolVar(&t.allowEmpty, "allow-empty", false, "having no tests is no failure")
	watchFlag(cmd, &t.watch)
	return cmd
}

func (t *policyTest) start(cmd *cobra.Command, args []string) error {
	if !t.from.given() && (t.from.entities != "" || len(t.from.tools)+len(t.from.servers) > 0) {
		return usageError{errors.New("--entities, --tools and --server go with --policies")}
	}
	if !(t.coverMin >= 0 && t.coverMin <= 100) { // not a number is neither
		return usageError{fmt.Errorf("--cover-min %v: give a number from 0 to 100", t.coverMin)}
	}
	if t.watch && (t.asJSON || t.junit != "") { // and a report in a directory that is watched would be a change
		return usageError{errors.New("--json and --junit are about one run: leave --watch out")}
	}
	var err error
	if t.match, err = regexp.Compile(t.run); err != nil {
		return usageError{fmt.Errorf("--run: %w", err)}
	}
	if len(args) == 0 && t.from.bundle == "" {
		args = []string{"."}
	}
	out, notes := cmd.OutOrStdout(), cmd.ErrOrStderr()
	return rerun(cmd.Context(), notes, t.watch, func() []string { return t.watched }, func(ctx context.Context) error {
		return t.once(ctx, out, notes, args)
	})
}

// once finds and runs all tests and prints what came of them.
func (t *policyTest) once(ctx context.Context, out, notes io.Writer, args []string) error {
	report, untested, err := t.report(ctx, args)
	if err != nil {
		return err
	}
	for _, dir := range untested {
		_, _ = fmt.Fprintf(notes, "countersign: note: no test was run on the policies in %s: they count as unseen\n", dir)
	}
	if err := t.print(out, report); err != nil {
		return err
	}
	if t.junit != "" {
		if err := writeJUnit(t.junit, report); err != nil {
			return err
		}
	}
	switch {
	case len(report.Results) == 0 && !t.allowEmpty:
		return errors.New("no tests: name a directory with *" + policytest.Suffix + " files, or see --run")
	case report.Failed() > 0:
		return errFound
	case t.coverMin > 0 && !report.Covers(t.coverMin):
		return fmt.Errorf("coverage is %s, and must be %v%%: see --cover", report.Percent(), t.coverMin)
	}
	return nil
}

// report runs the tests that arguments name; without any, those in the bundle. It returns the directories of policies that
// no test is about, too.
func (t *policyTest) report(ctx context.Context, args []string) (report *policytest.Report, untested []string, err error) {
	t.watched, t.beside = slices.Clone(args), nil
	if t.from.bundle == "" || len(args) > 0 {
		paths, err := t.find(args)
		if err != nil {
			return nil, nil, err
		}
		return t.all(ctx, paths)
	}
	t.watched = append(t.watched, t.from.bundle)
	source, err := t.from.open()
	if err != nil {
		return nil, nil, err
	}
	bundled, err := source.Source.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	files, err := policytest.ParseAll(ctx, bundled.Tests)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := cedar.Load(ctx, source)
	if err != nil {
		return nil, nil, err
	}
	report, err = policytest.Run(ctx, snapshot, files, t.match)
	return report, nil, err
}

// maxWalk bounds the directories and files that are looked at.
const maxWalk = 100_000

// find returns the test files that arguments name: a file, or those in a directory and below. Hidden directories are left
// out.
func (t *policyTest) find(args []string) ([]string, error) {
	var paths []string
	looked := 0
	for _, arg := range args {
		err := filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if looked++; looked > maxWalk {
				return fmt.Errorf("more than %d files", maxWalk)
			}
			hidden := path != arg && strings.HasPrefix(entry.Name(), ".")
			switch {
			case hidden && entry.IsDir():
				return filepath.SkipDir
			case entry.IsDir():
				t.watched = append(t.watched, path)
				if policytest.HasPolicies(path) {
					t.beside = append(t.beside, path)
				}
			case !hidden && (path == arg || strings.HasSuffix(strings.TrimSuffix(entry.Name(), ".gz"), policytest.Suffix)):
				paths = append(paths, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking for tests in %s: %w", arg, err)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

// testOutput is the JSON form of a report.
type testOutput struct {
	Passed   int                 `json:"passed"`
	Failed   int                 `json:"failed"`
	Coverage float64             `json:"coverage_percent"`
	Results  []policytest.Result `json:"results"`

	Policies []policytest.PolicyCoverage `json:"coverage"`
}

func (t *policyTest) print(out io.Writer, report *policytest.Report) error {
	if !t.asJSON {
		return report.Text(out, policytest.TextOptions{
			Verbose: t.verbose, Cover: t.cover, Colour: colourOn(out),
		})
	}
	failed := report.Failed()
	o := testOutput{
		Passed: len(report.Results) - failed, Failed: failed,
		Results:  append([]policytest.Result{}, report.Results...),
		Policies: append([]policytest.PolicyCoverage{}, report.Coverage...),
	}
	if seen, all := report.Seen(); all > 0 {
		o.Coverage = 100 * float64(seen) / float64(all)
	}
	return printJSON(out, o)
}

func writeJUnit(path string, report *policytest.Report) error {
	f, err := os.Create(path) //nolint:gosec // the user names the file
	if err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	return errors.Join(report.JUnit(f), f.Close())
}
