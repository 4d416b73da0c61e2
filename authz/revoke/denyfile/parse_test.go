package denyfile_test

import (
	"strings"
	"testing"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/denyfile"
)

func mustParse(t testing.TB, text string) *revoke.List {
	t.Helper()
	list, err := denyfile.Parse("revocations.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMistakesAreLocatedAndSayHowToFixThem(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty file", "", `f.yaml:1:1: the file is empty: write "revocations:" and a list, or "revocations: []" for none`},
		{"comments only", "# nothing\n", `f.yaml:1:1: the file is empty: write "revocations:" and a list, or "revocations: []" for none`},
		{"a list at the top", "- task: a\n", `f.yaml:1:1: a mapping was expected: write "revocations:" and a list, or "revocations: []" for none`},
		{"an empty mapping", "{}", `f.yaml:1:1: revocations is missing: write "revocations:" and a list, or "revocations: []" for none`},
		{"all entries commented out", "revocations:\n#  - task: a\n", `f.yaml:1:14: revocations must be a list: write "revocations:" and a list, or "revocations: []" for none`},
		{"not a list", "revocations: {task: a}\n", `f.yaml:1:15: revocations must be a list: write "revocations:" and a list, or "revocations: []" for none`},
		{"misspelt top", "revocation:\n  - task: a\n", "f.yaml:1:1: unknown key \"revocation\": the only one is revocations\n" + `f.yaml:1:1: revocations is missing: write "revocations:" and a list, or "revocations: []" for none`},
		{"key beside revocations", "version: 1\nrevocations: []\n", `f.yaml:1:1: unknown key "version": the only one is revocations`},
		{"two documents", "revocations: []\n---\nrevocations: []\n", "f.yaml:3:1: a second document: put all entries into one list"},
		{"revocations twice", "revocations: []\nrevocations: []\n", `f.yaml:2:1: mapping key "revocations" already defined at [1:1]: correct the YAML here`},
		{"entry that is text", "revocations:\n  - case-4711\n", `f.yaml:2:5: a mapping was expected: write a mapping such as "task: case-4711"`},
		{"entry that is missing", "revocations:\n  -\n", `f.yaml:2:5: a mapping was expected: write a mapping such as "task: case-4711"`},
		{"two kinds", "revocations:\n  - task: a\n    sub: b\n", "f.yaml:3:5: the entry has both task and sub: make two entries"},
		{"the same kind twice", "revocations:\n  - task: a\n    task: b\n", `f.yaml:3:5: mapping key "task" already defined at [2:5]: correct the YAML here`},
		{"no kind", "revocations:\n  - reason: a\n    expires: 2026-12-01T00:00:00Z\n", "f.yaml:2:5: the entry revokes nothing: add one of jti, txn, task, sub, actor, kid, before"},
		{"a bare pair of an unknown kind", "revocations: [user: a]\n", `f.yaml:1:15: unknown key "user": use one of jti, txn, task, sub, actor, kid, before, and reason or expires`},
		{"a bare pair that revokes nothing", "revocations: [reason: a]\n", "f.yaml:1:15: the entry revokes nothing: add one of jti, txn, task, sub, actor, kid, before"},
		{"an entry without anything", "revocations: [{}]\n", "f.yaml:1:15: the entry revokes nothing: add one of jti, txn, task, sub, actor, kid, before"},
		{"unknown kind", "revocations:\n  - user: a\n", `f.yaml:2:5: unknown key "user": use one of jti, txn, task, sub, actor, kid, before, and reason or expires`},
		{"kind in another case", "revocations:\n  - Task: a\n", `f.yaml:2:5: unknown key "Task": use one of jti, txn, task, sub, actor, kid, before, and reason or expires`},
		{"merge key", "revocations:\n  - task: a\n    <<: {sub: b}\n", `f.yaml:3:5: unknown key "<<": use one of jti, txn, task, sub, actor, kid, before, and reason or expires`},
		{"empty value", "revocations:\n  - task: ''\n", "f.yaml:2:11: task is empty: give it a value or remove the key"},
		{"no value", "revocations:\n  - task:\n", "f.yaml:2:11: task is empty: give it a value or remove the key"},
		{"empty reason", "revocations:\n  - task: a\n    reason: ~\n", "f.yaml:3:13: reason is empty: give it a value or remove the key"},
		{"blanks around a value", "revocations:\n  - task: 'a '\n", "f.yaml:2:11: task has blanks around it: remove them"},
		{"a number", "revocations:\n  - task: 4711\n", "f.yaml:2:11: task must be text: put it in quotation marks"},
		{"a truth value", "revocations:\n  - sub: true\n", "f.yaml:2:10: sub must be text: put it in quotation marks"},
		{"a list of values", "revocations:\n  - task: [a, b]\n", "f.yaml:2:11: task must be text: put it in quotation marks"},
		{"an anchor", "revocations:\n  - task: &a b\n", "f.yaml:2:11: task must be text: put it in quotation marks"},
		{"actor that is a name", "revocations:\n  - actor: planner\n", `f.yaml:2:12: actor "planner" is not a SPIFFE ID (scheme is missing or invalid): write spiffe://trust-domain/path, or end it with /*`},
		{"actor with a star inside", "revocations:\n  - actor: spiffe://acme.example/*/x\n", `f.yaml:2:12: actor "spiffe://acme.example/*/x" is not a SPIFFE ID (path segment characters are limited to letters, numbers, dots, dashes, and underscores): write spiffe://trust-domain/path, or end it with /*`},
		{"actor that is a trust domain", "revocations:\n  - actor: spiffe://acme.example\n", `f.yaml:2:12: actor "spiffe://acme.example" is a trust domain: write spiffe://acme.example/* for all its workloads`},
		{"a time that is none", "revocations:\n  - before: yesterday\n", "f.yaml:2:13: before is not a time: write it like 2026-12-01T00:00:00Z"},
		{"before and a user", "revocations:\n  - before: 2026-11-22T00:00:00Z\n    sub: alice\n", "f.yaml:3:5: the entry has both before and sub: make two entries"},
		{"an issuer of something else", "revocations:\n  - task: a\n    issuer: https://tts.acme.example\n", "f.yaml:2:11: issuer and subject belong to before, not to task"},
		{"an issuer of nothing", "revocations:\n  - issuer: https://tts.acme.example\n", "f.yaml:2:5: the entry revokes nothing: add one of jti, txn, task, sub, actor, kid, before"},
		{"a control character", "revocations:\n  - task: \"a\\u0007b\"\n", "f.yaml:2:11: task is not UTF-8, or has control characters"},
		{"a reason that is a novel", "revocations:\n  - task: a\n    reason: " + strings.Repeat("x", revoke.MaxReason+1) + "\n", "f.yaml:2:11: reason is longer than 256 bytes"},
		{"date without a time", "revocations:\n  - task: a\n    expires: 2026-12-01\n", "f.yaml:3:14: expires is not a time: write it like 2026-12-01T00:00:00Z"},
		{"time without a zone", "revocations:\n  - task: a\n    expires: 2026-12-01T00:00:00\n", "f.yaml:3:14: expires is not a time: write it like 2026-12-01T00:00:00Z"},
		{"the zero time", "revocations:\n  - task: a\n    expires: 0001-01-01T00:00:00Z\n", "f.yaml:3:14: expires is not a time: write it like 2026-12-01T00:00:00Z"},
		{"a number of seconds", "revocations:\n  - task: a\n    expires: 1795305600\n", "f.yaml:3:14: expires must be text: put it in quotation marks"},
		{"tab as indentation", "revocations:\n\t- task: a\n", "f.yaml:2:1: found character '\t' that cannot start any token: correct the YAML here"},
		{"unclosed list", "revocations: [\n", "f.yaml:1:14: sequence end token ']' not found: correct the YAML here"},
		{"not UTF-8", "revocations:\n  - task: caf\xe9\n", "f.yaml:1:1: the file is not UTF-8: save it as UTF-8"},
		{"several mistakes at once", "revocations:\n  - task: 1\n  - sub: ''\n", "f.yaml:2:11: task must be text: put it in quotation marks\nf.yaml:3:10: sub is empty: give it a value or remove the key"},
		{"many mistakes", "revocations:\n" + strings.Repeat("  - a: b\n", 12), "…f.yaml: and 2 more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, err := denyfile.Parse("f.yaml", []byte(test.text))
			if err == nil || list != nil {
				t.Fatalf("accepted: %v", list)
			}
			if suffix, only := strings.CutPrefix(test.want, "…"); only {
				if !strings.HasSuffix(err.Error(), suffix) {
					t.Errorf("got\n%v\nwant the end\n%s", err, suffix)
				}
			} else if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestFormsThatAreAccepted(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"YAML", "revocations:\n  - task: case-4711\n"},
		{"JSON", `{"revocations": [{"task": "case-4711", "expires": "2026-12-01T00:00:00Z"}]}`},
		{"JSON with an escape", `{"revocations": [{"task": "case\u002d4711"}]}`},
		{"byte order mark and CRLF", "\ufeffrevocations:\r\n  - task: case-4711\r\n"},
		{"document marker", "---\nrevocations:\n  - task: case-4711\n"},
		{"block text", "revocations:\n  - task: |\n      case-4711\n"},
		{"flow list with a bare pair", "revocations: [task: case-4711]\n"},
		{"comments", "# why\nrevocations: # what\n  # who\n  - task: case-4711 # when\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, found := mustParse(t, test.text).Match(revoke.Marks{Task: "case-4711"}, now); !found {
				t.Error("the entry has no effect")
			}
		})
	}
	if list := mustParse(t, "revocations: []\n"); list.Len() != 0 {
		t.Errorf("%d entries in an empty list", list.Len())
	}
}

