package cedar

import "github.com/cedar-policy/cedar-go/types"

// facts is a set of what policies may read about a request. Only what some policy that covers the request reads is
// put into Cedar's terms: that costs more than the decision itself.
type facts uint64

const (
	factNow facts = 1 << iota
	factMethod

	factRequest // the record itself, and so on
	factRequestID
	factHost
	factPath
	factSourceIP
	factVersion

	factSession
	factSessionID

	factDelegation
	factIssuer
	factSubject
	factScopes
	factAudience
	factTask
	factPurpose
	factIssuedAt
	factExpiresAt
	factDepth
	factActors
	factImmediateActor
	factSenderConstrained

	factArguments
	factStrings
	factNumbers
	factBooleans
	factLists
	factKeys
	factComplete

	factInput

	// The attributes of workloads and users, whichever these are.
	factSpiffeID
	factTrustDomain
	factWorkloadPath
	factKubernetes
	factUserSubject
	factUserIssuer

	factAllNames // every argument, not only those that policies name
	factsEnd
)

const (
	everything   = factsEnd - 1
	factWorkload = factSpiffeID | factTrustDomain | factWorkloadPath | factKubernetes
	factUser     = factUserSubject | factUserIssuer
)

// has reports whether any of the others is in the set.
func (f facts) has(others facts) bool { return f&others != 0 }

// contextFacts says where in the context each fact is. An attribute that is a record has members.
var contextFacts = map[types.String]contextFact{
	"now":    {self: factNow},
	"method": {self: factMethod},
	"request": {factRequest, map[types.String]facts{
		"id": factRequestID, "host": factHost, "http_path": factPath, "source_ip": factSourceIP,
		"protocol_version": factVersion,
	}},
	"session": {factSession, map[types.String]facts{"id": factSessionID}},
	"delegation": {factDelegation, map[types.String]facts{
		"issuer": factIssuer, "subject": factSubject, "scopes": factScopes, "audience": factAudience,
		"task": factTask, "purpose": factPurpose, "issued_at": factIssuedAt, "expires_at": factExpiresAt,
		"depth": factDepth, "actors": factActors, "immediate_actor": factImmediateActor,
		"sender_constrained": factSenderConstrained,
	}},
	"arguments": {factArguments, map[types.String]facts{
		"str": factStrings, "num": factNumbers, "bool": factBooleans, "list": factLists,
		"keys": factKeys, "complete": factComplete,
	}},
}

type contextFact struct {
	self    facts
	members map[types.String]facts
}

// all is the attribute with all its members.
func (c contextFact) all() facts {
	f := c.self
	for _, member := range c.members {
		f |= member
	}
	return f
}

// attributeFacts says what an attribute of that name tells, whatever entity has it. Those of targets are always made.
var attributeFacts = map[types.String]facts{
	"spiffe_id": factSpiffeID, "trust_domain": factTrustDomain, "path": factWorkloadPath,
	"k8s": factKubernetes, "namespace": factKubernetes, "service_account": factKubernetes,
	"subject": factUserSubject, "issuer": factUserIssuer,
	"name": 0, "known": 0, "uri": 0, "scheme": 0,
	"hints": 0, "read_only": 0, "destructive": 0, "idempotent": 0, "open_world": 0,
}
