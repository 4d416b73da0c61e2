package format_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// writer makes up policies of every construct of the language, with white space and comments anywhere.
type writer struct {
	t        *rapid.T
	out      strings.Builder
	comments int
}

// n draws a number below a limit.
func (w *writer) n(limit int) int { return rapid.IntRange(0, limit-1).Draw(w.t, "n") }

// word writes tokens, with something between them.
func (w *writer) word(all ...string) {
	for _, token := range all {
		switch w.n(30) {
		case 29:
			w.comments++
			fmt.Fprintf(&w.out, " // %d\n", w.comments)
		case 28:
			w.comments++
			fmt.Fprintf(&w.out, "\n\n//%d \"\n  ", w.comments)
		case 27:
			w.out.WriteString("\n\n\t")
		case 26:
			w.out.WriteString("\r\n")
		default:
			w.out.WriteString(" ")
		}
		w.out.WriteString(token)
	}
}

// pick writes one of some texts, whose tokens are separated by spaces.
func (w *writer) pick(all ...string) {
	w.word(strings.Fields(rapid.SampledFrom(all).Draw(w.t, "text"))...)
}

// list writes up to three items with commas between them, and perhaps one behind.
func (w *writer) list(item func(i int)) {
	n := w.n(4)
	for i := range n {
		if i > 0 {
			w.word(",")
		}
		item(i)
	}
	if n > 0 && w.n(5) == 0 {
		w.word(",")
	}
}

func (w *writer) entity() {
	w.pick(`User :: "alice"`, `A :: B :: "c-d"`, `Workload :: "spiffe://acme.example/ns/crm/sa/crm"`, `principal :: "日本語"`)
}

func (w *writer) policy() {
	for i := range w.n(3) {
		w.word("@", fmt.Sprintf("a%d", i))
		if w.n(3) > 0 {
			w.word("(", `"value \" \\"`, ")")
		}
	}
	w.pick("permit", "forbid")
	w.word("(")
	for i, variable := range []string{"principal", "action", "resource"} {
		if i > 0 {
			w.word(",")
		}
		w.word(variable)
		switch w.n(4) {
		case 0:
			w.pick("==", "in")
			if variable == "action" {
				w.word("Action", "::", `"read"`)
			} else {
				w.entity()
			}
		case 1:
			if variable == "action" {
				w.word("in", "[")
				w.list(func(int) { w.word("A", "::", "Action", "::", `"read_resource"`) })
				w.word("]")
				break
			}
			w.pick("is Tool", "is A :: B")
			if w.n(2) == 0 {
				w.word("in")
				w.entity()
			}
		}
	}
	w.word(")")
	for range w.n(3) {
		w.pick("when", "unless")
		w.word("{")
		w.expression(4)
		w.word("}")
	}
	w.word(";")
}

// expression writes an expression of at most some levels.
func (w *writer) expression(depth int) {
	if depth == 0 {
		w.leaf()
		return
	}
	switch w.n(9) {
	case 0:
		w.word("if")
		w.expression(depth - 1)
		w.word("then")
		w.expression(depth - 1)
		w.word("else")
		w.expression(depth - 1)
	case 1, 2:
		w.relation(depth)
		for range 1 + w.n(4) {
			w.pick("&&", "||")
			w.relation(depth)
		}
	default:
		w.relation(depth)
	}
}

func (w *writer) relation(depth int) {
	w.sum(depth)
	switch w.n(10) {
	case 0:
		w.pick("has name", `has "a-name"`, "has a . b . a_long_name")
	case 1:
		w.pick(`like "a*\*\\"`, `like "*"`)
	case 2:
		w.pick("is Workload", "is A :: B")
		if w.n(2) == 0 {
			w.word("in")
			w.sum(depth)
		}
	case 3, 4, 5:
		w.pick("==", "!=", "<", "<=", ">", ">=", "in")
		w.sum(depth)
	}
}

func (w *writer) sum(depth int) {
	w.unary(depth)
	for range max(0, w.n(6)-3) {
		w.pick("+", "-", "*")
		w.unary(depth)
	}
}

func (w *writer) unary(depth int) {
	switch w.n(8) {
	case 0:
		w.pick("!", "! !")
	case 1:
		w.pick("- 1", "- - 007", "- - - - principal", "- ( 1 + 1 )")
		return
	}
	w.primary(depth)
	for range max(0, w.n(7)-3) {
		switch w.n(3) {
		case 0:
			w.pick(". name", ". a_name_that_is_long", ". when")
		case 1:
			w.word("[", `"a name"`, "]")
		default:
			w.pick(". contains", ". containsAll", ". getTag")
			w.word("(")
			w.expression(depth - 1)
			w.word(")")
		}
	}
}

func (w *writer) primary(depth int) {
	if depth == 0 {
		w.leaf()
		return
	}
	switch w.n(8) {
	case 0:
		w.word("(")
		w.expression(depth - 1)
		w.word(")")
	case 1:
		w.word("[")
		w.list(func(int) { w.expression(depth - 1) })
		w.word("]")
	case 2:
		w.word("{")
		w.list(func(i int) {
			w.word(rapid.SampledFrom([]string{fmt.Sprintf("name%d", i), fmt.Sprintf("%q", fmt.Sprint("a name", i))}).Draw(w.t, "field"), ":")
			w.expression(depth - 1)
		})
		w.word("}")
	case 3:
		w.pick("ip", "decimal")
		w.word("(")
		w.list(func(int) { w.expression(depth - 1) })
		w.word(")")
	case 4:
		w.entity()
	default:
		w.leaf()
	}
}

func (w *writer) leaf() {
	w.pick("true", "false", "0", "0042", `"text"`, `"//\u{1f600}"`, "principal", "action", "resource", "context")
}
