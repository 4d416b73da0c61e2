package exchange_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/exchange"
)

// What an agent may try in the form. Each is a pair of parameter and value on top of a good request.
func TestHostileForms(t *testing.T) {
	h := newHouse(t)
	stranger := newKey(t)
	foreign := sign(t, stranger, "at+jwt", claims{"iss": "https://evil.example", "sub": "alice", "aud": issuer, "client_id": webApp,
		"jti": "1", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}, nil)
	forged := sign(t, stranger, "at+jwt", claims{"iss": idp, "sub": "alice", "aud": issuer, "client_id": webApp,
		"jti": "1", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}, nil)
	ours := h.decide(h.form()).Token
	details := func(text string) []string { return []string{"request_details", text} }
	subject := func(token string) []string { return []string{"subject_token", token} }
	for name, test := range map[string]struct {
		change []string
		want   denial.Reason
	}{
		"no grant type":                   {[]string{"grant_type", "-"}, denial.ExchangeMalformed},
		"client credentials":              {[]string{"grant_type", "client_credentials"}, denial.ExchangeGrantType},
		"a refresh":                       {[]string{"grant_type", "refresh_token"}, denial.ExchangeGrantType},
		"the grant type in capitals":      {[]string{"grant_type", strings.ToUpper(exchange.GrantType)}, denial.ExchangeGrantType},
		"a foreign actor token":           {[]string{"actor_token", h.access(nil), "actor_token_type", exchange.TypeAccessToken}, denial.ExchangeActorToken},
		"its own actor token":             {[]string{"actor_token", ours}, denial.ExchangeActorToken},
		"only the type of an actor token": {[]string{"actor_token_type", exchange.TypeJWT}, denial.ExchangeActorToken},
		"a requested actor":               {[]string{"requested_actor", intern}, denial.ExchangeActorToken},
		"a client secret":                 {[]string{"client_secret", "x"}, denial.ExchangeClient},
		"a client assertion":              {[]string{"client_assertion", "x", "client_assertion_type", "y"}, denial.ExchangeClient},
		"the client_id of another":        {[]string{"client_id", intern}, denial.ExchangeClient},
		"the client_id of the user's app": {[]string{"client_id", webApp}, denial.ExchangeClient},
		"no requested token type":         {[]string{"requested_token_type", "-"}, denial.ExchangeMalformed},
		"an access token wanted":          {[]string{"requested_token_type", exchange.TypeAccessToken}, denial.ExchangeTokenType},
		"no audience":                     {[]string{"audience", "-"}, denial.ExchangeMalformed},
		"an empty audience":               {[]string{"audience", ""}, denial.ExchangeMalformed},
		"the audience of others":          {[]string{"audience", "other.example"}, denial.ExchangeTarget},
		"a server as audience":            {[]string{"audience", "https://crm.acme.example/mcp"}, denial.ExchangeTarget},
		"two audiences in one":            {[]string{"audience", "acme.example other.example"}, denial.ExchangeTarget},
		"the audience in capitals":        {[]string{"audience", "ACME.example"}, denial.ExchangeTarget},
		"a resource":                      {[]string{"resource", "https://crm.acme.example/mcp"}, denial.ExchangeTarget},
		"no subject token":                {[]string{"subject_token", "-"}, denial.ExchangeMalformed},
		"no subject token type":           {[]string{"subject_token_type", "-"}, denial.ExchangeMalformed},
		"a SAML assertion":                {[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}, denial.ExchangeTokenType},
		"an unsigned subject":             {[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:unsigned_json"}, denial.ExchangeTokenType},
		"a delegation as subject":         {[]string{"subject_token", ours, "subject_token_type", exchange.TypeTxnToken}, denial.ExchangeTokenType},
		"a delegation as jwt":             {[]string{"subject_token", ours, "subject_token_type", exchange.TypeJWT}, denial.TokenMalformed},
		"a delegation as access token":    {subject(ours), denial.TokenMalformed},
		"an ID token as access token":     {subject(h.id()), denial.TokenMalformed},
		"an access token as ID token":     {[]string{"subject_token_type", exchange.TypeIDToken}, denial.TokenMalformed},
		"an opaque token":                 {subject("opaque"), denial.TokenMalformed},
		"a token of a foreign provider":   {subject(foreign), denial.TokenUnknownIssuer},
		"a token signed by the attacker":  {subject(forged), denial.TokenUnknownKey},
		"alg none":                        {subject("eyJhbGciOiJub25lIiwia2lkIjoiayIsInR5cCI6ImF0K2p3dCJ9." + strings.Split(h.access(nil), ".")[1] + ".AAAA"), denial.TokenAlgorithm},
		"alg HS256":                       {subject("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ." + strings.Split(h.access(nil), ".")[1] + ".AAAA"), denial.TokenAlgorithm},
		"an expired token":                {subject(h.access(claims{"exp": noon.Unix(), "iat": noon.Add(-time.Hour).Unix()})), denial.TokenExpired},
		"a token of tomorrow":             {subject(h.access(claims{"iat": noon.Add(time.Minute).Unix()})), denial.TokenNotYetValid},
		"a token for a server":            {subject(h.access(claims{"aud": "https://crm.acme.example/mcp"})), denial.TokenAudience},
		"a token of another client":       {subject(h.access(claims{"client_id": "evil-app"})), denial.UserTokenClient},
		"a token of a client for itself":  {subject(h.access(claims{"sub": webApp})), denial.TokenClaims},
		"a user called like a workload":   {subject(h.access(claims{"sub": intern})), denial.TokenClaims},
		"a token with an actor":           {subject(h.access(claims{"act": claims{"sub": intern}})), denial.UserTokenActor},
		"a token for another actor":       {subject(h.access(claims{"may_act": claims{"sub": intern}})), denial.UserTokenActor},
		"an actor of another issuer":      {subject(h.access(claims{"may_act": claims{"sub": planner, "iss": "spiffe://other.example"}})), denial.UserTokenActor},
		"bound to another certificate":    {subject(h.access(claims{"cnf": claims{"x5t#S256": hashOf(certificate(t, intern))}})), denial.TokenKeyBinding},
		"bound to a DPoP key":             {subject(h.access(claims{"cnf": claims{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}})), denial.TokenKeyBinding},
		"an acr that fits nowhere":        {subject(h.access(claims{"acr": strings.Repeat(`"`, 256)})), denial.TokenClaims},
		"no scope":                        {[]string{"scope", "-"}, denial.ExchangeScope},
		"a scope of somebody else":        {[]string{"scope", "openid"}, denial.ExchangeScope},
		"a scope for everything":          {[]string{"scope", "mcp:*:*"}, denial.ExchangeScope},
		"a scope with a pattern":          {[]string{"scope", "mcp:crm:refund_*"}, denial.ExchangeScope},
		"the same scope twice":            {[]string{"scope", "mcp:crm:get_case mcp:crm:get_case"}, denial.ExchangeScope},
		"a scope with a line break":       {[]string{"scope", "mcp:crm:get_case\nmcp:crm:x"}, denial.ExchangeScope},
		"a scope in capitals":             {[]string{"scope", "MCP:crm:get_case"}, denial.ExchangeScope},
		"an endless scope":                {[]string{"scope", strings.TrimSpace(strings.Repeat("mcp:crm:a ", 65))}, denial.ExchangeScope},
		"a tool that nobody granted":      {[]string{"scope", "mcp:crm:delete_all"}, denial.PolicyNoPermit},
		"a wildcard that nobody granted":  {[]string{"scope", "mcp:crm:*"}, denial.PolicyNoPermit},
		"limits beside request_details":   {[]string{"authorization_details", "[]"}, denial.ExchangeDetails},
		"no request_details":              {[]string{"request_details", "-"}, denial.ExchangeDetails},
		"details that are no JSON":        {details(`task=1`), denial.ExchangeDetails},
		"details that are a list":         {details(`[]`), denial.ExchangeDetails},
		"no task":                         {details(`{"purpose":"p"}`), denial.ExchangeDetails},
		"no purpose":                      {details(`{"task":"t"}`), denial.ExchangeDetails},
		"an empty task":                   {details(`{"task":"","purpose":"p"}`), denial.ExchangeDetails},
		"a task that is a number":         {details(`{"task":1,"purpose":"p"}`), denial.ExchangeDetails},
		"a task with a control character": {details(`{"task":"a\u0007","purpose":"p"}`), denial.ExchangeDetails},
		"a long task":                     {details(`{"task":"` + strings.Repeat("t", 257) + `","purpose":"p"}`), denial.ExchangeDetails},
		"two tasks":                       {details(`{"task":"a","task":"b","purpose":"p"}`), denial.ExchangeDetails},
		"Task beside task":                {details(`{"task":"a","Task":"b","purpose":"p"}`), denial.ExchangeDetails},
		"a task that is over":             {details(`{"task":"t","purpose":"p","task_exp":1795608000}`), denial.TaskExpired},
		"task_exp with a fraction":        {details(`{"task":"t","purpose":"p","task_exp":1795608001.5}`), denial.ExchangeDetails},
		"task_exp as text":                {details(`{"task":"t","purpose":"p","task_exp":"1795608001"}`), denial.ExchangeDetails},
		"task_exp beyond time":            {details(`{"task":"t","purpose":"p","task_exp":253402300800}`), denial.ExchangeDetails},
		"an intent that is no hash":       {details(`{"task":"t","purpose":"p","intent_s256":"abc"}`), denial.ExchangeDetails},
		"a user in the details":           {details(`{"task":"t","purpose":"p","sub":"bob"}`), denial.ExchangeDetails},
		"a depth in the details":          {details(`{"task":"t","purpose":"p","del_max_depth":8}`), denial.ExchangeDetails},
		"limits of another type":          {details(`{"task":"t","purpose":"p","authorization_details":[{"type":"x"}]}`), denial.ExchangeDetails},
		"limits that are no list":         {details(`{"task":"t","purpose":"p","authorization_details":{}}`), denial.ExchangeDetails},
		"limits with an unknown kind":     {details(`{"task":"t","purpose":"p","authorization_details":[{"type":"mcp_tools","server":"crm","tools":{"x":{"a":{"type":"regex"}}}}]}`), denial.ExchangeDetails},
		"details that are too long":       {details(`{"task":"t","purpose":"p"}` + strings.Repeat(" ", exchange.MaxDetails)), denial.ExchangeDetails},
		"limits that fill the token":      {details(bulky()), denial.ExchangeDetails},
		"a line break in the audience":    {[]string{"audience", "acme.example\n"}, denial.ExchangeMalformed},
		"a NUL in the token":              {subject("a\x00b"), denial.ExchangeMalformed},
		"a value that is not UTF-8":       {[]string{"unknown", "\xff"}, denial.ExchangeMalformed},
		"a name that is not UTF-8":        {[]string{"\xff", "x"}, denial.ExchangeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			out := h.decide(h.form(test.change...))
			h.refused(t, out, test.want)
		})
	}
}

// bulky are limits that are well-formed and too many for a token that others have to embed.
func bulky() string {
	var tools []string
	for i := range 40 {
		tools = append(tools, `"tool_with_a_long_name_`+strings.Repeat("x", i)+`":{"argument":{"type":"one_of","values":["aaaaaaaa","bbbbbbbb"]}}`)
	}
	return `{"task":"t","purpose":"p","authorization_details":[{"type":"mcp_tools","server":"crm","tools":{` + strings.Join(tools, ",") + `}}]}`
}

// refused checks a refusal: no token, one record that says the same, and nothing in it that is secret.
func (h *house) refused(t *testing.T, out exchange.Outcome, want denial.Reason) {
	t.Helper()
	if out.Reason != want || out.Token != "" || out.Err == nil {
		t.Fatalf("got %v, want %s", out.Err, want)
	}
	last := h.recorder.records[len(h.recorder.records)-1]
	if last.Decision != "deny" || last.Reason != string(want) || last.DecisionID != out.ID || last.TokenJTI != "" {
		t.Errorf("record %+v", last)
	}
	if strings.Contains(last.Detail, strings.Split(h.access(nil), ".")[1]) {
		t.Errorf("the record has the token: %s", last.Detail)
	}
}

func TestHostileBodies(t *testing.T) {
	h := newHouse(t)
	good := h.form().Encode()
	for name, test := range map[string]struct {
		body string
		want denial.Reason
	}{
		"nothing":                    {"", denial.ExchangeMalformed},
		"JSON":                       {`{"grant_type":"x"}`, denial.ExchangeMalformed},
		"a semicolon":                {good + ";a=b", denial.ExchangeMalformed},
		"a broken escape":            {good + "&a=%zz", denial.ExchangeMalformed},
		"the grant type twice":       {good + "&grant_type=" + url.QueryEscape(exchange.GrantType), denial.ExchangeDuplicate},
		"the subject twice":          {good + "&subject_token=" + h.access(claims{"sub": "bob"}), denial.ExchangeDuplicate},
		"the subject twice, escaped": {good + "&subject%5Ftoken=x", denial.ExchangeDuplicate},
		"the scope twice":            {good + "&scope=mcp:crm:get_case", denial.ExchangeDuplicate},
		"the audience twice":         {good + "&audience=acme.example", denial.ExchangeDuplicate},
		"an empty audience as well":  {good + "&audience=", denial.ExchangeDuplicate},
		"an unknown parameter twice": {good + "&x=1&x=2", denial.ExchangeDuplicate},
		"an endless list of them":    {good + strings.Repeat("&a=b", exchange.MaxParameters), denial.ExchangeMalformed},
		"more than fits":             {good + "&pad=" + strings.Repeat("a", exchange.MaxBody), denial.BodyTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			h.refused(t, h.exchange.Decide(t.Context(), h.request(test.body)), test.want)
		})
	}
	if out := h.exchange.Decide(t.Context(), h.request(good+"&actor_token=&x=")); out.Err != nil {
		t.Errorf("a parameter without a value counts as not sent: %v", out.Err)
	}
}

