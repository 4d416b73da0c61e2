package main

import (
	"fmt"
	"maps"
	"slices"

	"countersign.dev/authz"
	"countersign.dev/cedar"
)

// shadowConfig is a set of policies that is tried out. It is asked whatever the live policies are asked, and what it
// would decide is recorded and counted beside what they do decide. It never changes an answer: where it is broken, what
// was good before stays, or nothing, and that is all.
type shadowConfig struct {
	// Directory holds the *.cedar files. Required.
	Directory string `yaml:"directory"`
	// Entities is a file in Cedar's JSON format. Default: policy.entities, but not those in a bundle.
	Entities string `yaml:"entities"`
	// Tools are files with tools/list results, by server. Default for those that are not named: servers[].tools, but not
	// those in a bundle.
	Tools map[string]string `yaml:"tools"`
}

// shadowSet is a set of policies that is tried out, and at which servers.
type shadowSet struct {
	// name is shadow, or shadow:<server> for that of a single server.
	name    string
	config  *shadowConfig
	servers []string
}

// shadowSets lists the sets: that of policy.shadow is for all servers that have none of their own.
func (c *config) shadowSets() []shadowSet {
	var sets []shadowSet
	all := shadowSet{name: "shadow", config: c.Policy.Shadow}
	for i := range c.Servers {
		s := &c.Servers[i]
		if s.ShadowPolicy != nil {
			sets = append(sets, shadowSet{"shadow:" + s.Name, s.ShadowPolicy, []string{s.Name}})
			continue
		}
		all.servers = append(all.servers, s.Name)
	}
	if all.config != nil {
		sets = slices.Insert(sets, 0, all)
	}
	return sets
}

func (c *config) completeShadows(dir string) {
	for _, set := range c.shadowSets() {
		s := set.config
		resolve(dir, &s.Directory)
		resolve(dir, &s.Entities)
		setDefault(&s.Entities, c.Policy.Entities)
		for name, path := range s.Tools {
			resolve(dir, &path)
			s.Tools[name] = path
		}
	}
}

func (c *config) checkShadows(k *checker) {
	if c.Policy.Shadow != nil {
		c.Policy.Shadow.check(k, "policy.shadow", c.serverNames())
		own := func(s serverConfig) bool { return s.ShadowPolicy == nil }
		k.require(slices.ContainsFunc(c.Servers, own), "policy.shadow", "has no effect: every server has a shadow_policy of its own")
	}
	for i := range c.Servers {
		if s := c.Servers[i].ShadowPolicy; s != nil {
			s.check(k, fmt.Sprintf("servers[%d].shadow_policy", i), c.serverNames())
		}
	}
}

func (s *shadowConfig) check(k *checker, at string, servers []string) {
	k.require(s.Directory != "", at+".directory", "name the directory of the *.cedar files")
	for _, name := range slices.Sorted(maps.Keys(s.Tools)) {
		k.require(slices.Contains(servers, name), at+".tools", "%q is not one of servers", name)
	}
}

func (c *config) serverNames() []string {
	names := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		names = append(names, s.Name)
	}
	return names
}

// shadowSource says where a set is. It is not observed, and its index not verified: both are for decisions that count.
func (c *config) shadowSource(s *shadowConfig) cedar.Config {
	tools := make(map[string]string, len(c.Servers))
	for _, server := range c.Servers {
		tools[server.Name] = server.Tools
	}
	maps.Copy(tools, s.Tools)
	return cedar.Config{
		Policies: s.Directory, Entities: s.Entities, Tools: tools, OnError: c.Policy.OnError, Accept: c.shadowAcceptance(),
	}
}

// inShadowMode lists the servers that nothing is refused at.
func (c *config) inShadowMode() []string {
	names := []string{}
	for _, s := range c.Servers {
		if s.Mode == authz.Shadow {
			names = append(names, s.Name)
		}
	}
	return names
}
