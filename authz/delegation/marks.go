package delegation

import "countersign.dev/authz/revoke"

// Marks returns everything by which the token may have been revoked: itself, its embedded root, and all that they name.
// Transaction, task and subject are the same in both, and the actors of the root are among the token's. A presenter that
// only the subject names is one of the actors. What counts as the age of the chain is the age of its root; the token
// itself is there too, for what one hop issuer signed.
func (t *Token) Marks() revoke.Marks {
	marks := revoke.Marks{Txn: t.claims.Txn, Task: t.claims.Task.Task, Subject: t.claims.Subject, Actors: t.claims.actors().Chain()}
	for ; t != nil; t = t.root {
		c := &t.claims
		marks.JTIs = append(marks.JTIs, c.ID)
		marks.KeyIDs = append(marks.KeyIDs, t.KeyID())
		marks.Issued = append(marks.Issued, revoke.Issued{Issuer: c.Issuer, At: c.IssuedAt})
		if c.Status != nil {
			marks.Statuses = append(marks.Statuses, revoke.Status{Issuer: c.Issuer, URI: c.Status.URI, Index: c.Status.Index})
		}
	}
	return marks
}
