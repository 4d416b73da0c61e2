package policytest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"countersign.dev/cedar"
)

// Source says where the policies of a test file are. What it does not say is found by convention; see the package
// documentation. Paths are relative to the directory of the test file.
type Source struct {
	// Policies is the directory of the policies, and Entities the file of the entities.
	Policies string `yaml:"policies"`
	Entities string `yaml:"entities"`
	// Tools has the file with the pinned tools of a server by its name, and Servers the servers without one.
	Tools   map[string]string `yaml:"tools"`
	Servers []string          `yaml:"servers"`
	// OnError is deny (the default) or cedar.
	OnError string `yaml:"on_error"`
}

// Config returns what to load for the tests of the file.
func (f *File) Config() (cedar.Config, error) {
	c, err := f.Source.config(filepath.Dir(f.Name))
	if err != nil {
		return c, fmt.Errorf("%s: %w", f.Name, err)
	}
	return c, nil
}

func (s *Source) config(dir string) (cedar.Config, error) {
	c := cedar.Config{Tools: make(map[string]string)}
	if s.OnError != "" {
		if err := c.OnError.UnmarshalText([]byte(s.OnError)); err != nil {
			return c, err
		}
	}
	root := dir
	if path, err := filepath.Abs(dir); err == nil && filepath.Base(path) == "tests" {
		root = filepath.Join(dir, "..")
	}
	if c.Policies = join(dir, s.Policies); s.Policies == "" {
		var err error
		if c.Policies, err = PoliciesIn(root); err != nil {
			return c, err
		}
	}
	if c.Entities = join(dir, s.Entities); s.Entities == "" {
		c.Entities = EntitiesBeside(c.Policies)
	}
	for _, server := range s.Servers {
		c.Tools[server] = ""
	}
	for server, file := range s.Tools {
		c.Tools[server] = ""
		if file != "" {
			c.Tools[server] = join(dir, file)
		}
	}
	if s.Tools == nil {
		return c, AddToolsBeside(c.Policies, c.Tools)
	}
	return c, nil
}

// around returns where the entities and tools of a directory of policies are looked for.
func around(policies string) []string {
	dirs := []string{policies}
	if path, err := filepath.Abs(policies); err == nil && filepath.Base(path) == "policies" {
		dirs = append(dirs, filepath.Join(policies, ".."))
	}
	return dirs
}

// PoliciesIn returns the directory of policies by convention: dir itself, or else the directory policies in it.
func PoliciesIn(dir string) (string, error) {
	found := firstWith(hasPolicies, dir, filepath.Join(dir, "policies"))
	if found == "" {
		return "", fmt.Errorf("no *.cedar files in %s or below it in policies: name the directory with policies", dir)
	}
	return found, nil
}

// EntitiesBeside returns the file with the entities that belongs to a directory of policies by convention; empty if there is
// none.
func EntitiesBeside(policies string) string {
	if found := firstWith(hasEntities, around(policies)...); found != "" {
		return filepath.Join(found, "entities.json")
	}
	return ""
}

// AddToolsBeside adds the servers whose pinned tools belong to a directory of policies by convention, with their files.
// Servers that are in the map already stay as they are.
func AddToolsBeside(policies string, tools map[string]string) error {
	for _, dir := range around(policies) {
		if info, err := os.Stat(filepath.Join(dir, "tools")); err != nil || !info.IsDir() {
			continue
		}
		found, err := os.ReadDir(filepath.Join(dir, "tools"))
		if err != nil {
			return fmt.Errorf("looking for pinned tools: %w", err)
		}
		for _, entry := range found {
			server, isJSON := strings.CutSuffix(entry.Name(), ".json")
			if _, named := tools[server]; isJSON && !named && !strings.HasPrefix(server, ".") {
				tools[server] = filepath.Join(dir, "tools", entry.Name())
			}
		}
		return nil
	}
	return nil
}

func join(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func firstWith(has func(dir string) bool, dirs ...string) string {
	if i := slices.IndexFunc(dirs, has); i >= 0 {
		return dirs[i]
	}
	return ""
}

func hasPolicies(dir string) bool {
	found, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(found, isPolicyFile)
}

func isPolicyFile(entry fs.DirEntry) bool {
	name := strings.TrimSuffix(entry.Name(), ".gz")
	return filepath.Ext(name) == ".cedar" && name[0] != '.' && !entry.IsDir()
}

func hasEntities(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "entities.json"))
	return err == nil
}
