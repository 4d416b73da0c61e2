package cedar

import (
	"iter"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// maxReason is the most bytes that a forbid tells the caller: denial bodies stay under 1 KiB.
const maxReason = 256

// policyID is what an @id may look like: it goes into records, metrics and tokens unquoted.
var policyID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// policy is one statement.
type policy struct {
	id     cedargo.PolicyID
	body   *cedargo.Policy
	public string // @reason of a forbid
	once   bool   // @single_use of a permit
}

// policies are all statements in load order: by file name, then by place.
type policies []policy

// All implements the iterator of cedar-go in load order, so that evaluation is reproducible.
func (ps policies) All() iter.Seq2[cedargo.PolicyID, *cedargo.Policy] {
	return func(yield func(cedargo.PolicyID, *cedargo.Policy) bool) {
		for i := range ps {
			if !yield(ps[i].id, ps[i].body) {
				return
			}
		}
	}
}

// parsePolicies parses all files and checks ids and reasons.
func parsePolicies(files []file, dir string) (policies, problems) {
	var (
		all  policies
		bad  problems
		seen = make(map[string]cedargo.Position)
	)
	if len(files) == 0 {
		bad.add(dir, 0, 0, "no *.cedar files: a policy that permits nothing must say so with a forbid")
	}
	for _, f := range files {
		list, err := cedargo.NewPolicyListFromBytes(f.name, f.data)
		if err != nil {
			line, column, message := parseError(err)
			bad.add(f.name, line, column, "%s", message)
			continue
		}
		if len(list) == 0 {
			// Most likely somebody is writing it: a forbid must not get lost.
			bad.add(f.name, 0, 0, "no policy in the file: remove it if that is meant")
		}
		for _, body := range list {
			at, annotations := body.Position(), body.Annotations()
			id, named := annotations["id"]
			other, twice := seen[string(id)]
			switch {
			case !named:
				bad.add(f.name, at.Line, at.Column, `the policy has no id: write @id("…") before it`)
				continue
			case !policyID.MatchString(string(id)):
				bad.add(f.name, at.Line, at.Column, "id %.140q: use 1 to 128 letters, digits, '.', '_', ':' or '-'", string(id))
				continue
			case twice:
				bad.add(f.name, at.Line, at.Column, "id %q is taken by the policy at %s:%d:%d", string(id),
					other.Filename, other.Line, other.Column)
				continue
			}
			seen[string(id)] = at
			p := policy{id: cedargo.PolicyID(id), body: body}
			if reason, ok := annotations["reason"]; ok {
				p.public = string(reason)
				if message := checkReason(p); message != "" {
					bad.add(f.name, at.Line, at.Column, "policy %s: %s", id, message)
				}
			}
			if value, ok := annotations["single_use"]; ok {
				p.once = true
				if message := checkSingleUse(p, string(value)); message != "" {
					bad.add(f.name, at.Line, at.Column, "policy %s: %s", id, message)
				}
			}
			for _, message := range p.checkIDs() {
				bad.add(f.name, at.Line, at.Column, "policy %s: %s", id, message)
			}
			all = append(all, p)
		}
	}
	return all, bad
}

func checkReason(p policy) string {
	switch {
	case p.body.Effect() == cedargo.Permit:
		return "@reason is what a forbid tells the caller; on a permit it has no effect"
	case p.public == "" || len(p.public) > maxReason:
		return "@reason must have 1 to " + strconv.Itoa(maxReason) + " bytes"
	case strings.ContainsFunc(p.public, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "@reason must be printable text on one line"
	}
	return ""
}

// checkSingleUse refuses an annotation that would not do what it says. With a value, "false" would mean "true".
func checkSingleUse(p policy, value string) string {
	switch {
	case p.body.Effect() == cedargo.Forbid:
		return "@single_use is how a permit limits what it allows; on a forbid it has no effect"
	case value != "":
		return "@single_use has no value: leave it out, or the whole annotation"
	}
	return ""
}

// cedar-go writes the place into the text of its errors: "parse error at <input>:1:54 "x": what" for the parser, and
// "<input>:1:54: what" for the scanner.
var parseErrorText = regexp.MustCompile(`(?s)<input>:(\d+):(\d+)(?: ("(?:[^"\\]|\\.)*"))?: (.*)$`)

func parseError(err error) (line, column int, message string) {
	m := parseErrorText.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1]) // digits by the expression
	column, _ = strconv.Atoi(m[2])
	message = "syntax error"
	if m[3] != "" {
		message += " at " + m[3]
	}
	message += ": " + m[4]
	if m[3] == `""` {
		message += " (the file ends within a policy)"
	}
	return line, column, message
}

// validate checks every policy against the schema, with all processors: it is the expensive part of a load.
func (ps policies) validate(v *vocabulary) problems {
	found := make([][]string, len(ps))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(ps) {
					return
				}
				if err := v.validator.Policy("", (*ast.Policy)(ps[i].body.AST())); err != nil {
					found[i] = v.explain(err)
				}
			}
		})
	}
	workers.Wait()
	var bad problems
	for i, messages := range found {
		at := ps[i].body.Position()
		for _, message := range messages {
			bad.add(at.Filename, at.Line, at.Column, "policy %s: %s", ps[i].id, message)
		}
	}
	return bad
}
