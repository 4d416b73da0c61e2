package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

// What an author gets to read, and where.
func TestErrors(t *testing.T) {
	const scope = "permit (principal, action, resource)"
	for _, c := range []struct{ name, source, want string }{
		{"nothing", "", ""},
		{"comment", "// permit", ""},
		{"word", "allow (principal, action, resource);", `1:1-1:6 unexpected "allow"; want permit or forbid`},
		{"capital", "Permit (principal, action, resource);", `1:1-1:7 unexpected "Permit"; want permit or forbid`},
		{"no semicolon", scope, "1:37-1:37 the semicolon at the end of the policy is missing"},
		{"no semicolon, another policy", scope + "\n" + scope + ";", "1:37-1:37 the semicolon at the end of the policy is missing"},
		{"no semicolon, an annotation", scope + "\n@id(\"a\") " + scope + ";", "1:37-1:37 the semicolon at the end of the policy is missing"},
		{"and instead of when", scope + " if { true };", `1:38-1:40 unexpected "if"; want when, unless or ";"`},
		{"no parenthesis", scope + " when { (1 == 1 };", `1:53-1:54 unexpected "}"; want ")" behind the expression`},
		{"no brace", scope + " when true;", `1:43-1:47 unexpected "true"; want "{" behind when`},
		{"empty condition", scope + " when {};", `1:44-1:45 unexpected "}"; want an expression`},
		{"not a letter of Cedar", scope + " when { true ä };", `1:50-1:51 'ä' is not a part of Cedar`},
		{"long string", scope + ` when { true "` + strings.Repeat("ä", 100) + `" };`,
			`1:50-1:152 unexpected "\"` + strings.Repeat("ä", 39) + `"…; want "}" behind the condition`},
		{"annotation without a name", "@(\"a\") " + scope + ";", `1:2-1:3 unexpected "("; want the name of an annotation`},
		{"end in a condition", scope + " when { true", `1:49-1:49 the policy ends early; want "}" behind the condition`},
		{"two parts", "permit (principal, action);", `1:26-1:27 unexpected ")"; want "," before resource`},
		{"other order", "permit (action, principal, resource);",
			`1:9-1:15 unexpected "action"; want principal in the scope (the scope is (principal, action, resource), and conditions go behind when)`},
		{"entity without id", "permit (principal == User, action, resource);",
			`1:26-1:27 unexpected ","; want :: and the rest of an entity such as Server::"crm"`},
		{"string as entity", `permit (principal == "alice", action, resource);`, `1:22-1:29 unexpected string "alice"; want an entity such as Server::"crm"`},
		{"assignment", scope + " when { context.a = 1 };", `1:55-1:56 '=' is not a part of Cedar (compare with ==)`},
		{"single and", scope + " when { true & false };", `1:50-1:51 '&' is not a part of Cedar (write && for and)`},
		{"single quotes", scope + " when { context.a == 'b' };", "1:58-1:59 '\\'' is not a part of Cedar (put strings between \")\n1:60-1:61 '\\'' is not a part of Cedar (put strings between \")"},
		{"division", scope + " when { 4 / 2 == 2 };", "1:47-1:48 '/' is not a part of Cedar (Cedar has no division)"},
		{"hash", "# comment\n" + scope + ";", "1:1-1:2 '#' is not a part of Cedar (begin a comment with //)"},
		{"string without end", scope + " when { context.a == \"b };\n" + scope + " when { \"a\" };",
			`1:58-1:63 the string does not end on its line (write a line feed as \n)`},
		{"string over two lines", scope + " when { context.a == \"b\nc\" };", `1:58-1:60 the string does not end on its line (write a line feed as \n)`},
		{"escape", scope + ` when { "\q" == "a" };`, `1:45-1:49 in the string: \q is no escape; Cedar has \n \r \t \0 \\ \' \" \x7f \u{1f600}`},
		{"escape of a code point", scope + ` when { "\u{110000}" == "\xff" };`,
			`1:45-1:57 in the string: \u: 110000 is not the number of a character that can be written so
1:61-1:67 in the string: \x: ff is not the number of a character that can be written so`},
		{"escape without digits", scope + ` when { "\u{}" == "\xg0" && "\u1" == "\x" && "\u{+1}" == "\u{1234567}" };`,
			`1:45-1:51 in the string: \u is not followed by hexadecimal digits
1:55-1:61 in the string: \xg0 is not followed by hexadecimal digits
1:65-1:70 in the string: \u needs up to six hexadecimal digits between { and }
1:74-1:78 in the string: \x needs two hexadecimal digits
1:82-1:90 in the string: \u+1 is not followed by hexadecimal digits
1:94-1:107 in the string: \u1234567 is not followed by hexadecimal digits`},
		{"star outside of like", scope + ` when { "a" like "\*" && "\*" == "a" };`, `1:62-1:66 in the string: \* is only for patterns behind like`},
		{"large number", scope + " when { 9223372036854775808 == -9223372036854775808 };", "1:45-1:64 9223372036854775808 does not fit into 64 bits"},
		{"unknown name", scope + " when { user.name == 1 };", `1:45-1:49 unknown name "user" (the variables are principal, action, resource and context)`},
		{"unknown function", scope + " when { now() == 1 };", `1:45-1:48 there is no function now (the functions are ip, decimal, datetime and duration)`},
		{"method as function", scope + " when { contains([1], 1) };", `1:45-1:53 contains is a method, not a function (write x.contains(…))`},
		{"function as method", scope + ` when { "1.5".decimal() };`, `1:51-1:58 decimal is a function, not a method (write decimal(…))`},
		{"unknown method", scope + " when { [1].includes(1) };", `1:49-1:57 there is no method includes`},
		{"arguments", scope + " when { [1].contains() || [].isEmpty(1) };", "1:49-1:57 the number of arguments of contains is 1, not 0\n1:66-1:73 the number of arguments of isEmpty is 0, not 1"},
		{"twice the same", `@a @a("b") ` + scope + " when { {a: 1, \"a\": 2} };", "1:4-1:11 annotation @a is there twice\n1:63-1:66 field \"a\" is there twice"},
		{"comparisons in a row", scope + " when { 1 < 2 < 3 };",
			`1:51-1:52 unexpected "<"; want &&, || or the end of the expression (put comparisons between parentheses)`},
		{"if without parentheses", scope + " when { true && if true then true else true };",
			`1:53-1:55 unexpected "if"; want an expression (put if … then … else … between parentheses here)`},
		{"reserved word", scope + " when { context.if };", `1:53-1:55 unexpected "if"; want the name of an attribute or method ("if" is a reserved word)`},
		{"template", "permit (principal == ?principal, action, resource);",
			`1:22-1:32 ?principal is a slot of a template, and templates are not supported (write a policy for a group, and put the entities into the group)`},
		{"byte order mark", "\ufeff" + scope + ";", "1:1-1:2 a byte order mark is not allowed (save the file as UTF-8 without one)"},
		{"not UTF-8", scope + " when { \xff };", "1:45-1:46 the text is not UTF-8"},
		{"not UTF-8 in a string", scope + " when { \"\xff\" };", "1:46-1:47 the text is not UTF-8"},
		{"NUL", scope + "; // \x00", "1:42-1:43 U+0000 is not allowed"},
		{"carriage return in a comment", "// a \r" + scope + ";\n", "1:6-1:6 a carriage return is in a comment (end the line with a line feed)"},
		{"comment without end", scope + "; /* a", "1:39-1:43 the comment has no end"},
		{"columns count characters", "// ä\n" + `@a("日本語") permit (principle, action, resource);`,
			`2:19-2:28 unexpected "principle"; want principal in the scope (the scope is (principal, action, resource), and conditions go behind when)`},
		{"every policy", "permit (x);\n" + scope + ";\n@id(\"b\") forbid (principal, action, y) when { true };\n" + scope + " when { z };",
			`1:9-1:10 unexpected "x"; want principal in the scope (the scope is (principal, action, resource), and conditions go behind when)
3:37-3:38 unexpected "y"; want resource in the scope (the scope is (principal, action, resource), and conditions go behind when)
4:45-4:46 unknown name "z" (the variables are principal, action, resource and context)`},
		{"nested too deep", scope + " when { " + strings.Repeat("(", 600) + "1" + strings.Repeat(")", 600) + " };",
			"1:545-1:546 the expression is nested deeper than 500 levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, found := syntax.Parse("p.cedar", []byte(c.source))
			if diff := cmp.Diff(c.want, shown(found)); diff != "" {
				t.Errorf("%q (-want +got):\n%s", c.source, diff)
			}
		})
	}
}

