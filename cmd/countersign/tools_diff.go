package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign.dev/authz/mcp"
	"countersign.dev/cedar"
	"countersign.dev/cedar/diagnostic"
	"countersign.dev/cedar/tools"
)

type toolsDiff struct {
	from   policySource
	client toolsClient
	of     string
	urls   map[string]string
	asJSON bool
}

// serverDrift is what became of the tools of one server.
type serverDrift struct {
	Server  string         `json:"server"`
	Old     string         `json:"old"`
	New     string         `json:"new"`
	Changes []tools.Change `json:"changes"`
	// Edited is what was changed by hand in the old file, and EditedNew in the new one: nothing loads these until they are
	// pinned.
	Edited    []string        `json:"edited"`
	EditedNew []string        `json:"edited_new"`
	Findings  []tools.Finding `json:"findings"`
	// Touched are the policies that a change concerns. Invalid is why policies cannot be loaded with the new tools of all
	// servers; it is with the first one.
	Touched []cedar.Touched         `json:"touched"`
	Invalid []diagnostic.Diagnostic `json:"invalid"`

	before, after []mcp.Tool
}

// none reports whether there is nothing to tell.
func (d *serverDrift) none() bool { return len(d.Changes)+len(d.Edited)+len(d.EditedNew) == 0 }

