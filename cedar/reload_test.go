package cedar

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// manyFiles writes policies in files of a hundred, of which five look at typed arguments if there are tools for it, and
// tools of fifty servers. It returns the configuration.
func manyFiles(t testing.TB, policies, tools int) Config {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{Policies: filepath.Join(dir, "policies"), Tools: map[string]string{"crm": ""}}
	if err := os.Mkdir(cfg.Policies, 0o700); err != nil {
		t.Fatal(err)
	}
	const servers = 50
	lists := make([][]string, servers)
	for i := range tools {
		lists[i%servers] = append(lists[i%servers], fmt.Sprintf(`{"name":"t%d","description":"tool %[1]d","inputSchema":{"type":"object",
			"properties":{"query":{"type":"string"},"limit":{"type":"integer"},"p%[1]d":{"type":"array","items":{"type":"string"}},
			"options":{"type":"object","properties":{"deep":{"type":"boolean"},"o%[1]d":{"type":"number"}}}},"required":["query"]}}`, i))
	}
	for i, list := range lists {
		name := fmt.Sprintf("s%d", i)
		if cfg.Tools[name] = ""; len(list) > 0 {
			cfg.Tools[name] = filepath.Join(dir, name+".json")
			writeFile(t, cfg.Tools[name], `{"tools":[`+strings.Join(list, ",")+`]}`)
		}
	}
	texts := strings.SplitAfter(manyPolicies(policies, min(20, policies)), ";\n")
	for i := 0; i < policies; i += 100 {
		file := texts[i:min(i+100, policies)]
		for j := 0; j < 5 && tools > 0 && len(file) == 100; j++ {
			tool := (i + 7*j) % tools
			scope := fmt.Sprintf(`action == Action::"call_tool:s%d/t%d", resource) when { `, tool%servers, tool)
			if j%2 == 1 {
				scope = `action in Action::"call_tool", resource) when { context has input.query && `
			}
			file[95+j] = fmt.Sprintf(`@id("p%d") permit (principal, %s context.input.query like "acme-%d-*" };`+"\n", i+95+j, scope, i+j)
		}
		writeFile(t, filepath.Join(cfg.Policies, fmt.Sprintf("%03d.cedar", i/100)), strings.Join(file, ""))
	}
	return cfg
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit changes one policy of one file, each time to something new.
func edit(t testing.TB, cfg Config, generation int) {
	t.Helper()
	path := filepath.Join(cfg.Policies, "042.cedar")
	data, err := os.ReadFile(path) //nolint:gosec // in a directory of the test
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ";\n")
	first := `@id("p4200") forbid (principal, action, resource == Tool::"s1/t1") when { context.request.host == "x%d" };`
	writeFile(t, path, fmt.Sprintf(first+"\n%s", generation, rest))
}

