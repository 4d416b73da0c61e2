package stage

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/trust"
)

// rootIssuer is the `iss` of the root tokens of the stage.
const rootIssuer = "https://tts.acme.example"

// rootTTL is how long root tokens are valid unless their grant says otherwise.
const rootTTL = 10 * time.Minute

// Issuer begins delegations: it signs root tokens, as the company's transaction token service would.
type Issuer struct{ key jose.JSONWebKey }

// NewIssuer makes an issuer with a key of its own.
func NewIssuer() (*Issuer, error) {
	key, err := trust.GenerateKey("ES256")
	if err != nil {
		return nil, fmt.Errorf("making the key of the root issuer: %w", err)
	}
	return &Issuer{key}, nil
}

// jwks is what verifiers need to know.
func (i *Issuer) jwks() ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}}
	data, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encoding the keys of the root issuer: %w", err)
	}
	return data, nil
}

// Grant is what a user lets an agent do.
type Grant struct {
	// User is on whose behalf, Agent the workload that may use it, such as "planner".
	User, Agent string
	// Task is what for. Tokens of one task share its revocation.
	Task string
	// Scope are the tools, as in "mcp:crm:read_case".
	Scope []string
	// Limits are limits on the arguments of those tools; none if empty.
	Limits []delegation.Detail
	// Issued is when it was granted; now if zero.
	Issued time.Time
	// Expires is when the token ends, TaskEnds when the task does; both have defaults after Issued.
	Expires, TaskEnds time.Time
}

// purpose is what all tasks of the stage are for.
const purpose = "refund-review"

// Grant signs the root token of a delegation.
func (i *Issuer) Grant(g Grant) (string, error) {
	if g.Issued.IsZero() {
		g.Issued = time.Now()
	}
	if g.Expires.IsZero() {
		g.Expires = g.Issued.Add(rootTTL)
	}
	if g.TaskEnds.IsZero() {
		g.TaskEnds = g.Issued.Add(time.Hour)
	}
	token, err := delegation.Mint(delegation.Claims{
		Issuer: rootIssuer, Audience: TrustDomain, ID: rand.Text(), Txn: rand.Text(),
		Subject: g.User, SubjectProfile: "user", RequestingWorkload: ID(g.Agent),
		IssuedAt: g.Issued, Expiry: g.Expires,
		Actor: &delegation.Actor{Issuer: "spiffe://" + TrustDomain, Subject: ID(g.Agent), SubjectProfile: "ai_agent"},
		Scope: g.Scope, Details: g.Limits,
		Task:     delegation.Task{Task: g.Task, Purpose: purpose, Expiry: g.TaskEnds},
		MaxDepth: 3,
	}, i.key)
	if err != nil {
		return "", fmt.Errorf("signing a root token: %w", err)
	}
	return token, nil
}
