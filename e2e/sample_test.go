package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/e2e/stage"
)

// The filter of the sample configuration is the one that these tests run, but for names and sizes.
func TestSampleFilterIsTheOneTested(t *testing.T) {
	st := raise(t, stage.Options{})
	tested := filterIn(t, filepath.Join(st.Dir, "envoy.yaml"))
	sample := filterIn(t, filepath.Join("..", "envoy", "sample", "envoy.yaml"))
	if diff := cmp.Diff(tested, sample); diff != "" {
		t.Errorf("envoy/sample/envoy.yaml differs (-tested +sample):\n%s", diff)
	}
}

func filterIn(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path, err := yaml.PathString("$.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config")
	if err != nil {
		t.Fatal(err)
	}
	var filter map[string]any
	if err := path.Read(bytes.NewReader(data), &filter); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return filter
}
