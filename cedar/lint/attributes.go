package lint

import (
	"strings"

	"countersign.dev/cedar/syntax"
)

// attribute is what the schema of the server says about a path.
type attribute uint8

const (
	present  attribute = 1 << iota // it is there wherever the schema has it
	isString                       // where it is there, it is a string
)

// attributes are the paths of the schema of the server, for all actions and types of resources together. Which of them
// goes with which action is left to validation.
var attributes = map[string]attribute{
	"principal.spiffe_id": present | isString, "principal.trust_domain": present | isString, "principal.path": present | isString,
	"principal.k8s": 0, "principal.k8s.namespace": present | isString, "principal.k8s.service_account": present | isString,

	"resource.name": present | isString, "resource.known": present, "resource.hints": present,
	"resource.hints.read_only": present, "resource.hints.destructive": present, "resource.hints.idempotent": present,
	"resource.hints.open_world": present, "resource.uri": present | isString, "resource.scheme": present | isString,

	"context.now": present, "context.method": present | isString,
	"context.request": present, "context.request.id": present | isString, "context.request.host": present | isString,
	"context.request.http_path": present | isString, "context.request.source_ip": 0, "context.request.protocol_version": isString,
	"context.session": 0, "context.session.id": present | isString,
	"context.arguments": present, "context.arguments.str": present, "context.arguments.num": present, "context.arguments.bool": present,
	"context.arguments.list": present, "context.arguments.keys": present, "context.arguments.complete": present,
	"context.operation": present | isString, "context.kind": isString, "context.value": isString, "context.of_issuer": isString,
	"context.of_subject": isString, "context.expires_at": 0,

	"context.delegation": 0, "context.delegation.issuer": present | isString, "context.delegation.subject": present,
	"context.delegation.subject.subject": present | isString, "context.delegation.subject.issuer": present | isString,
	"context.delegation.scopes": present, "context.delegation.audience": present, "context.delegation.task": isString,
	"context.delegation.purpose": isString, "context.delegation.issued_at": present, "context.delegation.expires_at": present,
	"context.delegation.depth": present, "context.delegation.actors": present, "context.delegation.immediate_actor": present,
	"context.delegation.immediate_actor.spiffe_id":           present | isString,
	"context.delegation.immediate_actor.trust_domain":        present | isString,
	"context.delegation.immediate_actor.path":                present | isString,
	"context.delegation.immediate_actor.k8s":                 0,
	"context.delegation.immediate_actor.k8s.namespace":       present | isString,
	"context.delegation.immediate_actor.k8s.service_account": present | isString,
	"context.delegation.sender_constrained":                  present,
}

// stringTags are the entities whose tags are strings.
var stringTags = map[string]bool{
	"principal": true, "resource": true, "context.arguments.str": true, "context.delegation.immediate_actor": true,
}

// certainlyString reports whether an expression is a string whenever it can be evaluated.
func certainlyString(e syntax.Expr) bool {
	switch e := inner(e).(type) {
	case *syntax.Literal:
		return e.Token.Kind == syntax.String
	case *syntax.Access:
		return attributes[pathOf(e)]&isString != 0
	case *syntax.Call:
		return e.Receiver != nil && e.Function.String() == "getTag" && stringTags[pathOf(e.Receiver)]
	}
	return false
}

// mayLack reports whether an attribute may not be there although its schema has it, or is in no schema. The arguments of a
// pinned tool have the schema of the tool, which only validation knows.
func mayLack(path string) bool {
	return path != "" && attributes[path]&present == 0 && path != "context.input" && !strings.HasPrefix(path, "context.input.")
}
