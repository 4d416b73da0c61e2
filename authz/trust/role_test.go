package trust_test

import (
	"testing"

	"countersign.dev/authz/trust"
)

func TestRoleText(t *testing.T) {
	for role, want := range map[trust.Role]string{trust.Root: "root", trust.Hop: "hop"} {
		text, err := role.MarshalText()
		if err != nil || string(text) != want || role.String() != want {
			t.Errorf("%d is written %q, %v", role, text, err)
		}
		back := trust.Role(7)
		if err := back.UnmarshalText(text); err != nil || back != role {
			t.Errorf("%q is read as %v, %v", text, back, err)
		}
	}
}

func TestRoleRefusesOtherTexts(t *testing.T) {
	for _, text := range []string{"", "Root", "HOP", "entry", "root "} {
		role := trust.Hop
		wantError(t, role.UnmarshalText([]byte(text)), "must be root or hop")
	}
	_, err := trust.Role(3).MarshalText()
	wantError(t, err, "no such role")
	if got := trust.Entry.String() + trust.Role(3).String(); got != "entryRole(3)" {
		t.Errorf("an undefined role is %q", got)
	}
}
