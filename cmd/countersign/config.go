package main

import (
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz"
	"countersign.dev/authz/peer"
	"countersign.dev/authz/replay"
	"countersign.dev/authz/session"
	"countersign.dev/authz/trust"
	"countersign.dev/cedar"
)

// config is the configuration file. Paths in it are relative to the file's directory. Every member that can have a
// default has one; see newConfig.
type config struct {
	// TrustDomain is the SPIFFE trust domain that the tokens are for: their `aud`. Required.
	TrustDomain string `yaml:"trust_domain"`
	// Issuer is the `iss` of the tokens that are signed here: a SPIFFE ID or an https URL.
	// Default spiffe://<trust_domain>/countersign.
	Issuer string `yaml:"issuer"`
	// Listen says where to listen. A change needs a restart.
	Listen listenConfig `yaml:"listen"`
	// Identity is the X.509-SVID of this server and who may connect with it. Not used on a unix socket.
	Identity identityConfig `yaml:"identity"`
	// Peer says where the caller's SPIFFE ID comes from.
	Peer peerConfig `yaml:"peer"`
	// Servers are the MCP backends. At least one.
	Servers []serverConfig `yaml:"servers"`
	// Tokens says how delegations are verified and countersigned.
	Tokens tokensConfig `yaml:"tokens"`
	// Issuers are those whose tokens are accepted, besides our own.
	Issuers []issuerConfig `yaml:"issuers"`
	// IdentityProviders are those whose word about users counts, at the token endpoint and at servers that take access
	// tokens. Default: none.
	IdentityProviders []identityProviderConfig `yaml:"identity_providers"`
	// TokenEndpoint is where agents begin delegations (RFC 8693).
	TokenEndpoint tokenEndpointConfig `yaml:"token_endpoint"`
	// Policy says where the policies are.
	Policy policyConfig `yaml:"policy"`
	// Revocations says where revocations come from, and when they are too old to go by.
	Revocations revocationsConfig `yaml:"revocations"`
	// Store is the engine that the replicas of a fleet share; none by default.
	Store storeConfig `yaml:"store"`
	// Sessions bounds what is remembered of legacy MCP sessions, tasks and handles, and their owners.
	Sessions sessionsConfig `yaml:"sessions"`
	// Replay bounds what is remembered of delegations that were used, for tools of single use.
	Replay replayConfig `yaml:"replay"`
	// Audit says where the records go.
	Audit auditConfig `yaml:"audit"`
	// Reload says how soon changed files are noticed.
	Reload reloadConfig `yaml:"reload"`
	// Log is about the program's own log, on standard error.
	Log logConfig `yaml:"log"`
}

type listenConfig struct {
	// GRPC is where Envoy asks.
	GRPC grpcConfig `yaml:"grpc"`
	// Admin is the host:port of the HTTP listener for probes, metrics, status and public keys.
	// Default 127.0.0.1:9192.
	Admin string `yaml:"admin"`
	// Token is the host:port of the HTTPS listener where agents get root tokens, over mTLS with our identity. Every
	// workload of peer.trust_domains may ask; what it gets is a question to the policies. Default: none.
	Token string `yaml:"token"`
	// Keys is the host:port of an HTTPS listener with our identity, for /.well-known/jwks.json only. Every workload of
	// our trust domain, and of those that it federates with, may read it. Default: none.
	Keys string `yaml:"keys"`
	// Control is the host:port of the HTTPS listener for revocations, over mTLS with our identity. Who may use it is
	// a question to the policies. Default: none.
	Control string `yaml:"control"`
}

type grpcConfig struct {
	// Address is host:port, or unix:///path of a socket. Default 127.0.0.1:9191.
	Address string `yaml:"address"`
	// MaxConnectionAge closes connections after this long, so that Envoys spread over new replicas. Default 5m.
	MaxConnectionAge time.Duration `yaml:"max_connection_age"`
}

type identityConfig struct {
	// WorkloadAPI is the address of the SPIFFE Workload API, such as unix:///run/spire/agent.sock.
	WorkloadAPI string `yaml:"workload_api"`
	// Certificate, Key and Bundle are PEM files, instead of the Workload API. They are read again when they change.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	Bundle      string `yaml:"bundle"`
	// Federated are files like Bundle with the authorities of other trust domains, by their names. The Workload API
	// gives those that it knows by itself. Default: none.
	Federated map[string]string `yaml:"federated"`
	// Clients are the SPIFFE IDs of the Envoys that may ask: exact, or a prefix that ends in /*, in our
	// trust domain. Required over TCP.
	Clients []string `yaml:"clients"`
}

type peerConfig struct {
	// Source is principal, certificate or xfcc. Default principal.
	Source peer.Source `yaml:"source"`
	// TrustDomains are those whose workloads may call. Default: trust_domain.
	TrustDomains []string `yaml:"trust_domains"`
	// XFCCFrom are the SPIFFE IDs of the proxies whose X-Forwarded-Client-Cert counts. Needed for source xfcc.
	XFCCFrom []spiffeid.ID `yaml:"xfcc_from"`
}

