package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
	"countersign.dev/authz/trust"
)

func TestAnAccessToken(t *testing.T) {
	w := newWorld(t)
	compact := w.sign(w.ec, "at+jwt", accessClaims(claims{
		"aud": []string{resource, "https://other.example"}, "nbf": noon.Unix(),
		"cnf": claims{"x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, "may_act": claims{"sub": "spiffe://acme.example/planner"},
		"department": claims{"anything": []int{1, 2}},
	}), "x5t", "certificate-of-the-key")
	got, err := w.verifier.AccessToken(t.Context(), compact, resource, noon)
	if err != nil {
		t.Fatal(err)
	}
	input, _, _ := cutLast(compact)
	sum := sha256.Sum256([]byte(input))
	want := &oauth.User{
		Issuer: idp, Subject: "alice", ClientID: webApp, ID: "at-1", Audience: []string{resource, "https://other.example"},
		Scope: []string{"openid", "mcp:crm:refund_case"}, AuthTime: noon.Add(-time.Hour), ACR: "urn:acme:mfa",
		AMR: []string{"pwd", "hwk"}, Expiry: noon.Add(5 * time.Minute), IssuedAt: noon,
		CertificateHash: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
		MayAct:          &oauth.Party{Subject: "spiffe://acme.example/planner"},
		KeyID:           "ec-1", Hash: base64.RawURLEncoding.EncodeToString(sum[:]), Kind: oauth.KindAccessToken,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// By its typ it is the same token.
	if other, err := w.verifier.JWT(t.Context(), compact, resource, noon); err != nil || !cmp.Equal(want, other) {
		t.Errorf("by typ: %v, %v", other, err)
	}
}

func cutLast(compact string) (before, after string, ok bool) {
	i := strings.LastIndexByte(compact, '.')
	return compact[:i], compact[i+1:], i > 0
}

func TestAnIDToken(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		typ    string
		change claims
		client string
	}{
		"for one client":           {"JWT", nil, webApp},
		"without typ":              {"", nil, webApp},
		"for several, with azp":    {"JWT", claims{"aud": []string{"mobile-app", "x"}, "azp": webApp}, webApp},
		"azp is a known client":    {"JWT", claims{"azp": "cli"}, "cli"},
		"an empty list of methods": {"JWT", claims{"amr": []string{}}, webApp},
	} {
		t.Run(name, func(t *testing.T) {
			compact := w.sign(w.rsa, test.typ, idClaims(test.change))
			user, err := w.verifier.IDToken(t.Context(), compact, noon)
			if err != nil {
				t.Fatal(err)
			}
			if user.Subject != "alice" || user.ClientID != test.client || user.Kind != oauth.KindIDToken || user.Scope != nil {
				t.Errorf("%+v", user)
			}
			if _, err := w.verifier.JWT(t.Context(), compact, resource, noon); err != nil {
				t.Errorf("by typ: %v", err)
			}
		})
	}
}

// What an attacker, or a careless provider, may bring instead of an access token.
func TestAccessTokensThatAreRefused(t *testing.T) {
	w := newWorld(t)
	good := w.access(nil)
	header, _, _ := strings.Cut(good, ".")
	hs := jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), Algorithm: "HS256"}
	for name, test := range map[string]struct {
		token string
		want  denial.Reason
	}{
		"nothing":                      {"", denial.TokenMalformed},
		"not a JWS":                    {"opaque-token", denial.TokenMalformed},
		"a JWE":                        {good + ".a.b", denial.TokenMalformed},
		"too long":                     {strings.Repeat("a", oauth.MaxSize) + ".a.a", denial.TokenMalformed},
		"a line break":                 {good[:len(good)-4] + "\n" + good[len(good)-4:], denial.TokenMalformed},
		"padding":                      {good + "=", denial.TokenMalformed},
		"standard base64":              {strings.Replace(good, ".", "+.", 1), denial.TokenMalformed},
		"an empty signature":           {good[:strings.LastIndexByte(good, '.')+1], denial.TokenMalformed},
		"unused bits":                  {unusedBits(good), denial.TokenMalformed},
		"a header that is no object":   {withHeader(good, `"at+jwt"`), denial.TokenMalformed},
		"a header with two alg":        {withHeader(good, `{"alg":"ES256","alg":"none","kid":"ec-1","typ":"at+jwt"}`), denial.TokenMalformed},
		"a header with ALG too":        {withHeader(good, `{"alg":"ES256","ALG":"none","kid":"ec-1","typ":"at+jwt"}`), denial.TokenMalformed},
		"crit":                         {withHeader(good, `{"alg":"ES256","kid":"ec-1","typ":"at+jwt","crit":["exp"]}`), denial.TokenMalformed},
		"b64":                          {withHeader(good, `{"alg":"ES256","kid":"ec-1","typ":"at+jwt","b64":false}`), denial.TokenMalformed},
		"jku":                          {w.sign(w.ec, "at+jwt", accessClaims(nil), "jku", "https://evil.example/jwks"), denial.TokenMalformed},
		"jwk":                          {w.sign(w.ec, "at+jwt", accessClaims(nil), "jwk", w.ec.Public()), denial.TokenMalformed},
		"x5u":                          {w.sign(w.ec, "at+jwt", accessClaims(nil), "x5u", "https://evil.example/c"), denial.TokenMalformed},
		"x5c":                          {withHeader(good, `{"alg":"ES256","kid":"ec-1","typ":"at+jwt","x5c":["MIIB"]}`), denial.TokenMalformed},
		"zip":                          {w.sign(w.ec, "at+jwt", accessClaims(nil), "zip", "DEF"), denial.TokenMalformed},
		"a member nobody knows":        {w.sign(w.ec, "at+jwt", accessClaims(nil), "nonce", "n"), denial.TokenMalformed},
		"kid is a number":              {withHeader(good, `{"alg":"ES256","kid":1,"typ":"at+jwt"}`), denial.TokenMalformed},
		"no kid":                       {withHeader(good, `{"alg":"ES256","typ":"at+jwt"}`), denial.TokenMalformed},
		"alg none":                     {withHeader(good, `{"alg":"none","kid":"ec-1","typ":"at+jwt"}`), denial.TokenAlgorithm},
		"alg noNE":                     {withHeader(good, `{"alg":"noNE","kid":"ec-1","typ":"at+jwt"}`), denial.TokenAlgorithm},
		"HS256 with the public key":    {w.sign(hs, "at+jwt", accessClaims(nil), "kid", "ec-1"), denial.TokenAlgorithm},
		"EdDSA":                        {withHeader(good, `{"alg":"EdDSA","kid":"ec-1","typ":"at+jwt"}`), denial.TokenAlgorithm},
		"PS256":                        {withHeader(good, `{"alg":"PS256","kid":"rsa-1","typ":"at+jwt"}`), denial.TokenAlgorithm},
		"RS256 with an EC key":         {withHeader(good, `{"alg":"RS256","kid":"ec-1","typ":"at+jwt"}`), denial.TokenUnknownKey},
		"RS256 where it may not be":    {w.sign(w.rsa, "at+jwt", accessClaims(claims{"iss": other})), denial.TokenAlgorithm},
		"typ JWT":                      {w.sign(w.ec, "JWT", accessClaims(nil)), denial.TokenMalformed},
		"typ AT+JWT":                   {w.sign(w.ec, "AT+JWT", accessClaims(nil)), denial.TokenMalformed},
		"no typ":                       {w.sign(w.ec, "", accessClaims(nil)), denial.TokenMalformed},
		"typ of a delegation":          {w.sign(w.ec, "txntoken+jwt", accessClaims(nil)), denial.TokenMalformed},
		"an ID token":                  {w.id(nil), denial.TokenMalformed},
		"a key that is not there":      {w.sign(newKey(t, "ES256", "ec-2"), "at+jwt", accessClaims(nil)), denial.TokenUnknownKey},
		"another key with that kid":    {w.sign(newKey(t, "ES256", "ec-1"), "at+jwt", accessClaims(nil)), denial.TokenSignature},
		"the key of another provider":  {w.sign(w.stranger, "at+jwt", accessClaims(nil)), denial.TokenSignature},
		"a changed payload":            {header + "." + payloadOf(w.access(claims{"sub": "mallory"})) + "." + signatureOf(good), denial.TokenSignature},
		"a payload that is no object":  {w.signText(w.ec, "at+jwt", `[]`), denial.TokenMalformed},
		"a payload that is no JSON":    {w.signText(w.ec, "at+jwt", `{"iss":`), denial.TokenMalformed},
		"a payload that breaks off":    {w.signText(w.ec, "at+jwt", `{"sub":"a","iss"`), denial.TokenMalformed},
		"iss is a number":              {w.access(claims{"iss": 1}), denial.TokenMalformed},
		"no iss":                       {w.access(claims{"iss": nil}), denial.TokenMalformed},
		"iss is long":                  {w.access(claims{"iss": "https://" + strings.Repeat("a", oauth.MaxURI)}), denial.TokenMalformed},
		"an issuer nobody configured":  {w.access(claims{"iss": "https://evil.example"}), denial.TokenUnknownIssuer},
		"the issuer with a slash":      {w.access(claims{"iss": idp + "/"}), denial.TokenUnknownIssuer},
		"two sub":                      {w.signText(w.ec, "at+jwt", `{"iss":"`+idp+`","sub":"alice","sub":"mallory"}`), denial.TokenMalformed},
		"two iss":                      {w.signText(w.ec, "at+jwt", `{"iss":"`+idp+`","iss":"`+other+`"}`), denial.TokenMalformed},
		"SUB beside sub":               {w.access(claims{"SUB": "mallory"}), denial.TokenMalformed},
		"trailing text":                {w.signText(w.ec, "at+jwt", `{"iss":"`+idp+`"} {}`), denial.TokenMalformed},
		"no sub":                       {w.access(claims{"sub": nil}), denial.TokenClaims},
		"an empty sub":                 {w.access(claims{"sub": ""}), denial.TokenClaims},
		"sub is long":                  {w.access(claims{"sub": strings.Repeat("a", 257)}), denial.TokenClaims},
		"sub is a list":                {w.access(claims{"sub": []string{"alice"}}), denial.TokenClaims},
		"sub with a line break":        {w.access(claims{"sub": "alice\nadmin"}), denial.TokenClaims},
		"no jti":                       {w.access(claims{"jti": nil}), denial.TokenClaims},
		"no client_id":                 {w.access(claims{"client_id": nil}), denial.TokenClaims},
		"no iat":                       {w.access(claims{"iat": nil}), denial.TokenClaims},
		"no exp":                       {w.access(claims{"exp": nil}), denial.TokenClaims},
		"no aud":                       {w.access(claims{"aud": nil}), denial.TokenClaims},
		"an empty aud":                 {w.access(claims{"aud": []string{}}), denial.TokenClaims},
		"aud is a number":              {w.access(claims{"aud": 1}), denial.TokenClaims},
		"aud has a number":             {w.access(claims{"aud": []any{resource, 1}}), denial.TokenClaims},
		"aud is endless":               {w.access(claims{"aud": strings.Fields(strings.Repeat("a ", 65))}), denial.TokenClaims},
		"exp with a fraction":          {w.access(claims{"exp": 1795305600.5}), denial.TokenClaims},
		"exp is a string":              {w.access(claims{"exp": "1795305600"}), denial.TokenClaims},
		"exp is beyond time":           {w.access(claims{"exp": 253402300800}), denial.TokenClaims},
		"exp is negative":              {w.access(claims{"exp": -1}), denial.TokenClaims},
		"auth_time is a string":        {w.access(claims{"auth_time": "now"}), denial.TokenClaims},
		"auth_time to come":            {w.access(claims{"auth_time": noon.Add(time.Hour).Unix()}), denial.TokenClaims},
		"acr is a number":              {w.access(claims{"acr": 3}), denial.TokenClaims},
		"amr is a string":              {w.access(claims{"amr": "pwd"}), denial.TokenClaims},
		"scope is a list":              {w.access(claims{"scope": []string{"openid"}}), denial.TokenClaims},
		"scope with two spaces":        {w.access(claims{"scope": "a  b"}), denial.TokenClaims},
		"scope is endless":             {w.access(claims{"scope": strings.Repeat("a ", 300) + "a"}), denial.TokenClaims},
		"expired":                      {w.access(claims{"iat": noon.Add(-time.Hour).Unix(), "exp": noon.Unix()}), denial.TokenExpired},
		"issued in the future":         {w.access(claims{"iat": noon.Add(31 * time.Second).Unix()}), denial.TokenNotYetValid},
		"not valid yet":                {w.access(claims{"nbf": noon.Add(31 * time.Second).Unix()}), denial.TokenNotYetValid},
		"issued after it ends":         {w.access(claims{"iat": noon.Add(20 * time.Second).Unix(), "exp": noon.Add(10 * time.Second).Unix()}), denial.TokenLifetime},
		"for another resource":         {w.access(claims{"aud": "https://crm.acme.example/mcp"}), denial.TokenAudience},
		"for a resource below":         {w.access(claims{"aud": resource + "/"}), denial.TokenAudience},
		"a client that is not listed":  {w.access(claims{"client_id": "evil-app"}), denial.UserTokenClient},
		"an actor in it already":       {w.access(claims{"act": claims{"sub": "spiffe://acme.example/crm"}}), denial.UserTokenActor},
		"bound to a key":               {w.access(claims{"cnf": claims{"jkt": "x"}}), denial.TokenKeyBinding},
		"bound to a key as well":       {w.access(claims{"cnf": claims{"x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "jkt": "x"}}), denial.TokenKeyBinding},
		"bound to nonsense":            {w.access(claims{"cnf": claims{"x5t#S256": "abc"}}), denial.TokenKeyBinding},
		"bound to nothing":             {w.access(claims{"cnf": claims{}}), denial.TokenKeyBinding},
		"cnf is a string":              {w.access(claims{"cnf": "x"}), denial.TokenKeyBinding},
		"may_act is a string":          {w.access(claims{"may_act": "x"}), denial.TokenClaims},
		"may_act names nobody":         {w.access(claims{"may_act": claims{}}), denial.TokenClaims},
		"may_act with a condition":     {w.access(claims{"may_act": claims{"sub": "x", "client_id": "y"}}), denial.TokenClaims},
		"a party that is not an entry": {w.access(claims{"iss": "https://tts.acme.example"}), denial.TokenUnknownIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			user, err := w.verifier.AccessToken(t.Context(), test.token, resource, noon)
			wantDenied(t, err, test.want)
			if user != nil {
				t.Errorf("refused, and still a user: %+v", user)
			}
			if _, err := w.verifier.IDToken(t.Context(), test.token, noon); err == nil && name != "an ID token" {
				t.Error("taken for an ID token")
			}
		})
	}
	if _, err := w.verifier.AccessToken(t.Context(), good, "", noon); denial.ReasonOf(err) != denial.TokenAudience {
		t.Errorf("without an audience: %v", err)
	}
	if _, err := w.verifier.AccessToken(t.Context(), good, resource, noon); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func payloadOf(compact string) string   { return strings.Split(compact, ".")[1] }
func signatureOf(compact string) string { return strings.Split(compact, ".")[2] }

// unusedBits spells the signature in another way that decodes to the same bytes: 64 bytes leave 4 bits unused.
func unusedBits(compact string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, compact[len(compact)-1])
	return compact[:len(compact)-1] + string(alphabet[last|1])
}

func TestIDTokensThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		token string
		want  denial.Reason
	}{
		"an access token":              {w.access(nil), denial.TokenMalformed},
		"not a JWS":                    {"x", denial.TokenMalformed},
		"typ logout+jwt":               {w.sign(w.rsa, "logout+jwt", idClaims(nil)), denial.TokenMalformed},
		"a logout token":               {w.id(claims{"events": claims{"http://schemas.openid.net/event/backchannel-logout": claims{}}}), denial.TokenClaims},
		"for another client":           {w.id(claims{"aud": "evil-app"}), denial.TokenAudience},
		"for a client, not a provider": {w.id(claims{"aud": "cli"}), denial.TokenAudience},
		"several and no azp":           {w.id(claims{"aud": []string{webApp, "evil-app"}}), denial.TokenClaims},
		"several and a foreign azp":    {w.id(claims{"aud": []string{webApp, "evil-app"}, "azp": "evil-app"}), denial.UserTokenClient},
		"one and a foreign azp":        {w.id(claims{"azp": "evil-app"}), denial.UserTokenClient},
		"azp is no client of ours":     {w.id(claims{"azp": "mobile-app"}), denial.UserTokenClient},
		"azp is a list":                {w.id(claims{"azp": []string{webApp}}), denial.TokenClaims},
		"expired":                      {w.id(claims{"exp": noon.Unix()}), denial.TokenExpired},
		"a provider without clients":   {w.sign(w.stranger, "JWT", idClaims(claims{"iss": other})), denial.TokenAudience},
		"an unknown provider":          {w.id(claims{"iss": "https://evil.example"}), denial.TokenUnknownIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.verifier.IDToken(t.Context(), test.token, noon)
			wantDenied(t, err, test.want)
		})
	}
	_, err := w.verifier.JWT(t.Context(), "x.y", resource, noon)
	wantDenied(t, err, denial.TokenMalformed)
}

