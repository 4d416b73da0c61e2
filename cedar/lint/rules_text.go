package lint

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/syntax"
)

func textRules() []Rule {
	return []Rule{
		{
			ID: "bidi", Severity: diagnostic.Error,
			Summary: "A character in a string or comment changes the direction of the text.",
			Why: "What is shown is not what is read (CVE-2021-42574): a condition can look like a comment. " +
				`Write \u{202e} in a string that needs the character.`,
			Bad: `@id("ping") // ` + "\u202e" + `
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			file: func(p *pass) {
				p.characters(func(r rune, span syntax.Span) {
					if unicode.Is(unicode.Bidi_Control, r) {
						p.at(span, fmt.Sprintf("%U changes the direction of the text", r), `remove it, or write \u{…} in a string`)
					}
				})
			},
		},
		{
			ID: "mixed-script", Severity: diagnostic.Warning,
			Summary: "A word in a string has letters of more than one script.",
			Why: `The Cyrillic "с" in "сrm" looks like the Latin one: the policy reads as if it were about another server. ` +
				"Japanese, Korean and Chinese are written together with Latin (UTS 39, section 5.2, highly restrictive) and may be.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"` + "\u0441" + `rm");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			file: func(p *pass) {
				p.words(func(word string, span syntax.Span, _ bool) {
					if scripts := scriptsOf(word); mixed(scripts) {
						p.at(span, fmt.Sprintf("%+q has letters of %s", word, strings.Join(scripts, " and ")), "write it in one script")
					}
				})
			},
		},
		{
			ID: "confusable", Severity: diagnostic.Warning,
			Summary: "A word in a string looks like another one, or has characters that cannot be seen.",
			Why: "A name that only looks right never equals the real one, so that a forbid with it protects nothing. It is found " +
				"when all of a word looks Latin and is not, when it has invisible or compatibility characters, when it is not in " +
				"normal form C, and when two entities of the policies look the same.",
			Bad: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"` + "\uff43\uff52\uff4d" + `");
`,
			Good: `@id("ping")
permit (principal, action == Action::"ping", resource in Server::"crm");
`,
			file: func(p *pass) {
				p.words(func(word string, span syntax.Span, prose bool) {
					if message := confusing(word, prose); message != "" {
						p.at(span, message, "write it with the characters of the real name")
					}
				})
				p.characters(func(r rune, span syntax.Span) {
					if invisible(r) {
						p.at(span, fmt.Sprintf("%U cannot be seen", r), `remove it, or write \u{…} in a string`)
					}
				})
			},
			set: twins,
		},
	}
}

// prose are annotations that people read, in any language.
var prose = map[string]bool{"author": true, "description": true, "example": true, "owner": true, "reason": true}

// characters calls visit for all characters beyond ASCII of a file, in comments too.
func (p *pass) characters(visit func(rune, syntax.Span)) {
	at := syntax.Position{Line: 1, Column: 1}
	for i, r := range string(p.file.Source) {
		at.Offset = i
		if r >= utf8.RuneSelf {
			end := at
			end.Offset, end.Column = i+utf8.RuneLen(r), at.Column+1
			visit(r, syntax.Span{Start: at, End: end})
		}
		if at.Column++; r == '\n' {
			at.Line, at.Column = at.Line+1, 1
		}
	}
}

// words calls visit for the words beyond ASCII in the strings of a file.
func (p *pass) words(visit func(word string, span syntax.Span, prose bool)) {
	tokens := p.file.Tokens
	for i, t := range tokens {
		if t.Kind != syntax.String || ascii(t.Text) {
			continue
		}
		isProse := i >= 3 && tokens[i-3].Text == "@" && prose[tokens[i-2].Text]
		for word := range strings.FieldsFuncSeq(t.Text, func(r rune) bool {
			return !unicode.In(r, unicode.L, unicode.M, unicode.N) && !invisible(r)
		}) {
			if !ascii(word) {
				visit(word, t.Span, isProse)
			}
		}
	}
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// scriptsOf returns the scripts that the letters of a word are of, in order. What several scripts share does not count.
func scriptsOf(word string) []string {
	var scripts []string
	for _, r := range word {
		if !unicode.IsLetter(r) || unicode.In(r, unicode.Common, unicode.Inherited) ||
			slices.ContainsFunc(scripts, func(name string) bool { return unicode.Is(unicode.Scripts[name], r) }) {
			continue
		}
		for name, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				scripts = append(scripts, name)
			}
		}
	}
	return scripts
}

// together are the scripts that are written in one word with Latin.
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

func mixed(scripts []string) bool {
	if len(scripts) < 2 {
		return false
	}
	for _, set := range together {
		if !slices.ContainsFunc(scripts, func(script string) bool { return !slices.Contains(set, script) }) {
			return false
		}
	}
	return true
}

// invisible reports whether a character has no shape of its own. Those that change the direction are not among them.
func invisible(r rune) bool {
	switch r {
	case '\u00ad', '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u3164', '\uffa0':
		return true
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Variation_Selector, r)
}

// confusing says why a word is not what it looks like.
func confusing(word string, prose bool) string {
	switch {
	case !norm.NFC.IsNormalString(word):
		return fmt.Sprintf("%+q is not in normal form C, and does not equal the same text that is", word)
	case !norm.NFKC.IsNormalString(word):
		return fmt.Sprintf("%+q looks like %q", word, norm.NFKC.String(word))
	case !prose && len(scriptsOf(word)) == 1 && !strings.ContainsFunc(word, invisible):
		if looks := skeleton(word); looks != word && ascii(looks) {
			return fmt.Sprintf("%+q looks like %q", word, looks)
		}
	}
	return ""
}

// twins finds entities whose ids look the same and are not.
func twins(r *run) {
	type name struct{ kind, looks string }
	first := make(map[name]string)
	r.eachPolicy("confusable", func(p *pass) {
		entities(p.policy, func(e *syntax.EntityRef) {
			n := name{e.Type.String(), skeleton(norm.NFKC.String(e.Unquoted))}
			other, seen := first[n]
			switch {
			case !seen:
				first[n] = e.Unquoted
			case other != e.Unquoted:
				p.at(e.Span(), fmt.Sprintf("%+q looks like %+q, which is named elsewhere", e.Unquoted, other), "write one of them")
			}
		})
	})
}
