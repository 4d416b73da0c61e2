package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// receiver is all that a backend has to do with a countersigned token: verify it alone, with Countersign's public keys,
// and see that it is for this server, this workload and this body. It asks nobody but for the keys.
type receiver struct {
	keysURL, audience, self, server string

	mu   sync.Mutex
	keys jose.JSONWebKeySet
}

func newReceiver(keysURL, audience, self, server string) *receiver {
	return &receiver{keysURL: keysURL, audience: audience, self: self, server: server}
}

// claims are the members of a countersigned token that a backend looks at.
type claims struct {
	Audience string `json:"aud"`
	Expiry   int64  `json:"exp"`
	Actor    struct {
		Subject string `json:"sub"`
	} `json:"act"`
	Request struct {
		MCP struct {
			Server string `json:"srv"`
			Hash   string `json:"req_s256"`
		} `json:"mcp"`
	} `json:"rctx"`
}

func (r *receiver) check(ctx context.Context, values []string, body []byte) error {
	if len(values) != 1 {
		return fmt.Errorf("%d %s header fields, want 1", len(values), tokenHeader)
	}
	payload, err := r.verify(ctx, values[0])
	if err != nil {
		return err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("reading the claims: %w", err)
	}
	sum := sha256.Sum256(body)
	switch {
	case c.Audience != r.audience:
		return fmt.Errorf("the token is for audience %q", c.Audience)
	case time.Now().Unix() >= c.Expiry:
		return errors.New("the token has expired")
	case c.Actor.Subject != r.self:
		return fmt.Errorf("the token is for %q", c.Actor.Subject)
	case c.Request.MCP.Server != r.server:
		return fmt.Errorf("the token is for server %q", c.Request.MCP.Server)
	case c.Request.MCP.Hash != base64.RawURLEncoding.EncodeToString(sum[:]):
		return errors.New("the token is for another body")
	}
	return nil
}

// verify returns the payload of a token that one of Countersign's keys signed. Keys are asked for again when none fits,
// because they rotate.
func (r *receiver) verify(ctx context.Context, compact string) ([]byte, error) {
	token, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	header := token.Signatures[0].Protected
	if typ := header.ExtraHeaders[jose.HeaderType]; typ != "txntoken+jwt" {
		return nil, fmt.Errorf("the token is of type %q", typ)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.keys.Key(header.KeyID)) != 1 {
		if r.keys, err = fetchKeys(ctx, r.keysURL); err != nil {
			return nil, err
		}
	}
	keys := r.keys.Key(header.KeyID)
	if len(keys) != 1 {
		return nil, fmt.Errorf("no key %q", header.KeyID)
	}
	payload, err := token.Verify(keys[0])
	if err != nil {
		return nil, fmt.Errorf("verifying the token: %w", err)
	}
	return payload, nil
}

func fetchKeys(ctx context.Context, url string) (keys jose.JSONWebKeySet, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return keys, fmt.Errorf("asking for Countersign's keys: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return keys, fmt.Errorf("asking for Countersign's keys: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return keys, fmt.Errorf("asking for Countersign's keys: %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&keys); err != nil {
		return keys, fmt.Errorf("reading Countersign's keys: %w", err)
	}
	return keys, nil
}
