package replay

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"countersign.dev/cedar/scenario"
)

// Lines that are kept to be explained fill the groups and not the memory, however long they are.
func TestGroupsAreBoundedInBytes(t *testing.T) {
	long := bytes.Repeat([]byte("x"), scenario.MaxLine/2)
	gs := newGroups()
	for i := range 40 {
		gs.add(&Group{Kind: Narrowed, Count: 1, Target: fmt.Sprint("tool", i), line: long})
	}
	if kept := len(gs.all); kept < 20 || kept*len(long) > maxGroupText || kept+gs.rest[Narrowed] != 40 {
		t.Errorf("%d groups, and %v", kept, gs.rest)
	}
}

// Everything that a caller makes up counts.
func TestTheSizeOfAGroup(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, g := range map[string]*Group{
		"peer": {Peer: long}, "user": {User: long}, "server": {Server: long}, "method": {Method: long}, "target": {Target: long},
		"example": {Example: long}, "line": {line: []byte(long)},
		"scope": {New: Answer{PassesOn: []string{long}}}, "message": {Old: Answer{PassOnError: long}},
	} {
		if n := g.size(); n < len(long) {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
