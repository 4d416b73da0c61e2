package stage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Journal is a file that a process of the stage appends one line of JSON to per event. An event is in the file before
// the call that caused it returns.
type Journal[T any] struct{ file string }

// Mark is a place in a journal.
type Mark int

// Mark returns the present end.
func (j Journal[T]) Mark() (Mark, error) {
	data, err := j.read()
	return Mark(len(data)), err
}

// Since returns what was added after a mark; zero is the beginning.
func (j Journal[T]) Since(mark Mark) ([]T, error) {
	data, err := j.read()
	if err != nil {
		return nil, err
	}
	var entries []T
	for line := range bytes.Lines(data[mark:]) {
		if line[len(line)-1] != '\n' {
			break // still being written
		}
		var entry T
		if err := json.Unmarshal(line, &entry); err != nil {
			return nil, fmt.Errorf("%s: reading %q: %w", j.file, line, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func (j Journal[T]) read() ([]byte, error) {
	data, err := os.ReadFile(j.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing happened yet
	}
	return data, err
}

// Record is an audit record of Countersign, as published: see package audit.
type Record struct {
	Time          time.Time `json:"time"`
	Decision      string    `json:"decision"`
	Reason        string    `json:"reason"`
	Detail        string    `json:"detail"`
	DecisionID    string    `json:"decision_id"`
	Peer          string    `json:"peer"`
	Subject       string    `json:"subject"`
	Actors        []string  `json:"actors"`
	Task          string    `json:"task"`
	Purpose       string    `json:"purpose"`
	Txn           string    `json:"txn"`
	Server        string    `json:"server"`
	Method        string    `json:"method"`
	Tool          string    `json:"tool"`
	PolicyIDs     []string  `json:"policy_ids"`
	PolicyErrors  []string  `json:"policy_errors"`
	Revision      string    `json:"revision"`
	RequestHash   string    `json:"req_s256"`
	ArgumentsHash string    `json:"arg_s256"`

	Mode            string   `json:"mode"`
	WouldDeny       string   `json:"would_deny"`
	LiveDecision    string   `json:"live_decision"`
	ShadowDecision  string   `json:"shadow_decision"`
	ShadowReason    string   `json:"shadow_reason"`
	ShadowPolicyIDs []string `json:"shadow_policy_ids"`
	ShadowScope     []string `json:"shadow_scope"`
	ShadowRevision  string   `json:"shadow_revision"`
}

// Access is a line of Envoy's access log: what became of a request, with what Countersign told Envoy about it.
type Access struct {
	Server     string   `json:"server"`
	Request    string   `json:"request"`
	Status     int      `json:"status"`
	Details    string   `json:"details"`
	Peer       string   `json:"peer"`
	Decision   string   `json:"decision"`
	DecisionID string   `json:"decision_id"`
	Reason     string   `json:"reason"`
	PolicyIDs  []string `json:"policy_ids"`
}
