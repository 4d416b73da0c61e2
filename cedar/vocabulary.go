package cedar

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

//go:embed schema.cedarschema
var coreSchema []byte

// vocabulary is the schema in force: the core and one action for every pinned tool.
type vocabulary struct {
	text      []byte
	schema    *resolved.Schema
	validator *validate.Validator
}

func newVocabulary(tools pins) (*vocabulary, error) {
	var core schema.Schema
	if err := core.UnmarshalCedar(coreSchema); err != nil {
		return nil, fmt.Errorf("parsing the core schema: %w", err)
	}
	declarations := core.AST()
	call, ok := declarations.CommonTypes["Call"].Type.(ast.RecordType)
	if !ok {
		return nil, fmt.Errorf("the core schema has no record type Call")
	}
	text := bytes.Clone(coreSchema)
	for _, server := range slices.Sorted(maps.Keys(tools)) {
		for _, name := range tools.names(server) {
			p := tools[server][name]
			// Cedar has no way to extend a record type: Call's attributes are repeated.
			typed := maps.Clone(call)
			typed["input"] = ast.Attribute{Type: p.input.schemaType()}
			declarations.Actions[p.action.ID] = ast.Action{
				Parents: []ast.ParentRef{ast.ParentRefFromID(callTool)},
				AppliesTo: &ast.AppliesTo{
					Principals: []ast.EntityTypeRef{ast.EntityTypeRef(workloadType)},
					Resources:  []ast.EntityTypeRef{ast.EntityTypeRef(toolType)},
					Context:    typed,
				},
			}
			text = p.appendAction(text, typed)
		}
	}
	rs, err := resolved.Resolve(declarations)
	if err != nil {
		return nil, fmt.Errorf("resolving the schema with the pinned tools: %w", err)
	}
	return &vocabulary{text, rs, validate.New(rs, validate.WithStrict())}, nil
}

// The entity types of the core schema.
const (
	workloadType      types.EntityType = "Workload"
	workloadGroupType types.EntityType = "WorkloadGroup"
	spiffePathType    types.EntityType = "SpiffePath"
	trustDomainType   types.EntityType = "TrustDomain"
	userType          types.EntityType = "User"
	userGroupType     types.EntityType = "UserGroup"
	serverType        types.EntityType = "Server"
	serverGroupType   types.EntityType = "ServerGroup"
	toolType          types.EntityType = "Tool"
	toolGroupType     types.EntityType = "ToolGroup"
	promptType        types.EntityType = "Prompt"
	taskType          types.EntityType = "Task"
	resourceType      types.EntityType = "Resource"
	uriPathType       types.EntityType = "UriPath"
	issuerType        types.EntityType = "Issuer"
	actionType        types.EntityType = "Action"
)

func uid(kind types.EntityType, id string) types.EntityUID {
	return types.NewEntityUID(kind, types.String(id))
}

func actionUID(id string) types.EntityUID { return uid(actionType, id) }