type serverConfig struct {
	// Name is how policies, scopes and tokens name the server. Required.
	Name string `yaml:"name"`
	// Backend is the SPIFFE ID of the workload that serves it. Default: Envoy's own SPIFFE ID, which is the
	// backend's where Envoy is its sidecar.
	Backend spiffeid.ID `yaml:"backend"`
	// Mode is enforce, or shadow: then nothing is refused, whatever is wrong with it, and what would have been refused
	// reaches the server without a token, as if nobody had been asked, and is recorded. Of the headers that callers may not
	// write none gets through all the same. Default enforce.
	Mode authz.Mode `yaml:"mode"`
	// Denials is the form of policy denials: rpc-error, tool-error, hide or http. Default rpc-error.
	Denials authz.DenialStyle `yaml:"denials"`
	// MinVersion is the oldest MCP protocol version that is let through. Default: any.
	MinVersion string `yaml:"min_version"`
	// AllowBatch accepts JSON-RPC batches, which exist in version 2025-03-26 only. Default false.
	AllowBatch bool `yaml:"allow_batch"`
	// MaxBody is the largest request body in bytes. Default 1048576; at most 8388608.
	MaxBody int `yaml:"max_body"`
	// StripAuthorization removes the Authorization header before the backend. Default false.
	StripAuthorization bool `yaml:"strip_authorization"`
	// ResourceMetadata is the https URL of the server's RFC 9728 document. With it a missing scope is answered with
	// a step-up challenge. Default: none.
	ResourceMetadata string `yaml:"resource_metadata"`
	// Bearer has OAuth access tokens stand in for a missing Txn-Token. Default: none.
	Bearer *bearerConfig `yaml:"bearer"`
	// PlainHeaders tells the backend x-countersign-subject, -actor, -task and -expires in header fields, for backends that
	// verify no token. What callers send by these names never gets through. Default false.
	PlainHeaders bool `yaml:"plain_headers"`
	// SingleUse are tools that take the same call with the same delegation only once. A policy can ask for it as well,
	// with @single_use. Default: none.
	SingleUse []string `yaml:"single_use"`
	// Handles says which argument of a tool names state at the server, such as a cart, by tool. What it names belongs
	// to the workload and user that named it first. Default: none.
	Handles map[string]string `yaml:"handles"`
	// RecordArguments puts argument values into audit records. Default false: only their hash.
	RecordArguments bool `yaml:"record_arguments"`
	// Match is where the server is. Other hosts and paths are refused, and it tells the server when the route has no
	// context extension countersign.server. Default: anywhere the route leads.
	Match matchConfig `yaml:"match"`
	// Tools is a file with the server's tools/list result. Default: none, then its tools are unknown to policy.
	Tools string `yaml:"tools"`
	// ShadowPolicy are policies that are tried out at this server, in the place of policy.shadow. Default: none.
	ShadowPolicy *shadowConfig `yaml:"shadow_policy"`
}

type matchConfig struct {
	// Hosts and Paths are compared whole. None of one kind means any of that kind.
	Hosts []string `yaml:"hosts"`
	Paths []string `yaml:"paths"`
}

type tokensConfig struct {
	// Keys is a directory of private JWKs, shared by all replicas. Default: one key is generated at start, for a
	// single instance only.
	Keys string `yaml:"keys"`
	// Algorithm is that of a generated key: ES256 or EdDSA. Default ES256.
	Algorithm string `yaml:"algorithm"`
	// HopTTL is the longest life of a countersigned token. Default 60s, at most 5m.
	HopTTL time.Duration `yaml:"hop_ttl"`
	// MaxDepth is the most hops a delegation may take. Default 4, at most 8.
	MaxDepth int `yaml:"max_depth"`
	// SkipRootVerification trusts hop issuers without checking the root token that each token embeds.
	// Default false.
	SkipRootVerification bool `yaml:"skip_root_verification"`
	// Cache is how many verified tokens are kept. Default 10000.
	Cache int `yaml:"cache"`
}

type issuerConfig struct {
	// Issuer is the exact `iss`: an https URL or a SPIFFE ID. Required.
	Issuer string `yaml:"issuer"`
	// Role is root (may begin delegations) or hop (may only countersign). Required.
	Role *trust.Role `yaml:"role"`
	// Keys says where the public keys are.
	Keys issuerKeysConfig `yaml:"keys"`
	// Algorithms are those the issuer may use. Default [ES256].
	Algorithms []string `yaml:"algorithms"`
	// MaxTTL is the longest life of its tokens. Default 15m for root, 5m for hop.
	MaxTTL time.Duration `yaml:"max_ttl"`
	// MaxDepth is the most hops that its delegations may take. Default 4.
	MaxDepth int `yaml:"max_depth"`
	// ActorTrustDomains are those whose workloads it may name as actors. Default: trust_domain.
	ActorTrustDomains []string `yaml:"actor_trust_domains"`
	// Audiences are the trust domains that its tokens may be for. A chain keeps the audience that it began with, so name
	// another trust domain here to take part in chains that began there. Default: trust_domain.
	Audiences []string `yaml:"audiences"`
	// SubjectPrefix is put in front of its subjects where policy names users: with partner: its alice is
	// User::"partner:alice". Of several issuers of role root, token_endpoint.issuer among them, at most one may do without,
	// and no prefix may be the beginning of another. Default: none.
	SubjectPrefix string `yaml:"subject_prefix"`
	// StatusLists are the https URLs of its Token Status Lists. A token that refers to any other is refused.
	// Default: none.
	StatusLists []string `yaml:"status_lists"`
	// StatusCA is a PEM file with the authorities for StatusLists. Default: the system's.
	StatusCA string `yaml:"status_ca"`
}

