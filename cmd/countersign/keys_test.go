package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
	"countersign.dev/authz/trust"
)

// command runs a command line and returns what it printed.
func command(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs strings.Builder
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	err = root.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := command(t, args...)
	if err != nil {
		t.Fatalf("countersign %q: %v\n%s", args, err, stderr)
	}
	return strings.TrimSpace(stdout)
}

// keyDir is a directory with one key that signs.
func keyDir(t *testing.T) (dir, kid string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, must(t, "keys", "generate", "--output", filepath.Join(dir, "1.jwk"))
}

// listed tells the states by key id.
func listed(t *testing.T, dir string, flags ...string) map[string]trust.KeyState {
	t.Helper()
	var keys []listedKey
	out := must(t, append([]string{"keys", "list", "--json", dir}, flags...)...)
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		t.Fatal(err)
	}
	states := map[string]trust.KeyState{}
	for _, k := range keys {
		states[k.KeyID] = k.State
	}
	return states
}

func wantStates(t *testing.T, dir string, want map[string]trust.KeyState, flags ...string) {
	t.Helper()
	if diff := cmp.Diff(want, listed(t, dir, flags...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// signer is the key that a server signs with that reads the directory now.
func signer(t *testing.T, dir string) string {
	t.Helper()
	keys, err := trust.LoadSigningKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys.Current().KeyID
}

func TestKeysRotate(t *testing.T) {
	dir, first := keyDir(t)
	stdout, stderr, err := command(t, "keys", "rotate", "--directory", dir)
	if err != nil || !strings.Contains(stderr, "it signs from ") || strings.Contains(stderr, "long enough") {
		t.Fatalf("%v: %s", err, stderr)
	}
	second := strings.TrimSpace(stdout)
	wantStates(t, dir, map[string]trust.KeyState{first: trust.Signing, second: trust.Published})
	files, err := trust.ListKeyFiles(dir, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if wait := time.Until(files[0].NotBefore); wait < 9*time.Minute || wait > 11*time.Minute {
		t.Errorf("it signs in %s, want twice the %s for which others keep our key set", wait, jwksMaxAge)
	}
	if _, _, err := command(t, "keys", "rotate", "--directory", dir); err == nil || !strings.Contains(err.Error(), "already waiting") {
		t.Errorf("rotating again: %v", err)
	}
	if out := must(t, "keys", "prune", "--directory", dir, "--ttl", "1ns"); out != "" {
		t.Errorf("prune removed %s", out)
	}
	wantStates(t, dir, map[string]trust.KeyState{first: trust.Signing, second: trust.Published})
}

func TestKeysPrune(t *testing.T) {
	dir, first := keyDir(t)
	stdout, stderr, err := command(t, "keys", "rotate", "--directory", dir, "--after", "0s", "--algorithm", "EdDSA")
	if err != nil || !strings.Contains(stderr, "10m0s would be long enough") {
		t.Fatalf("%v: %s", err, stderr)
	}
	second := strings.TrimSpace(stdout)
	for signer(t, dir) != second { // the nbf is the next whole second
		time.Sleep(10 * time.Millisecond)
	}
	wantStates(t, dir, map[string]trust.KeyState{first: trust.Retiring, second: trust.Signing})
	if out := must(t, "keys", "prune", "--directory", dir); out != "" {
		t.Errorf("prune removed %s, whose tokens may be valid", out)
	}
	now := []string{"--ttl", "1ns", "--skew", "0s"}
	wantStates(t, dir, map[string]trust.KeyState{first: trust.Retirable, second: trust.Signing}, now...)
	if out := must(t, append([]string{"keys", "prune", "--directory", dir}, now...)...); out != first {
		t.Errorf("prune removed %q, want %s", out, first)
	}
	wantStates(t, dir, map[string]trust.KeyState{second: trust.Signing})
}

// Servers read while one key after the other is published, used and removed. They always find a key that signs.
func TestKeysChangeUnderReaders(t *testing.T) {
	dir, _ := keyDir(t)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if keys, err := trust.LoadSigningKeys(dir); err != nil || keys.Current().KeyID == "" {
					t.Errorf("no key signs: %v", err)
					return
				}
			}
		})
	}
	for range 20 {
		must(t, "keys", "rotate", "--directory", dir, "--after", "1h")
		for kid, state := range listed(t, dir) {
			if state == trust.Signing {
				must(t, "keys", "revoke", "--directory", dir, "--", kid) // which brings the next one forward
			}
		}
	}
	for range 5 {
		must(t, append([]string{"keys", "revoke", "--directory", dir, "--"}, signer(t, dir))...) // which makes a new one
	}
	close(done)
	readers.Wait()
	if got := listed(t, dir); len(got) != 1 {
		t.Errorf("keys at the end: %v", got)
	}
}

