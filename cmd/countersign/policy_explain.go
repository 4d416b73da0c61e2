package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/explain"
	"countersign.dev/cedar/policytest"
	"countersign.dev/cedar/scenario"
)

// policyExplain is the command line of policy explain.
type policyExplain struct {
	from       policySource
	question   questionFlags
	test       string // FILE:NAME
	audit      string // FILE[:N]
	decision   string
	near, most int
	asJSON     bool
}

func newPolicyExplainCommand() *cobra.Command {
	var e policyExplain
	cmd := &cobra.Command{
		Use:   "explain [--config FILE | --policies DIR …] [--peer ID --on SERVER … | --case FILE:NAME | --audit FILE[:LINE]]",
		Short: "Say why one request is allowed or denied, and what would allow it",
		Long: `Explain asks policy about one request and shows every policy that covers it: which clause was false, and with
which values; permits that are overridden; permits that cover the request but for one constraint; why arguments do not
fit the pinned schema; and the smallest change of the request or the delegation that would allow it. A change is called
checked only when the changed request was asked and allowed.

The request comes from flags, from a YAML file (--request), from a case of a test file (--case), or from a line of the
audit log (--audit, - for standard input; the last line, or the one with --decision-id). What a record lost, such as
arguments that are not recorded, is said.

Exit status: 0 the request was explained, whatever the decision; 1 it could not be; 2 wrong usage.`,
		Example: `  countersign policy explain --config countersign.yaml --peer spiffe://acme.example/planner --on crm --tool refund \
    --args '{"amount": 250}' --subject alice
  countersign policy explain --case policies/crm_test.yaml:"a refund that is too large"
  countersign policy explain --config countersign.yaml --audit audit.log --decision-id 01J…`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	e.from.flags(cmd)
	e.question.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&e.test, "case", "", "a case of a test file, `FILE:NAME`")
	flags.StringVar(&e.audit, "audit", "", "a line of the audit log, `FILE[:LINE]`; - reads standard input")
	flags.StringVar(&e.decision, "decision-id", "", "the line of --audit with that decision_id")
	flags.IntVar(&e.near, "near", 3, "the most permits to show that nearly cover the request")
	flags.IntVar(&e.most, "suggestions", 2, "the most suggestions to make")
	flags.BoolVar(&e.asJSON, "json", false, "print JSON")
	return cmd
}

func (e *policyExplain) run(cmd *cobra.Command) error {
	if e.test != "" && e.audit != "" || e.decision != "" && e.audit == "" {
		return usageError{errors.New("give --case or --audit; --decision-id needs --audit")}
	}
	r, source, err := e.read(cmd)
	if err != nil {
		return err
	}
	question, err := explain.Of(r)
	if err != nil {
		return e.blame(cmd, err)
	}
	snapshot, err := cedar.Load(cmd.Context(), source)
	if err != nil {
		return err
	}
	found, err := explain.Explain(cmd.Context(), snapshot, question, explain.Options{Near: max(e.near, 0), Suggestions: max(e.most, 0)})
	if err != nil {
		return err
	}
	if e.asJSON {
		return printJSON(cmd.OutOrStdout(), found)
	}
	return found.Text(cmd.OutOrStdout(), colourOn(cmd.OutOrStdout()))
}

// blame says which flag is wrong, if the request is made of flags alone.
func (e *policyExplain) blame(cmd *cobra.Command, err error) error {
	wrong, ok := errors.AsType[*scenario.Problem](err)
	if !ok || e.test != "" || e.audit != "" || e.question.file != "" {
		return fmt.Errorf("the request: %w", err)
	}
	flag := map[string]string{"server": "on", "arguments": "args", "task": "mcp-task"}[wrong.Member]
	if flag == "" {
		_, inner, nested := strings.Cut(wrong.Member, ".")
		if flag = strings.ReplaceAll(wrong.Member, "_", "-"); nested {
			flag = strings.ReplaceAll(inner, "_", "-")
		}
	}
	if cmd.Flags().Lookup(flag) == nil {
		return usageError{fmt.Errorf("the request: %w", err)}
	}
	return usageError{fmt.Errorf("--%s: %w", flag, wrong.Err)}
}

// read returns the request, and where the policies are.
func (e *policyExplain) read(cmd *cobra.Command) (r scenario.Request, source cedar.Config, err error) {
	if e.test != "" {
		return e.readCase()
	}
	if source, err = e.from.open(); err != nil {
		return r, source, err
	}
	if e.audit != "" {
		r, err = e.readAudit(cmd)
		return r, source, err
	}
	r, err = e.question.read(cmd)
	return r, source, err
}

// readCase finds a case of a test file. The policies are those of the file unless flags name others.
func (e *policyExplain) readCase() (r scenario.Request, source cedar.Config, err error) {
	path, name, ok := strings.Cut(e.test, ":")
	if !ok {
		return r, source, usageError{errors.New("--case: write FILE:NAME")}
	}
	file, err := policytest.Read(path)
	if err != nil {
		return r, source, err
	}
	if e.from.given() {
		source, err = e.from.open()
	} else {
		source, err = file.Config()
	}
	if err != nil {
		return r, source, err
	}
	for _, c := range file.Cases {
		if c.Name == name {
			return c.Request, source, nil
		}
	}
	return r, source, fmt.Errorf("%s has no case %q", path, name)
}

// readAudit finds a line of the audit log, and says what it lost.
func (e *policyExplain) readAudit(cmd *cobra.Command) (scenario.Request, error) {
	path, number, in := e.audit, 0, cmd.InOrStdin()
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		if n, err := strconv.Atoi(path[i+1:]); err == nil && n > 0 {
			path, number = path[:i], n
		}
	}
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return scenario.Request{}, fmt.Errorf("reading the audit log: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	line, err := findRecord(in, number, e.decision)
	if err != nil {
		return scenario.Request{}, fmt.Errorf("%s: %w", path, err)
	}
	r, exactness, err := scenario.FromAudit(line)
	if err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	for _, lost := range exactness.Lost {
		cmd.PrintErrf("countersign: the record lost something that policies may read: %s\n", lost)
	}
	return r, nil
}

// findRecord returns one line of an audit log: the one with that number, with that decision id, or else the last.
func findRecord(in io.Reader, number int, decision string) ([]byte, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, scenario.MaxLine)
	var last []byte
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		switch {
		case len(line) == 0:
		case number > 0:
			if n == number {
				return bytes.Clone(line), nil
			}
		case decision != "":
			var record struct {
				ID string `json:"decision_id"`
			}
			if json.Unmarshal(line, &record) == nil && record.ID == decision {
				return bytes.Clone(line), nil
			}
		default:
			last = append(last[:0], line...)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("reading the audit log: %w", err)
	case number > 0:
		return nil, fmt.Errorf("there is no line %d", number)
	case decision != "":
		return nil, fmt.Errorf("there is no record with decision_id %q", decision)
	case last == nil:
		return nil, errors.New("there is no record")
	}
	return last, nil
}