type issuerKeysConfig struct {
	// File is a JWK Set. Either this or URL.
	File string `yaml:"file"`
	// URL is the https address of a JWK Set.
	URL string `yaml:"url"`
	// SPIFFEID is the SPIFFE ID of the workload that serves URL, such as another Countersign on its listen.keys, or
	// listen.token for what it begins. The keys are then fetched over mTLS with our identity, and the host in URL does not
	// count. Default: none.
	SPIFFEID spiffeid.ID `yaml:"spiffe_id"`
	// CA is a PEM file with the authorities for URL. Default: the system's.
	CA string `yaml:"ca"`
	// Refresh is how often URL is read. Default 5m.
	Refresh time.Duration `yaml:"refresh"`
	// Stale is how long keys are used when URL cannot be read. Default 1h.
	Stale time.Duration `yaml:"stale"`
}

type policyConfig struct {
	// Directory holds the *.cedar files, which may be compressed: *.cedar.gz. Required without a bundle.
	Directory string `yaml:"directory"`
	// Bundle is where policies, entities and pinned tools come from together, signed. Default: none.
	Bundle *bundleConfig `yaml:"bundle"`
	// Entities is a file in Cedar's JSON format: groups and their members. Default: none.
	Entities string `yaml:"entities"`
	// OnError says what a permit does that cannot be evaluated: deny, or cedar, where it does not count and others may
	// still allow. A forbid that cannot be evaluated always denies. Default deny.
	OnError cedar.OnError `yaml:"on_error"`
	// VerifyIndex is the share of decisions, 0 to 1, that are made a second time without the index of policies, which
	// takes time in proportion to their number. A difference denies and is counted. Default 0; 0.01 finds mistakes soon.
	VerifyIndex float64 `yaml:"verify_index"`
	// Tests says what becomes of the tests that lie beside the policies (*_test.yaml) or in the bundle, whenever policies or
	// tests change: run them, and leave in force what is when one fails; require at least one; or ignore them. Tests of
	// servers that are not configured here are skipped. All together may take 10 seconds. Default run.
	Tests string `yaml:"tests"`
	// Shadow are policies that are tried out at all servers without a shadow_policy. Default: none.
	Shadow *shadowConfig `yaml:"shadow"`
}

type sessionsConfig struct {
	// TTL is how long an unused session, task or handle stays bound to its owner. Default 1h.
	TTL time.Duration `yaml:"ttl"`
	// PerPeer is how many of them one workload may have. Beyond that the owner's oldest goes first, and an owner that
	// has none is refused. Default 10000.
	PerPeer int `yaml:"per_peer"`
	// Total is how many there may be; more are refused. Default 100000.
	Total int `yaml:"total"`
}

type auditConfig struct {
	// Output is stdout or the path of a file, which is opened again on SIGHUP. Default stdout.
	Output string `yaml:"output"`
}

type reloadConfig struct {
	// Poll is how often files are compared even if nothing reported a change. Default 30s.
	Poll time.Duration `yaml:"poll"`
	// Debounce is how long changes must have been quiet. Default 250ms.
	Debounce time.Duration `yaml:"debounce"`
}

type logConfig struct {
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
	// Format is json or text. Default json.
	Format string `yaml:"format"`
}

// newConfig returns the defaults that do not depend on other members.
func newConfig() config {
	return config{
		Listen: listenConfig{
			GRPC:  grpcConfig{Address: "127.0.0.1:9191", MaxConnectionAge: 5 * time.Minute},
			Admin: "127.0.0.1:9192",
		},
		Tokens:      tokensConfig{Algorithm: "ES256", HopTTL: time.Minute, MaxDepth: 4, Cache: 10_000},
		Revocations: revocationsConfig{MaxStaleness: 10 * time.Second},
		Sessions:    sessionsConfig{TTL: session.DefaultTTL, PerPeer: session.DefaultPerPeer, Total: session.DefaultTotal},
		Replay:      replayConfig{PerPeer: replay.DefaultPerPeer, Total: replay.DefaultTotal},
		Audit:       auditConfig{Output: "stdout"},
		Reload:      reloadConfig{Poll: 30 * time.Second, Debounce: 250 * time.Millisecond},
		Log:         logConfig{Level: "info", Format: "json"},
	}
}
