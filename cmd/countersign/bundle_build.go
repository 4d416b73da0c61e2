package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/bundle"
	"countersign.dev/cedar/policytest"
)

// bundleBuild is what a bundle is made from.
type bundleBuild struct {
	from                         policySource
	tests, name, output          string
	counter                      uint64
	created, notBefore, notAfter string
	skipTests                    bool
}

func newBundleBuildCommand() *cobra.Command {
	var b bundleBuild
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "build [--config FILE | --policies DIR …] --counter N --output FILE",
		Short: "Check policies and pack them into a bundle",
		Long: `Build checks policies, entities and pinned tools as serve would, and packs exactly what it checked. The tests beside
the policies (*_test.yaml) come along, and with --tests those of a directory. All have to pass, here and at every replica
(see policy.tests), but tests of servers that are not configured are skipped. The same input gives the same bytes. The
bundle is not signed yet.

The counter has to grow from bundle to bundle: replicas refuse what is older than what they had. The number of a build or
of a commit, or the seconds since 1970, will do. A fleet with a name of its own (--name) takes no bundle of another one.
A bundle with --not-after decides no longer than that, also where nobody can fetch a newer one: replicas then refuse
everything.

` + bundleHelp + `

Exit status: 0 the bundle was written; 1 something is wrong with the policies, or a test fails; 2 wrong usage.`,
		Example: `  countersign bundle build --config countersign.yaml --counter 42 --output policies.tar.gz
  countersign bundle build --policies policies/ --entities entities.json --tools crm=tools/crm.json --server wiki \
    --tests tests/ --name production --counter "$(date +%s)" --not-after 2026-12-31T00:00:00Z --output policies.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			built, err := b.build(cmd.Context())
			if err != nil {
				return err
			}
			if err := publish(b.output, built.data); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), built)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: bundle %d, %s, revision %s, digest %s%s\n",
				b.output, built.Counter, counted(built.Policies, "policy", "policies"), built.Revision, built.Digest, testsText(built.Tests))
			return err
		},
	}
	b.from.fileFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&b.tests, "tests", "", "`DIR` with *.yaml, *.yml and *.json files, or compressed ones (.gz), to pack as tests")
	flags.BoolVar(&b.skipTests, "skip-tests", false, "pack the tests without running them")
	flags.StringVar(&b.name, "name", "", "`NAME` of what the bundle is for, as in policy.bundle.name")
	flags.Uint64Var(&b.counter, "counter", 0, "`NUMBER` that is greater than that of the bundle before")
	flags.StringVar(&b.created, "created", "", "`TIME` (RFC 3339) to note in it; default SOURCE_DATE_EPOCH, or none")
	flags.StringVar(&b.notBefore, "not-before", "", "`TIME` (RFC 3339) from when it may decide; default always")
	flags.StringVar(&b.notAfter, "not-after", "", "`TIME` (RFC 3339) until when it may decide; default for ever")
	flags.StringVarP(&b.output, "output", "o", "", "`FILE` to write or replace")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// builtBundle is a bundle that was built, as --json has it.
type builtBundle struct {
	Counter  uint64 `json:"counter"`
	Name     string `json:"name,omitempty"`
	Digest   string `json:"digest"`
	Revision string `json:"revision"`
	Policies int    `json:"policies"`
	Files    int    `json:"files"`
	// Tests are those that it passed.
	Tests cedar.Tried `json:"tests"`

	data []byte
}

func (b *bundleBuild) build(ctx context.Context) (*builtBundle, error) {
	manifest, err := b.manifest()
	if err != nil {
		return nil, err
	}
	source, err := b.from.open()
	if err != nil {
		return nil, err
	}
	source.Accept = policytest.Acceptance{}
	policy, err := cedar.ReadFiles(ctx, source)
	if err != nil {
		return nil, err
	}
	if policy.Tests, err = addTests(policy.Tests, b.tests); err != nil {
		return nil, err
	}
	loaded, err := b.check(ctx, source, policy)
	if err != nil {
		return nil, err
	}
	files, err := bundle.FromPolicy(policy)
	if err != nil {
		return nil, fmt.Errorf("packing the bundle: %w", err)
	}
	data, err := bundle.Write(manifest, files)
	if err != nil {
		return nil, fmt.Errorf("packing the bundle: %w", err)
	}
	packed, err := bundle.Read(data, bundle.TrustAnybody())
	if err != nil {
		return nil, fmt.Errorf("reading the bundle back: %w", err)
	}
	return &builtBundle{
		Counter: b.counter, Name: b.name, Digest: packed.Digest, Revision: loaded.Revision, Policies: loaded.Policies,
		Files: len(files), Tests: loaded.Tests, data: data,
	}, nil
}

// check loads what was read, also if the files change meanwhile, and runs the tests.
func (b *bundleBuild) check(ctx context.Context, source cedar.Config, files *cedar.Files) (cedar.Status, error) {
	read := cedar.Config{Source: inMemory{files}, OnError: source.OnError, Accept: source.Accept, Tools: make(map[string]string)}
	for server := range source.Tools {
		read.Tools[server] = ""
	}
	if b.skipTests {
		read.Accept = nil
	}
	store := cedar.NewStore(read, slog.New(slog.DiscardHandler))
	err := store.Reload(ctx)
	return store.Status(), err
}

// manifest reads the flags.
func (b *bundleBuild) manifest() (bundle.Manifest, error) {
	m := bundle.Manifest{Name: b.name, Counter: b.counter}
	switch {
	case b.output == "":
		return m, usageError{errors.New("name the file to write with --output FILE")}
	case b.counter == 0:
		return m, usageError{errors.New("give the bundle a number with --counter, greater than that of the one before")}
	}
	for _, t := range []struct {
		flag, text string
		at         *time.Time
	}{
		{"--created", b.created, &m.Created}, {"--not-before", b.notBefore, &m.NotBefore}, {"--not-after", b.notAfter, &m.NotAfter},
	} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return m, usageError{fmt.Errorf("%s %q: want a time such as 2026-12-31T00:00:00Z", t.flag, t.text)}
		}
		*t.at = at
	}
	// https://reproducible-builds.org/specs/source-date-epoch/
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" && b.created == "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || seconds < 0 {
			return m, usageError{fmt.Errorf("SOURCE_DATE_EPOCH is %q: want seconds since 1970", epoch)}
		}
		m.Created = time.Unix(seconds, 0)
	}
	return m, nil
}

// addTests adds the tests in a directory to those that lie beside the policies.
func addTests(tests []cedar.File, dir string) ([]cedar.File, error) {
	if dir == "" {
		return tests, nil
	}
	names := make(map[string]bool)
	for _, extension := range []string{".yaml", ".yml", ".json", ".yaml.gz", ".yml.gz", ".json.gz"} {
		files, err := filepath.Glob(filepath.Join(dir, "*"+extension))
		if err != nil {
			return nil, usageError{fmt.Errorf("--tests %q: %w", dir, err)}
		}
		for _, file := range files {
			names[file] = true
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("--tests %s: no *.yaml, *.yml or *.json files in the directory", dir)
	}
	for _, f := range tests {
		delete(names, filepath.Clean(f.Name)) // it is the directory of the policies
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		read := func(name string) ([]byte, error) { return readLimited(name, bundle.MaxText) }
		if filepath.Ext(name) == ".gz" {
			read = cedar.ReadFile
		}
		data, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("reading a test: %w", err)
		}
		tests = append(tests, cedar.File{Name: name, Data: data})
	}
	return tests, nil
}
