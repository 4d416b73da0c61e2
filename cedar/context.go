package cedar

import (
	"net/netip"

	"github.com/cedar-policy/cedar-go/types"

	"countersign.dev/authz"
)

// context makes what is wanted of the context.
func (q *question) context(want *wanted) types.Record {
	if q.ready != nil {
		return *q.ready
	}
	context := make(types.RecordMap, 8)
	if want.facts.has(factNow) {
		context["now"] = types.NewDatetime(q.query.Now)
	}
	if want.facts.has(factMethod) {
		context["method"] = types.String(q.query.Call.Method)
	}
	if want.facts.has(factRequest) {
		context["request"] = httpRequest(q.query, want.facts)
	}
	if id := q.query.Call.SessionID; id != "" && want.facts.has(factSession) {
		session := types.RecordMap{}
		if want.facts.has(factSessionID) {
			session["id"] = types.String(id)
		}
		context["session"] = types.NewRecord(session)
	}
	if q.query.Delegation != nil && want.facts.has(factDelegation) {
		context["delegation"] = q.delegation(want.facts)
	}
	if a := &q.entities.arguments; a.present {
		if want.facts.has(factArguments) {
			context["arguments"] = a.record(want.facts)
		}
		if q.input != nil && want.facts.has(factInput) {
			context["input"] = a.input(q.input, want)
		}
	}
	return types.NewRecord(context)
}

func httpRequest(q *authz.Query, want facts) types.Record {
	record := make(types.RecordMap, 5)
	if want.has(factRequestID) {
		record["id"] = types.String(q.HTTP.ID)
	}
	if want.has(factHost) {
		record["host"] = types.String(q.HTTP.Host)
	}
	if want.has(factPath) {
		record["http_path"] = types.String(q.HTTP.Path)
	}
	if q.Call.Version != "" && want.has(factVersion) {
		record["protocol_version"] = types.String(q.Call.Version)
	}
	// Cedar has no zones, and takes an IPv4 address in an IPv6 one for another address.
	if address := q.HTTP.SourceIP.Unmap().WithZone(""); address.IsValid() && want.has(factSourceIP) {
		record["source_ip"] = types.IPAddr(netip.PrefixFrom(address, address.BitLen()))
	}
	return types.NewRecord(record)
}

// delegation describes the verified token.
func (q *question) delegation(want facts) types.Record {
	claims := q.query.Delegation
	record := make(types.RecordMap, 8)
	put := func(fact facts, name types.String, value func() types.Value) {
		if want.has(fact) {
			record[name] = value()
		}
	}
	put(factIssuer, "issuer", func() types.Value { return types.String(q.query.RootIssuer) })
	put(factSubject, "subject", func() types.Value { return userUID(userID(q.query)) })
	put(factScopes, "scopes", func() types.Value { return signedSet(claims.Scope) })
	put(factAudience, "audience", func() types.Value { return types.NewSet(types.String(claims.Audience)) })
	put(factIssuedAt, "issued_at", func() types.Value { return types.NewDatetime(claims.IssuedAt) })
	put(factExpiresAt, "expires_at", func() types.Value { return types.NewDatetime(claims.Expiry) })
	put(factDepth, "depth", func() types.Value { return types.Long(claims.Depth) })
	put(factActors, "actors", func() types.Value { return q.actors() })
	put(factImmediateActor, "immediate_actor", func() types.Value { return workloadUID(q.entities.actors[0].id) })
	put(factSenderConstrained, "sender_constrained", func() types.Value { return types.Boolean(claims.CertificateHash != "") })
	if claims.Task.Task != "" && want.has(factTask) {
		record["task"] = types.String(claims.Task.Task)
	}
	if claims.Task.Purpose != "" && want.has(factPurpose) {
		record["purpose"] = types.String(claims.Task.Purpose)
	}
	return types.NewRecord(record)
}

func (q *question) actors() types.Set {
	actors := make([]types.Value, len(q.entities.actors))
	for i, a := range q.entities.actors {
		actors[i] = workloadUID(a.id)
	}
	return types.NewSet(actors...)
}

// signedSet makes a set of what an issuer vouches for.
func signedSet(list []string) types.Set {
	values := make([]types.Value, len(list))
	for i, v := range list {
		values[i] = types.String(v)
	}
	return types.NewSet(values...)
}
