package access

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"countersign.dev/cedar"
)

// Nobody is the user of calls without a delegation.
const Nobody = "nobody"

// Query limits what is listed.
type Query struct {
	// Principals are the callers, as in [cedar.PartialQuery]; empty for all that policies and entities name, and
	// [cedar.OtherWorkload].
	Principals []string
	// User is on whose behalf they call, as Cedar, or [Nobody]. Empty asks for every user as well where the answer depends
	// on who it is.
	User string
	// Tools are "<server>/<tool>"; empty for all that are pinned or named.
	Tools []string
	// Server limits the tools to those of one server; empty for all.
	Server string
}

// Row is one answer.
type Row struct {
	Principal string `json:"principal"`
	// User is empty for anybody and nobody.
	User string `json:"user,omitempty"`
	Tool string `json:"tool"`
	// Answer is for all arguments.
	Answer cedar.Answer `json:"answer"`
	// When is what must hold of a request, as Cedar, if its arguments fit the pinned schema, and UnfitWhen if they do not.
	// Where the two answers differ, Fit and Unfit are they.
	When      string       `json:"when,omitempty"`
	UnfitWhen string       `json:"unfit_when,omitempty"`
	Fit       cedar.Answer `json:"fit,omitempty"`
	Unfit     cedar.Answer `json:"unfit,omitempty"`
	// Permits and Forbids are the policies that may apply, and MayFail those that may be impossible to evaluate, which
	// denies.
	Permits []string `json:"permits,omitempty"`
	Forbids []string `json:"forbids,omitempty"`
	MayFail []string `json:"may_fail,omitempty"`
}

// List answers for every caller and tool, in order. Where the answer depends on who the user is, the rows of [Nobody] and of
// the users follow it.
func List(ctx context.Context, s *cedar.Snapshot, q Query) ([]Row, error) {
	principals, tools := q.Principals, q.Tools
	if len(principals) == 0 {
		principals = append(s.Principals(), cedar.OtherWorkload)
	}
	if len(tools) == 0 {
		tools = s.CallableTools()
	}
	var rows []Row
	for _, principal := range principals {
		for _, tool := range tools {
			if server, _, _ := strings.Cut(tool, "/"); q.Server != "" && server != q.Server {
				continue
			}
			row, err := ask(ctx, s, principal, q.User, tool)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
			if q.User != "" || row.Answer != cedar.Depends {
				continue
			}
			users, err := byUser(ctx, s, principal, tool)
			if err != nil {
				return nil, err
			}
			rows = append(rows, users...)
		}
	}
	return rows, nil
}

// byUser answers for nobody and every user; for nobody alone, and only if they may, when it does not matter who it is.
func byUser(ctx context.Context, s *cedar.Snapshot, principal, tool string) ([]Row, error) {
	nobody, err := ask(ctx, s, principal, Nobody, tool)
	if err != nil {
		return nil, err
	}
	rows, matters := []Row{nobody}, false
	for _, user := range s.Users() {
		row, err := ask(ctx, s, principal, user, tool)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		matters = matters || !row.like(rows[1])
	}
	switch {
	case matters:
		return rows, nil
	case nobody.Answer == cedar.Yes:
		return rows[:1], nil
	}
	return nil, nil
}

// like reports whether two rows say the same of two users.
func (r *Row) like(other Row) bool {
	return r.Answer == other.Answer && r.Condition() == other.Condition()
}

func ask(ctx context.Context, s *cedar.Snapshot, principal, user, tool string) (Row, error) {
	server, name, ok := strings.Cut(tool, "/")
	if !ok || server == "" || name == "" {
		return Row{}, fmt.Errorf("tool %q: write <server>/<tool>", tool)
	}
	q := cedar.PartialQuery{Principal: principal, User: user, Server: server, Tool: name}
	if user == Nobody {
		q.User, q.NoUser = "", true
	}
	p, err := s.May(ctx, q)
	if err != nil {
		return Row{}, err
	}
	row := Row{
		Principal: principal, User: user, Tool: tool, Answer: p.Answer, When: p.When, UnfitWhen: p.UnfitWhen,
		Permits: p.Permits, Forbids: p.Forbids, MayFail: p.MayFail,
	}
	if p.Unfit != "" && (p.Unfit != p.Fit || p.UnfitWhen != p.When) {
		row.Fit, row.Unfit = p.Fit, p.Unfit
	} else {
		row.UnfitWhen = ""
	}
	return row, nil
}

// Condition says in one line what a request must be like.
func (r *Row) Condition() string {
	if r.Answer != cedar.Depends {
		return ""
	}
	text := r.When
	if r.Fit != "" {
		fits, unfit := r.part(r.Fit, r.When), r.part(r.Unfit, r.UnfitWhen)
		text = fmt.Sprintf("arguments that fit: %s; others: %s", fits, unfit)
	}
	if len(r.MayFail) > 0 {
		text += fmt.Sprintf("; and these can be judged: %s", strings.Join(r.MayFail, ", "))
	}
	return text
}

func (*Row) part(answer cedar.Answer, when string) string { return cmp.Or(when, string(answer)) }

// Allowed returns the rows that are not no.
func Allowed(rows []Row) []Row {
	var kept []Row
	for _, r := range rows {
		if r.Answer != cedar.No {
			kept = append(kept, r)
		}
	}
	return kept
}
