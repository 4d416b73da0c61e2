package verify_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"

	"countersign.dev/authz/delegation"
)

// FuzzVerify changes a countersigned request at will. Whatever is accepted has the one good token for these bytes, this
// method and this tool.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	v := w.crm()
	good := w.refund()
	stream := w.sign(w.grant(), w.hopTo("stream", "", ""))
	for _, body := range []string{refund, "", "[]", "{}", `{"method":"tools/call","params":{"name":"refund_case"}}`} {
		for _, token := range []string{good, stream, w.context(), w.grant(), good + ".", good[1:], "a.b.c"} {
			f.Add("POST", token, body)
			f.Add("GET", token, body)
		}
	}
	signed := map[string]bool{}
	for _, token := range []string{good, stream} {
		parsed, err := delegation.Parse(token)
		if err != nil {
			f.Fatal(err)
		}
		signed[parsed.Hash] = true
	}
	f.Fuzz(func(t *testing.T, method, token, body string) {
		call, err := v.Verify(t.Context(), method, withToken(token), []byte(body))
		if (err == nil) != (call != nil) {
			t.Fatal("neither or both of a call and an error")
		}
		if err != nil {
			if reason(err) == "internal" {
				t.Fatalf("a refusal without a reason: %v", err)
			}
			return
		}
		parsed, err := delegation.Parse(token)
		if err != nil {
			t.Fatalf("accepted and can not be read: %v", err)
		}
		sum := sha256.Sum256([]byte(body))
		if call.HasDelegation && !signed[parsed.Hash] {
			t.Error("a token that nobody signed")
		}
		if b := parsed.Claims.Request.MCP; b.RequestHash != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Error("another body")
		}
		if (call.Method == "stream") != (method == http.MethodGet) {
			t.Errorf("%s accepted as %s", method, call.Method)
		}
	})
}
