package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/delegation"
)

// mintFlags are the claims of a root token, as written on the command line.
type mintFlags struct {
	key, issuer, audience, subject, profile, actor string
	scope                                          []string
	task, purpose, details                         string
	ttl, taskTTL                                   time.Duration
	maxDepth                                       int
}

func newTokenMintCommand() *cobra.Command {
	var f mintFlags
	cmd := &cobra.Command{
		Use:   "mint --key FILE --issuer ISS --sub USER --actor SPIFFE-ID --scope SCOPE... --task TASK",
		Short: "Mint a root token from a private key file, for tests and demos",
		Long: `Mint plays the root issuer: it signs that a user lets one workload act for a task. Whoever holds the key can
claim anything, so keep it for tests and demos; in production a token service issues root tokens.`,
		Example: `  countersign token mint --key issuer.jwk --issuer https://tts.acme.example --audience acme.example \
    --sub alice --actor spiffe://acme.example/planner --task case-4711 --purpose refund-review \
    --scope mcp:crm:refund_case --scope mcp:ledger:read_entry`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := f.mint(time.Now().Truncate(time.Second))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "private JWK `FILE` of the issuer")
	flags.StringVar(&f.issuer, "issuer", "", "`ISS`: the issuer's name in the configuration")
	flags.StringVar(&f.audience, "audience", "", "trust `DOMAIN`; default: that of --actor")
	flags.StringVar(&f.subject, "sub", "", "`USER` on whose behalf")
	flags.StringVar(&f.profile, "sub-profile", "user", "what kind of entity the subject is")
	flags.StringVar(&f.actor, "actor", "", "`SPIFFE-ID` of the only workload that may present the token")
	flags.StringSliceVar(&f.scope, "scope", nil, "what may be called: mcp:<server>:<tool> or mcp:<server>:*; may be repeated")
	flags.StringVar(&f.task, "task", "", "what the delegation is for")
	flags.StringVar(&f.purpose, "purpose", "unspecified", "why")
	flags.StringVar(&f.details, "details", "", "JSON `FILE` with authorization_details")
	flags.DurationVar(&f.ttl, "ttl", 15*time.Minute, "life of the token")
	flags.DurationVar(&f.taskTTL, "task-ttl", time.Hour, "time until the task ends, for every token of the chain")
	flags.IntVar(&f.maxDepth, "max-depth", 3, "how many hops the delegation may take")
	return cmd
}

func (f *mintFlags) mint(now time.Time) (string, error) {
	for _, required := range []struct{ name, value string }{
		{"issuer", f.issuer}, {"sub", f.subject}, {"actor", f.actor}, {"task", f.task},
	} {
		if required.value == "" {
			return "", usageError{fmt.Errorf("--%s is required", required.name)}
		}
	}
	actor, err := spiffeid.FromString(f.actor)
	if err != nil {
		return "", usageError{fmt.Errorf("--actor %q: %w", f.actor, err)}
	}
	key, err := readPrivateKey(f.key)
	if err != nil {
		return "", err
	}
	claims := delegation.Claims{
		Issuer: f.issuer, Audience: f.audience, ID: rand.Text(), Txn: rand.Text(),
		Subject: f.subject, SubjectProfile: f.profile, RequestingWorkload: f.actor,
		IssuedAt: now, Expiry: now.Add(f.ttl),
		Actor: &delegation.Actor{
			Issuer: "spiffe://" + actor.TrustDomain().Name(), Subject: f.actor, SubjectProfile: "ai_agent",
		},
		Task:     delegation.Task{Task: f.task, Purpose: f.purpose, Expiry: now.Add(f.taskTTL)},
		MaxDepth: f.maxDepth,
	}
	if claims.Audience == "" {
		claims.Audience = actor.TrustDomain().Name()
	}
	for _, item := range f.scope {
		scope, err := delegation.ParseScope(item)
		if err != nil {
			return "", usageError{fmt.Errorf("--scope %q: %w", item, err)}
		}
		claims.Scope = append(claims.Scope, scope...)
	}
	if claims.Details, err = readDetails(f.details); err != nil {
		return "", err
	}
	return delegation.Mint(claims, key)
}

func readDetails(path string) ([]delegation.Detail, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("reading --details: %w", err)
	}
	details, err := delegation.ParseDetails(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(details) == 0 {
		return nil, errors.New(path + ": no authorization_details in it")
	}
	return details, nil
}
