package revoke

import "time"

// Marks are the properties of a request by which it may be revoked. Empty ones match nothing.
type Marks struct {
	JTIs               []string
	Txn, Task, Subject string
	Actors             []string // SPIFFE IDs
	KeyIDs             []string
	// Issued says who issued the tokens of the chain that are at hand, and when: the token and its root.
	Issued []Issued
	// Statuses are what the tokens refer to in Token Status Lists.
	Statuses []Status
}

// Issued is where a token came from, and when.
type Issued struct {
	Issuer string
	At     time.Time
}

// Status is the claim status.status_list of a token (draft-ietf-oauth-status-list, section 6), with the issuer of that
// token, which must be the one of the list.
type Status struct {
	Issuer, URI string
	Index       int
}
