package cedar

import (
	"fmt"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
)

// entities are those of one request, before the static ones. They are made when they are first looked up: most policies
// look at few of them. Attributes are made only if they are among the wanted facts, which are known once the policies
// are found that cover the request; finding those takes parents alone.
//
// It is for one goroutine. Looking up does not change what is found, except that attributes appear with want.
type entities struct {
	registry  *registry
	want      wanted
	principal workloadEntity
	actors    []workloadEntity // the delegation's, the presenter first
	subject   userEntity
	target    types.Entity // resource of the request, unless it is static
	server    types.Entity // the target's, unless it is static
	arguments arguments
}

var _ types.EntityGetter = (*entities)(nil)

// workloadEntity is made once its parents are set.
type workloadEntity struct {
	id       spiffeid.ID
	entity   types.Entity
	made     bool
	complete bool // has its attributes
}

type userEntity struct {
	id, subject, issuer string // empty without a delegation
	present             bool
	entity              types.Entity
	made, complete      bool
}

// Get implements types.EntityGetter.
func (e *entities) Get(id types.EntityUID) (types.Entity, bool) {
	switch id.Type {
	case workloadType:
		return e.workload(string(id.ID))
	case userType:
		return e.user(string(id.ID))
	case strArgsType, numArgsType, boolArgsType, listArgsType:
		return e.arguments.tagged(id, &e.want)
	case e.target.UID.Type:
		if id == e.target.UID {
			return e.target, true
		}
	}
	if id.Type == serverType && id == e.server.UID {
		return e.server, true
	}
	static, ok := e.registry.static[id]
	return static, ok
}

// reveal says what is wanted, once that is known.
func (e *entities) reveal(want wanted) {
	e.want = want
	e.principal.complete, e.subject.complete = false, false
	for i := range e.actors {
		e.actors[i].complete = false
	}
	e.arguments.forget()
}

func (e *entities) workload(id string) (types.Entity, bool) {
	if e.principal.id.String() == id {
		return e.describe(&e.principal), true
	}
	for i := range e.actors {
		if e.actors[i].id.String() == id {
			return e.describe(&e.actors[i]), true
		}
	}
	return types.Entity{}, false
}

func (e *entities) describe(w *workloadEntity) types.Entity {
	if !w.made {
		w.entity, w.made = e.registry.workload(w.id), true
	}
	if !w.complete && e.want.facts.has(factWorkload) {
		w.entity.Attributes, w.complete = workloadAttributes(w.id, e.want.facts), true
	}
	return w.entity
}

func (e *entities) user(id string) (types.Entity, bool) {
	u := &e.subject
	if !u.present || u.id != id {
		return types.Entity{}, false
	}
	if !u.made {
		u.entity, u.made = e.registry.user(id), true
	}
	if !u.complete && e.want.facts.has(factUser) {
		u.entity.Attributes, u.complete = userAttributes(u.subject, u.issuer, e.want.facts), true
	}
	return u.entity, true
}

// delegate adds the entities of a delegation. A root without actors is presented by its subject itself.
func (e *entities) delegate(q *authz.Query) error {
	claims := q.Delegation
	e.subject = userEntity{id: userID(q), subject: claims.Subject, issuer: q.RootIssuer, present: true}
	if claims.Actor == nil {
		e.actors = []workloadEntity{{id: q.Peer.ID}}
		return nil
	}
	for actor := claims.Actor; actor != nil; actor = actor.Actor {
		id := q.Peer.ID
		if actor.Subject != id.String() {
			var err error
			if id, err = spiffeid.FromString(actor.Subject); err != nil {
				return fmt.Errorf("actor %d of the delegation: %w", len(e.actors), err)
			}
		}
		e.actors = append(e.actors, workloadEntity{id: id})
	}
	return nil
}
