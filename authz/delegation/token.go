package delegation

// Token is a verified token. It is immutable.
type Token struct {
	envelope
	claims Claims
	root   *Token // the embedded root, nil if there is none
	prefix string // of the issuer's subjects
}

// Claims returns the claims. What they point to must not be changed.
func (t *Token) Claims() Claims { return t.claims }

// KeyID returns the kid of the key that the token is signed with.
func (t *Token) KeyID() string { return t.header.KeyID }

// Hash returns the base64url SHA-256 of the JWS signing input: the par_hash of tokens made from this one. The signature
// does not count, because an ECDSA signature can be changed into another valid one.
func (t *Token) Hash() string { return t.raw.Hash }

// RootIssuer returns the issuer that vouches for the subject: that of the embedded root, else the token's own. Where the
// root is not required it is what the hop issuer says.
func (t *Token) RootIssuer() string {
	if t.root == nil {
		return t.claims.Issuer
	}
	return t.root.claims.Issuer
}

// SubjectPrefix returns the [trust.Issuer] SubjectPrefix of the root issuer: with it in front, the subject is somebody
// among those of all root issuers.
func (t *Token) SubjectPrefix() string {
	if t.root == nil {
		return t.prefix
	}
	return t.root.prefix
}

// RootKeyID returns the kid of the embedded root, "" if there is none.
func (t *Token) RootKeyID() string {
	if t.root == nil {
		return ""
	}
	return t.root.KeyID()
}

// RootID returns the jti of the embedded root, "" if there is none.
func (t *Token) RootID() string {
	if t.root == nil {
		return ""
	}
	return t.root.claims.ID
}

// read reads the claims of an envelope.
func (e *envelope) read() (*Token, error) {
	claims, err := readClaims(e.raw.Payload)
	if err != nil {
		return nil, err
	}
	return &Token{envelope: *e, claims: *claims}, nil
}

// withRoot returns the token with its embedded root. The receiver may be shared and stays as it is.
func (t *Token) withRoot(root *Token) *Token {
	anchored := *t
	anchored.root = root
	return &anchored
}

// Unverified is a token that was read and not verified. It is for looking at.
type Unverified struct {
	// Header is the JOSE header.
	Header Header
	// Claims are what the token claims.
	Claims Claims
	// Payload is the JSON text of the claims.
	Payload []byte
	// Hash is what [Token.Hash] would be.
	Hash string
	// Root is the embedded root, nil if there is none.
	Root *Unverified
}

// Parse reads a token without verifying it: no key is looked up, and nothing it says may be trusted. The errors are
// those of the profile's steps 0, 2 and 5, for the embedded root too.
func Parse(compact string) (*Unverified, error) {
	e, err := open(compact)
	if err != nil {
		return nil, err
	}
	t, err := e.read()
	if err != nil {
		return nil, err
	}
	u := &Unverified{Header: t.header, Claims: t.claims, Payload: t.raw.Payload, Hash: t.raw.Hash}
	if t.claims.Root != "" {
		if u.Root, err = Parse(t.claims.Root); err != nil {
			return nil, inRoot(err)
		}
	}
	return u, nil
}
