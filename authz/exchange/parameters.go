package exchange

import (
	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
)

// Names of RFC 8693, section 3, and of draft-ietf-oauth-transaction-tokens-11.
const (
	GrantType       = "urn:ietf:params:oauth:grant-type:token-exchange"
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // the name of a type, no secret
	TypeIDToken     = "urn:ietf:params:oauth:token-type:id_token"     //nolint:gosec // as above
	TypeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	TypeTxnToken    = "urn:ietf:params:oauth:token-type:txn_token" //nolint:gosec // as above
)

// parameters are what a request asks for. Nothing in it is verified but its form.
type parameters struct {
	subjectToken, subjectType string
	scope                     delegation.Scope
	details                   *requestDetails
}

// readParameters reads a request for a token for a trust domain. Parameters that nobody knows are ignored (RFC 6749,
// section 3.2), except those by which a caller asks for something that it would not get.
func readParameters(body []byte, caller peer.Peer, trustDomain string) (*parameters, error) {
	f, err := parseForm(body)
	if err != nil {
		return nil, err
	}
	if err := f.checkClient(caller); err != nil {
		return nil, err
	}
	if grant, err := f.one("grant_type"); err != nil {
		return nil, err
	} else if grant != GrantType {
		return nil, denial.New(denial.ExchangeGrantType, "grant_type is %.80q, must be %s", grant, GrantType)
	}
	if err := f.refuse(denial.ExchangeActorToken, "the actor is the mTLS peer, nobody else",
		"actor_token", "actor_token_type", "requested_actor"); err != nil {
		return nil, err
	}
	if err := f.checkTarget(trustDomain); err != nil {
		return nil, err
	}
	return f.read()
}

// checkClient makes sure that mTLS is the one way in which the client proves who it is (RFC 6749, section 2.3; RFC 8705,
// section 2).
func (f form) checkClient(caller peer.Peer) error {
	if err := f.refuse(denial.ExchangeClient, "clients authenticate with mTLS alone",
		"client_secret", "client_assertion", "client_assertion_type"); err != nil {
		return err
	}
	if id, ok := f["client_id"]; ok && id != caller.ID.String() {
		return denial.New(denial.ExchangeClient, "client_id is %.80q, the mTLS peer is %s", id, caller.ID)
	}
	return nil
}

// checkTarget makes sure that the token asked for is one that we make (RFC 8693, section 2.1).
func (f form) checkTarget(trustDomain string) error {
	requested, err := f.one("requested_token_type")
	if err != nil {
		return err
	}
	if requested != TypeTxnToken {
		return denial.New(denial.ExchangeTokenType, "requested_token_type is %.80q, must be %s", requested, TypeTxnToken)
	}
	audience, err := f.one("audience")
	if err != nil {
		return err
	}
	if audience != trustDomain {
		return denial.New(denial.ExchangeTarget, "audience is %.80q, must be %s", audience, trustDomain)
	}
	return f.refuse(denial.ExchangeTarget, "a token is for the trust domain, name it as audience", "resource")
}

func (f form) read() (*parameters, error) {
	p := &parameters{}
	var err error
	if p.subjectToken, err = f.one("subject_token"); err != nil {
		return nil, err
	}
	if p.subjectType, err = f.one("subject_token_type"); err != nil {
		return nil, err
	}
	switch p.subjectType {
	case TypeAccessToken, TypeIDToken, TypeJWT:
	default:
		return nil, denial.New(denial.ExchangeTokenType, "subject_token_type %.80q is none of access_token, id_token and jwt", p.subjectType)
	}
	if p.scope, err = delegation.ParseScope(f["scope"]); err != nil {
		return nil, denial.New(denial.ExchangeScope, "%w", err)
	}
	if len(p.scope) == 0 {
		return nil, denial.New(denial.ExchangeScope, "parameter scope is missing")
	}
	if err := f.refuse(denial.ExchangeDetails, "limits belong into request_details", "authorization_details"); err != nil {
		return nil, err
	}
	text, ok := f["request_details"]
	if !ok {
		return nil, denial.New(denial.ExchangeDetails, "parameter request_details is missing")
	}
	p.details, err = parseDetails(text)
	return p, err
}
