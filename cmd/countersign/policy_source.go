package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/policytest"
)

// policySource says on a command line where policies and what belongs to them are.
type policySource struct {
	config, directory, entities string
	bundle, keys                string
	tools                       map[string]string
	servers                     []string
}

// onlyFlags refuses arguments of a command that is told by flags where the policies are.
func onlyFlags(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: there are no arguments here: name the policies with --policies DIR", args[0])
	}
	return nil
}

// flags declares the flags.
func (s *policySource) flags(cmd *cobra.Command) {
	s.fileFlags(cmd)
	cmd.Flags().StringVar(&s.bundle, "bundle", "", "policies from a bundle that is at hand (`FILE`), with the servers of --config if that is given too")
	cmd.Flags().StringVar(&s.keys, "keys", "", "public keys `FILE` (JWK Set) of those who may sign the bundle; default: policy.bundle.keys, or nobody has to")
}

// fileFlags declares those for policies in files.
func (s *policySource) fileFlags(cmd *cobra.Command) {
	configFlag(cmd, &s.config)
	cmd.Flags().StringVar(&s.directory, "policies", "", "`DIR` with *.cedar files")
	cmd.Flags().StringVar(&s.entities, "entities", "", "entities `FILE` (Cedar JSON); default: entities.json in DIR, or beside it if it is called policies")
	cmd.Flags().StringToStringVar(&s.tools, "tools", nil, "pinned tools/list result of a server, `SERVER=FILE`; default: the files tools/SERVER.json in DIR, or beside it")
	cmd.Flags().StringSliceVar(&s.servers, "server", nil, "`NAME` of a server whose tools are not pinned; may be repeated")
}

// given reports whether any of the flags was used.
func (s *policySource) given() bool { return s.config != "" || s.directory != "" || s.bundle != "" }

// open returns what to load. Tests are not run with it.
func (s *policySource) open() (cedar.Config, error) {
	from, _, err := s.openWith()
	return from, err
}

// openToAccept returns what to load, and runs the tests that come along as serve would.
func (s *policySource) openToAccept() (cedar.Config, error) {
	from, c, err := s.openWith()
	if err != nil {
		return from, err
	}
	from.Accept = policytest.Acceptance{}
	if c != nil {
		from.Accept = c.acceptance()
	}
	return from, nil
}

// openWith returns the configuration too, if there is one.
func (s *policySource) openWith() (cedar.Config, *config, error) {
	if err := s.check(); err != nil {
		return cedar.Config{}, nil, err
	}
	var c *config
	from := cedar.Config{Tools: make(map[string]string)}
	if s.config != "" {
		var err error
		if c, err = loadConfig(s.config); err != nil {
			return from, nil, err
		}
		from = c.policySource()
	}
	if s.bundle != "" {
		err := s.openBundle(&from, c)
		return from, c, err
	}
	if c == nil {
		var err error
		from, err = s.openDirectory(s.directory)
		return from, nil, err
	}
	return from, c, nil
}

// openDirectory returns a directory of policies with what belongs to it: what the flags name, or else what lies beside it,
// as for the tests there.
func (s *policySource) openDirectory(directory string) (cedar.Config, error) {
	from := cedar.Config{Policies: directory, Entities: s.entities, Tools: make(map[string]string)}
	for _, name := range s.servers {
		from.Tools[name] = ""
	}
	maps.Copy(from.Tools, s.tools)
	if from.Entities == "" {
		from.Entities = policytest.EntitiesBeside(directory)
	}
	if len(s.tools) > 0 {
		return from, nil
	}
	return from, policytest.AddToolsBeside(directory, from.Tools)
}

// directoryOf returns the directory that is the only argument of a command; empty if that is something else.
func directoryOf(arguments []string) string {
	if len(arguments) != 1 {
		return ""
	}
	if info, err := os.Stat(arguments[0]); err != nil || !info.IsDir() {
		return ""
	}
	return arguments[0]
}