func TestAFileOverTheLimit(t *testing.T) {
	_, err := denyfile.Parse("f.yaml", make([]byte, denyfile.MaxFile+1))
	if err == nil || !strings.Contains(err.Error(), "f.yaml") || !strings.Contains(err.Error(), "remove expired entries") {
		t.Errorf("got %v", err)
	}
}

// Whatever is in the file: either a list, or errors that all name the file. Nothing matches a request without marks.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "revocations:\n  - {jti: t-1, reason: leaked}\n  - actor: spiffe://acme.example/agents/*\n  - {before: 2026-11-22T00:00:00Z, subject: bob}\n", "revocations: []", `{"revocations": [{"task": "a"}]}`, "revocations:\n- task: a\n  sub: b\n", "revocations: &a [*a]",
		"? a\n: b", "revocations:\n- task: |\n   x\n", "---\n---\n", "revocations:\n- !!str task: x\n", "[", "a: {b: [c", "\t", "- - -",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := denyfile.Parse("f.yaml", data)
		if err != nil {
			if list != nil {
				t.Fatal("an error and a list")
			}
			if !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if e, found := list.Match(revoke.Marks{JTIs: []string{""}, Actors: []string{"", "/", "spiffe://"}, KeyIDs: []string{""}}, now); found {
			t.Fatalf("%+v matches nothing in particular", e)
		}
	})
}
