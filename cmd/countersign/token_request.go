package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/exchange"
)

// Limits of a token request.
const (
	requestTime   = 30 * time.Second
	maxTokenReply = 64 << 10 // bytes
)

// requestFlags are what a token is asked for with, as written on the command line.
type requestFlags struct {
	identity                           identityConfig
	endpoint, server, audience         string
	scope                              []string
	task, purpose, intent, details     string
	taskTTL                            time.Duration
	subjectTokenFile, subjectTokenType string
	asJSON                             bool
}

// subjectTypes are the kinds of user tokens, by the name of the flag's value.
var subjectTypes = map[string]string{
	"access_token": exchange.TypeAccessToken, "id_token": exchange.TypeIDToken, "jwt": exchange.TypeJWT,
}

func newTokenRequestCommand() *cobra.Command {
	var f requestFlags
	cmd := &cobra.Command{
		Use:   "request --endpoint URL --scope SCOPE... --task TASK",
		Short: "Trade a user's token for a root token at a token endpoint",
		Long: `Request asks a token endpoint (RFC 8693) for a root token: it says that the user lets this workload act for a task.
The workload proves itself with its X.509-SVID, from the Workload API or from files, and only it may present the
token. The user's access token or ID token is read from a file or from standard input; it is never printed.

What policy refuses of the scope is left out, and named on standard error.`,
		Example: `  countersign token request --endpoint https://tts.acme.example/token --workload-api unix:///run/spire/agent.sock \
    --scope mcp:crm:refund_case --task case-4711 --purpose refund-review < access-token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "`URL` of the token endpoint")
	flags.StringVar(&f.server, "server", "", "`SPIFFE-ID` that the endpoint must prove; default: any of the workload's own trust domain")
	flags.StringVar(&f.audience, "audience", "", "trust `DOMAIN` that the token is for; default: the workload's own")
	flags.StringSliceVar(&f.scope, "scope", nil, "what may be called: mcp:<server>:<tool> or mcp:<server>:*; may be repeated")
	flags.StringVar(&f.task, "task", "", "what the delegation is for")
	flags.StringVar(&f.purpose, "purpose", "unspecified", "why")
	flags.DurationVar(&f.taskTTL, "task-ttl", 0, "time until the task ends; default: when the token expires")
	flags.StringVar(&f.intent, "intent-s256", "", "base64url SHA-256 of the user's intent as recorded")
	flags.StringVar(&f.details, "details", "", "JSON `FILE` with authorization_details")
	flags.StringVar(&f.subjectTokenFile, "subject-token-file", "-", "`FILE` with the user's token; - for standard input")
	flags.StringVar(&f.subjectTokenType, "subject-token-type", "jwt", "access_token, id_token, or jwt to go by its typ")
	identityFlags(cmd, &f.identity)
	flags.BoolVar(&f.asJSON, "json", false, "print the whole answer as JSON")
	return cmd
}

func (f *requestFlags) run(cmd *cobra.Command) error {
	endpoint, server, err := f.check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), requestTime)
	defer cancel()
	tlsConfig, own, err := clientTLS(ctx, f.identity, server)
	if err != nil {
		return err
	}
	form, err := f.form(cmd, own.TrustDomain(), time.Now())
	if err != nil {
		return err
	}
	reply, err := postForm(ctx, tlsConfig, endpoint, form)
	if err != nil {
		return err
	}
	if reply.Dropped != "" {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "not granted: %s\n", printable(reply.Dropped)) // the token is what counts
	}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), reply)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), reply.AccessToken)
	return err
}

// check looks at the flags before anything is opened.
func (f *requestFlags) check() (endpoint string, server spiffeid.ID, err error) {
	for _, required := range []struct{ name, value string }{
		{"endpoint", f.endpoint}, {"scope", strings.Join(f.scope, "")}, {"task", f.task}, {"purpose", f.purpose},
	} {
		if required.value == "" {
			return "", server, usageError{fmt.Errorf("--%s is required", required.name)}
		}
	}
	u, err := url.Parse(f.endpoint)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", server, usageError{fmt.Errorf("--endpoint %q: want an https URL without query", f.endpoint)}
	}
	if f.server != "" {
		if server, err = spiffeid.FromString(f.server); err != nil {
			return "", server, usageError{fmt.Errorf("--server %q: %w", f.server, err)}
		}
	}
	if _, ok := subjectTypes[f.subjectTokenType]; !ok {
		return "", server, usageError{fmt.Errorf("--subject-token-type %q: must be access_token, id_token or jwt", f.subjectTokenType)}
	}
	if f.taskTTL < 0 {
		return "", server, usageError{errors.New("--task-ttl must not be negative")}
	}
	return f.endpoint, server, f.identity.checkClient()
}

func (f *requestFlags) form(cmd *cobra.Command, own spiffeid.TrustDomain, now time.Time) (url.Values, error) {
	subject, err := f.subjectToken(cmd)
	if err != nil {
		return nil, err
	}
	details := map[string]any{"task": f.task, "purpose": f.purpose}
	if f.taskTTL > 0 {
		details["task_exp"] = now.Add(f.taskTTL).Unix()
	}
	if f.intent != "" {
		details["intent_s256"] = f.intent
	}
	if f.details != "" {
		limits, err := os.ReadFile(f.details)
		if err != nil {
			return nil, fmt.Errorf("reading --details: %w", err)
		}
		if !json.Valid(limits) {
			return nil, fmt.Errorf("%s: not JSON", f.details)
		}
		details["authorization_details"] = json.RawMessage(limits)
	}
	text, err := json.Marshal(details)
	if err != nil {
		return nil, fmt.Errorf("writing request_details: %w", err)
	}
	audience := f.audience
	if audience == "" {
		audience = own.Name()
	}
	return url.Values{
		"grant_type": {exchange.GrantType}, "requested_token_type": {exchange.TypeTxnToken}, "audience": {audience},
		"scope": {strings.Join(f.scope, " ")}, "request_details": {string(text)},
		"subject_token": {subject}, "subject_token_type": {subjectTypes[f.subjectTokenType]},
	}, nil
}

// subjectToken reads the user's token. No error quotes it.
func (f *requestFlags) subjectToken(cmd *cobra.Command) (string, error) {
	from := cmd.InOrStdin()
	if f.subjectTokenFile != "-" {
		file, err := os.Open(f.subjectTokenFile)
		if err != nil {
			return "", fmt.Errorf("reading the subject token: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	data, err := io.ReadAll(io.LimitReader(from, maxTokenInput+1))
	token := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the subject token: %w", err)
	case len(data) > maxTokenInput:
		return "", fmt.Errorf("the subject token has more than %d bytes: that is no token", maxTokenInput)
	case token == "":
		return "", errors.New("no subject token: give it on standard input or with --subject-token-file")
	}
	return token, nil
}

// tokenReply is the answer of a token endpoint (RFC 8693, section 2.2.1), with our members.
type tokenReply struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope"`
	Dropped         string `json:"dropped_scope,omitempty"`
	DecisionID      string `json:"decision_id,omitempty"`
}

// tokenFailure is the answer when there is no token (RFC 6749, section 5.2), with our members.
type tokenFailure struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Reason      string `json:"reason"`
	DecisionID  string `json:"decision_id"`
}

func (e tokenFailure) Error() string {
	text := e.Code
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.DecisionID != "" {
		text += " (" + e.Reason + ", decision " + e.DecisionID + ")"
	}
	return printable(text)
}

func postForm(ctx context.Context, tlsConfig *tls.Config, endpoint string, form url.Values) (*tokenReply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true},
		// A redirect would hand the user's token to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for a token: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTokenReply+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if media != "application/json" || len(body) > maxTokenReply {
		return nil, fmt.Errorf("%s answered %s without a JSON answer: is this a token endpoint?", endpoint, response.Status)
	}
	if response.StatusCode != http.StatusOK {
		var failure tokenFailure
		if err := json.Unmarshal(body, &failure); err != nil || failure.Code == "" {
			return nil, fmt.Errorf("%s answered %s", endpoint, response.Status)
		}
		return nil, failure
	}
	var reply tokenReply
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if reply.IssuedTokenType != exchange.TypeTxnToken || reply.AccessToken == "" {
		return nil, errors.New("the answer has no transaction token")
	}
	return &reply, nil
}
