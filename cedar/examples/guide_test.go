package examples_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/cedar"
)

const guide = "README.md"

var update = flag.Bool("update", false, "rewrite the output of the commands in README.md")

// fenced is a block between ``` and ```.
type fenced struct {
	kind  string // the word behind ```
	line  int    // of its first line, from 0
	lines []string
}

func (b fenced) text() string { return strings.Join(b.lines, "\n") + "\n" }

// blocks returns the lines of the guide and the blocks among them.
func blocks(t *testing.T) (lines []string, found []fenced) {
	t.Helper()
	lines = strings.Split(string(contents(t, guide)), "\n")
	for i := 0; i < len(lines); i++ {
		kind, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		b := fenced{kind: kind, line: i + 1}
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			b.lines = append(b.lines, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("%s:%d: the block has no end", guide, b.line)
		}
		found = append(found, b)
	}
	return lines, found
}

func TestGuideQuotesTheFiles(t *testing.T) {
	files := make(map[string]string) // all of a kind, by what their blocks are called
	for kind, pattern := range map[string]string{"cedar": "*/*.cedar", "yaml": "*/*_test.yaml", "json": "*/entities.json"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			files[kind] += string(contents(t, path)) + "\n"
		}
	}
	_, found := blocks(t)
	seen := make(map[string]int)
	for _, b := range found {
		seen[b.kind]++
		switch b.kind {
		case "cedar", "yaml", "json":
			if !strings.Contains(files[b.kind], b.text()) {
				t.Errorf("%s:%d: this is in none of the files", guide, b.line)
			}
		case "console", "yaml config", "sh":
		default:
			t.Errorf("%s:%d: nobody checks a block of %q", guide, b.line, b.kind)
		}
	}
	for _, kind := range []string{"cedar", "yaml", "json", "console", "yaml config"} {
		if seen[kind] == 0 {
			t.Errorf("the guide has no block of %q: did the marks change?", kind)
		}
	}
}

func TestGuideQuotesPoliciesThatLoad(t *testing.T) {
	dir := t.TempDir()
	_, found := blocks(t)
	for _, b := range found {
		if b.kind == "cedar" {
			appendTo(t, filepath.Join(dir, "guide.cedar"), b.text())
		}
	}
	cfg := cedar.Config{Policies: dir, Tools: make(map[string]string)}
	for _, set := range sets {
		_, from := read(t, set)
		maps.Copy(cfg.Tools, from.Tools)
	}
	if _, err := cedar.Load(t.Context(), cfg); err != nil {
		t.Errorf("the policies of the guide, together: %v", err)
	}
}