// BenchmarkReload loads 10,000 policies in 100 files: all of them, after a change of one file, and after a change of one
// tool, for which all policies are validated again.
func BenchmarkReload(b *testing.B) {
	for _, tools := range []int{0, 100, 1_000} {
		cfg := manyFiles(b, 10_000, tools)
		b.Run(fmt.Sprintf("tools=%d/cold", tools), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Load(b.Context(), cfg); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("tools=%d/edit", tools), func(b *testing.B) {
			store := NewStore(cfg, slog.New(slog.DiscardHandler))
			if err := store.Reload(b.Context()); err != nil {
				b.Fatal(err)
			}
			generation := 0
			b.ReportAllocs()
			for b.Loop() {
				generation++
				edit(b, cfg, generation)
				if err := store.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			if got := store.Status().Policies; got != 10_000 {
				b.Fatalf("%d policies", got)
			}
		})
		if tools == 0 {
			continue
		}
		b.Run(fmt.Sprintf("tools=%d/pin", tools), func(b *testing.B) {
			store := NewStore(cfg, slog.New(slog.DiscardHandler))
			if err := store.Reload(b.Context()); err != nil {
				b.Fatal(err)
			}
			data, err := os.ReadFile(cfg.Tools["s1"])
			if err != nil {
				b.Fatal(err)
			}
			generation := 0
			b.ReportAllocs()
			for b.Loop() {
				generation++
				writeFile(b, cfg.Tools["s1"], strings.Replace(string(data), `"properties":{`,
					fmt.Sprintf(`"properties":{"new%d":{"type":"string"},`, generation), 1))
				if err := store.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			writeFile(b, cfg.Tools["s1"], string(data)) // for the next run
		})
	}
}

// What a reload finds is what a load of the same files finds, whatever was read before, and nothing is read twice.
func TestReloadIsIncremental(t *testing.T) {
	cfg := manyFiles(t, 500, 60)
	store := NewStore(cfg, slog.New(slog.DiscardHandler))
	path := func(name string) string { return filepath.Join(cfg.Policies, name) }
	held := func() map[string]*policyText {
		texts := make(map[string]*policyText)
		for _, g := range store.loader.before() {
			for _, text := range g.texts {
				texts[filepath.Base(text.name)+fmt.Sprintf("%x", text.sum[:4])] = text.policyText
			}
		}
		return texts
	}
	reload := func(t *testing.T, wantNew int) {
		t.Helper()
		before := held()
		got, want := store.Reload(t.Context()), error(nil)
		fresh, want := Load(t.Context(), cfg)
		switch {
		case want != nil:
			if got == nil || !strings.HasSuffix(got.Error(), want.Error()) {
				t.Errorf("reload: %v\nload: %v", got, want)
			}
		case got != nil:
			t.Error(got)
		default:
			current := store.current.Load()
			if current.Revision() != fresh.Revision() || current.Policies() != fresh.Policies() {
				t.Errorf("revision %s of %d policies, want %s of %d",
					current.Revision(), current.Policies(), fresh.Revision(), fresh.Policies())
			}
			for i := range fresh.policies {
				if fresh.policies[i].id != current.policies[i].id {
					t.Fatalf("policy %d is %s, want %s", i, current.policies[i].id, fresh.policies[i].id)
				}
			}
		}
		read := 0
		after := held()
		for name, text := range after {
			if before[name] != text {
				read++
			}
		}
		if read != wantNew {
			t.Errorf("%d files were read anew, want %d", read, wantNew)
		}
		if len(after) > 2*6 {
			t.Errorf("%d files are remembered", len(after))
		}
	}
	reload(t, 5)
	good := store.current.Load()
	extra := `@id("extra") permit (principal, action == Action::"call_tool:s1/t1", resource) when { context.input.query == "%s" };`
	writeFile(t, path("extra.cedar"), fmt.Sprintf(extra, "a"))
	reload(t, 1)
	for i := range 5 { // one bad attempt after the other
		writeFile(t, path("extra.cedar"), strings.ReplaceAll(fmt.Sprintf(extra, strings.Repeat("b", i)), "query", "qery"))
		reload(t, 1)
		reload(t, 0)
	}
	if now := store.current.Load(); now.Policies() != good.Policies()+1 {
		t.Errorf("%d policies in force", now.Policies())
	}
	writeFile(t, path("bad.cedar"), `@id("p1") permit (principal`)
	writeFile(t, path("twice.cedar"), `@id("p1") permit (principal, action, resource);`)
	reload(t, 2)
	for _, name := range []string{"bad.cedar", "twice.cedar"} {
		if err := os.Remove(path(name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, path("extra.cedar"), fmt.Sprintf(extra, "a"))
	reload(t, 0) // as it is in force
	writeFile(t, cfg.Tools["s1"], `{"tools":[]}`)
	reload(t, 0) // nothing to read, and yet the policies about the tool are wrong now
	if got := store.Status().LastError; !strings.Contains(got, `policy extra: unrecognized action`) {
		t.Errorf("status: %s", got)
	}
	writeFile(t, cfg.Tools["s1"], `{"tools":7}`)
	reload(t, 0)
}

// Decisions go on while files are read, good ones and bad ones.
func TestDecisionsDuringReload(t *testing.T) {
	cfg := manyFiles(t, 1_000, 60)
	store := NewStore(cfg, slog.New(slog.DiscardHandler))
	if err := store.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	done := make(chan struct{})
	for range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				policy, ok := store.Snapshot()
				if !ok {
					t.Error("no snapshot")
					return
				}
				if v := policy.Authorize(ctx, manyQuery()); !v.Allowed {
					t.Errorf("%+v", v)
					return
				}
				asked.Add(1)
			}
		}()
	}
	for generation := range 10 {
		path := filepath.Join(cfg.Policies, "bad.cedar")
		writeFile(t, path, fmt.Sprintf(`@id("bad") forbid (principal, action, resource) when { context.bad%d };`, generation))
		if store.Reload(t.Context()) == nil {
			t.Error("a bad file took effect")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(cfg.Policies, "good.cedar"),
			fmt.Sprintf(`@id("good") forbid (principal, action == Action::"ping", resource) when { context.request.host == "%d" };`, generation))
		if err := store.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		for before := asked.Load(); asked.Load() == before && !t.Failed(); {
			runtime.Gosched()
		}
	}
	stop()
	<-done
	<-done
}
