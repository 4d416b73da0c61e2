package cedar

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// answer is what Cedar says, with the policies by id.
type answer struct {
	Allowed         bool
	Reasons, Errors []string
}

func answerOf(decision cedargo.Decision, d cedargo.Diagnostic) answer {
	a := answer{Allowed: decision == cedargo.Allow}
	for _, r := range d.Reasons {
		a.Reasons = append(a.Reasons, string(r.PolicyID))
	}
	for _, e := range d.Errors {
		a.Errors = append(a.Errors, string(e.PolicyID))
	}
	return a
}

// ask decides with the index alone: any policies, any entities.
func (s *Snapshot) askIndex(entities types.EntityGetter, request cedargo.Request) answer {
	at := s.numbers.places(entities, request.Principal, request.Action, request.Resource)
	return answerOf(cedargo.Authorize(covering{s.conditions, s.index.find(&at)}, entities, request))
}

// indexed prepares policies for entities of which none are static, and for the same ones all static.
func indexed(all policies, entities types.EntityMap) [2]*Snapshot {
	dynamic, static := &Snapshot{registry: &registry{}}, &Snapshot{registry: &registry{static: entities}}
	dynamic.prepare(all)
	static.prepare(all)
	return [2]*Snapshot{dynamic, static}
}

// A small world in which many policies are about the same few things.
var (
	worldWho    = []string{`U::"a"`, `U::"b"`, `V::"a"`, `G::"1"`, `G::"2"`, `G::"3"`, `T::"x"`}
	worldDo     = []string{`Action::"r"`, `Action::"w"`, `Action::"rw"`, `Action::"any"`, `Action::"odd"`}
	worldWhat   = []string{`D::"a"`, `D::"b"`, `E::"a"`, `F::"1"`, `F::"2"`, `G::"1"`}
	worldKinds  = []string{"U", "V", "G", "D", "E", "F", "T"}
	worldFacts  = []string{"true", "context.n > 1", "context has n && context.n > 1", "principal.n == 1", `principal in G::"2"`, `resource in F::"1"`, `action in Action::"any"`, "context.n + 9223372036854775807 > 0", `resource.n == principal.n`, `context.n == "1"`, "1"}
	worldAction = []string{"action", "action", "==", "in", "in []"}
)

func drawScope(t *rapid.T, variable string, ids []string) string {
	id := func() string { return rapid.SampledFrom(ids).Draw(t, variable+" id") }
	kind := func() string { return rapid.SampledFrom(worldKinds).Draw(t, variable+" type") }
	switch rapid.IntRange(0, 4).Draw(t, variable) {
	case 0:
		return variable
	case 1:
		return variable + " == " + id()
	case 2:
		return variable + " in " + id()
	case 3:
		return variable + " is " + kind()
	default:
		return variable + " is " + kind() + " in " + id()
	}
}

func drawActionScope(t *rapid.T) string {
	switch how := rapid.SampledFrom(worldAction).Draw(t, "action"); how {
	case "action":
		return how
	case "in []":
		return "action in [" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(worldDo), 0, 4).Draw(t, "actions"), ", ") + "]"
	default:
		return "action " + how + " " + rapid.SampledFrom(worldDo).Draw(t, "action id")
	}
}

func drawWorldPolicies(t *rapid.T) string {
	var text strings.Builder
	for range rapid.IntRange(0, 30).Draw(t, "policies") {
		fmt.Fprintf(&text, "%s (%s, %s, %s)", rapid.SampledFrom([]string{"permit", "permit", "forbid"}).Draw(t, "effect"),
			drawScope(t, "principal", worldWho), drawActionScope(t), drawScope(t, "resource", worldWhat))
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			fmt.Fprintf(&text, " %s { %s }", rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "word"), rapid.SampledFrom(worldFacts).Draw(t, "fact"))
		}
		text.WriteString(";\n")
	}
	return text.String()
}

func worldID(text string) types.EntityUID {
	kind, id, _ := strings.Cut(text, "::")
	return uid(types.EntityType(kind), strings.Trim(id, `"`))
}

// drawEntities makes any hierarchy: cycles, entities in themselves, parents that do not exist.
func drawEntities(t *rapid.T) types.EntityMap {
	entities := types.EntityMap{}
	for _, ids := range [][]string{worldWho, worldDo, worldWhat} {
		for _, id := range ids {
			if !rapid.Bool().Draw(t, id+" exists") {
				continue
			}
			var parents []types.EntityUID
			for _, parent := range rapid.SliceOfN(rapid.SampledFrom(ids), 0, 3).Draw(t, id+" in") {
				parents = append(parents, worldID(parent))
			}
			e := types.Entity{UID: worldID(id), Parents: types.NewEntityUIDSet(parents...)}
			if rapid.Bool().Draw(t, id+" has n") {
				e.Attributes = types.NewRecord(types.RecordMap{"n": types.Long(1)})
			}
			entities[e.UID] = e
		}
	}
	return entities
}

