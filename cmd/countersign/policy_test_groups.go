package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

// all runs the files, those with the same policies together, and adds the policies that no test is about.
func (t *policyTest) all(ctx context.Context, paths []string) (report *policytest.Report, untested []string, err error) {
	report = &policytest.Report{}
	groups, err := t.groups(paths, report)
	if err != nil {
		return nil, nil, err
	}
	tested := make(map[string]bool) // directories
	for _, g := range groups {
		t.watched = append(t.watched, cedar.NewStore(g.source, slog.New(slog.DiscardHandler)).Files()...)
		snapshot, err := cedar.Load(ctx, g.source)
		if err != nil {
			g.broke(report, err)
			continue
		}
		of, err := policytest.Run(ctx, snapshot, g.files, t.match)
		if err != nil {
			return nil, nil, err
		}
		report.Add(of)
		tested[directoryKey(g.source.Policies)] = true
	}
	if t.from.given() { // what else lies there is not what is tested
		return report, nil, nil
	}
	untested, err = t.addUntested(report, tested)
	return report, untested, err
}

// addUntested adds the policies in the directories that were found and are not tested.
func (t *policyTest) addUntested(report *policytest.Report, tested map[string]bool) (untested []string, err error) {
	slices.Sort(t.beside)
	for _, dir := range t.beside {
		if tested[directoryKey(dir)] {
			continue
		}
		tested[directoryKey(dir)] = true
		unseen, err := policytest.Untested(dir)
		if err != nil {
			return nil, err
		}
		report.Coverage = append(report.Coverage, unseen...)
		untested = append(untested, dir)
	}
	return untested, nil
}

// directoryKey tells directories apart.
func directoryKey(dir string) string {
	if actual, err := filepath.EvalSymlinks(dir); err == nil {
		dir = actual
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return dir
}

// group is files that test the same policies.
type group struct {
	source cedar.Config
	files  []*policytest.File
}

// broke reports policies that cannot be loaded.
func (g group) broke(report *policytest.Report, err error) {
	for _, f := range g.files {
		report.Broke(f.Name, fmt.Errorf("the policies of %s cannot be loaded:\n%w", f.Name, err))
	}
	if len(g.files) == 0 {
		report.Broke(g.source.Policies, fmt.Errorf("the policies cannot be loaded:\n%w", err))
	}
}

// groups reads the files. The policies that flags name are a group even if no file is about them. Those of a file that
// cannot be read are noted as untested.
func (t *policyTest) groups(paths []string, report *policytest.Report) ([]group, error) {
	var groups []group
	if t.from.given() {
		given, err := t.from.open()
		if err != nil {
			return nil, err
		}
		groups = []group{{source: given}}
	}
	for _, path := range paths {
		f, err := policytest.Read(path)
		switch {
		case err != nil:
			report.Broke(path, err)
			if source, err := (&policytest.File{Name: path}).Config(); err == nil {
				t.beside = append(t.beside, source.Policies)
			}
			continue
		case t.from.given():
			groups[0].files = append(groups[0].files, f)
			continue
		}
		source, err := f.Config()
		if err != nil {
			report.Broke(path, err)
			continue
		}
		if policytest.HasPolicies(source.Policies) {
			t.beside = append(t.beside, source.Policies)
		}
		i := slices.IndexFunc(groups, func(g group) bool { return fmt.Sprint(g.source) == fmt.Sprint(source) })
		if i < 0 {
			groups = append(groups, group{source: source})
			i = len(groups) - 1
		}
		groups[i].files = append(groups[i].files, f)
	}
	return groups, nil
}