func TestKeysRevoke(t *testing.T) {
	t.Run("a key that signed before takes over", func(t *testing.T) {
		dir, first := keyDir(t)
		second := must(t, "keys", "rotate", "--directory", dir, "--after", "0s")
		for signer(t, dir) != second {
			time.Sleep(10 * time.Millisecond)
		}
		third := must(t, "keys", "rotate", "--directory", dir)
		out := must(t, "keys", "revoke", "--directory", dir, "--reason", "seen in a log", "--", second)
		if want := "- kid: \"" + second + "\"\n  reason: \"seen in a log\""; out != want {
			t.Errorf("printed %q, want %q", out, want)
		}
		wantStates(t, dir, map[string]trust.KeyState{first: trust.Signing, third: trust.Published})
	})
	t.Run("the next one comes forward", func(t *testing.T) {
		dir, first := keyDir(t)
		second := must(t, "keys", "rotate", "--directory", dir)
		must(t, "keys", "revoke", "--directory", dir, "--", first)
		wantStates(t, dir, map[string]trust.KeyState{second: trust.Signing})
	})
	t.Run("a key that only waits", func(t *testing.T) {
		dir, first := keyDir(t)
		second := must(t, "keys", "rotate", "--directory", dir)
		must(t, "keys", "revoke", "--directory", dir, "--", second)
		wantStates(t, dir, map[string]trust.KeyState{first: trust.Signing})
	})
	t.Run("all", func(t *testing.T) {
		dir, first := keyDir(t)
		second := must(t, "keys", "rotate", "--directory", dir)
		must(t, "keys", "revoke", "--directory", dir, "--", first, second)
		states := listed(t, dir)
		if len(states) != 1 || states[first] != "" || states[second] != "" {
			t.Errorf("left: %v", states)
		}
		if kid := signer(t, dir); states[kid] != trust.Signing {
			t.Errorf("%s signs", kid)
		}
	})
	t.Run("one that is not there", func(t *testing.T) {
		dir, first := keyDir(t)
		stdout, _, err := command(t, "keys", "revoke", "--directory", dir, "--", first, "made-up")
		if err == nil || !strings.Contains(err.Error(), "made-up") || stdout != "" {
			t.Errorf("%v: %q", err, stdout)
		}
		wantStates(t, dir, map[string]trust.KeyState{first: trust.Signing})
	})
}