// check refuses flags that do not go together.
func (s *policySource) check() error {
	switch {
	case s.config != "" && s.directory != "":
		return usageError{errors.New("give either --config or --policies")}
	case s.bundle != "" && s.directory != "":
		return usageError{errors.New("give either --bundle or --policies")}
	case s.bundle != "" && (s.entities != "" || len(s.tools) > 0):
		return usageError{errors.New("entities and pinned tools are in the bundle: leave --entities and --tools out")}
	case s.bundle == "" && s.keys != "":
		return usageError{errors.New("--keys says who may sign a bundle: name one with --bundle FILE")}
	case !s.given():
		return usageError{errors.New("name the policies with --config FILE or --policies DIR, or a bundle with --bundle FILE")}
	}
	return nil
}

// openBundle puts the files of the bundle in place of those of a configuration, which may be nil.
func (s *policySource) openBundle(from *cedar.Config, c *config) error {
	keys := s.keys
	if keys == "" && c != nil && c.Policy.Bundle != nil {
		keys = c.Policy.Bundle.Keys
	}
	b, err := readBundle(s.bundle, keys)
	if err != nil {
		return err
	}
	from.Policies, from.Entities, from.Source = "", "", inMemory{filesIn(s.bundle, b)}
	for name := range from.Tools {
		from.Tools[name] = ""
	}
	for _, name := range s.servers {
		from.Tools[name] = ""
	}
	return nil
}

// policyFiles returns the files with policies that arguments name, as filesWith does, also those that are compressed. A
// directory must not have both the text and the compressed text, nor policies in directories below.
func policyFiles(arguments []string) ([]string, error) {
	files, err := filesWith(arguments, ".cedar", ".cedar.gz")
	if err != nil {
		return nil, err
	}
	for _, argument := range arguments {
		if info, err := os.Stat(argument); err == nil && info.IsDir() {
			if err := cedar.RefuseBelow(argument); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range files {
		if text, compressed := strings.CutSuffix(name, ".gz"); compressed && slices.Contains(files, text) {
			return nil, fmt.Errorf("%s: %s is there as well: remove one of them", name, filepath.Base(text))
		}
	}
	return files, nil
}

// filesWith returns the files that arguments name, sorted, each once whatever links to it: a file, a glob pattern, or a
// directory, of which the files whose names end so are meant and not those in directories below it. An argument that names
// nothing is an error.
func filesWith(arguments []string, endings ...string) ([]string, error) {
	var files []string
	for _, argument := range arguments {
		info, err := os.Stat(argument)
		switch {
		case err == nil && info.IsDir():
			found, err := os.ReadDir(argument)
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", argument, err)
			}
			before := len(files)
			for _, entry := range found {
				hasEnding := func(ending string) bool { return strings.HasSuffix(entry.Name(), ending) }
				if slices.ContainsFunc(endings, hasEnding) && entry.Name()[0] != '.' {
					files = append(files, filepath.Join(argument, entry.Name()))
				}
			}
			if len(files) == before {
				return nil, fmt.Errorf("%s: no *%s files in the directory", argument, strings.Join(endings, " or *"))
			}
		case err == nil:
			files = append(files, argument)
		case errors.Is(err, fs.ErrNotExist):
			matched, bad := filepath.Glob(argument)
			if bad != nil {
				return nil, usageError{fmt.Errorf("pattern %q: %w", argument, bad)}
			}
			if len(matched) == 0 {
				return nil, fmt.Errorf("%s: no such file, directory or match", argument)
			}
			files = append(files, matched...)
		default:
			return nil, err
		}
	}
	slices.Sort(files)
	return eachOnce(files), nil
}

// eachOnce leaves one name of every file: that of the file itself if it is there, and else of the first link to it. Hard
// links are files of their own, which they are as soon as one of them is written.
func eachOnce(names []string) []string {
	first := make(map[string]int) // by where the file is
	var once []string
	for _, name := range names {
		target, err := filepath.EvalSymlinks(name)
		if err != nil {
			target = name // whoever reads it reports why it cannot be read
		}
		if absolute, err := filepath.Abs(target); err == nil {
			target = absolute
		}
		at, seen := first[target]
		if !seen {
			first[target], once = len(once), append(once, name)
		} else if isLink(once[at]) && !isLink(name) {
			once[at] = name
		}
	}
	slices.Sort(once)
	return once
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
