package cedar

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	exptypes "github.com/cedar-policy/cedar-go/x/exp/types"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/cedar/syntax/corpustest"
)

// The index gives the answers of plain Cedar, and those of the Rust implementation, to the requests of Cedar's own tests.
func TestIndexOnTheCedarCorpus(t *testing.T) {
	files := corpustest.Files(t, "")
	var tests []string
	for name := range files {
		if strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".entities.json") {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	var next, requests atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(tests); i = next.Add(1) - 1 {
				asked, err := replay(files, tests[i])
				if err != nil {
					t.Errorf("%s: %v", tests[i], err)
				}
				requests.Add(int64(asked))
			}
		})
	}
	workers.Wait()
	if got := requests.Load(); got < 62_000 {
		t.Errorf("%d requests, want 62,000", got)
	}
}

// replay asks the requests of one test.
func replay(files map[string][]byte, name string) (asked int, err error) {
	var test struct {
		Schema   string `json:"schema"`
		Policies string `json:"policies"`
		Entities string `json:"entities"`
		Requests []struct {
			Principal types.ImplicitlyMarshaledEntityUID `json:"principal"`
			Action    types.ImplicitlyMarshaledEntityUID `json:"action"`
			Resource  types.ImplicitlyMarshaledEntityUID `json:"resource"`
			Context   cedargo.Record                     `json:"context"`
			Decision  cedargo.Decision                   `json:"decision"`
			Reasons   []string                           `json:"reason"`
			Errors    []string                           `json:"errors"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(files[name], &test); err != nil {
		return 0, err
	}
	var declared schema.Schema
	if err := declared.UnmarshalCedar(files[test.Schema]); err != nil {
		return 0, err
	}
	resolved, err := declared.Resolve()
	if err != nil {
		return 0, err
	}
	var read exptypes.EntityMap
	if err := read.UnmarshalJSONWithSchema(files[test.Entities], resolved); err != nil {
		return 0, err
	}
	list, err := cedargo.NewPolicyListFromBytes("p.cedar", files[test.Policies])
	if err != nil {
		return 0, err
	}
	all := make(policies, len(list))
	for i, body := range list {
		all[i], _ = newPolicy(body)
		all[i].id = cedargo.PolicyID(fmt.Sprintf("policy%d", i))
	}
	entities := types.EntityMap(read)
	snapshots := indexed(all, entities)
	for i, r := range test.Requests {
		request := cedargo.Request{
			Principal: types.EntityUID(r.Principal), Action: types.EntityUID(r.Action), Resource: types.EntityUID(r.Resource),
			Context: r.Context,
		}
		want := answerOf(cedargo.Authorize(all, entities, request))
		for _, s := range snapshots {
			got := s.askIndex(entities, request)
			if diff := cmp.Diff(want, got); diff != "" {
				return asked, fmt.Errorf("request %d (-plain Cedar +index):\n%s", i, diff)
			}
			slices.Sort(got.Reasons)
			slices.Sort(got.Errors)
			slices.Sort(r.Reasons)
			slices.Sort(r.Errors)
			if got.Allowed != (r.Decision == cedargo.Allow) || !slices.Equal(got.Reasons, r.Reasons) || !slices.Equal(got.Errors, r.Errors) {
				return asked, fmt.Errorf("request %d: %+v, want what the corpus says: %+v", i, got, r)
			}
		}
		asked++
	}
	return asked, nil
}
