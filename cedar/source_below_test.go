package cedar_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign.dev/cedar"
)

const lost = `@id("lost") forbid (principal, action, resource);`

// A forbid that lies a directory too low would not be in force, and nobody would notice.
func TestPoliciesBelowAreRefused(t *testing.T) {
	const notRead = ": not read: directories below are not part of the policy; move it up or out"
	for name, tc := range map[string]struct {
		files map[string]string
		links map[string]string // target by name
		want  []string          // names
	}{
		"the policies of a team":         {files: map[string]string{"team/x.cedar": lost}, want: []string{"team/x.cedar"}},
		"further below, and compressed":  {files: map[string]string{"a/b/c/x.cedar.gz": lost, "a/y.cedar": lost}, want: []string{"a/b/c/x.cedar.gz", "a/y.cedar"}},
		"policies among the tests":       {files: map[string]string{"tests/x.cedar": lost, "tests/x_test.yaml": ""}, want: []string{"tests/x.cedar"}},
		"tests and pinned tools":         {files: map[string]string{"tests/x_test.yaml": "", "tools/crm.json": "{}", "entities.json": "[]"}},
		"what git keeps":                 {files: map[string]string{".git/x.cedar": lost, "tests/.old/x.cedar": lost, "team/.x.cedar": lost}},
		"what a file system check found": {files: map[string]string{"lost+found/x.cedar": lost}},
		"a link to another directory":    {links: map[string]string{"team": "../elsewhere"}, want: []string{"team/x.cedar"}},
		"a link that leads back up":      {links: map[string]string{"self": "."}},
		"a link to nowhere":              {links: map[string]string{"gone": "nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"policies/a.cedar": someone, "elsewhere/x.cedar": lost}
			for name, text := range tc.files {
				files["policies/"+name] = text
			}
			cfg, _ := written(t, files)
			for name, target := range tc.links {
				if err := os.Symlink(target, filepath.Join(cfg.Policies, name)); err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			for _, name := range tc.want {
				want = append(want, filepath.Join(cfg.Policies, name)+notRead)
			}
			_, loading := cedar.Load(t.Context(), cfg)
			for _, err := range []error{loading, cedar.RefuseBelow(cfg.Policies)} {
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != strings.Join(want, "\n") {
					t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
				}
			}
			found, err := cedar.Validate(t.Context(), cfg)
			if err != nil || len(found) != len(want) || len(found) > 0 && found[0].Rule != "unreadable" {
				t.Errorf("validate finds %v, %v", found, err)
			}
		})
	}
}

// A ConfigMap can have no directories, but a projected volume can give its files paths: kubelet links to their directory.
func TestPoliciesBelowAMountedDirectory(t *testing.T) {
	cfg, _ := written(t, nil)
	mount(t, cfg.Policies, "2026_01", map[string]string{"a.cedar": someone})
	put(t, filepath.Join(cfg.Policies, "..2025_12", "team", "x.cedar"), lost) // a generation that is over
	if _, err := cedar.Load(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	refused := func(why, file string) {
		t.Helper()
		want := filepath.Join(cfg.Policies, file) + ": not read: "
		if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", why, err)
		}
	}
	put(t, filepath.Join(cfg.Policies, "beside", "x.cedar"), lost)
	refused("a directory beside what is mounted", "beside/x.cedar")
	if err := os.RemoveAll(filepath.Join(cfg.Policies, "beside")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(cfg.Policies, "..2026_01", "team", "x.cedar"), lost)
	if err := os.Symlink("..data/team", filepath.Join(cfg.Policies, "team")); err != nil {
		t.Fatal(err)
	}
	refused("an item with a path", "team/x.cedar")
}

func TestALookBelowIsBounded(t *testing.T) {
	cfg, _ := written(t, map[string]string{"policies/a.cedar": someone})
	put(t, filepath.Join(cfg.Policies, "team", "README"), "")
	for i := range 10_001 { // links cost less than files
		if i == 30 {
			err := cedar.RefuseBelow(cfg.Policies)
			if err == nil || strings.Count(err.Error(), "\n") != 19 {
				t.Errorf("of 30 files are reported: %v", err)
			}
		}
		if err := os.Symlink("nowhere", filepath.Join(cfg.Policies, "team", fmt.Sprintf("%d.cedar", i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "team: more than 10000 files below the directory") {
		t.Errorf("got %v", err)
	}
}

func TestADirectoryBelowThatCannotBeRead(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	cfg, _ := written(t, map[string]string{"policies/a.cedar": someone, "policies/team/x.cedar": lost})
	if err := os.Chmod(filepath.Join(cfg.Policies, "team"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "team: looking for policies that are not read: ") {
		t.Errorf("got %v", err)
	}
}