// shown is diagnostics on a line each.
func shown(found []diagnostic.Diagnostic) string {
	var lines []string
	for _, d := range found {
		line := fmt.Sprintf("%d:%d-%d:%d %s", d.Start.Line, d.Start.Column, d.End.Line, d.End.Column, d.Message)
		if d.Help != "" {
			line += " (" + d.Help + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// A file with errors has all policies that could be read, and the diagnostics say of which policy they are.
func TestPoliciesBesideErrors(t *testing.T) {
	file, found := syntax.Parse("p.cedar", []byte(`
@id("good") permit (principal, action, resource);
@id("bad") permit (principal, action, resource) when { 1 = 2 };
@id("open") permit (principal, action, resource)
@id("number") permit (principal, action, resource) when { 99999999999999999999 == 1 };
@id("worse") @id(1) permit (principal, action, resource);
@id("last") permit (principal, action, resource);`))
	var ids []string
	for _, p := range file.Policies {
		id, ok := p.Annotation("id")
		if !ok {
			t.Error("no id")
		}
		ids = append(ids, id)
	}
	if diff := cmp.Diff([]string{"good", "number", "last"}, ids); diff != "" {
		t.Error(diff)
	}
	var about []string
	for _, d := range found {
		if d.File != "p.cedar" || d.Rule != syntax.RuleSyntax || d.Severity != diagnostic.Error {
			t.Errorf("%+v", d)
		}
		about = append(about, d.Policy)
	}
	if diff := cmp.Diff([]string{"bad", "open", "number", "worse"}, about); diff != "" {
		t.Errorf("policies of the diagnostics: %s", diff)
	}
	if _, ok := file.Policies[0].Annotation("owner"); ok {
		t.Error("an annotation that is not there")
	}
}
