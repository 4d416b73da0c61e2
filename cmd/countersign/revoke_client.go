package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"countersign.dev/authz/revoke"
	"countersign.dev/authz/revoke/control"
)

// Limits of what a Countersign answers, in bytes and in pages of the list.
const (
	maxControlReply = 64 << 20
	maxControlPages = 1000
)

// revokeClient is where to revoke, and as whom.
type revokeClient struct {
	endpoint, server string
	identity         identityConfig
}

func (c *revokeClient) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.endpoint, "endpoint", "", "https `URL` of listen.control of any replica")
	cmd.Flags().StringVar(&c.server, "server", "", "`SPIFFE-ID` that the server must prove; default: any of the workload's own trust domain")
	identityFlags(cmd, &c.identity)
}

// revokeSession is a client that knows who it is.
type revokeSession struct {
	ctx   context.Context // of the one command that the session lives for
	close func()
	http  *http.Client
	base  string
}

func (c *revokeClient) open(ctx context.Context) (*revokeSession, error) {
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return nil, usageError{fmt.Errorf("--endpoint %q: want an https URL without a path, such as https://countersign:9194", c.endpoint)}
	}
	var server spiffeid.ID
	if c.server != "" {
		if server, err = spiffeid.FromString(c.server); err != nil {
			return nil, usageError{fmt.Errorf("--server %q: %w", c.server, err)}
		}
	}
	if err := c.identity.checkClient(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	config, _, err := clientTLS(ctx, c.identity, server)
	if err != nil {
		cancel()
		return nil, err
	}
	return &revokeSession{
		ctx: ctx, close: cancel, base: "https://" + u.Host + "/revocations",
		http: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: config},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func (s *revokeSession) add(e revoke.Entry) (revoke.Entry, error) {
	body, err := e.Request()
	if err != nil {
		return e, fmt.Errorf("writing the request: %w", err)
	}
	reply, err := s.ask(http.MethodPost, "", body, http.StatusCreated)
	if err != nil {
		return e, err
	}
	return revoke.ParseRecord(bytes.TrimSpace(reply))
}

func (s *revokeSession) list() ([]revoke.Entry, error) {
	entries := []revoke.Entry{}
	query := ""
	for range maxControlPages {
		reply, err := s.ask(http.MethodGet, query, nil, http.StatusOK)
		if err != nil {
			return nil, err
		}
		var page struct {
			Revocations []json.RawMessage `json:"revocations"`
			Next        string            `json:"next"`
		}
		if err := json.Unmarshal(reply, &page); err != nil {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		for _, text := range page.Revocations {
			e, err := revoke.ParseRecord(text)
			if err != nil {
				return nil, fmt.Errorf("reading the answer: %w", err)
			}
			entries = append(entries, e)
		}
		if page.Next == "" {
			return entries, nil
		}
		query = "?after=" + url.QueryEscape(page.Next)
	}
	return nil, errors.New("the list does not end")
}

func (s *revokeSession) remove(id string) error {
	_, err := s.ask(http.MethodDelete, "/"+url.PathEscape(id), nil, http.StatusNoContent)
	return err
}

// ask sends one request and returns the body of the answer that is wanted, or why it is another one.
func (s *revokeSession) ask(method, rest string, body []byte, want int) ([]byte, error) {
	request, err := http.NewRequestWithContext(s.ctx, method, s.base+rest, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking Countersign: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxControlReply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case len(reply) > maxControlReply:
		return nil, errors.New("the answer is too large")
	case response.StatusCode == want:
		return reply, nil
	}
	var failure control.Failure
	if err := json.Unmarshal(reply, &failure); err != nil || failure.Reason == "" {
		return nil, fmt.Errorf("%s answered %s: is this listen.control of a Countersign?", s.base, response.Status)
	}
	text := failure.Reason
	if failure.Message != "" {
		text += ": " + failure.Message
	}
	return nil, errors.New(printable(text + " (decision " + failure.DecisionID + ")"))
}
