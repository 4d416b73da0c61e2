package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"countersign.dev/e2e/stage"
)

// teller prints the demo as plain text, with colours only on a terminal (https://no-color.org).
type teller struct {
	out    io.Writer
	colour bool
}

const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

func newTeller(out io.Writer) *teller {
	t := &teller{out: out}
	if f, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" {
		info, err := f.Stat()
		t.colour = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return t
}

func (t *teller) painted(colour, text string) string {
	if !t.colour {
		return text
	}
	return colour + text + reset
}

// line prints a label and a text, whose further lines are indented below its first.
func (t *teller) line(label, text string) {
	const width = 9
	text = strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", width+3))
	_, _ = fmt.Fprintf(t.out, "   %s %s\n", t.painted(faint, fmt.Sprintf("%-*s", width-1, label)), text)
}

func (t *teller) heading(text string) {
	_, _ = fmt.Fprintf(t.out, "\n%s\n", t.painted(bold, text))
}

// Asked implements [scene.Teller].
func (t *teller) Asked(text string) { t.line("asked", text) }

// Answered implements [scene.Teller].
func (t *teller) Answered(allowed bool, text string) {
	if allowed {
		t.line("answer", t.painted(green, "yes")+"  "+text)
		return
	}
	t.line("answer", t.painted(red, "no")+"  "+text)
}

// Because implements [scene.Teller].
func (t *teller) Because(text string) { t.line("why", text) }

// Shown implements [scene.Teller].
func (t *teller) Shown(text string) { t.line("", text) }

// command prints what a command is for, and the command to copy with nothing before it.
func (t *teller) command(what string, commands ...string) {
	_, _ = fmt.Fprintf(t.out, "\n%s\n%s\n", t.painted(faint, "# "+what), strings.Join(commands, "\n"))
}

func (t *teller) wrong(err error) {
	t.line(t.painted(red, "WRONG"), err.Error())
}

func (t *teller) ready(st *stage.Stage, spire bool, took time.Duration) {
	identities := "files of the demo's own CA"
	if spire {
		identities = fmt.Sprintf("SPIRE, valid for %v and replaced in time", stage.SVIDTTL)
	}
	t.line("who", "agents planner and intern; MCP servers crm and ledger; users alice and bob")
	t.line("identity", identities)
	t.line("crm", st.URLs["crm"])
	t.line("ledger", st.URLs["ledger"])
	t.line("admin", st.AdminURL)
	t.line("files", st.Dir)
	t.line("took", took.Round(10*time.Millisecond).String())
}

func (t *teller) summary(scenes, failed int, took time.Duration) {
	verdict := t.painted(green, "all as announced")
	if failed > 0 {
		verdict = t.painted(red, fmt.Sprintf("%d NOT as announced", failed))
	}
	_, _ = fmt.Fprintf(t.out, "\n%s: %d scenes in %v, %s\n",
		t.painted(bold, "Summary"), scenes, took.Round(10*time.Millisecond), verdict)
}
