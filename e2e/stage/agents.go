package stage

import (
	"context"
	"encoding/json"
	"fmt"

	"countersign.dev/e2e/workload/wire"
)

// Agent is a process that is an MCP client with a workload identity of its own. It does one thing at a time.
type Agent struct {
	Name string
	// Ready is what it said when it had its identity.
	Ready wire.Reply

	process *Process
	out     *json.Encoder
	in      *json.Decoder
}

// Agent returns the agent of that name, which begins to run when it is first asked for.
func (s *Stage) Agent(ctx context.Context, name string) (*Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.agents[name]; ok {
		return a, nil
	}
	p, ready, err := s.startWorkload(ctx, name, "agent")
	if err != nil {
		return nil, err
	}
	a := &Agent{Name: name, Ready: ready.reply, process: p, out: json.NewEncoder(p.stdin), in: ready.rest}
	s.agents[name] = a
	return a, nil
}

// Do has the agent do something. An error means that the agent itself is broken; what the other side refused is in the
// reply.
func (a *Agent) Do(ctx context.Context, c wire.Command) (wire.Reply, error) {
	type result struct {
		reply wire.Reply
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		if r.err = a.out.Encode(c); r.err == nil {
			r.err = a.in.Decode(&r.reply)
		}
		done <- r
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return r.reply, a.process.failure(fmt.Sprintf("having %s %s", a.Name, c.Op), r.err)
		}
		return r.reply, nil
	case <-ctx.Done():
		// The answer would be taken for that of the next command.
		a.process.Stop()
		return wire.Reply{}, a.process.failure(fmt.Sprintf("having %s %s", a.Name, c.Op), context.Cause(ctx))
	}
}

// Call opens a session with a token, calls one tool, and closes the session. When the session was refused the reply is
// that of opening it.
func (a *Agent) Call(ctx context.Context, open wire.Command, tool string, arguments any) (wire.Reply, error) {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("encoding arguments: %w", err)
	}
	open.Op = wire.Open
	opened, err := a.Do(ctx, open)
	if err != nil || opened.Error != "" {
		return opened, err
	}
	reply, err := a.Do(ctx, wire.Command{Op: wire.Call, Session: opened.Session, Tool: tool, Arguments: raw})
	if err != nil {
		return reply, err
	}
	closed, err := a.Do(ctx, wire.Command{Op: wire.Close, Session: opened.Session})
	if err == nil && closed.Error != "" {
		err = fmt.Errorf("closing the session: %s", closed.Error)
	}
	return reply, err
}
