package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"countersign.dev/authz/mcp"
)

type replayConfig struct {
	// PerPeer is how many uses of delegations are remembered of one workload; more are refused. Default 10000.
	PerPeer int `yaml:"per_peer"`
	// Total is how many uses are remembered; more are refused. Default 100000.
	Total int `yaml:"total"`
}

// checkOwners checks what belongs to somebody, and what may happen once.
func (c *config) checkOwners(k *checker) {
	k.require(c.Sessions.TTL > 0, "sessions.ttl", "must be more than 0s")
	k.require(c.Sessions.PerPeer > 0, "sessions.per_peer", "must be at least 1")
	k.require(c.Sessions.Total > 0, "sessions.total", "must be at least 1")
	k.require(c.Replay.PerPeer > 0, "replay.per_peer", "must be at least 1")
	k.require(c.Replay.Total > 0, "replay.total", "must be at least 1")
	for i, s := range c.Servers {
		at := fmt.Sprintf("servers[%d]", i)
		seen := make(map[string]bool)
		for n, tool := range s.SingleUse {
			k.tool(fmt.Sprintf("%s.single_use[%d]", at, n), tool, seen)
		}
		clear(seen)
		for _, tool := range slices.Sorted(maps.Keys(s.Handles)) {
			k.tool(at+".handles", tool, seen)
			argument := s.Handles[tool]
			k.require(argument != "" && len(argument) <= mcp.MaxName, at+".handles", "%q: name the argument that is the handle", tool)
		}
	}
}

// tool checks the name of a tool, which may be seen only once in any case.
func (k *checker) tool(at, name string, seen map[string]bool) {
	k.require(name != "" && len(name) <= mcp.MaxToolName && !strings.ContainsAny(name, " *\"\\"), at, "%q is not the name of a tool", name)
	k.require(!seen[strings.ToLower(name)], at, "%q comes twice; case does not count", name)
	seen[strings.ToLower(name)] = true
}

// checkPins refuses single use and handles of tools that the server does not have: a rule with a misspelt name would
// protect nothing.
func (s *serverConfig) checkPins() error {
	if s.Tools == "" || len(s.SingleUse)+len(s.Handles) == 0 {
		return nil
	}
	data, err := os.ReadFile(s.Tools) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return fmt.Errorf("reading the tools of %s: %w", s.Name, err)
	}
	return s.checkPinned(s.Tools, data)
}

// checkPinned does that with the text of a file.
func (s *serverConfig) checkPinned(file string, data []byte) error {
	tools, err := mcp.ParseToolList(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	schemas := make(map[string]mcp.Object, len(tools))
	for _, tool := range tools {
		schemas[strings.ToLower(tool.Name)] = tool.InputSchema
	}
	var bad []error
	for _, tool := range s.SingleUse {
		if _, pinned := schemas[strings.ToLower(tool)]; !pinned {
			bad = append(bad, fmt.Errorf("servers: %s.single_use: %s has no tool %q", s.Name, file, tool))
		}
	}
	for _, tool := range slices.Sorted(maps.Keys(s.Handles)) {
		schema, pinned := schemas[strings.ToLower(tool)]
		properties, _ := schema.Get("properties")
		if arguments, ok := properties.(mcp.Object); ok {
			_, ok = arguments.Get(s.Handles[tool])
			pinned = pinned && ok
		} else {
			pinned = false
		}
		if !pinned {
			bad = append(bad, fmt.Errorf("servers: %s.handles: %s has no tool %q with an argument %q", s.Name, file, tool, s.Handles[tool]))
		}
	}
	return errors.Join(bad...)
}

// singleUse and handles are what the configuration says, with tools in lower case.
func (s *serverConfig) singleUse() map[string]bool {
	tools := make(map[string]bool, len(s.SingleUse))
	for _, tool := range s.SingleUse {
		tools[strings.ToLower(tool)] = true
	}
	return tools
}

func (s *serverConfig) handles() map[string]string {
	arguments := make(map[string]string, len(s.Handles))
	for tool, argument := range s.Handles {
		arguments[strings.ToLower(tool)] = argument
	}
	return arguments
}
