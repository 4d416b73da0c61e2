package revoke

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// MaxRequest is the largest request or record in bytes. The longest entry fits, whatever characters are escaped in it.
const MaxRequest = 64 << 10

// request is what a workload asks to revoke.
type request struct {
	JTI     string `json:"jti"`
	Txn     string `json:"txn"`
	Task    string `json:"task"`
	Subject string `json:"sub"`
	Actor   string `json:"actor"`
	KeyID   string `json:"kid"`
	Before  string `json:"before"`

	Issuer    string `json:"issuer"`
	OfSubject string `json:"subject"`
	Reason    string `json:"reason"`
	Expires   string `json:"expires"`
}

// ParseRequest reads what a workload asks to revoke: a JSON object with the members of an entry in a file (see [Parse]).
// Unknown and repeated members, other spellings, empty values, null and anything behind the object are errors.
func ParseRequest(data []byte) (Entry, error) {
	if len(data) > MaxRequest {
		return Entry{}, fmt.Errorf("more than %d bytes", MaxRequest)
	}
	var given map[string]*string
	if err := json.Unmarshal(data, &given); err != nil {
		return Entry{}, fmt.Errorf("want one JSON object of texts: %w", err)
	}
	for name, value := range given {
		if value == nil || *value == "" {
			return Entry{}, fmt.Errorf("%.40q is empty: give it a value or leave it out", name)
		}
	}
	var r request
	if err := json.Unmarshal(data, &r, json.RejectUnknownMembers(true)); err != nil {
		return Entry{}, fmt.Errorf("want jti, txn, task, sub, actor, kid or before, and reason or expires: %w", err)
	}
	return r.entry()
}

func (r *request) entry() (Entry, error) {
	e := Entry{Issuer: r.Issuer, Subject: r.OfSubject, Reason: r.Reason}
	for kind, value := range map[string]string{
		KindJTI: r.JTI, KindTxn: r.Txn, KindTask: r.Task, KindSubject: r.Subject, KindActor: r.Actor, KindKeyID: r.KeyID,
		KindBefore: r.Before,
	} {
		if value == "" {
			continue
		}
		if e.Kind != "" {
			return Entry{}, errors.New("an entry revokes one thing: make several requests")
		}
		e.Kind, e.Value = kind, value
	}
	if e.Kind == "" {
		return Entry{}, errors.New("the entry revokes nothing: add jti, txn, task, sub, actor, kid or before")
	}
	if r.Expires != "" {
		var err error
		if e.Expires, err = time.Parse(time.RFC3339, r.Expires); err != nil || e.Expires.IsZero() {
			return Entry{}, errors.New("expires is not a time: write it like 2026-12-01T00:00:00Z")
		}
		e.Expires = e.Expires.UTC()
	}
	return e, e.Check()
}

// Request returns the JSON text that [ParseRequest] reads as this entry.
func (e Entry) Request() ([]byte, error) {
	members := map[string]string{e.Kind: e.Value}
	for name, value := range map[string]string{"issuer": e.Issuer, "subject": e.Subject, "reason": e.Reason} {
		if value != "" {
			members[name] = value
		}
	}
	if !e.Expires.IsZero() {
		members["expires"] = e.Expires.UTC().Format(time.RFC3339Nano)
	}
	return json.Marshal(members, json.Deterministic(true))
}

// record is an entry as it is stored and listed.
type record struct {
	ID      string    `json:"id,omitempty"`
	Kind    string    `json:"kind"`
	Value   string    `json:"value"`
	Issuer  string    `json:"issuer,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	By      string    `json:"by,omitempty"`
	Added   time.Time `json:"added,omitzero"`
}

// MarshalJSON writes the entry with all its members, and its ID. Times are in UTC.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(record{
		ID: e.ID(), Kind: e.Kind, Value: e.Value, Issuer: e.Issuer, Subject: e.Subject, Reason: e.Reason,
		Expires: e.Expires.UTC(), By: e.By, Added: e.Added.UTC(),
	})
}

// ParseRecord reads what [Entry.MarshalJSON] wrote. Anything else is an error: what cannot be understood may be the
// revocation of the very token at hand.
func ParseRecord(data []byte) (Entry, error) {
	if len(data) > MaxRequest {
		return Entry{}, fmt.Errorf("a revocation of more than %d bytes", MaxRequest)
	}
	var r record
	if err := json.Unmarshal(data, &r, json.RejectUnknownMembers(true)); err != nil {
		return Entry{}, fmt.Errorf("not a revocation: %w", err)
	}
	e := Entry{
		Kind: r.Kind, Value: r.Value, Issuer: r.Issuer, Subject: r.Subject, Reason: r.Reason,
		Expires: r.Expires.UTC(), By: r.By, Added: r.Added.UTC(),
	}
	if err := e.Check(); err != nil {
		return Entry{}, fmt.Errorf("a revocation that cannot be: %w", err)
	}
	if r.ID != e.ID() {
		return Entry{}, fmt.Errorf("a revocation of %s with the ID of another one", e)
	}
	return e, nil
}
