package delegation

import "countersign.dev/authz/revoke"

// Marks returns everything by which the token may have been revoked: itself, its embedded root, and all that they name.
// Transaction, task and subject are the same in both, and the actors of the root are among the token's. A presenter that
// only the subject names is one of the actors.
func (t *Token) Marks() revoke.Marks {
	marks := revoke.Marks{
		JTIs: []string{t.claims.ID}, KeyIDs: []string{t.KeyID()},
		Txn: t.claims.Txn, Task: t.claims.Task.Task, Subject: t.claims.Subject, Actors: t.claims.actors().Chain(),
	}
	if t.root != nil {
		marks.JTIs = append(marks.JTIs, t.RootID())
		marks.KeyIDs = append(marks.KeyIDs, t.RootKeyID())
	}
	return marks
}
