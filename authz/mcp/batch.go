package mcp

import (
	"countersign.dev/authz/denial"
)

// readBatch reads a JSON-RPC batch (2025-03-26, basic, batching). Every message is held to the rules of a single one.
// Requests may not share an id, and neither may responses: the caller could not tell the answers apart.
func (r reading) readBatch(c *Call, messages Array) error {
	c.Kind = KindBatch
	if err := r.declared.check(r.rules.MinVersion); err != nil {
		return err
	}
	if !r.rules.AllowBatch || r.declared.inForce() != Version20250326 {
		return denial.New(denial.RPCBatch, "a batch in %s", r.declared.inForce())
	}
	if len(messages) == 0 || len(messages) > MaxBatch {
		return denial.New(denial.RPCBatch, "a batch of %d messages, at most %d", len(messages), MaxBatch)
	}
	if err := r.readSession(c); err != nil {
		return err
	}
	r.batch = true
	type owner struct {
		kind Kind
		id   ID
	}
	seen := make(map[owner]bool, len(messages))
	for i, v := range messages {
		o, ok := v.(Object)
		if !ok {
			return denial.New(denial.RPCInvalid, "message %d of the batch is not an object", i)
		}
		m := r.newCall()
		m.BodyHash = c.BodyHash
		if err := r.readMessage(m, o); err != nil {
			return denial.New(denial.ReasonOf(err), "message %d of the batch: %w", i, err)
		}
		if m.Method == "initialize" {
			return denial.New(denial.RPCBatch, "initialize in a batch")
		}
		key := owner{m.Kind, m.ID}
		if !m.ID.IsZero() && seen[key] {
			return denial.New(denial.RPCBatch, "the id %.64s comes twice", m.ID)
		}
		seen[key] = true
		c.Batch = append(c.Batch, m)
	}
	return c.checkMirrors(r.header, false, r.rules)
}
