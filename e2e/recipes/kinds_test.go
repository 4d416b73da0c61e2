package recipes_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"countersign.dev/authz/delegation"
)

// kind is one way in which a request is good or broken.
type kind struct {
	name string
	good bool
	make func(w *world) *draft
}

// kinds are what clients, proxies and attackers do. "Forged" is what takes the key of Countersign to do: the verifiers
// refuse it all the same, so that one mistake of an issuer is not one of every backend.
var kinds = []kind{
	{"any message", true, func(w *world) *draft { return w.good() }},
	{"a tool call", true, func(w *world) *draft { return w.good(w.toolCall) }},
	{"the last second", true, func(w *world) *draft { d := w.good(w.toolCall); d.Now += 59; return d }},
	{"a clock that is behind", true, func(w *world) *draft { d := w.good(w.toolCall); d.Now -= 30; return d }},

	{"expired", false, func(w *world) *draft { d := w.good(); d.Now += 60 + w.Int64N(1000); return d }},
	{"from the future", false, func(w *world) *draft { d := w.good(); d.Now -= 31 + w.Int64N(1000); return d }},
	{"no token", false, func(w *world) *draft { d := w.good(); d.Tokens = []string{}; return d }},
	{"two tokens", false, func(w *world) *draft {
		d := w.good()
		d.Tokens = append(d.Tokens, pick(w, d.Tokens[0], "x", ""))
		return d
	}},
	{"two tokens in one field", false, func(w *world) *draft {
		d := w.good()
		d.Tokens[0] += pick(w, ",", ", ") + d.Tokens[0]
		return d
	}},
	{"another body", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		d.Body = bytes.Replace(d.Body, []byte(`"id":`), []byte(`"id":1`), 1)
		return d
	}},
	{"a body with white space added", false, func(w *world) *draft { d := w.good(w.toolCall); d.Body = append(d.Body, ' '); return d }},
	{"no body", false, func(w *world) *draft { d := w.good(w.toolCall); d.Body = []byte{}; return d }},
	{"another HTTP method", false, func(w *world) *draft {
		d := w.good(func() (string, string, string, string) { return "GET", "", "stream", "" })
		d.Method = pick(w, "DELETE", "OPTIONS", "PUT", "get")
		return d
	}},
	{"a token for another workload", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		method, body, mth, tool := w.toolCall()
		d.Method, d.Body = method, []byte(body)
		d.Tokens[0] = w.sign(w.verified(w.grant(), id("planner")), id("planner"), id("ledger"),
			delegation.Binding{Server: server, Method: mth, Tool: tool, RequestHash: sha256Text(d.Body)}, "ES256")
		return d
	}},
	{"a root token", false, func(w *world) *draft { d := w.good(w.toolCall); d.Tokens = []string{w.grant()}; return d }},

	{"a bit of the signature", false, func(w *world) *draft {
		return w.good().segments(func(p []string) { p[2] = flip(w, p[2]) })
	}},
	{"a bit of the payload", false, func(w *world) *draft {
		return w.good().segments(func(p []string) { p[1] = flip(w, p[1]) })
	}},
	{"no signature", false, func(w *world) *draft { return w.good().segments(func(p []string) { p[2] = "" }) }},
	{"half a signature", false, func(w *world) *draft {
		return w.good().segments(func(p []string) { p[2] = p[2][:len(p[2])/2] })
	}},
	{"a key of somebody else", false, func(w *world) *draft { return w.good().signedWith(newKey(w.t, "ES256").Key) }},
	{"base64 that is not canonical", false, func(w *world) *draft {
		return w.good().segments(func(p []string) {
			p[w.IntN(3)] += pick(w, "=", "==", "\n", "\r\n", ".", "A")
		})
	}},
	{"unused bits of the last character", false, func(w *world) *draft {
		// 64 bytes of a signature are 86 characters, and the last has 4 unused bits.
		return w.good().segments(func(p []string) { p[2] = p[2][:85] + nextCharacter(p[2][85]) })
	}},
	{"the other base64", false, func(w *world) *draft {
		d := w.good()
		for !strings.ContainsAny(d.Tokens[0], "-_") {
			d = w.good()
		}
		d.Tokens[0] = strings.NewReplacer("-", "+", "_", "/").Replace(d.Tokens[0])
		return d
	}},
	{"too long", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"tctx":{`, `"tctx":{"x":"`+strings.Repeat("x", 8000)+`",`).signed()
	}},
	{"not a compact token", false, func(w *world) *draft {
		d := w.good()
		parts := strings.Split(d.Tokens[0], ".")
		text, err := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
		if err != nil {
			w.t.Fatal(err)
		}
		d.Tokens[0] = pick(w, string(text), parts[0]+"."+parts[1], parts[1], "..", "null")
		return d
	}},

	{"another typ", false, header("typ", "JWT", "at+jwt", "application/txntoken+jwt", "TXNTOKEN+JWT", "", nil, 1)},
	{"no typ, kid or alg", false, func(w *world) *draft {
		d := w.good()
		delete(d.header, pick(w, "typ", "kid", "alg"))
		return d.signed()
	}},
	{"alg none", false, func(w *world) *draft {
		d := w.good()
		d.header["alg"] = pick(w, "none", "None", "NONE", "nOnE")
		return d.signed().segments(func(p []string) { p[2] = pick(w, "", p[2]) })
	}},
	{"a public key as a secret", false, func(w *world) *draft {
		d := w.good()
		d.header["alg"] = pick(w, "HS256", "HS384", "HS512")
		key := w.hops[d.alg]
		public := key.Public()
		text, err := public.MarshalJSON()
		if err != nil {
			w.t.Fatal(err)
		}
		return d.signedWith(text)
	}},
	{"the alg of another key", false, func(w *world) *draft {
		d := w.good()
		d.header["alg"] = map[string]string{"ES256": "EdDSA", "EdDSA": "ES256"}[d.alg]
		return d.signed()
	}},
	{"an alg that is not used", false, header("alg", "RS256", "PS256", "ES384", "ES512", "es256", "", nil, 256)},
	{"a kid that is not known", false, header("kid", "x", "", nil, 1, "../jwks.json", strings.Repeat("k", 200))},
	{"a key that the token brings along", false, func(w *world) *draft {
		d, key := w.good(), newKey(w.t, "ES256")
		public := key.Public()
		d.header["alg"] = "ES256"
		d.header["jwk"] = &public
		return d.signedWith(key.Key)
	}},
	{"another header member", false, func(w *world) *draft {
		d := w.good()
		d.header[pick(w, "crit", "b64", "jku", "x5u", "x5c", "zip", "cty", "Alg")] = pick[any](w, "x", []string{"exp"}, false)
		return d.signed()
	}},
	{"a header member twice", false, func(w *world) *draft {
		d := w.good()
		text := `{"alg":"` + d.alg + `","kid":"` + d.header["kid"].(string) + `","typ":"txntoken+jwt",` + pick(w, `"alg":"none"}`, `"typ":"JWT"}`, `"typ":"txntoken+jwt"}`)
		return d.compact(text, w.hops[d.alg].Key)
	}},

	{"forged: a claim twice", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"aud":"acme.example"`, pick(w, `"aud":"acme.example","aud":"acme.example"`,
			`"aud":"globex.example","aud":"acme.example"`, `"aud":"acme.example","\u0061ud":"acme.example"`)).signed()
	}},
	{"forged: a nested member twice", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"srv":"crm"`, `"srv":"ledger","srv":"crm"`).signed()
	}},
	{"forged: a claim that nobody knows", false, func(w *world) *draft {
		return w.good().replace(`"aud":"acme.example"`, `"aud":"acme.example",`+pick(w, `"AUD":"x"`, `"nbf":1`, `"Exp":1`, `"status":{}`, `"":0`, `"__proto__":{}`)).signed()
	}},
	{"forged: another audience", false, func(w *world) *draft {
		return w.good().replace(`"aud":"acme.example"`, `"aud":`+pick(w, `"globex.example"`, `"ACME.example"`, `["acme.example"]`, `""`, `null`, `{}`, `"acme.example."`)).signed()
	}},
	{"forged: another issuer", false, func(w *world) *draft {
		return w.good().replace(`"iss":"spiffe://acme.example/countersign"`, `"iss":`+pick(w, `"spiffe://acme.example/countersign2"`, `"`+tts+`"`, `null`, `[]`)).signed()
	}},
	{"forged: a claim is missing", false, func(w *world) *draft {
		return w.good(w.toolCall).without(pick(w, "iss", "aud", "iat", "exp", "jti", "txn", "sub", "req_wl", "act", "scope", "tctx", "rctx", "del_depth", "del_max_depth")).signed()
	}},
	{"forged: an end of another form", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		exp := d.number("exp")
		return d.replace(exp, pick(w, `"exp":"1795608060"`, `"exp":1795608060.5`, `"exp":null`, `"exp":-1`, `"exp":true`, `"exp":[1795608060]`, `"exp":1e400`)).signed()
	}},
	{"forged: a long life", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		return d.replace(d.number("exp"), `"exp":1795608301`).signed()
	}},
	{"forged: the task is over", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		return d.replace(d.number("task_exp"), pick(w, `"task_exp":1795608000`, `"task_exp":0`, `"task_exp":"9999999999"`)).signed()
	}},
	{"forged: another presenter", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"sub":"`+self+`"`, `"sub":`+pick(w, `"spiffe://acme.example/crm2"`, `"spiffe://acme.example/CRM"`, `"spiffe://acme.example/crm/"`, `""`, `null`)).signed()
	}},
	{"forged: a predecessor is missing", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		return d.replace(d.number("del_depth"), `"del_depth":`+pick(w, `0`, `3`, `-1`, `"1"`, `1.5`)).signed()
	}},
	{"forged: a loop", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"sub":"spiffe://acme.example/planner"`, `"sub":"`+self+`"`).signed()
	}},
	{"forged: a depth that may not be", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		return d.replace(d.number("del_max_depth"), `"del_max_depth":`+pick(w, `0`, `5`, `null`)).signed()
	}},
	{"forged: another server", false, func(w *world) *draft {
		return w.good().replace(`"srv":"crm"`, `"srv":`+pick(w, `"ledger"`, `"CRM"`, `""`, `null`)).signed()
	}},
	{"forged: another method", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"mth":"tools/call"`, `"mth":`+pick(w, `"tools/list"`, `"batch"`, `"stream"`, `null`, `""`)).signed()
	}},
	{"forged: another tool", false, func(w *world) *draft {
		return w.good(w.toolCall).replace(`"mth":"tools/call","tool":`, `"mth":"tools/call","tool":"other","x":`).signed()
	}},
	{"forged: no tool", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		_, rest, _ := strings.Cut(d.payload, `"tool":`)
		return d.replace(`"tool":`+rest[:strings.Index(rest, ",")+1], "").signed()
	}},
	{"forged: a hash of another form", false, func(w *world) *draft {
		d := w.good()
		hash := sha256Text(d.Body)
		sum, err := base64.RawURLEncoding.DecodeString(hash)
		if err != nil {
			w.t.Fatal(err)
		}
		return d.replace(`"req_s256":"`+hash+`"`, pick(w, `"req_s256":"`+hash+`="`, `"req_s256":"`+base64.StdEncoding.EncodeToString(sum)+`"`,
			`"req_s256":null`, `"req_s256":""`, `"arg_s256":"`+hash+`"`)).signed()
	}},
	{"forged: bound to nothing", false, func(w *world) *draft {
		return w.good().replace(`"mcp":{`, pick(w, `"mcp":[],"mcp2":{`, `"mpc":{`, `"MCP":{`)).signed()
	}},
	{"forged: a delegation out of nowhere", false, func(w *world) *draft {
		d := w.good(w.toolCall)
		method, body, mth, tool := w.toolCall()
		d.Method, d.Body = method, []byte(body)
		d.Tokens[0] = w.sign(nil, id("planner"), id("crm"), delegation.Binding{Server: server, Method: mth, Tool: tool, RequestHash: sha256Text(d.Body)}, d.alg)
		d.payload = d.decode(strings.Split(d.Tokens[0], ".")[1])
		change := pick(w, [2]string{`"scope":""`, `"scope":"mcp:ledger:*"`}, [2]string{`"task":""`, `"task":"x"`})
		return d.replace(change[0], change[1]).signed()
	}},
	{"forged: not an object", false, func(w *world) *draft {
		d := w.good()
		d.payload = pick(w, `[]`, `null`, `"x"`, ``, d.payload+"{}", d.payload+"x", "["+d.payload+"]", "\ufeff"+d.payload,
			strings.Replace(d.payload, "{", "{\x00", 1), strings.Replace(d.payload, `"jti":"`, `"jti":"`+"\xff", 1), `{"a":NaN}`, strings.TrimSuffix(d.payload, "}"))
		return d.signed()
	}},
}

// header sets a member of the header to one of these values.
func header(name string, values ...any) func(*world) *draft {
	return func(w *world) *draft {
		d := w.good()
		d.header[name] = pick(w, values...)
		return d.signed()
	}
}

// without leaves a claim out.
func (d *draft) without(name string) *draft {
	d.t.Helper()
	var claims map[string]json.RawMessage
	if err := json.Unmarshal([]byte(d.payload), &claims); err != nil {
		d.t.Fatal(err)
	}
	delete(claims, name)
	text, err := json.Marshal(claims)
	if err != nil {
		d.t.Fatal(err)
	}
	d.payload = string(text)
	return d
}

// flip changes one bit of what is encoded.
func flip(w *world, text string) string {
	data := []byte(w.decode(text))
	data[w.IntN(len(data))] ^= 1 << w.IntN(8)
	return encode(data)
}

func nextCharacter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}
