package cedar

import (
	"errors"
	"fmt"
	"maps"

	cedargo "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
	exptypes "github.com/cedar-policy/cedar-go/x/exp/types"
	"github.com/go-json-experiment/json/jsontext"
)

// Raw answers questions in Cedar's own terms with the policies of a snapshot. It is for tests alone, those of the Cedar
// command line: entities come from the question, and nothing that [Snapshot.Authorize] adds to Cedar holds here. A policy
// that cannot be evaluated does not deny.
type Raw struct {
	policies  policies
	schema    *resolved.Schema
	validator *validate.Validator
}

// RawRequest is a question. Principal, Action and Resource are written as Action::"list_tools"; Context and Entities are
// in Cedar's JSON formats, read with the schema.
type RawRequest struct {
	Principal, Action, Resource string
	Context, Entities           []byte
}

// RawAnswer is Cedar's answer: the deciding policies, and those that could not be evaluated, sorted.
type RawAnswer struct {
	Allowed         bool
	Reasons, Errors []string
}

// Raw returns what asks the policies of the snapshot directly.
func (s *Snapshot) Raw() (*Raw, error) {
	var text schema.Schema
	if err := text.UnmarshalCedar(s.schema); err != nil {
		return nil, fmt.Errorf("parsing the schema of the snapshot: %w", err)
	}
	resolved, err := text.Resolve()
	if err != nil {
		return nil, fmt.Errorf("resolving the schema of the snapshot: %w", err)
	}
	return &Raw{s.policies, resolved, validate.New(resolved, validate.WithStrict())}, nil
}

// Authorize answers a question. The error is a question that cannot be: it is not well-formed, or the schema has no such
// request or entities.
func (r *Raw) Authorize(asked RawRequest) (RawAnswer, error) {
	request, err := r.request(asked)
	if err != nil {
		return RawAnswer{}, err
	}
	entities, err := r.entities(asked.Entities)
	if err != nil {
		return RawAnswer{}, err
	}
	decision, diagnostic := cedargo.Authorize(r.policies, entities, request)
	answer := RawAnswer{Allowed: decision == cedargo.Allow}
	for _, reason := range diagnostic.Reasons {
		answer.Reasons = append(answer.Reasons, string(reason.PolicyID))
	}
	for _, failed := range diagnostic.Errors {
		answer.Errors = append(answer.Errors, string(failed.PolicyID))
	}
	answer.Reasons, answer.Errors = sorted(answer.Reasons), sorted(answer.Errors)
	return answer, nil
}

func (r *Raw) request(asked RawRequest) (request cedargo.Request, err error) {
	for _, part := range []struct {
		name, text string
		to         *types.EntityUID
	}{
		{"principal", asked.Principal, &request.Principal},
		{"action", asked.Action, &request.Action},
		{"resource", asked.Resource, &request.Resource},
	} {
		if err := part.to.UnmarshalCedar([]byte(part.text)); err != nil {
			return request, fmt.Errorf("%s %.120q: %w", part.name, part.text, err)
		}
	}
	action, ok := r.schema.Actions[request.Action]
	if !ok || action.AppliesTo == nil {
		return request, fmt.Errorf("the schema has no requests for %s", request.Action)
	}
	if request.Context, err = readContext(asked.Context, action.AppliesTo.Context); err != nil {
		return request, fmt.Errorf("reading the context: %w", err)
	}
	if err := r.validator.Request(request); err != nil {
		return request, fmt.Errorf("the request does not conform to the schema: %w", err)
	}
	return request, nil
}

// readContext reads a context as the attributes of an entity that has its type, because only entities can be read with a
// schema.
func readContext(text []byte, shape resolved.RecordType) (types.Record, error) {
	if len(text) == 0 {
		return types.Record{}, nil
	}
	if !jsontext.Value(text).IsValid() {
		return types.Record{}, errors.New("it is not JSON")
	}
	const carrier = types.EntityType("Context")
	one := &resolved.Schema{Entities: map[types.EntityType]resolved.Entity{carrier: {Name: carrier, Shape: shape}}}
	var entity exptypes.Entity
	err := entity.UnmarshalJSONWithSchema(
		fmt.Appendf(nil, `{"uid":{"type":%q,"id":""},"parents":[],"attrs":%s}`, carrier, text), one)
	return entity.Attributes, err
}

// entities reads entities and adds the actions, which the schema has.
func (r *Raw) entities(text []byte) (types.EntityMap, error) {
	var given exptypes.EntityMap
	if len(text) == 0 {
		return nil, errors.New("no entities: write [] for none")
	}
	if err := given.UnmarshalJSONWithSchema(text, r.schema); err != nil {
		return nil, fmt.Errorf("reading the entities: %w", err)
	}
	all := types.EntityMap(maps.Clone(given))
	for id, action := range r.schema.Actions {
		all[id] = action.Entity
	}
	return all, nil
}