// What is around the form.
func TestHostileHTTP(t *testing.T) {
	h := newHouse(t)
	twoNames := certificate(t, planner, intern)
	for name, test := range map[string]struct {
		change func(*exchange.Request)
		want   denial.Reason
	}{
		"no certificate":             {func(r *exchange.Request) { r.Certificate = nil }, denial.PeerMissing},
		"a certificate of no one":    {func(r *exchange.Request) { r.Certificate = certificate(t) }, denial.PeerNoURISAN},
		"a certificate of two":       {func(r *exchange.Request) { r.Certificate = twoNames }, denial.PeerMultipleURISANs},
		"of another trust domain":    {func(r *exchange.Request) { r.Certificate = certificate(t, "spiffe://other.example/planner") }, denial.PeerTrustDomain},
		"of a trust domain":          {func(r *exchange.Request) { r.Certificate = certificate(t, "spiffe://acme.example") }, denial.PeerInvalid},
		"GET":                        {func(r *exchange.Request) { r.Method = http.MethodGet }, denial.HTTPMethod},
		"PUT":                        {func(r *exchange.Request) { r.Method = http.MethodPut }, denial.HTTPMethod},
		"parameters in the URL":      {func(r *exchange.Request) { r.Query = "scope=mcp:crm:delete_all" }, denial.ExchangeMalformed},
		"a password":                 {func(r *exchange.Request) { r.Header.Set("Authorization", "Basic eA==") }, denial.ExchangeClient},
		"the user's token there":     {func(r *exchange.Request) { r.Header.Set("Authorization", "Bearer x") }, denial.ExchangeClient},
		"JSON":                       {func(r *exchange.Request) { r.Header.Set("Content-Type", "application/json") }, denial.ContentType},
		"no type":                    {func(r *exchange.Request) { r.Header.Del("Content-Type") }, denial.ContentType},
		"two types":                  {func(r *exchange.Request) { r.Header.Add("Content-Type", "application/json") }, denial.ContentType},
		"a broken type":              {func(r *exchange.Request) { r.Header.Set("Content-Type", ";") }, denial.ContentType},
		"a type that only begins so": {func(r *exchange.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded2") }, denial.ContentType},
		"another charset": {func(r *exchange.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")
		}, denial.ContentType},
		"compressed":             {func(r *exchange.Request) { r.Header.Set("Content-Encoding", "gzip") }, denial.BodyEncoded},
		"a body that breaks off": {func(r *exchange.Request) { r.BodyError = errors.New("unexpected EOF") }, denial.BodyPartial},
	} {
		t.Run(name, func(t *testing.T) {
			req := h.request(h.form().Encode())
			test.change(req)
			h.refused(t, h.exchange.Decide(t.Context(), req), test.want)
		})
	}
	req := h.request(h.form().Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	if out := h.exchange.Decide(t.Context(), req); out.Err != nil {
		t.Error(out.Err)
	}
}