func newToolsDiffCommand() *cobra.Command {
	var d toolsDiff
	cmd := &cobra.Command{
		Use:   "diff OLD NEW | diff --config FILE [--of SERVER]",
		Short: "Say what changed in the tools of a server, and which policies that concerns",
		Long: `Diff compares two files with tools, or with --config and no files, every pinned file with the live server that it was
pulled from. With --config or --policies it also lists the policies that a change concerns (they name the tool, or their
scope covers it and they read what changed), and those that are not valid with the new tools.

Exit status: 0 nothing changed; 1 something did, in a file also by hand so that its hashes no longer fit, or a server did
not answer; 2 wrong usage.`,
		Example: `  countersign tools diff tools/crm.json new/crm.json --config countersign.yaml
  countersign tools diff --config countersign.yaml --workload-api unix:///run/spire/agent.sock
  countersign tools diff --config countersign.yaml --of crm --bearer-file token --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return errors.New("name two files, or none to compare with live servers")
			}
			return nil
		},
		RunE: d.run,
	}
	d.from.fileFlags(cmd)
	d.client.flags(cmd)
	cmd.Flags().StringVar(&d.of, "of", "", "`SERVER` whose tools to compare; default: what the files say, or all pinned ones")
	cmd.Flags().StringToStringVar(&d.urls, "url", nil, "where a server is, `SERVER=URL`; default: where its file was pulled from")
	cmd.Flags().BoolVar(&d.asJSON, "json", false, "print JSON")
	return cmd
}

func (d *toolsDiff) run(cmd *cobra.Command, args []string) error {
	var source cedar.Config
	withPolicies := d.from.given()
	if withPolicies {
		var err error
		if source, err = d.from.open(); err != nil {
			return err
		}
	}
	var drifts []*serverDrift
	if len(args) == 2 {
		drift, err := d.files(args[0], args[1], source)
		if err != nil {
			return err
		}
		drifts = append(drifts, drift)
	} else {
		if !withPolicies {
			return usageError{errors.New("name two files, or the pinned ones with --config FILE or --policies DIR")}
		}
		var err error
		if drifts, err = d.live(cmd.Context(), source); err != nil {
			return err
		}
	}
	found := false
	for _, drift := range drifts {
		var err error
		if drift.Changes, err = tools.Diff(drift.before, drift.after); err != nil {
			return err
		}
		drift.Findings = hiddenIn(drift.after)
		found = found || !drift.none()
	}
	var files *cedar.Files
	if withPolicies {
		var err error
		if files, err = cedar.ReadFiles(cmd.Context(), source); err != nil {
			return err
		}
		if err := concern(cmd.Context(), source, files, drifts); err != nil {
			return err
		}
	}
	if err := d.print(cmd.OutOrStdout(), drifts, files); err != nil {
		return err
	}
	if found {
		return errFound
	}
	return nil
}

// files compares two files.
func (d *toolsDiff) files(before, after string, source cedar.Config) (*serverDrift, error) {
	old, edited, err := readPin(before)
	if err != nil {
		return nil, err
	}
	now, editedNew, err := readPin(after)
	if err != nil {
		return nil, err
	}
	drift := &serverDrift{Old: before, New: after, Edited: edited, EditedNew: editedNew, before: old.Tools, after: now.Tools}
	drift.Server = d.of
	for _, name := range []string{now.Server, old.Server} {
		if drift.Server == "" {
			drift.Server = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(source.Tools)) {
		if drift.Server == "" && filepath.Clean(source.Tools[name]) == filepath.Clean(before) {
			drift.Server = name
		}
	}
	if drift.Server == "" && d.from.given() {
		return nil, usageError{errors.New("the files do not say whose tools they are: name the server with --of")}
	}
	return drift, nil
}

// live compares every pinned file with its server.
func (d *toolsDiff) live(ctx context.Context, source cedar.Config) ([]*serverDrift, error) {
	var servers []string
	for _, name := range slices.Sorted(maps.Keys(source.Tools)) {
		if source.Tools[name] != "" && (d.of == "" || d.of == name) {
			servers = append(servers, name)
		}
	}
	switch {
	case len(servers) == 0:
		return nil, usageError{errors.New("no server has pinned tools to compare")}
	case len(servers) > 1 && d.client.secret():
		return nil, usageError{errors.New("a bearer token or header field is for one server: name it with --of")}
	}
	var drifts []*serverDrift
	for _, name := range servers {
		old, edited, err := readPin(source.Tools[name])
		if err != nil {
			return nil, err
		}
		at := d.urls[name]
		if at == "" {
			at = old.Source
		}
		if at == "" {
			return nil, usageError{fmt.Errorf("%s does not say where it was pulled from: add --url %s=URL", source.Tools[name], name)}
		}
		now, err := d.client.pull(ctx, at)
		if err != nil {
			return nil, err
		}
		drifts = append(drifts, &serverDrift{
			Server: name, Old: source.Tools[name], New: at, Edited: edited, before: old.Tools, after: now.Tools,
		})
	}
	return drifts, nil
}

// concern finds the policies that changes have to do with.
func concern(ctx context.Context, source cedar.Config, files *cedar.Files, drifts []*serverDrift) (err error) {
	now, then := replaced{files, map[string]cedar.File{}}, replaced{files, map[string]cedar.File{}}
	for _, d := range drifts {
		if now.tools[d.Server], err = pinFile(d.Old, d.before); err != nil {
			return err
		}
		if then.tools[d.Server], err = pinFile(d.New, d.after); err != nil {
			return err
		}
	}
	snapshot, err := cedar.Load(ctx, now.config(source))
	next, bad := cedar.Load(ctx, then.config(source))
	if err != nil { // the policies may have been adapted already
		snapshot = next
	}
	diagnostics := cedar.Diagnostics(bad)
	if bad != nil && len(diagnostics) == 0 {
		return fmt.Errorf("with the new tools: %w", bad)
	}
	if snapshot == nil {
		drifts[0].Invalid = diagnostics
		return nil
	}
	for i, d := range drifts {
		d.Touched = snapshot.Touched(changesOf(d))
		if i == 0 { // what is invalid is so with all changes together
			d.Invalid = diagnostics
		}
	}
	return nil
}

func pinFile(name string, list []mcp.Tool) (cedar.File, error) {
	data, err := mcp.Pin{Tools: list}.JSON()
	return cedar.File{Name: name, Data: data}, err
}

// changesOf puts changes in the words of policies.
func changesOf(d *serverDrift) []cedar.ToolChange {
	var all []cedar.ToolChange
	for _, c := range d.Changes {
		if len(all) == 0 || all[len(all)-1].Tool != c.Tool {
			all = append(all, cedar.ToolChange{Server: d.Server, Tool: c.Tool})
		}
		at := &all[len(all)-1]
		switch c.Kind {
		case tools.ToolAdded:
			at.Added = true
		case tools.ToolRemoved:
			at.Removed = true
		case tools.HintChanged:
			at.Hints = append(at.Hints, strings.TrimPrefix(c.Path, "/"))
		case tools.MemberAdded, tools.MemberRemoved, tools.TypeChanged, tools.RequiredChange:
			at.Members = append(at.Members, c.Path)
		}
	}
	return all
}

// replaced is the files of a policy with other tools.
type replaced struct {
	files *cedar.Files
	tools map[string]cedar.File
}

// config is source with these files.
func (r replaced) config(source cedar.Config) cedar.Config {
	servers := make(map[string]string, len(source.Tools))
	for name := range source.Tools {
		servers[name] = ""
	}
	source.Policies, source.Entities, source.Tools, source.Source = "", "", servers, r
	return source
}

// Read implements [cedar.Source].
func (r replaced) Read(context.Context) (*cedar.Files, error) {
	all := *r.files
	all.Tools = maps.Clone(r.files.Tools)
	maps.Copy(all.Tools, r.tools)
	return &all, nil
}

// Usable implements [cedar.Source].
func (replaced) Usable() bool { return true }

func (d *toolsDiff) print(w io.Writer, drifts []*serverDrift, files *cedar.Files) error {
	if d.asJSON {
		for _, s := range drifts {
			s.Changes = append([]tools.Change{}, s.Changes...)
			s.Edited, s.EditedNew = append([]string{}, s.Edited...), append([]string{}, s.EditedNew...)
			s.Touched, s.Invalid = append([]cedar.Touched{}, s.Touched...), append([]diagnostic.Diagnostic{}, s.Invalid...)
		}
		return printJSON(w, map[string]any{"servers": drifts})
	}
	for _, s := range drifts {
		if s.none() {
			_, _ = fmt.Fprintf(w, "%s: no change\n", s.Old)
		}
		for _, what := range s.Edited {
			_, _ = fmt.Fprintf(w, "%s was changed by hand: %s\n", s.Old, what)
		}
		for _, what := range s.EditedNew {
			_, _ = fmt.Fprintf(w, "%s was changed by hand: %s\n", s.New, what)
		}
		printChanges(w, s.Changes)
		printHidden(w, s.Findings)
		for _, t := range s.Touched {
			effect := "permit"
			if t.Forbid {
				effect = "forbid"
			}
			_, _ = fmt.Fprintf(w, "%s:%d:%d: %s %s about %s: %s\n", t.File, t.Line, t.Column, effect, t.Policy, t.Tool, strings.Join(t.Why, ", "))
		}
	}
	for _, s := range drifts {
		if len(s.Invalid) == 0 {
			continue
		}
		_, _ = fmt.Fprintln(w, "With the new tools, the policies are not valid:")
		if err := diagnostic.Text(w, s.Invalid, textOf(files), colourOn(w)); err != nil {
			return err
		}
	}
	return nil
}

// textOf returns the text of a policy file for messages.
func textOf(files *cedar.Files) func(string) []byte {
	return func(name string) []byte {
		for _, f := range files.Policies {
			if f.Name == name {
				return f.Data
			}
		}
		return nil
	}
}