func TestGuideLinksToWhatIsThere(t *testing.T) {
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(contents(t, guide), -1) {
		if _, err := os.Stat(string(link[1])); err != nil {
			t.Error(err)
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(old, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGuide follows the guide: every command, in a copy of the examples, has to print what the guide says it does.
func TestGuide(t *testing.T) {
	s := newShell(t)
	lines, found := blocks(t)
	var out []string
	done := 0
	for _, b := range found {
		switch b.kind {
		case "yaml config":
			s.check(b)
		case "console":
			out = append(out, lines[done:b.line]...)
			out = append(out, s.follow(b)...)
			done = b.line + len(b.lines)
		}
	}
	out = append(out, lines[done:]...)
	if !*update || t.Failed() {
		return
	}
	if err := os.WriteFile(guide, []byte(strings.Join(out, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shell is where a reader of the guide types its commands.
type shell struct {
	t         *testing.T
	root, dir string
	path      string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "countersign"), "countersign.dev/cmd/countersign")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building countersign: %v\n%s", err, out)
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	return &shell{t: t, root: root, dir: root, path: bin}
}

// follow runs the commands of a block, compares what they print, and returns the block as it should be.
func (s *shell) follow(b fenced) []string {
	var out []string
	for i := 0; i < len(b.lines); {
		line := b.line + i + 1
		command, ok := strings.CutPrefix(b.lines[i], "$ ")
		if !ok {
			s.t.Fatalf("%s:%d: a block begins with a command", guide, line)
		}
		out = append(out, b.lines[i])
		for i++; i < len(b.lines) && strings.HasPrefix(b.lines[i], "> "); i++ {
			command += "\n" + strings.TrimPrefix(b.lines[i], "> ")
			out = append(out, b.lines[i])
		}
		begin := i
		for i < len(b.lines) && !strings.HasPrefix(b.lines[i], "$ ") {
			i++
		}
		want, got := b.lines[begin:i], s.run(command)
		switch {
		case matches(want, got):
			got = want // with what is left out of it
		case !*update:
			s.t.Errorf("%s:%d: %s\nprints\n%s\nand the guide has\n%s", guide, line, command,
				strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		out = append(out, got...)
	}
	return out
}

func (s *shell) run(command string) []string {
	s.t.Helper()
	if dir, ok := strings.CutPrefix(command, "cd "); ok {
		s.dir = filepath.Join(s.dir, dir)
		return nil
	}
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", command)
	cmd.Dir = s.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SOURCE_DATE_EPOCH=") }),
		"PATH="+s.path+string(filepath.ListSeparator)+os.Getenv("PATH"))
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: something was found, and the guide shows it
		s.t.Errorf("%s: %v\n%s", command, err, &printed)
	}
	text := strings.Trim(printed.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// check has the configuration checked, with the files that it names and the examples do not have.
func (s *shell) check(b fenced) {
	s.t.Helper()
	before := s.dir
	defer func() { s.dir = before }()
	s.dir = s.root
	if err := os.WriteFile(filepath.Join(s.dir, "countersign.yaml"), []byte(b.text()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run(`mkdir -m 700 keys && countersign keys generate --output keys/one.jwk
		mkdir issuers && countersign keys public keys/one.jwk > issuers/tts.jwks.json
		mkdir next && cp finance/*.cedar next`)
	got := strings.Join(s.run("countersign config check --config countersign.yaml && echo it is right"), "\n")
	if !strings.HasSuffix(got, "it is right") {
		s.t.Errorf("%s:%d: the configuration is wrong: %s", guide, b.line, got)
	}
}

// matches reports whether lines are those of the guide, where … in a line stands for any text, and a line of its own for
// any lines.
func matches(want, got []string) bool {
	if len(want) == 0 || len(got) == 0 {
		return len(got) == 0 && (len(want) == 0 || len(want) == 1 && want[0] == "…")
	}
	if want[0] == "…" {
		return matches(want[1:], got) || matches(want, got[1:])
	}
	return matchesLine(want[0], got[0]) && matches(want[1:], got[1:])
}

func matchesLine(want, got string) bool {
	parts := strings.Split(want, "…")
	if len(parts) == 1 {
		return want == got
	}
	got, ok := strings.CutPrefix(got, parts[0])
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(got, part)
		if !ok || at < 0 {
			return false
		}
		got = got[at+len(part):]
	}
	return ok && strings.HasSuffix(got, parts[len(parts)-1])
}

func TestMatches(t *testing.T) {
	for name, c := range map[string]struct {
		want, got string
		fits      bool
	}{
		"the same":              {"a\nb", "a\nb", true},
		"another line":          {"a\nb", "a\nc", false},
		"a line more":           {"a", "a\nb", false},
		"a line less":           {"a\nb", "a", false},
		"part of a line":        {"key …, digest …", "key 1, digest 2", true},
		"another part":          {"key …, digest …", "key 1, size 2", false},
		"parts may not overlap": {"aba…aba", "aba", false},
		"lines left out":        {"a\n…\nd", "a\nb\nc\nd", true},
		"none left out":         {"a\n…\nd", "a\nd", true},
		"another end":           {"a\n…\nd", "a\nb", false},
		"the rest left out":     {"a\n…", "a\nb\nc", true},
	} {
		if fits := matches(strings.Split(c.want, "\n"), strings.Split(c.got, "\n")); fits != c.fits {
			t.Errorf("%s: %v", name, fits)
		}
	}
}
