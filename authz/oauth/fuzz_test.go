package oauth_test

import (
	"errors"
	"testing"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/oauth"
)

// FuzzToken reads any text as a token. Without a key nobody can make one that passes, except by spelling a good one the
// one way that it has.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	good := map[string]bool{w.access(nil): true, w.id(nil): true}
	for compact := range good {
		f.Add(compact)
	}
	f.Add(w.access(claims{"exp": 1}))
	f.Add("")
	f.Add("a.b.c")
	f.Add(withHeader(w.access(nil), `{"alg":"none","kid":"ec-1","typ":"at+jwt"}`))
	f.Fuzz(func(t *testing.T, compact string) {
		user, err := w.verifier.JWT(t.Context(), compact, resource, noon)
		if (err == nil) != good[compact] || (user == nil) != (err != nil) {
			t.Fatalf("%v, %v", user, err)
		}
		if _, typed := errors.AsType[*denial.Error](err); err != nil && !typed {
			t.Fatalf("an error without a reason: %v", err)
		}
	})
}

// FuzzClaims signs any payload. Whatever passes says who the user is, for us, and until when.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	for _, seed := range []string{
		`{"iss":"https://login.acme.example","sub":"alice","aud":"https://tts.acme.example","client_id":"web-app","jti":"1","iat":1795608000,"exp":1795608300}`,
		`{"iss":"https://login.acme.example","sub":"alice","aud":["a","https://tts.acme.example"],"client_id":"cli","jti":"1","iat":1795608000,"exp":1795608300,"cnf":{"x5t#S256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}}`,
		`{"iss":"https://login.acme.example","may_act":{"sub":"x"},"act":{}}`,
		`{"iss":"https://login.acme.example","sub":1e400}`,
		`[]`, `{}`, `{"iss":null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		mine := *w
		mine.t = t
		user, err := w.verifier.AccessToken(t.Context(), mine.signText(w.ec, "at+jwt", payload), resource, noon)
		if err != nil {
			if denial.ReasonOf(err) == denial.Internal || user != nil {
				t.Fatalf("%v, %v", user, err)
			}
			return
		}
		if user.Issuer != idp || user.Subject == "" || len(user.Subject) > oauth.MaxIdentifier || user.ID == "" ||
			!noon.Before(user.Expiry) || !user.IssuedAt.Before(user.Expiry) || user.ClientID != webApp && user.ClientID != "cli" {
			t.Fatalf("%+v", user)
		}
	})
}
