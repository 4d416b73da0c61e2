package envoy

import (
	"google.golang.org/protobuf/types/known/structpb"

	"countersign.dev/authz"
)

// The maxima of what goes into dynamic metadata. A SPIFFE ID has at most 2048 bytes.
const (
	maxMetadataText = 2048
	maxMetadataList = 32
)

// metadata is what Envoy's access log and later filters get to know, in the namespace of the ext_authz filter. Empty
// members are left out. Outcome and reason are those of the answer, not of the record: the answer denies also where
// the decision could not be carried out.
func metadata(outcome string, d authz.Decision) *structpb.Struct {
	fields := make(map[string]*structpb.Value)
	for name, text := range map[string]string{
		"decision":    outcome,
		"decision_id": d.ID,
		"reason":      string(d.Reason),
		"mode":        d.Record.Mode,
		"would_deny":  string(d.WouldDeny),
		"server":      d.Record.Server,
		"method":      d.Record.Method,
		"tool":        d.Record.Tool,
		"peer":        d.Record.Peer,
		"subject":     d.Record.Subject,
		"task":        d.Record.Task,
		"txn":         d.Record.Txn,
		"revision":    d.Record.Revision,
	} {
		if text != "" {
			fields[name] = structpb.NewStringValue(clip(text, maxMetadataText))
		}
	}
	if ids := d.Record.PolicyIDs; len(ids) > 0 {
		list := &structpb.ListValue{}
		for _, id := range ids[:min(len(ids), maxMetadataList)] {
			list.Values = append(list.Values, structpb.NewStringValue(clip(id, maxMetadataText)))
		}
		fields["policy_ids"] = structpb.NewListValue(list)
	}
	if !d.Record.Expires.IsZero() && d.Allowed && d.WouldDeny == "" {
		fields["exp"] = structpb.NewNumberValue(float64(d.Record.Expires.Unix()))
	}
	return &structpb.Struct{Fields: fields}
}
