package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
)

func newPolicyValidateCommand() *cobra.Command {
	v := validation{}
	var watch bool
	cmd := &cobra.Command{
		Use:   "validate [PATH]... [--config FILE | --policies DIR] [--entities FILE] [--tools SERVER=FILE]... [--server NAME]...",
		Short: "Find every mistake in policies, entities and pinned tools",
		Long: `Validate checks policies strictly against the schema with the pinned tools, and prints every mistake with
the expression in question and what to do about it: syntax errors, unknown attributes, actions and types,
optional attributes and tags that are not tested first, ids that no request can have, missing and repeated
@ids, and whatever is wrong with the entities and tools files. Beyond what serve asks for, it reports text
that other implementations of Cedar refuse, and servers and tools that are not configured; add those of other
installations with --server. With --bundle it checks what is in a bundle.

A PATH is a file, a directory with *.cedar or *.cedar.gz files, or a pattern. Without --config and --policies, only these files are checked,
against the schema with the tools given by --tools; servers are then checked if any are given. To the only directory
belong entities.json and tools/SERVER.json in it, if there are any and no flags name others. With --config,
paths replace the policies that it names.

Exit status: 0 nothing is wrong; 1 something is, or could not be read; 2 wrong usage.`,
		Example: `  countersign policy validate --config countersign.yaml
  countersign policy validate --policies policies/ -w
  countersign policy validate policies/crm.cedar --json
  countersign policy validate --bundle policies.tar.gz --keys signers.jwks.json --format sarif`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			v.out, v.arguments = cmd, args
			if err := v.findings.check(); err != nil {
				return err
			}
			return rerun(cmd.Context(), cmd.ErrOrStderr(), watch, v.watched, v.run)
		},
	}
	v.from.flags(cmd)
	watchFlag(cmd, &watch)
	v.findings.flags(cmd)
	return cmd
}

// validation is one `policy validate`, which may run many times.
type validation struct {
	from      policySource
	arguments []string
	findings  findings
	out       *cobra.Command
	last      cedar.Config // of the last run
}

func (v *validation) run(ctx context.Context) error {
	cfg, err := v.config()
	if err != nil {
		return err
	}
	v.last = cfg
	var files []string
	if len(v.arguments) > 0 {
		if files, err = policyFiles(v.arguments); err != nil {
			return err
		}
	}
	source := sourceText
	if cfg.Source != nil {
		bundled, err := cfg.Source.Read(ctx)
		if err != nil {
			return err
		}
		cfg.Source, source = inMemory{bundled}, textIn(bundled)
	}
	found, err := cedar.Validate(ctx, cfg, files...)
	if err != nil {
		return err
	}
	out := v.out.OutOrStdout()
	if err := v.findings.print(out, found, "policy validate", cedar.Rules(), source); err != nil {
		return err
	}
	if v.findings.format == "text" {
		summary := "ok: nothing is wrong"
		if len(found) > 0 {
			summary = "\n" + diagnostic.Summary(found)
		}
		if _, err := fmt.Fprintln(out, summary); err != nil {
			return fmt.Errorf("writing the findings: %w", err)
		}
	}
	if len(found) > 0 {
		return errFound
	}
	return nil
}

// config returns what to check the policies against, and which ones without arguments.
func (v *validation) config() (cedar.Config, error) {
	switch {
	case len(v.arguments) > 0 && v.from.directory != "":
		return cedar.Config{}, usageError{errors.New("give either paths or --policies")}
	case v.from.config == "" && v.from.bundle == "" && directoryOf(v.arguments) != "":
		return v.from.openDirectory(directoryOf(v.arguments))
	case len(v.arguments) > 0 && v.from.config == "" && v.from.bundle == "":
		cfg := cedar.Config{Entities: v.from.entities, Tools: make(map[string]string)}
		v.add(&cfg)
		return cfg, nil
	}
	cfg, err := v.from.open()
	if err != nil {
		return cedar.Config{}, err
	}
	if v.from.entities != "" {
		cfg.Entities = v.from.entities
	}
	v.add(&cfg)
	return cfg, nil
}

// add adds the servers and tools of the command line.
func (v *validation) add(cfg *cedar.Config) {
	for _, server := range v.from.servers {
		if _, known := cfg.Tools[server]; !known {
			cfg.Tools[server] = ""
		}
	}
	maps.Copy(cfg.Tools, v.from.tools)
}

// watched returns what to run again for.
func (v *validation) watched() []string {
	paths := slices.Clone(v.arguments)
	for _, path := range append(slices.Collect(maps.Values(v.last.Tools)), v.from.config, v.from.bundle, v.last.Policies, v.last.Entities) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	for i, path := range paths {
		for strings.ContainsAny(path, "*?[") { // a pattern
			path = filepath.Dir(path)
		}
		paths[i] = path
	}
	return paths
}
