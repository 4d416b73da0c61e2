package delegation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"countersign.dev/authz/delegation"
	"countersign.dev/authz/denial"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/trust"
)

func TestVerifyAcceptsEveryTokenOfAChain(t *testing.T) {
	w := newWorld(t)
	d0, d1, d2 := w.chain(t)
	v := w.verifier(t)
	for _, c := range []struct {
		name      string
		token     string
		presenter peer.Peer
		actors    []string
		scope     string
		depth     int
		max       int
		expiry    time.Time
		rootID    string
	}{
		{"the user's agent", d0, planner, []string{"planner"}, "mcp:crm:refund_case mcp:ledger:read_entry mcp:ledger:post_refund", 0, 3, start.Add(15 * time.Minute), ""},
		{"the first backend", d1, crm, []string{"crm", "planner"}, "mcp:ledger:read_entry", 1, 3, now.Add(time.Minute), root().ID},
		{"the last backend", d2, ledger, []string{"ledger", "crm", "planner"}, "", 2, 2, now.Add(time.Minute), root().ID},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := v.Verify(t.Context(), c.token, c.presenter, now)
			if err != nil {
				t.Fatal(err)
			}
			got := token.Claims()
			var actors []string
			for _, a := range c.actors {
				actors = append(actors, workload(a).ID.String())
			}
			if diff := cmp.Diff(actors, got.Actor.Chain()); diff != "" {
				t.Error(diff)
			}
			if got.Scope.String() != c.scope || got.Depth != c.depth || got.MaxDepth != c.max || !got.Expiry.Equal(c.expiry) {
				t.Errorf("got scope %q, depth %d of %d, exp %s", got.Scope, got.Depth, got.MaxDepth, got.Expiry)
			}
			if got.Subject != "u-8821" || got.Txn != root().Txn || got.Task.Task != "case-4711" {
				t.Errorf("got subject %q, txn %q, task %q", got.Subject, got.Txn, got.Task.Task)
			}
			if token.RootID() != c.rootID || token.RootIssuer() != tts {
				t.Errorf("RootID is %q of %q, want %q", token.RootID(), token.RootIssuer(), c.rootID)
			}
			wantKey, wantRootKey := w.keys[got.Issuer].KeyID, ""
			if c.rootID != "" {
				wantRootKey = w.keys[tts].KeyID
			}
			if token.KeyID() != wantKey || token.RootKeyID() != wantRootKey {
				t.Errorf("keys are %q and %q", token.KeyID(), token.RootKeyID())
			}
		})
	}
}