// The one exception to exactness: a provider's clock may be a little ahead, never behind.
func TestSkew(t *testing.T) {
	w := newWorld(t)
	ahead := w.access(claims{"iat": noon.Add(30 * time.Second).Unix(), "nbf": noon.Add(30 * time.Second).Unix()})
	if _, err := w.verifier.AccessToken(t.Context(), ahead, resource, noon); err != nil {
		t.Error(err)
	}
	_, err := w.verifier.AccessToken(t.Context(), w.access(nil), resource, noon.Add(5*time.Minute))
	wantDenied(t, err, denial.TokenExpired)
}

func TestConfigurationErrors(t *testing.T) {
	w := newWorld(t)
	root := keys{"https://tts.acme.example": {issuer: trust.Issuer{ID: "https://tts.acme.example", Role: trust.Root}}}
	for name, test := range map[string]struct {
		config oauth.Config
		want   string
	}{
		"no keys":           {oauth.Config{}, "no keys"},
		"negative skew":     {oauth.Config{Keys: w.keys, Skew: -1}, "must not be negative"},
		"unknown provider":  {oauth.Config{Keys: w.keys, Providers: []oauth.Provider{{Issuer: "https://x.example"}}}, "no keys in role entry"},
		"a root issuer":     {oauth.Config{Keys: root, Providers: []oauth.Provider{{Issuer: "https://tts.acme.example"}}}, "no keys in role entry"},
		"twice":             {oauth.Config{Keys: w.keys, Providers: []oauth.Provider{{Issuer: idp}, {Issuer: idp}}}, "configured twice"},
		"an empty audience": {oauth.Config{Keys: w.keys, Providers: []oauth.Provider{{Issuer: idp, Audiences: []string{""}}}}, "is empty"},
		"a client is empty": {oauth.Config{Keys: w.keys, Providers: []oauth.Provider{{Issuer: idp, Clients: []string{""}}}}, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := oauth.NewVerifier(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// A store that hands out another algorithm than it is configured for, or an issuer of another role, is not believed.
func TestKeysThatChangeTheirMind(t *testing.T) {
	w := newWorld(t)
	compact := w.access(nil)
	p := w.keys[idp]
	p.issuer.Role = trust.Hop
	w.keys[idp] = p
	_, err := w.verifier.AccessToken(t.Context(), compact, resource, noon)
	wantDenied(t, err, denial.TokenAlgorithm)
	p.issuer.Role, p.issuer.Algorithms = trust.Entry, []jose.SignatureAlgorithm{jose.HS256, "none"}
	w.keys[idp] = p
	_, err = w.verifier.AccessToken(t.Context(), withHeader(compact, `{"alg":"none","kid":"ec-1","typ":"at+jwt"}`), resource, noon)
	wantDenied(t, err, denial.TokenAlgorithm)
}

// No refusal quotes a token: errors go into records.
func TestErrorsDoNotQuoteTokens(t *testing.T) {
	w := newWorld(t)
	for _, compact := range []string{w.access(nil), w.access(claims{"iss": "https://evil.example"}), w.access(claims{"aud": "x"})} {
		_, err := w.verifier.AccessToken(t.Context(), compact, "nobody", noon)
		text := fmt.Sprint(err)
		if err == nil || strings.Contains(text, signatureOf(compact)) || strings.Contains(text, payloadOf(compact)) {
			t.Errorf("error: %v", err)
		}
	}
}