func TestKeysRevokeAddsToTheDenyList(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		entries int
		refused bool
	}{
		"empty":                      {"revocations: []\n", 1, false},
		"empty with comments":        {"# by hand\n\nrevocations: []\n# end\n", 1, false},
		"some entries":               {"revocations:\n  - task: case-1 # closed\n    reason: closed\n", 2, false},
		"no indentation":             {"revocations:\n- task: case-1\n", 2, false},
		"no last line end":           {"revocations:\n  - task: case-1", 2, false},
		"deeply indented":            {"revocations:\n        -   task: case-1\n", 2, false},
		"a list on one line":         {"revocations: [{task: case-1}]\n", 0, true},
		"JSON":                       {`{"revocations": [{"task": "case-1"}]}`, 0, true},
		"not a deny-list":            {"keys: []\n", 0, true},
		"a reason that looks as one": {"revocations:\n  - task: case-1\n    reason: |\n      a\n      - b\n", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, kid := keyDir(t)
			file := filepath.Join(t.TempDir(), "revocations.yaml")
			if err := os.WriteFile(file, []byte(test.text), 0o640); err != nil {
				t.Fatal(err)
			}
			stdout, _, err := command(t, "keys", "revoke", "--directory", dir, "--revocations", file, "--", kid)
			if (err != nil) != test.refused || !strings.Contains(stdout, kid) {
				t.Fatalf("%v: %s", err, stdout)
			}
			text, readErr := os.ReadFile(file)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if test.refused {
				if string(text) != test.text || listed(t, dir)[kid] == "" {
					t.Errorf("after %v the list is %q", err, text)
				}
				return
			}
			list, err := denyfile.Parse(file, text)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := list.Match(revoke.Marks{KeyIDs: []string{kid}}, time.Now()); !ok || list.Len() != test.entries {
				t.Errorf("%d entries: %s", list.Len(), text)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("permissions %v, %v", info.Mode(), err)
			}
			for _, line := range strings.Split(test.text, "\n") {
				if strings.Contains(line, "#") && !strings.Contains(string(text), line) {
					t.Errorf("%q is gone: %s", line, text)
				}
			}
		})
	}
	t.Run("a second time", func(t *testing.T) {
		dir, kid := keyDir(t)
		file := filepath.Join(t.TempDir(), "revocations.yaml")
		text := "revocations:\n  - kid: " + kid + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, "keys", "revoke", "--directory", dir, "--revocations", file, "--", kid)
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("a mounted one", func(t *testing.T) {
		dir, kid := keyDir(t)
		link := filepath.Join(t.TempDir(), "revocations.yaml")
		if err := os.Symlink("..data/revocations.yaml", link); err != nil {
			t.Fatal(err)
		}
		_, _, err := command(t, "keys", "revoke", "--directory", dir, "--revocations", link, "--", kid)
		if err == nil || !strings.Contains(err.Error(), "where it comes from") {
			t.Errorf("got %v", err)
		}
		wantStates(t, dir, map[string]trust.KeyState{kid: trust.Signing})
	})
}

// The servers may run as another user than whoever rotates: what they can read of the old key they can of the new one.
func TestANewKeyHasThePermissionsOfTheOldOne(t *testing.T) {
	dir, _ := keyDir(t)
	old := filepath.Join(dir, "1.jwk")
	if err := os.Chmod(old, 0o440); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(old, 65532, 65533); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "keys", "rotate", "--directory", dir)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	owners := map[string]bool{}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		owners[info.Mode().String()+" "+owner(info)] = true
	}
	if len(owners) != 1 {
		t.Errorf("permissions and owners: %v", owners)
	}
}

func owner(info fs.FileInfo) string {
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", stat.Uid, stat.Gid)
}

func TestWhatACrashLeavesBehind(t *testing.T) {
	dir, first := keyDir(t)
	left := filepath.Join(dir, ".countersign-1.tmp")
	if err := os.WriteFile(left, []byte(`{"kty":"EC","d":"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if kid := signer(t, dir); kid != first {
		t.Errorf("%s signs", kid)
	}
	must(t, "keys", "prune", "--directory", dir)
	if _, err := os.Stat(left); err == nil {
		t.Error("half a key is still there")
	}
}

func TestOneCommandAtATime(t *testing.T) {
	dir, _ := keyDir(t)
	d, err := openKeyDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"rotate"}, {"prune"}, {"revoke", "x"}} {
		_, _, err := command(t, slices.Concat([]string{"keys"}, args, []string{"--directory", dir})...)
		if err == nil || !strings.Contains(err.Error(), "another command") {
			t.Errorf("%s: %v", args, err)
		}
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	must(t, "keys", "rotate", "--directory", dir)
}

func TestAMountedSecretIsNotChanged(t *testing.T) {
	dir, _ := keyDir(t)
	if err := os.Symlink("..2026_11_25", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	_, _, err := command(t, "keys", "rotate", "--directory", dir)
	if err == nil || !strings.Contains(err.Error(), "replace the Secret") {
		t.Errorf("got %v", err)
	}
	if help := must(t, "keys", "--help"); !strings.Contains(help, "kubectl create secret generic") {
		t.Error("the help does not show how")
	}
}

func TestTooManyKeys(t *testing.T) {
	dir, _ := keyDir(t)
	for i := range trust.MaxKeys - 1 {
		must(t, "keys", "generate", "--algorithm", "EdDSA", "--output", filepath.Join(dir, "more-"+string(rune('A'+i))+".jwk"))
	}
	_, _, err := command(t, "keys", "rotate", "--directory", dir)
	if err == nil || !strings.Contains(err.Error(), "keys prune") {
		t.Errorf("got %v", err)
	}
}
