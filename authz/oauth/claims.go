package oauth

import (
	"strings"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/mcp"
)

// claims is what a payload says, and the two claims that need more than to be handed on.
type claims struct {
	User
	notBefore time.Time // nbf, zero if absent
	party     string    // azp
}

// readClaims reads a payload whose signature was checked. JSON that is not strict is refused as
// [denial.TokenMalformed], claims that are missing or of another form as [denial.TokenClaims].
func readClaims(payload []byte, kind string) (*claims, error) {
	o, err := mcp.ParseObject(payload)
	if err != nil {
		return nil, denial.New(denial.TokenMalformed, "payload: %w", err)
	}
	m := &members{object: o}
	c := &claims{User: User{
		Kind:     kind,
		Issuer:   m.text("iss", MaxURI),
		Subject:  m.text("sub", MaxIdentifier),
		Audience: m.audience(),
		ID:       m.optionalText("jti", MaxIdentifier),
		AuthTime: m.optionalDate("auth_time"),
		ACR:      m.optionalText("acr", MaxIdentifier),
		AMR:      m.list("amr", MaxMethods),
		Expiry:   m.date("exp"),
		IssuedAt: m.date("iat"),
	}}
	c.notBefore = m.optionalDate("nbf")
	if kind == KindAccessToken {
		m.accessToken(c)
	} else {
		m.idToken(c)
	}
	if err := m.restrictions(c); err != nil {
		return nil, err
	}
	if m.err != nil {
		return nil, denial.New(denial.TokenClaims, "%w", m.err)
	}
	return c, nil
}

// accessToken reads what RFC 9068, section 2.2, adds.
func (m *members) accessToken(c *claims) {
	if c.ID == "" {
		m.fail("jti", "is missing")
	}
	c.ClientID = m.text("client_id", MaxIdentifier)
	if !m.has("scope") {
		return
	}
	text := m.optionalText("scope", MaxSize)
	if c.Scope = strings.Split(text, " "); len(c.Scope) > MaxScope {
		m.fail("scope", "has more than %d items", MaxScope)
	}
	for _, item := range c.Scope {
		if item == "" {
			m.fail("scope", "is not a list with one space between its items")
		}
	}
}

// idToken reads what OpenID Connect Core 1.0, section 2, adds. A logout token is no ID token although it may look like
// one (OpenID Connect Back-Channel Logout 1.0, section 2.4).
func (m *members) idToken(c *claims) {
	if m.has("events") {
		m.fail("events", "is present: this is no ID token")
	}
	c.party = m.optionalText("azp", MaxIdentifier)
	switch {
	case c.party != "":
		c.ClientID = c.party
	case len(c.Audience) == 1:
		c.ClientID = c.Audience[0]
	default:
		m.fail("azp", "is missing, with several audiences")
	}
}

// restrictions reads what narrows the use of a token. What can not be checked refuses it.
func (m *members) restrictions(c *claims) error {
	if m.has("act") {
		return denial.New(denial.UserTokenActor, "the token names an actor already: nobody may be left out of a chain")
	}
	if m.has("cnf") {
		cnf, _ := m.only("cnf", "x5t#S256")
		if c.CertificateHash = cnf.text("x5t#S256", MaxIdentifier); cnf.object.Len() != 1 || !isSHA256Text(c.CertificateHash) {
			return denial.New(denial.TokenKeyBinding, "cnf binds the token to something else than a certificate")
		}
	}
	if mayAct, ok := m.only("may_act", "iss", "sub", "sub_profile"); ok {
		c.MayAct = &Party{Issuer: mayAct.optionalText("iss", MaxURI), Subject: mayAct.text("sub", MaxURI)}
		if mayAct.err != nil {
			m.fail("may_act", "is invalid: %w", mayAct.err)
		}
	}
	return nil
}