// hostile are tokens that an attacker or a careless issuer would send. The default presenter is planner for tokens at
// depth 0 and crm for those at depth 1.
func hostile(t *testing.T, w *world) []hostileCase {
	d0, d1, d2 := w.chain(t)
	p0, p1 := payloadOf(t, d0), payloadOf(t, d1)
	kid := w.keys[tts].KeyID
	es, _ := w.keys[tts].Key.(*ecdsa.PrivateKey)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&es.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	withHeader := func(header string) string { return forge(es, header, p0) }
	root := func(replace ...string) string { return w.edit(t, tts, d0, replace...) }
	hop := func(replace ...string) string { return w.edit(t, own, d1, replace...) }
	segments := strings.Split(d0, ".")
	actor := func(name string) string { return `"sub":"spiffe://acme.example/` + name + `"` }
	innermost := `"act":{"iss":"spiffe://acme.example",` + actor("planner") + `,"sub_profile":"ai_agent"}`
	embed := func(rootToken string) string { return hop(`"del_root":"`+d0+`"`, `"del_root":"`+rootToken+`"`) }
	// For an embedded root that was changed, the par_hash is made to fit.
	embedFitting := func(rootToken string) string {
		return hop(`"del_root":"`+d0+`"`, `"del_root":"`+rootToken+`"`, hashOf(t, d0), hashOf(t, rootToken))
	}
	const rootScope = "mcp:crm:refund_case mcp:ledger:read_entry mcp:ledger:post_refund"
	const limits = `,"authorization_details":[{"type":"mcp_tools","server":"ledger","tools":{"read_entry":{"id":{"type":"range","max":9}}}}],"tctx"`
	limitedRoot := root(`,"tctx"`, limits)

	return []hostileCase{
		// Step 0: the form.
		{name: "nothing", token: "", want: denial.TokenMalformed},
		{name: "two segments", token: segments[0] + "." + segments[1], want: denial.TokenMalformed},
		{name: "four segments", token: d0 + ".AAAA", want: denial.TokenMalformed},
		{name: "many dots", token: strings.Repeat(".", 8000), want: denial.TokenMalformed},
		{name: "an empty signature", token: segments[0] + "." + segments[1] + ".", want: denial.TokenMalformed},
		{name: "padding", token: d0 + "=", want: denial.TokenMalformed},
		{name: "a newline in the signature", token: d0[:len(d0)-4] + "\n" + d0[len(d0)-4:], want: denial.TokenMalformed},
		{name: "a carriage return in the payload", token: segments[0] + ".\r" + segments[1] + "." + segments[2], want: denial.TokenMalformed},
		{name: "non-zero unused bits", token: flipUnusedBit(d0), want: denial.TokenMalformed},
		{name: "standard base64 alphabet", token: segments[0] + "." + segments[1] + "." + strings.Repeat("+/", 43), want: denial.TokenMalformed},
		{name: "a space in front", token: " " + d0, want: denial.TokenMalformed},
		{name: "Bearer in front", token: "Bearer " + d0, want: denial.TokenMalformed},
		{name: "two tokens joined by a comma", token: d0 + "," + d0, want: denial.TokenMalformed},
		{name: "too large", token: root(`"scope":"`, `"padding":"`+strings.Repeat("x", 8192)+`","scope":"`), want: denial.TokenMalformed},
		{name: "JSON serialization", token: `{"payload":"` + segments[1] + `","protected":"` + segments[0] + `","signature":"` + segments[2] + `"}`, want: denial.TokenMalformed},

		// Step 2: the header.
		{name: "a header that is no JSON", token: withHeader(`alg=ES256`), want: denial.TokenMalformed},
		{name: "a header that is an array", token: withHeader(`["ES256"]`), want: denial.TokenMalformed},
		{name: "alg none", token: withHeader(`{"alg":"none","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenAlgorithm},
		{name: "alg noNE", token: withHeader(`{"alg":"noNE","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenAlgorithm},
		{name: "HS256 with the public key as the secret", token: forge(spki, `{"alg":"HS256","kid":"`+kid+`","typ":"txntoken+jwt"}`, p0), want: denial.TokenAlgorithm},
		{name: "es256 in lower case", token: withHeader(`{"alg":"es256","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenAlgorithm},
		{name: "an algorithm that the issuer does not use", token: withHeader(`{"alg":"RS256","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenAlgorithm},
		{name: "another algorithm than the key's", token: withHeader(`{"alg":"EdDSA","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenUnknownKey},
		{name: "no alg", token: withHeader(`{"kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "alg that is an array", token: withHeader(`{"alg":["ES256"],"kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "no kid", token: withHeader(`{"alg":"ES256","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "an empty kid", token: withHeader(`{"alg":"ES256","kid":"","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "a long kid", token: withHeader(`{"alg":"ES256","kid":"` + strings.Repeat("k", 129) + `","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "no typ", token: withHeader(`{"alg":"ES256","kid":"` + kid + `"}`), want: denial.TokenMalformed},
		{name: "typ of a JWT-SVID", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"JWT"}`), want: denial.TokenMalformed},
		{name: "typ of an access token", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"at+jwt"}`), want: denial.TokenMalformed},
		{name: "typ in upper case", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"TXNTOKEN+JWT"}`), want: denial.TokenMalformed},
		{name: "crit", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","crit":["x"],"x":1}`), want: denial.TokenMalformed},
		{name: "b64 false", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","b64":false,"crit":["b64"]}`), want: denial.TokenMalformed},
		{name: "jku", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","jku":"https://evil.example/keys"}`), want: denial.TokenMalformed},
		{name: "jwk of the attacker", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","jwk":{"kty":"EC"}}`), want: denial.TokenMalformed},
		{name: "x5c", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","x5c":["AA"]}`), want: denial.TokenMalformed},
		{name: "zip", token: withHeader(`{"alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt","zip":"DEF"}`), want: denial.TokenMalformed},
		{name: "alg twice", token: withHeader(`{"alg":"none","alg":"ES256","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},
		{name: "alg twice in another case", token: withHeader(`{"alg":"ES256","ALG":"none","kid":"` + kid + `","typ":"txntoken+jwt"}`), want: denial.TokenMalformed},

		// Step 3: the key.
		{name: "an unknown issuer", token: root(`"iss":"https://tts.acme.example"`, `"iss":"https://tts.evil.example"`), want: denial.TokenUnknownIssuer},
		{name: "an issuer with a slash more", token: root(`"iss":"https://tts.acme.example"`, `"iss":"https://tts.acme.example/"`), want: denial.TokenUnknownIssuer},
		{name: "no issuer", token: root(`"iss":"https://tts.acme.example",`, ``), want: denial.TokenMalformed},
		{name: "an issuer that is a number", token: root(`"iss":"https://tts.acme.example"`, `"iss":7`), want: denial.TokenMalformed},
		{name: "a payload that is no JSON", token: w.resign(tts, `iss=tts`), want: denial.TokenMalformed},
		{name: "a payload that is an array", token: w.resign(tts, `[]`), want: denial.TokenMalformed},
		{name: "an unknown kid", token: withHeader(`{"alg":"ES256","kid":"no-such-key","typ":"txntoken+jwt"}`), want: denial.TokenUnknownKey},
		{name: "kid and key of another issuer", token: w.resign(own, p0), want: denial.TokenUnknownKey},

		// Step 4: the signature.
		{name: "signed by a stranger", token: forge(stranger, w.header(tts), p0), want: denial.TokenSignature},
		{name: "key of another issuer under this issuer's kid", token: forge(w.keys[own].Key, w.header(tts), p0), want: denial.TokenSignature},
		{name: "a signature of all zeros", token: segments[0] + "." + segments[1] + "." + strings.Repeat("A", 86), want: denial.TokenSignature},
		{name: "a short signature", token: segments[0] + "." + segments[1] + ".AAAA", want: denial.TokenSignature},
		{name: "another user, old signature", token: segments[0] + "." + b64(strings.Replace(p0, "u-8821", "u-0001", 1)) + "." + segments[2], want: denial.TokenSignature},
		{name: "spaces in the payload, old signature", token: segments[0] + "." + b64(strings.Replace(p0, ",", ", ", 1)) + "." + segments[2], want: denial.TokenSignature},

		// Step 5: the claims as JSON.
		{name: "a claim twice", token: root(`"sub":"u-8821"`, `"sub":"u-8821","sub":"u-0001"`), want: denial.TokenMalformed},
		{name: "a claim twice, one escaped", token: root(`"sub":"u-8821"`, `"sub":"u-8821","s\u0075b":"u-0001"`), want: denial.TokenMalformed},
		{name: "iss twice", token: root(`"sub":"u-8821"`, `"sub":"u-8821","iss":"spiffe://acme.example/countersign"`), want: denial.TokenMalformed},
		{name: "a claim in another case", token: root(`"sub":"u-8821"`, `"sub":"u-8821","SUB":"u-0001"`), want: denial.TokenMalformed},
		{name: "a claim with a long s", token: root(`"sub":"u-8821"`, `"sub":"u-8821","ſub":"u-0001"`), want: denial.TokenMalformed},
		{name: "a member of act twice", token: root(`"sub_profile":"ai_agent"`, `"sub_profile":"ai_agent",`+actor("intern")), want: denial.TokenMalformed},
		{name: "text after the claims", token: w.resign(tts, p0+`{}`), want: denial.TokenMalformed},
		{name: "invalid UTF-8", token: root(`"sub":"u-8821"`, "\"sub\":\"u-\xff\""), want: denial.TokenMalformed},
		{name: "half a surrogate pair", token: root(`"sub":"u-8821"`, `"sub":"u-\ud800"`), want: denial.TokenMalformed},
		{name: "nested too deeply", token: root(`"task":"case-4711"`, `"task":"case-4711","x":`+strings.Repeat("[", 15)+strings.Repeat("]", 15)), want: denial.TokenMalformed},
		{name: "nested very deeply", token: root(`"task":"case-4711"`, `"task":"case-4711","x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)), want: denial.TokenMalformed},
		{name: "a number that no parser keeps", token: root(`"task":"case-4711"`, `"task":"case-4711","x":1e999`), want: denial.TokenMalformed},

		// Step 5: the claims as a profile.
		{name: "an unknown claim", token: root(`"sub":"u-8821"`, `"sub":"u-8821","admin":true`), want: denial.TokenClaims},
		{name: "nbf", token: root(`"sub":"u-8821"`, `"sub":"u-8821","nbf":1795305600`), want: denial.TokenClaims},
		{name: "a status that is no object", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":1`), want: denial.TokenClaims},
		{name: "a status without a list", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{}`), want: denial.TokenClaims},
		{name: "a status of another kind", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"identifier_list":{"id":"1","uri":"https://x"}}`), want: denial.TokenClaims},
		{name: "a status in two places", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"idx":1,"uri":"https://x"},"other":{}}`), want: denial.TokenClaims},
		{name: "a status list without a place", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"uri":"https://x"}}`), want: denial.TokenClaims},
		{name: "a status list without a list", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"idx":1}}`), want: denial.TokenClaims},
		{name: "a status list with more to it", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"idx":1,"uri":"https://x","bits":1}}`), want: denial.TokenClaims},
		{name: "a negative place in a status list", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"idx":-1,"uri":"https://x"}}`), want: denial.TokenClaims},
		{name: "a place behind any status list", token: root(`"sub":"u-8821"`, `"sub":"u-8821","status":{"status_list":{"idx":134217728,"uri":"https://x"}}`), want: denial.TokenClaims},
		{name: "only another case", token: root(`"sub":"u-8821"`, `"Sub":"u-8821"`), want: denial.TokenClaims},
		{name: "exp with a fraction", token: root(`"exp":1795306500`, `"exp":1795306500.5`), want: denial.TokenClaims},
		{name: "exp written as a float", token: root(`"exp":1795306500`, `"exp":1795306500.0`), want: denial.TokenClaims},
		{name: "exp with an exponent", token: root(`"exp":1795306500`, `"exp":1.7953065e9`), want: denial.TokenClaims},
		{name: "exp as text", token: root(`"exp":1795306500`, `"exp":"1795306500"`), want: denial.TokenClaims},
		{name: "exp after the year 9999", token: root(`"exp":1795306500`, `"exp":253402300800`), want: denial.TokenClaims},
		{name: "exp that overflows", token: root(`"exp":1795306500`, `"exp":99999999999999999999`), want: denial.TokenMalformed},
		{name: "a negative iat", token: root(`"iat":1795305600`, `"iat":-1`), want: denial.TokenClaims},
		{name: "no exp", token: root(`"exp":1795306500,`, ``), want: denial.TokenClaims},
		{name: "no iat", token: root(`"iat":1795305600,`, ``), want: denial.TokenClaims},
		{name: "no jti", token: root(`"jti":"01jd7w3k9q2m5x8t4v6z0b1c2d",`, ``), want: denial.TokenClaims},
		{name: "an empty txn", token: root(theRoot().Txn, ``), want: denial.TokenClaims},
		{name: "a null subject", token: root(`"sub":"u-8821"`, `"sub":null`), want: denial.TokenClaims},
		{name: "a long subject", token: root(`"sub":"u-8821"`, `"sub":"`+strings.Repeat("u", 257)+`"`), want: denial.TokenClaims},
		{name: "a control character in the subject", token: root(`"sub":"u-8821"`, `"sub":"u-8821\n"`), want: denial.TokenClaims},
		{name: "a control character in a name of tctx", token: root(`"task":"case-4711"`, `"task":"case-4711","a\u0007":1`), want: denial.TokenClaims},
		{name: "no requesting workload", token: root(`"req_wl":"spiffe://acme.example/planner",`, ``), want: denial.TokenClaims},
		{name: "aud as an array", token: root(`"aud":"acme.example"`, `"aud":["acme.example"]`), want: denial.TokenClaims},
		{name: "scope as an array", token: root(`"scope":"`+rootScope+`"`, `"scope":["mcp:crm:refund_case"]`), want: denial.TokenClaims},
		{name: "no scope", token: root(`"scope":"`+rootScope+`",`, ``), want: denial.TokenClaims},
		{name: "a scope of another kind", token: root(rootScope, "openid"), want: denial.TokenClaims},
		{name: "a scope for all servers", token: root(rootScope, "mcp:*:*"), want: denial.TokenClaims},
		{name: "a scope with a prefix wildcard", token: root(rootScope, "mcp:ledger:read_*"), want: denial.TokenClaims},
		{name: "a scope with two spaces", token: root(rootScope, "mcp:crm:a  mcp:crm:b"), want: denial.TokenClaims},
		{name: "a scope item twice", token: root(rootScope, "mcp:crm:a mcp:crm:a"), want: denial.TokenClaims},
		{name: "a detail of unknown type", token: root(`,"tctx"`, strings.Replace(limits, "mcp_tools", "payment", 1)), want: denial.TokenClaims},
		{name: "a constraint of unknown type", token: root(`,"tctx"`, strings.Replace(limits, "range", "regex", 1)), want: denial.TokenClaims},
		{name: "an empty list of details", token: root(`,"tctx"`, `,"authorization_details":[],"tctx"`), want: denial.TokenClaims},
		{name: "no tctx", token: w.edit(t, tts, d0, tctxOf(p0)+",", ""), want: denial.TokenClaims},
		{name: "tctx that is text", token: w.edit(t, tts, d0, tctxOf(p0), `"tctx":"case-4711"`), want: denial.TokenClaims},
		{name: "no task", token: root(`"task":"case-4711",`, ``), want: denial.TokenClaims},
		{name: "an empty task", token: root(`"task":"case-4711"`, `"task":""`), want: denial.TokenClaims},
		{name: "the task in another case", token: root(`"purpose":"refund-review"`, `"Purpose":"refund-review"`), want: denial.TokenClaims},
		{name: "no end of the task", token: root(`,"task_exp":1795309200`, ``), want: denial.TokenClaims},
		{name: "an intent that is no hash", token: root("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV"), want: denial.TokenClaims},
		{name: "a root that says who called", token: root(`"authn":"hwk"`, `"authn":"hwk","peer":"spiffe://acme.example/planner"`), want: denial.TokenClaims},
		{name: "an unknown member of rctx", token: root(`"authn":"hwk"`, `"authn":"hwk","role":"admin"`), want: denial.TokenClaims},
		{name: "a long member of rctx", token: root(`"authn":"hwk"`, `"authn":"`+strings.Repeat("x", 600)+`"`), want: denial.TokenClaims},
		{name: "a confirmation that is not understood", token: root(`"cnf":{"x5t#S256"`, `"cnf":{"jkt":"x","x5t#S256"`), want: denial.TokenClaims},
		{name: "an empty confirmation", token: root(`"cnf":{"x5t#S256":"`+planner.CertificateHash+`"}`, `"cnf":{}`), want: denial.TokenClaims},
		{name: "an unknown member of act", token: root(`"sub_profile":"ai_agent"`, `"sub_profile":"ai_agent","admin":true`), want: denial.TokenClaims},
		{name: "act without iss", token: root(`"act":{"iss":"spiffe://acme.example",`, `"act":{`), want: denial.TokenClaims},
		{name: "act as an array", token: w.edit(t, tts, d0, innermost, `"act":[]`), want: denial.TokenClaims},
		{name: "may_act as an array", token: root(`"del_depth":0`, `"may_act":[],"del_depth":0`), want: denial.TokenClaims},
		{name: "a depth of -1", token: root(`"del_depth":0`, `"del_depth":-1`), want: denial.TokenClaims},
		{name: "no depth", token: root(`"del_depth":0,`, ``), want: denial.TokenClaims},
		{name: "a request binding without a body hash", token: hop(`"req_s256":"`+sha256Text("body")+`",`, ``), presenter: crm, want: denial.TokenClaims},

		// Step 6: the time.
		{name: "issued in the future", token: d0, at: start.Add(-31 * time.Second), want: denial.TokenNotYetValid},
		{name: "issued within the skew", token: d0, at: start.Add(-30 * time.Second), want: ""},
		{name: "expired this second", token: d0, at: start.Add(15 * time.Minute), want: denial.TokenExpired},
		{name: "expired long ago", token: d0, at: start.Add(48 * time.Hour), want: denial.TokenExpired},
		{name: "the last moment", token: d0, at: start.Add(15*time.Minute - 1), want: ""},
		{name: "a life longer than the issuer may grant", token: root(`"exp":1795306500`, `"exp":1795306501`), want: denial.TokenLifetime},
		{name: "a hop token with the life of a root", token: hop(`"exp":1795305665`, `"exp":1795306500`), presenter: crm, want: denial.TokenLifetime},
		{name: "expired before it was issued", token: root(`"iat":1795305600`, `"iat":1795305620`, `"exp":1795306500`, `"exp":1795305615`), want: denial.TokenLifetime},
		{name: "the task is over", token: root(`"task_exp":1795309200`, `"task_exp":1795305605`), want: denial.TaskExpired},

		// Step 7: the audience.
		{name: "for another trust domain", token: root(`"aud":"acme.example"`, `"aud":"globex.example"`), want: denial.TokenAudience},
		{name: "an audience in another case", token: root(`"aud":"acme.example"`, `"aud":"Acme.example"`), want: denial.TokenAudience},

		// Step 8: role and depth.
		{name: "a root with par_hash", token: root(`"del_depth":0`, `"par_hash":"`+hashOf(t, d0)+`","del_depth":0`), want: denial.TokenDepth},
		{name: "a root with del_root", token: root(`"del_depth":0`, `"del_root":"`+d0+`","del_depth":0`), want: denial.TokenDepth},
		{name: "a root at depth 1", token: root(`"del_depth":0`, `"del_depth":1`), want: denial.TokenDepth},
		{name: "a hop issuer that starts a delegation", token: w.resign(own, edited(t, p0, tts, own, `"exp":1795306500`, `"exp":1795305660`)), want: denial.TokenClaims},
		{name: "a hop issuer that starts a delegation, without cnf", token: w.resign(own, edited(t, p0, tts, own, `"cnf":{"x5t#S256":"`+planner.CertificateHash+`"},`, ``, `"exp":1795306500`, `"exp":1795305660`)), want: denial.TokenDepth},
		{name: "a context token with a scope", token: w.edit(t, own, w.contextToken(t), `"scope":""`, `"scope":"mcp:crm:refund_case"`), presenter: crm, want: denial.TokenDepth},
		{name: "a context token with depth to spare", token: w.edit(t, own, w.contextToken(t), `"del_max_depth":0`, `"del_max_depth":2`), presenter: crm, want: denial.TokenDepth},
		{name: "a context token with a parent", token: w.edit(t, own, w.contextToken(t), `"del_depth":0`, `"par_hash":"`+hashOf(t, d0)+`","del_depth":0`), presenter: crm, want: denial.TokenDepth},
		{name: "a context token with a user", token: w.edit(t, own, w.contextToken(t), `"sub":"spiffe://acme.example/planner"`, `"sub":"u-8821"`), presenter: crm, want: denial.TokenActorDomain},
		{name: "a context token with a foreign subject", token: w.edit(t, own, w.contextToken(t), `"sub":"spiffe://acme.example/planner"`, `"sub":"spiffe://globex.example/planner"`), presenter: crm, want: denial.TokenActorDomain},
		{name: "a context token with a task", token: w.edit(t, own, w.contextToken(t), `"task":""`, `"task":"case-4711"`), presenter: crm, want: denial.TokenClaims},
		{name: "a context token with an authentication", token: w.edit(t, own, w.contextToken(t), `"rctx":{`, `"rctx":{"acr":"high",`), presenter: crm, want: denial.TokenClaims},
		{name: "a hop token without par_hash", token: hop(`"par_hash":"`+hashOf(t, d0)+`",`, ``), presenter: crm, want: denial.TokenDepth},
		{name: "a hop token with cnf", token: hop(`"par_hash"`, `"cnf":{"x5t#S256":"`+crm.CertificateHash+`"},"par_hash"`), presenter: crm, want: denial.TokenClaims},
		{name: "a hop token with a status of its own", token: hop(`"par_hash"`, `"status":{"status_list":{"idx":1,"uri":"https://x"}},"par_hash"`), presenter: crm, want: denial.TokenClaims},
		{name: "a hop token with may_act", token: hop(`"par_hash"`, `"may_act":{"sub":"spiffe://acme.example/crm"},"par_hash"`), presenter: crm, want: denial.TokenClaims},
		{name: "a hop token without a task", token: hop(`"task":"case-4711"`, `"task":""`), presenter: crm, want: denial.TokenClaims},

		// Step 9: the chain.
		{name: "a root with two actors", token: root(innermost, `"act":{"iss":"spiffe://acme.example",`+actor("planner")+`,`+strings.Replace(innermost, "planner", "intern", 1)+`}`), want: denial.TokenChain},
		{name: "a hop token that hides its predecessor", token: hop(`,`+innermost, ``), presenter: crm, want: denial.TokenChain},
		{name: "a hop token with an actor too many", token: hop(innermost, `"act":{"iss":"spiffe://acme.example",`+actor("intern")+`,`+innermost+`}`), presenter: crm, want: denial.TokenChain},
		{name: "more actors than any chain has", token: w.edit(t, own, d1, innermost, nestActors(12)), presenter: crm, want: denial.TokenChain},
		{name: "a hop token without actors", token: hop(actOf(p1)+",", ""), presenter: crm, want: denial.TokenChain},
		{name: "deeper than allowed by itself", token: hop(`"del_max_depth":3`, `"del_max_depth":0`), presenter: crm, want: denial.TokenDepth},
		{name: "more depth than the issuer may grant", token: root(`"del_max_depth":3`, `"del_max_depth":5`), want: denial.TokenDepth},
		{name: "the same actor twice", token: hop(actor("crm")+`,"sub_profile":"service"`, actor("planner")+`,"sub_profile":"service"`), want: denial.TokenLoop},
		{name: "an actor of a foreign trust domain", token: root(innermost, strings.ReplaceAll(innermost, "acme", "globex")), want: denial.TokenActorDomain},
		{name: "a foreign trust domain in the middle", token: hop(innermost, strings.ReplaceAll(innermost, "acme", "globex")), presenter: crm, want: denial.TokenActorDomain},
		{name: "an actor that is no SPIFFE ID", token: root(innermost, `"act":{"iss":"spiffe://acme.example","sub":"planner"}`), want: denial.TokenActorDomain},
		{name: "an actor that is a trust domain", token: root(innermost, `"act":{"iss":"spiffe://acme.example","sub":"spiffe://acme.example"}`), want: denial.TokenActorDomain},
		{name: "an actor with a port", token: root(innermost, `"act":{"iss":"spiffe://acme.example","sub":"spiffe://acme.example:443/planner"}`), want: denial.TokenActorDomain},
		{name: "an actor with a query", token: root(innermost, `"act":{"iss":"spiffe://acme.example","sub":"spiffe://acme.example/planner?x"}`), want: denial.TokenActorDomain},
		{name: "an actor that is too long", token: root(innermost, `"act":{"iss":"spiffe://acme.example","sub":"spiffe://acme.example/`+strings.Repeat("p", 2040)+`"}`), want: denial.TokenClaims},
		{name: "an actor named by somebody else", token: root(innermost, strings.Replace(innermost, `"spiffe://acme.example"`, `"https://tts.acme.example"`, 1)), want: denial.TokenActorDomain},
		{name: "a user without an agent", token: root(innermost+",", ``), want: denial.TokenActorDomain},
		{name: "may_act of somebody else", token: root(`"del_depth":0`, `"may_act":{"sub":"spiffe://acme.example/intern"},"del_depth":0`), want: denial.TokenActorDomain},
		{name: "may_act by somebody else", token: root(`"del_depth":0`, `"may_act":{"iss":"spiffe://globex.example","sub":"spiffe://acme.example/planner"},"del_depth":0`), want: denial.TokenActorDomain},

		// Step 10: the presenter.
		{name: "stolen by another workload", token: d0, presenter: intern, want: denial.TokenHolder},
		{name: "the parent's token used by the backend", token: d0, presenter: crm, want: denial.TokenHolder},
		{name: "the backend's token used by its caller", token: d1, presenter: planner, want: denial.TokenHolder},
		{name: "the next token used by an earlier backend", token: d2, presenter: crm, want: denial.TokenHolder},
		{name: "a presenter without a name", token: d0, presenter: peer.Peer{CertificateHash: planner.CertificateHash}, want: denial.TokenHolder},
		{name: "a workload with a longer path", token: d0, presenter: workload("planner/x"), want: denial.TokenHolder},
		{name: "another certificate of the same workload", token: d0, presenter: peer.Peer{ID: planner.ID, CertificateHash: sha256Text("stolen")}, want: denial.TokenKeyBinding},
		{name: "no certificate seen", token: d0, presenter: peer.Peer{ID: planner.ID}, want: denial.TokenKeyBinding},

		// Step 11: the root. The attacker has the key of a hop issuer.
		{name: "no root", token: hop(`,"del_root":"`+d0+`"`, ``), presenter: crm, want: denial.TokenRootMissing},
		{name: "a root that is no token", token: embed("x"), presenter: crm, want: denial.TokenMalformed},
		{name: "a root signed by the hop issuer", token: embed(w.resign(own, p0)), presenter: crm, want: denial.TokenUnknownKey},
		{name: "a context token as the root", token: embedFitting(w.contextToken(t)), presenter: crm, want: denial.TokenRootMissing},
		{name: "a hop token as the root", token: embedFitting(w.resign(own, strings.Replace(p1, `,"del_root":"`+d0+`"`, ``, 1))), presenter: crm, want: denial.TokenRootMissing},
		{name: "a root of an unknown issuer", token: embedFitting(root(tts+`"`, `https://tts.evil.example"`)), presenter: crm, want: denial.TokenUnknownIssuer},
		{name: "a root with a broken signature", token: embedFitting(segments[0] + "." + segments[1] + "." + strings.Repeat("A", 86)), presenter: crm, want: denial.TokenSignature},
		{name: "a root for another audience", token: embedFitting(root(`"aud":"acme.example"`, `"aud":"globex.example"`)), presenter: crm, want: denial.TokenAudience},
		{name: "a root that is expired", token: embedFitting(root(`"exp":1795306500`, `"exp":1795305602`)), presenter: crm, want: denial.TokenExpired},
		{name: "an invented user", token: hop(`"sub":"u-8821"`, `"sub":"u-0001"`), presenter: crm, want: denial.TokenAltered},
		{name: "an invented profile", token: hop(`"sub_profile":"user"`, `"sub_profile":"admin"`), presenter: crm, want: denial.TokenAltered},
		{name: "another transaction", token: hop(theRoot().Txn, "another"), presenter: crm, want: denial.TokenAltered},
		{name: "an invented task", token: hop(`"task":"case-4711"`, `"task":"case-4712"`), presenter: crm, want: denial.TokenAltered},
		{name: "a longer task", token: hop(`"task_exp":1795309200`, `"task_exp":1795309201`), presenter: crm, want: denial.TokenAltered},
		{name: "a space in the task", token: hop(`"task":"case-4711",`, `"task":"case-4711", `), presenter: crm, want: denial.TokenAltered},
		{name: "an additional member of the task", token: hop(`"task":"case-4711",`, `"task":"case-4711","x":1,`), presenter: crm, want: denial.TokenAltered},
		{name: "a better authentication", token: hop(`"authn":"hwk"`, `"authn":"hwk","acr":"high"`), presenter: crm, want: denial.TokenAltered},
		{name: "another origin", token: hop("203.0.113.7", "203.0.113.8"), presenter: crm, want: denial.TokenAltered},
		{name: "another first workload", token: hop(innermost, strings.Replace(innermost, "planner", "intern", 1)), presenter: crm, want: denial.TokenAltered},
		{name: "another profile of the first workload", token: hop(`"sub_profile":"ai_agent"`, `"sub_profile":"user"`), presenter: crm, want: denial.TokenAltered},
		{name: "an additional tool", token: hop(`"scope":"mcp:ledger:read_entry"`, `"scope":"mcp:ledger:read_entry mcp:hr:fire"`), presenter: crm, want: denial.TokenNotNarrower},
		{name: "a wildcard for a tool", token: hop(`"scope":"mcp:ledger:read_entry"`, `"scope":"mcp:ledger:*"`), presenter: crm, want: denial.TokenNotNarrower},
		{name: "a life beyond the root's", token: hop(`"iat":1795305605,"exp":1795305665`, `"iat":1795306400,"exp":1795306501`), presenter: crm, at: start.Add(14 * time.Minute), want: denial.TokenNotNarrower},
		{name: "issued before the root", token: hop(`"iat":1795305605`, `"iat":1795305599`), presenter: crm, want: denial.TokenNotNarrower},
		{name: "more depth than the root", token: hop(`"del_max_depth":3`, `"del_max_depth":4`), presenter: crm, want: denial.TokenNotNarrower},
		{name: "an empty scope with depth to spare", token: hop(`"scope":"mcp:ledger:read_entry"`, `"scope":""`), presenter: crm, want: denial.TokenNotNarrower},
		{name: "limits gone", token: embedFitting(limitedRoot), presenter: crm, want: denial.TokenNotNarrower},
		{name: "limits widened", token: w.resign(own, edited(t, p1, `,"tctx"`, strings.Replace(limits, "9", "10", 1), d0, limitedRoot, hashOf(t, d0), hashOf(t, limitedRoot))), presenter: crm, want: denial.TokenNotNarrower},
		{name: "limits that the root does not have", token: hop(`,"tctx"`, limits), presenter: crm, want: denial.TokenNotNarrower},
		{name: "limits narrowed", token: w.resign(own, edited(t, p1, `,"tctx"`, strings.Replace(limits, "9", "8", 1), d0, limitedRoot, hashOf(t, d0), hashOf(t, limitedRoot))), presenter: crm, want: ""},
		{name: "another genuine root of the same task", token: embed(root(`"jti":"01jd7w3k9q2m5x8t4v6z0b1c2d"`, `"jti":"another"`)), presenter: crm, want: denial.TokenParentHash},
		{name: "another parent", token: hop(hashOf(t, d0), hashOf(t, d1)), presenter: crm, want: denial.TokenParentHash},
	}
}

type hostileCase struct {
	name      string
	token     string
	presenter peer.Peer // planner by default
	at        time.Time // now by default
	want      denial.Reason
}

func (c hostileCase) verify(ctx context.Context, v *delegation.Verifier) error {
	if c.presenter == (peer.Peer{}) {
		c.presenter = planner
	}
	if c.at.IsZero() {
		c.at = now
	}
	_, err := v.Verify(ctx, c.token, c.presenter, c.at)
	return err
}

// TestVerifyRefuses also checks that a second look, which may come from the cache, says the same.
func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	for _, c := range hostile(t, w) {
		t.Run(c.name, func(t *testing.T) {
			for range 2 {
				if err := c.verify(t.Context(), v); reason(err) != c.want {
					t.Fatalf("got %v, want %q", err, c.want)
				}
			}
		})
	}
}

// TestSkippingTheRoot shows what the option gives up: everything that only the root proves, and nothing else.
func TestSkippingTheRoot(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t, func(c *delegation.Config) { c.RequireRoot = false })
	d0, d1, _ := w.chain(t)
	for _, c := range []struct {
		name, token, rootID string
		want                denial.Reason
	}{
		{"with its root", d1, root().ID, ""},
		{"without a root", w.edit(t, own, d1, `,"del_root":"`+d0+`"`, ``), "", ""},
		{"an invented user is believed", w.edit(t, own, d1, "u-8821", "u-0001"), root().ID, ""},
		{"a root of an issuer that is not known here", w.edit(t, own, d1, d0, w.edit(t, tts, d0, tts+`"`, `https://tts.initech.example"`)), root().ID, ""},
		{"a root that is no token", w.edit(t, own, d1, d0, "x"), "", denial.TokenMalformed},
		{"a root without claims", w.edit(t, own, d1, d0, w.resign(tts, `{"iss":"x"}`)), "", denial.TokenClaims},
	} {
		t.Run(c.name, func(t *testing.T) {
			token, err := v.Verify(t.Context(), c.token, crm, now)
			if reason(err) != c.want {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err == nil && token.RootID() != c.rootID {
				t.Errorf("RootID is %q, want %q", token.RootID(), c.rootID)
			}
		})
	}
}

// TestRootThatNamesNoActor is a workload that acts for itself: the subject is the presenter.
func TestRootThatNamesNoActor(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	c := root()
	c.Actor, c.Subject, c.SubjectProfile, c.CertificateHash = nil, planner.ID.String(), "ai_agent", ""
	c.MayAct = &delegation.Actor{Subject: planner.ID.String()}
	d0 := w.mint(t, c)
	if _, err := v.Verify(t.Context(), d0, crm, now); reason(err) != denial.TokenHolder {
		t.Errorf("presented by crm: %v", err)
	}
	d1 := w.pass(t, v, d0, w.hop(planner, crm, "mcp:ledger:read_entry"))
	token, err := v.Verify(t.Context(), d1, crm, now)
	if err != nil {
		t.Fatal(err)
	}
	want := &delegation.Actor{
		Issuer: "spiffe://acme.example", Subject: crm.ID.String(), SubjectProfile: "service",
		Actor: &delegation.Actor{Issuer: "spiffe://acme.example", Subject: planner.ID.String(), SubjectProfile: "ai_agent"},
	}
	if diff := cmp.Diff(want, token.Claims().Actor); diff != "" {
		t.Error(diff)
	}
	if _, _, err := delegation.Countersign(token, "acme.example", w.hop(crm, planner)); reason(err) != denial.TokenLoop {
		t.Errorf("back to planner: %v", err)
	}
}

func TestWhitespaceInTheTaskIsKept(t *testing.T) {
	w := newWorld(t)
	v := w.verifier(t)
	const tctx = `{ "purpose" : "refund-review", "task":"case-4711",  "task_exp":1795309200, "extra":{"b":1.10, "a":"\u00e9\/"} }`
	c := root()
	c.Task = delegation.Task{Raw: []byte(tctx)}
	d1 := w.pass(t, v, w.mint(t, c), w.hop(planner, crm, "mcp:ledger:read_entry"))
	d2 := w.pass(t, v, d1, w.hop(crm, ledger))
	if !strings.Contains(payloadOf(t, d2), `"tctx":`+tctx+`,`) {
		t.Errorf("got %s", payloadOf(t, d2))
	}
}

func TestSymmetricAlgorithmsAreNeverConfigurable(t *testing.T) {
	w := newWorld(t)
	secret := []byte("0123456789abcdef0123456789abcdef")
	issuer := w.issuers[tts]
	issuer.Algorithms = []jose.SignatureAlgorithm{jose.HS256}
	w.issuers[tts] = issuer
	w.keys[tts] = jose.JSONWebKey{Key: secret, KeyID: "shared", Algorithm: "HS256"}
	token := forge(secret, w.header(tts), payloadOf(t, newWorld(t).mint(t, root())))
	if _, err := w.verifier(t).Verify(t.Context(), token, planner, now); reason(err) != denial.TokenAlgorithm {
		t.Errorf("got %v", err)
	}
}

func TestARoleThatIsNone(t *testing.T) {
	w := newWorld(t)
	d0, _, _ := w.chain(t)
	issuer := w.issuers[tts]
	issuer.Role = trust.Role(7)
	w.issuers[tts] = issuer
	if _, err := w.verifier(t).Verify(t.Context(), d0, planner, now); reason(err) != denial.TokenDepth {
		t.Errorf("got %v", err)
	}
}

func TestNewVerifier(t *testing.T) {
	for name, config := range map[string]delegation.Config{
		"no audience":        {Keys: newWorld(t)},
		"no keys":            {Audience: "acme.example"},
		"a depth over 8":     {Audience: "acme.example", Keys: newWorld(t), MaxDepth: 9},
		"a negative depth":   {Audience: "acme.example", Keys: newWorld(t), MaxDepth: -1},
		"a negative skew":    {Audience: "acme.example", Keys: newWorld(t), Skew: -1},
		"a negative cache":   {Audience: "acme.example", Keys: newWorld(t), CacheSize: -1},
		"nothing configured": {},
	} {
		if _, err := delegation.NewVerifier(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// contextToken is what crm gets when planner calls it without a delegation.
func (w *world) contextToken(t testing.TB) string {
	t.Helper()
	compact, _, err := delegation.Countersign(nil, "acme.example", w.hop(planner, crm))
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// theRoot is root where that name is taken.
func theRoot() delegation.Claims { return root() }

func hashOf(t testing.TB, compact string) string {
	t.Helper()
	return sha256Text(compact[:strings.LastIndex(compact, ".")])
}

func edited(t testing.TB, text string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(text, replace[i]) != 1 {
			t.Fatalf("%q is not once in %s", replace[i], text)
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return text
}

func tctxOf(payload string) string { return between(payload, `"tctx":`, `,"rctx"`) }
func actOf(payload string) string  { return between(payload, `"act":`, `,"scope"`) }

func between(text, from, to string) string {
	i := strings.Index(text, from)
	return text[i : i+strings.Index(text[i:], to)]
}

func nestActors(n int) string {
	if n == 0 {
		return `"sub_profile":"x"`
	}
	return `"act":{"iss":"spiffe://acme.example","sub":"spiffe://acme.example/` + strings.Repeat("a", n) + `",` + nestActors(n-1) + `}`
}

// flipUnusedBit changes the last character so that a lenient decoder sees the same bytes.
func flipUnusedBit(compact string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, compact[len(compact)-1])
	flipped := compact[:len(compact)-1] + string(alphabet[last^1])
	a, _ := base64.RawURLEncoding.DecodeString(compact[strings.LastIndex(compact, ".")+1:])
	b, _ := base64.RawURLEncoding.DecodeString(flipped[strings.LastIndex(flipped, ".")+1:])
	if string(a) != string(b) {
		panic("the last character has no unused bit")
	}
	return flipped
}
