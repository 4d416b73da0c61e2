package authz

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
	"countersign.dev/authz/session"
)

// checkSession refuses what belongs to somebody else before policy is asked: the session of the request, and the tasks
// and handles it names. What nobody claimed yet passes, unless the message only makes sense inside a session: a
// response answers what a server asked its owner.
func (c *check) checkSession(ctx context.Context) error {
	isResponse := func(call *mcp.Call) bool { return call.Kind == mcp.KindResponse }
	if slices.ContainsFunc(calls(c.call), isResponse) {
		if c.call.SessionID == "" {
			return denial.New(denial.SessionUnknown, "a response without %s belongs to no session", "Mcp-Session-Id")
		}
		if err := c.Sessions.Check(ctx, c.sessionName(), c.owner(), c.now); err != nil {
			return err
		}
	}
	var err error
	if c.named, err = c.names(); err != nil {
		return err
	}
	for _, name := range c.named {
		err := c.Sessions.Check(ctx, name, c.owner(), c.now)
		if err != nil && denial.ReasonOf(err) != denial.SessionUnknown && !c.adoptable(ctx, name, err) {
			return err
		}
	}
	return nil
}

// claimSession binds what the request names to its first user, once that user's request is allowed. A session begins
// with the answer to initialize, so that request itself claims none.
func (c *check) claimSession(ctx context.Context) error {
	if err := c.adopt(ctx); err != nil {
		return err
	}
	switch {
	case c.call.Kind == mcp.KindResponse:
		return c.Sessions.Claim(ctx, c.sessionName(), c.owner(), c.now)
	case c.call.Method == "initialize":
		return nil
	}
	for _, name := range c.named {
		if c.call.Kind == mcp.KindEnd {
			err := c.Sessions.End(ctx, name, c.owner(), c.now)
			if err != nil && denial.ReasonOf(err) != denial.SessionUnknown { // the backend knows whether there is one
				return err
			}
			continue
		}
		if err := c.Sessions.Claim(ctx, name, c.owner(), c.now); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) sessionName() session.Name {
	return session.Name{Server: c.server.Name, Kind: session.Session, ID: c.call.SessionID}
}

// names returns everything in the request that belongs to its first user.
func (c *check) names() ([]session.Name, error) {
	var names []session.Name
	add := func(kind session.Kind, id string) {
		name := session.Name{Server: c.server.Name, Kind: kind, ID: id}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if c.call.SessionID != "" {
		add(session.Session, c.call.SessionID)
	}
	for _, call := range calls(c.call) {
		for _, target := range call.Targets {
			if target.Kind == mcp.TargetTask {
				add(session.Task, target.Name)
			}
		}
		argument := c.server.Handle(call)
		if argument == "" {
			continue
		}
		id, present, err := handle(call.Arguments, argument)
		if err != nil {
			return nil, err
		}
		if present {
			add(session.Handle, id)
		}
	}
	return names, nil
}

// handle returns the value of an argument that is a handle: a string or an integer. Null counts as absent. The name in
// another case is refused, because there are servers that would take it.
func handle(arguments mcp.Object, argument string) (id string, present bool, err error) {
	for name, value := range arguments.All() {
		if !strings.EqualFold(name, argument) {
			continue
		}
		if name != argument {
			return "", false, denial.New(denial.JSONCaseVariant, "argument %.64q instead of %s", name, argument)
		}
		switch value := value.(type) {
		case mcp.Null:
			return "", false, nil
		case mcp.String:
			return string(value), true, nil
		case mcp.Int:
			return strconv.FormatInt(int64(value), 10), true, nil
		default:
			return "", false, denial.New(denial.ParamsInvalid, "argument %s is a handle, which is a string or an integer", argument)
		}
	}
	return "", false, nil
}

// Handle returns which argument of a call is a handle; empty for none.
func (s *Server) Handle(call *mcp.Call) string { return s.Handles[tool(call)] }

// tool returns the tool of tools/call in lower case, else nothing. Configured rules about tools go by it, so that they
// also hold for a server that does not mind the case.
func tool(call *mcp.Call) string {
	if call.Method != "tools/call" || len(call.Targets) == 0 {
		return ""
	}
	return strings.ToLower(call.Targets[0].Name)
}
