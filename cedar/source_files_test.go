package cedar_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"countersign.dev/cedar"
)

// given is a source that gives what it is told to.
type given struct {
	files *cedar.Files
	err   error
	over  bool
}

func (g *given) Read(context.Context) (*cedar.Files, error) { return g.files, g.err }
func (g *given) Usable() bool                               { return !g.over }

// sourced is the configuration of a source, with acme's servers.
func sourced(g *given) cedar.Config {
	return cedar.Config{Source: g, Tools: map[string]string{"crm": "", "ledger": "", "wiki": ""}}
}

func TestASourceIsTheSamePolicyAsFiles(t *testing.T) {
	want, err := cedar.Load(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	files, err := cedar.ReadFiles(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	got, err := cedar.Load(t.Context(), sourced(&given{files: files}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision() != want.Revision() || got.Policies() != want.Policies() || len(got.Tools("ledger")) != 3 {
		t.Errorf("revision %s with %d policies, want %s with %d", got.Revision(), got.Policies(), want.Revision(), want.Policies())
	}
}

// A fleet shares one bundle, and not every gateway has all servers.
func TestASourceMayHaveToolsOfOtherServers(t *testing.T) {
	files, err := cedar.ReadFiles(t.Context(), acme())
	if err != nil {
		t.Fatal(err)
	}
	cfg := sourced(&given{files: files})
	delete(cfg.Tools, "ledger")
	if _, err := cedar.Load(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

func TestSourcesThatAreRefused(t *testing.T) {
	someone := []cedar.File{{Name: "policies/a.cedar", Data: []byte(someone)}}
	tooMuch := cedar.File{Name: "entities.json", Data: make([]byte, 16<<20)}
	for name, tc := range map[string]struct {
		given  given
		change func(*cedar.Config)
		want   string
	}{
		"it fails":              {given: given{err: errors.New("no bundle")}, want: "reading the policy: no bundle"},
		"no policies":           {given: given{files: &cedar.Files{}}, want: "no *.cedar files"},
		"too much":              {given: given{files: &cedar.Files{Policies: someone, Entities: &tooMuch}}, want: "more than 16777216 bytes"},
		"a directory as well":   {change: func(c *cedar.Config) { c.Policies = "policies" }, want: "from a source and from files"},
		"entities as well":      {change: func(c *cedar.Config) { c.Entities = "entities.json" }, want: "from a source and from files"},
		"pins as well":          {given: given{files: &cedar.Files{Policies: someone}}, change: func(c *cedar.Config) { c.Tools["crm"] = "crm.json" }, want: `the tools of server "crm" come from a source and from crm.json`},
		"a server with a slash": {given: given{files: &cedar.Files{Policies: someone, Tools: map[string]cedar.File{"a/b": {Name: "x", Data: []byte(`{"tools":[]}`)}}}}, want: `server name "a/b"`},
		"a syntax error":        {given: given{files: &cedar.Files{Policies: []cedar.File{{Name: "policies/a.cedar", Data: []byte("\npermit")}}}}, want: "policies/a.cedar:2:7: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sourced(&tc.given)
			if tc.change != nil {
				tc.change(&cfg)
			}
			if _, err := cedar.Load(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestAStoreWithASource(t *testing.T) {
	g := &given{files: &cedar.Files{Policies: []cedar.File{{Name: "policies/a.cedar", Data: []byte(someone)}}}}
	store := cedar.NewStore(sourced(g), slog.New(slog.DiscardHandler))
	if files := store.Files(); len(files) != 0 {
		t.Errorf("files to watch: %q", files)
	}
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, ok := store.Snapshot()
	if !ok {
		t.Fatal("no snapshot")
	}
	g.files = &cedar.Files{Policies: []cedar.File{{Name: "policies/a.cedar", Data: []byte("permit")}}}
	if err := store.Reload(t.Context()); err == nil {
		t.Error("a broken bundle was loaded")
	}
	g.files, g.err = nil, errors.New("gone")
	if err := store.Reload(t.Context()); err == nil {
		t.Error("nothing was loaded")
	}
	if same, ok := store.Snapshot(); !ok || same != first {
		t.Error("the last good one is gone")
	}
	g.over = true
	if _, ok := store.Snapshot(); ok {
		t.Error("what is over still decides")
	}
	g.over = false
	if same, ok := store.Snapshot(); !ok || same != first {
		t.Error("it is not back")
	}
}
