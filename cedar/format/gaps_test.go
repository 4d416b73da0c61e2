package format_test

import (
	"fmt"
	"strings"
	"testing"

	"countersign.dev/cedar/format"
	"countersign.dev/cedar/syntax"
)

// constructs are all constructs of the language, each in a policy of its own.
var constructs = map[string]string{
	"annotations": `@id("a") @owner @if("b\"//") permit (principal, action, resource);`,
	"is in": `permit (principal is A::B::C in Group::"a b", action, resource is Tool in A::Server::"crm")
when { principal is A::B in Group::"x" && resource is Tool in [Server::"a", context.b] || principal is User in principal["x"].y };`,
	"actions": `forbid (principal in A::"a", action in [Action::"read", A::Action::"b",], resource == Tool::"x",);`,
	"no list": `forbid (principal, action in [], resource) when { [].isEmpty() && {} == {} };`,
	"has":     `permit (principal, action, resource) when { context has a.b.c && context.a has "b c" && principal[ "x" ] has "if" && !(context has a) };`,
	"records": `permit (principal, action, resource) when { { a: 1, "b c": { "if": [ { d: {} } ], e: { f: -1, }, } , } == { "a": principal } };`,
	"sets":    `permit (principal, action, resource) when { [1, [2, [3,], "4"], { a: [] },].containsAll([principal, if true then 1 else 2,]) };`,
	"if":      `permit (principal, action, resource) when { if context.a then if context.b then 1 == 2 else false else (if true then context.c else context.d) };`,
	"calls":   `permit (principal, action, resource) when { ip("::1").isInRange(ip("::/8"),) && context.a.getTag("b").contains(decimal("1.0").lessThan(context["d e"])) };`,
	"operators": `permit (principal, action, resource)
when { 1 + 2 - -3 * 4 < 5 || - - 1 >= -(2) && !!true != !(false) || "a" like "*\*" && context.a <= 1 && 1 > 2 && principal in resource };`,
	"clauses":   `permit (principal, action, resource) when { true } unless { false } when { context.a } unless { (((context.b))) };`,
	"entities":  `permit (principal == A::B::"c", action == Action::"d", resource in E::"f") when { A::B::"c" in [D::"e", principal] && F::"g".h };`,
	"policies":  `permit (principal, action, resource); @id("b") forbid (principal, action, resource) when { true }; permit (principal, action, resource);`,
	"long text": `@reason("` + strings.Repeat("long ", 30) + `") permit (principal, action, resource) when { context.a == "` + strings.Repeat("x", 120) + `" && context.b.` + strings.Repeat("c", 90) + ` };`,
}

// A comment stays, at whatever place it stands: in each gap of each construct, in two neighbouring ones, and in all of
// them.
func TestCommentInEveryGap(t *testing.T) {
	comments := []string{" // %d\n", "\n// %d\n", "\n\n// %d a\n\n\n//%d b\n\n", " //%d\t \r\n", "//\n//%d\n"}
	for name, source := range constructs {
		t.Run(name, func(t *testing.T) {
			file, found := syntax.Parse("", []byte(source))
			if len(found) > 0 {
				t.Fatalf("it is not Cedar: %v", found)
			}
			gaps := len(file.Tokens) // one before each token, and the last is the end
			try := func(comment string, in func(gap int) bool) {
				t.Helper()
				text, written := "", 0
				for gap, token := range file.Tokens {
					if in(gap) {
						text += strings.ReplaceAll(comment, "%d", fmt.Sprint(gap))
						written += strings.Count(comment, "//")
					} else if gap > 0 {
						text += " "
					}
					text += token.Text
				}
				for _, o := range []format.Options{{}, {Width: 40, Indent: 4}, {Width: 1, Indent: 1}} {
					got, found := format.Source("", []byte(text), o)
					if got == nil {
						t.Fatalf("refused: %v\n%s", found, text)
					}
					if kept := count(t, got); kept != written {
						t.Errorf("%d comments of %d are left of\n%s\nin\n%s", kept, written, text, got)
					}
					if err := harmless([]byte(text), o); err != nil {
						t.Error(err)
					}
				}
			}
			for _, comment := range comments {
				for gap := range gaps {
					try(comment, func(g int) bool { return g == gap })
					try(comment, func(g int) bool { return g == gap || g == gap+1 })
				}
				try(comment, func(int) bool { return true })
			}
		})
	}
}

// count counts the comments of a text.
func count(t *testing.T, source []byte) int {
	t.Helper()
	file, _ := syntax.Parse("", source)
	return strings.Count(comments(file), "\n")
}

// A template is none of ours: it is refused as a whole, with whatever comments it has.
func TestTemplateIsRefused(t *testing.T) {
	for _, text := range []string{
		"permit (principal == ?principal, // a\n action, resource);", "permit (principal, action, resource in // a\n ?resource);",
		"permit (principal is User in ?principal // a\n, action, resource);", "permit (principal, action, resource) when { ?principal // a\n };",
	} {
		if got, found := format.Source("", []byte(text), format.Options{}); got != nil || len(found) == 0 {
			t.Errorf("%s\nis formatted as\n%s", text, got)
		}
	}
}
