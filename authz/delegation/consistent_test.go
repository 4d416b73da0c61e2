package delegation_test

import (
	"testing"
	"time"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
)

func TestConsistentNeedsNoKeys(t *testing.T) {
	w := newWorld(t)
	d0, d1, d2 := w.chain(t)
	for _, tt := range []struct {
		name  string
		token string
		at    time.Time
		want  denial.Reason // empty: consistent
	}{
		{"a root", d0, start, ""},
		{"one hop", d1, start, ""},
		{"two hops", d2, start, ""},
		{"before it was issued", d0, start.Add(-time.Minute), denial.TokenNotYetValid},
		{"when it expires", d1, start.Add(time.Minute + 5*time.Second), denial.TokenExpired},
		{"a root for a task that ended", w.edit(t, tts, d0, `"task_exp":1795309200`, `"task_exp":1795305601`), start.Add(time.Minute), denial.TaskExpired},
		{"another user than the root's", w.edit(t, own, d1, `"sub":"u-8821","sub_profile"`, `"sub":"root","sub_profile"`), start, denial.TokenAltered},
		{"more than the root grants", w.edit(t, own, d1, `"scope":"mcp:ledger:read_entry"`, `"scope":"mcp:ledger:*"`), start, denial.TokenNotNarrower},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := delegation.Parse(tt.token)
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Consistent(tt.at); reason(err) != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