// numbered parses policies and names them by their position, as cedar-go does.
func numbered(t rapid.TB, text string) policies {
	t.Helper()
	list, err := cedargo.NewPolicyListFromBytes("p.cedar", []byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	all := make(policies, len(list))
	for i, body := range list {
		all[i], _ = newPolicy(body)
		all[i].id = cedargo.PolicyID(fmt.Sprintf("policy%d", i))
	}
	return all
}

func checkIndex(t *rapid.T) {
	text, entities := drawWorldPolicies(t), drawEntities(t)
	all := numbered(t, text)
	snapshots := indexed(all, entities)
	for range 5 {
		request := cedargo.Request{
			Principal: worldID(rapid.SampledFrom(worldWho).Draw(t, "principal")),
			Action:    worldID(rapid.SampledFrom(worldDo).Draw(t, "action")),
			Resource:  worldID(rapid.SampledFrom(worldWhat).Draw(t, "resource")),
		}
		if rapid.Bool().Draw(t, "context has n") {
			request.Context = types.NewRecord(types.RecordMap{"n": types.Long(rapid.Int64Range(0, 3).Draw(t, "n"))})
		}
		want := answerOf(cedargo.Authorize(all, entities, request))
		for i, s := range snapshots {
			if diff := cmp.Diff(want, s.askIndex(entities, request)); diff != "" {
				t.Fatalf("%s%v %v %v, static %d (-plain Cedar +index):\n%s", text, request.Principal, request.Action, request.Resource, i, diff)
			}
		}
	}
}

// The index gives the decision, the reasons and the failing policies of plain Cedar, in load order.
func TestIndexAgreesWithCedar(t *testing.T) { rapid.Check(t, checkIndex) }

// FuzzIndex looks for policies, hierarchies and requests about which the index and plain Cedar disagree.
func FuzzIndex(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkIndex)) }

// Each policy is filed once, under what the fewest share, and only policies without constraints are always looked at.
func TestIndexFilesUnderTheRarest(t *testing.T) {
	all := numbered(t, `
		permit (principal in G::"1", action == Action::"r", resource == D::"a");
		permit (principal in G::"1", action == Action::"r", resource == D::"b");
		permit (principal in G::"1", action == Action::"r", resource);
		permit (principal, action == Action::"r", resource is D);
		permit (principal, action in [Action::"r", Action::"w"], resource);
		permit (principal, action in [Action::"w", Action::"r", Action::"w"], resource is D);
		permit (principal, action in [], resource);
		permit (principal, action, resource);
		forbid (principal == U::"a", action, resource);`)
	s := indexed(all, types.EntityMap{})[0]
	filed := map[heading][]int32{}
	times := map[int32]int{}
	for h, entries := range s.index.files {
		for _, i := range entries {
			filed[h] = append(filed[h], s.index.entries[i].policy)
			times[s.index.entries[i].policy]++
		}
	}
	n := s.numbers
	want := map[heading][]int32{
		0: {7},
		under(resourceAxis, isEntity, n.entities[resourceAxis][worldID(`D::"a"`)]):   {0},
		under(resourceAxis, isEntity, n.entities[resourceAxis][worldID(`D::"b"`)]):   {1},
		under(principalAxis, inEntity, n.entities[principalAxis][worldID(`G::"1"`)]): {2},
		under(resourceAxis, isOfKind, n.kinds[resourceAxis]["D"]):                    {3, 5},
		under(actionAxis, inEntity, n.last-2):                                        {4},
		under(principalAxis, isEntity, n.entities[principalAxis][worldID(`U::"a"`)]): {8},
	}
	for _, list := range n.lists {
		delete(want, under(actionAxis, inEntity, n.last-2))
		want[under(actionAxis, inEntity, list)] = []int32{4}
	}
	if diff := cmp.Diff(want, filed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(n.lists) != 1 {
		t.Errorf("%d lists for one list of actions in two orders", len(n.lists))
	}
	for policy, count := range times {
		if count != 1 {
			t.Errorf("policy %d is filed %d times", policy, count)
		}
	}
}

// A request costs what covers it, however many policies there are besides.
func TestCandidatesDoNotDependOnTheOthers(t *testing.T) {
	q := manyQuery()
	var allocations []float64
	for _, n := range []int{20, 200, 2_000} {
		s := manySnapshot(t, manyPolicies(n, 20))
		if v := s.Authorize(t.Context(), q); v.Candidates != 20 || !v.Allowed {
			t.Errorf("%d policies: %+v", n, v)
		}
		allocations = append(allocations, testing.AllocsPerRun(100, func() { s.Authorize(t.Context(), q) }))
	}
	if slices.Max(allocations) > 90 || slices.Max(allocations) != slices.Min(allocations) {
		t.Errorf("allocations %v, want 90 at most and the same for all", allocations)
	}
}
