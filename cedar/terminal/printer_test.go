package terminal_test

import (
	"bytes"
	"errors"
	"testing"

	"countersign.dev/cedar/terminal"
)

func TestColoursAreOnlyWhereTheyAreWanted(t *testing.T) {
	for colour, want := range map[bool]string{false: "crm: deny\n", true: "crm: \x1b[31mdeny\x1b[0m\n"} {
		var out bytes.Buffer
		p := terminal.New(&out, colour)
		p.Line("%s: %s", "crm", p.In(terminal.Red, "deny"))
		if out.String() != want || p.Err() != nil {
			t.Errorf("%q, %v; want %q", out.String(), p.Err(), want)
		}
	}
}

// full is a disk with no room left.
type full struct{ writes int }

var errFull = errors.New("no space left")

func (f *full) Write([]byte) (int, error) {
	f.writes++
	return 0, errFull
}

func TestNothingIsWrittenBehindALineThatCouldNotBe(t *testing.T) {
	var disk full
	p := terminal.New(&disk, false)
	p.Line("one")
	p.Line("two")
	if disk.writes != 1 || !errors.Is(p.Err(), errFull) {
		t.Errorf("%d writes, error %v", disk.writes, p.Err())
	}
}
