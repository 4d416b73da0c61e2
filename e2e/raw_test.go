package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"countersign.dev/e2e/stage"
	"countersign.dev/e2e/workload/wire"
)

// rawCall is an HTTP request written by hand, as no SDK would send it.
type rawCall struct {
	client *http.Client
	url    string
	method string // POST if empty
	header http.Header
	body   io.Reader
	length int64 // of the body; -1 sends it without a length
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (c rawCall) do(t *testing.T) (answer, error) {
	t.Helper()
	method := c.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, c.url, c.body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.ContentLength = c.header, c.length
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// must is do for requests that get an answer.
func (c rawCall) must(t *testing.T) answer {
	t.Helper()
	a, err := c.do(t)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// succeeded says whether an answer is the result of a tool.
func (a answer) succeeded() bool {
	return a.status == http.StatusOK && strings.Contains(a.body, `"result"`) && !strings.Contains(a.body, `"error"`)
}

// reason is the reason of a denial, empty if there is none.
func (a answer) reason() string {
	var denial struct {
		Error struct {
			Data struct {
				Reason string `json:"reason"`
			} `json:"data"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &denial) != nil {
		return ""
	}
	return denial.Error.Data.Reason
}

// toolCall is the body of a call in the newest protocol version, which needs no session.
func toolCall(tool string, arguments any) []byte {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call",
		"params": map[string]any{"name": tool, "arguments": arguments, "_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
		}},
	})
	if err != nil {
		panic(err) // only of a mistake in a test
	}
	return body
}

// callHeader is the header that goes with toolCall.
func callHeader(tool, token string) http.Header {
	h := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {tool},
	}
	if token != "" {
		h.Set("Txn-Token", token)
	}
	return h
}

// readCase is a call that is allowed, to be changed into one that is not.
func readCase(client *http.Client, st *stage.Stage, token string) rawCall {
	body := toolCall("read_case", map[string]any{"case_id": "4711"})
	return rawCall{
		client: client, url: st.URLs["crm"], header: callHeader("read_case", token),
		body: bytes.NewReader(body), length: int64(len(body)),
	}
}

// client is a workload of the stage as an HTTP client.
func client(t *testing.T, st *stage.Stage, workload, version string) *http.Client {
	t.Helper()
	return clientAs(t, st, st.SVIDs[workload], version)
}

func clientAs(t *testing.T, st *stage.Stage, svid stage.SVID, version string) *http.Client {
	t.Helper()
	c, err := st.Client(svid, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// watch returns a function that lists what reached the crm since.
func watch(t *testing.T, st *stage.Stage, server string) func() []wire.Request {
	t.Helper()
	mark, err := st.Received[server].Mark()
	if err != nil {
		t.Fatal(err)
	}
	return func() []wire.Request {
		t.Helper()
		reached, err := st.Received[server].Since(mark)
		if err != nil {
			t.Fatal(err)
		}
		return reached
	}
}

// decided returns a function that lists Countersign's decisions since.
func decided(t *testing.T, st *stage.Stage) func() []stage.Record {
	t.Helper()
	mark, err := st.Audit.Mark()
	if err != nil {
		t.Fatal(err)
	}
	return func() []stage.Record {
		t.Helper()
		records, err := st.Audit.Since(mark)
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
}

// overEachHTTP runs a test over HTTP/1.1 and HTTP/2.
func overEachHTTP(t *testing.T, test func(t *testing.T, version string)) {
	for _, version := range []string{"1.1", "2"} {
		t.Run(fmt.Sprintf("HTTP %s", version), func(t *testing.T) { test(t, version) })
	}
}
