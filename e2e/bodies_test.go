package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign.dev/e2e/stage"
)

// sized is a valid call of exactly that many bytes.
func sized(t *testing.T, size int) []byte {
	t.Helper()
	note := func(n int) []byte {
		return toolCall("attach_note", map[string]any{"case_id": "4711", "text": strings.Repeat("n", n)})
	}
	body := note(size - len(note(0)))
	if len(body) != size {
		t.Fatalf("body has %d bytes, want %d", len(body), size)
	}
	return body
}

// pieces sends a body in parts, each of which the client passes on before the next: without a length, it cannot be
// known where the body ends until it does.
func pieces(parts ...[]byte) io.Reader {
	r, w := io.Pipe()
	go func() {
		for _, part := range parts {
			if _, err := w.Write(part); err != nil {
				return // the other side has answered already
			}
		}
		_ = w.Close()
	}()
	return r
}

// Around every limit: what is small enough arrives whole, and of what is too large not one byte reaches the server.
func TestBodyLimits(t *testing.T) {
	const limit = 1 << 20
	st := raise(t, stage.Options{MaxBody: limit, UpstreamTLS: true})
	token := grant(t, st)
	overEachHTTP(t, func(t *testing.T, version string) {
		c := client(t, st, "planner", version)
		for _, size := range []struct {
			name  string
			bytes int
			fits  bool
		}{
			{"one byte less than the limit", limit - 1, true},
			{"the limit", limit, true},
			{"one byte more than the limit", limit + 1, false},
			{"one byte less than Envoy's limit", limit + 4<<10 - 1, false},
			{"Envoy's limit", limit + 4<<10, false},
			{"one byte more than Envoy's limit", limit + 4<<10 + 1, false},
			{"five times the limit", 5 * limit, false},
		} {
			body := sized(t, size.bytes)
			for _, sending := range []struct {
				name   string
				body   io.Reader
				length int64
			}{
				{"with its length", bytes.NewReader(body), int64(len(body))},
				{"without a length", pieces(body), -1},
				{"in pieces", pieces(body[:limit/2], body[limit/2:limit-1], body[limit-1:]), -1},
			} {
				t.Run(size.name+" "+sending.name, func(t *testing.T) {
					reached := watch(t, st, "crm")
					got, err := rawCall{
						client: c, url: st.URLs["crm"], header: callHeader("attach_note", token),
						body: sending.body, length: sending.length,
					}.do(t)
					if size.fits {
						if err != nil || !got.succeeded() {
							t.Fatalf("got %d %.300s, %v; want it to arrive", got.status, got.body, err)
						}
						if r := reached(); len(r) != 1 || r[0].Size != size.bytes || r[0].Refused != "" {
							t.Fatalf("reached the server: %v", r)
						}
						return
					}
					// Envoy may hang up on a client that is still sending, which is as good as a refusal.
					if err == nil && got.status == http.StatusOK {
						t.Errorf("got %d %.300s, want it refused", got.status, got.body)
					}
					if r := reached(); len(r) != 0 {
						t.Errorf("a body of %d bytes reached the server as %d bytes (refused there: %q)",
							size.bytes, r[0].Size, r[0].Refused)
					}
				})
			}
		}
	})
}

// paused sends the rest of a body only after Envoy has read the beginning, or has answered already.
type paused struct {
	ctx         context.Context
	stage       *stage.Stage
	begin, rest []byte

	before   int // bytes that Envoy had read when sending began
	begun    bool
	answered atomic.Bool
}

func (p *paused) Read(buffer []byte) (n int, err error) {
	if !p.begun {
		if p.before, err = p.read(); err != nil {
			return 0, err
		}
		p.before, p.begun = p.before+len(p.begin), true
	}
	if len(p.begin) > 0 {
		n = copy(buffer, p.begin)
		p.begin = p.begin[n:]
		return n, nil
	}
	for {
		if n, err = p.read(); err != nil {
			return 0, err
		}
		if n >= p.before || p.answered.Load() {
			break
		}
		time.Sleep(time.Millisecond) // between two questions to Envoy
	}
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n = copy(buffer, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Close implements [io.Closer]: the client has its answer.
func (p *paused) Close() error {
	p.answered.Store(true)
	return nil
}

func (p *paused) read() (int, error) {
	return p.stage.EnvoyStat(p.ctx, "http.crm.downstream_cx_rx_bytes_total")
}

// The beginning of the body is a whole, allowed call. What follows is not. If the decision were made about the
// beginning alone, the rest would be smuggled past it.
func TestNothingIsSmuggledBehindTheLimit(t *testing.T) {
	const limit = 64 << 10
	for _, limits := range []struct {
		name    string
		options stage.Options
	}{
		{"Envoy hands over more than Countersign takes", stage.Options{MaxBody: limit}},
		{"both limits are the same", stage.Options{MaxBody: limit, MaxRequestBytes: limit}},
		{"Envoy hands over less than Countersign takes", stage.Options{MaxBody: 2 * limit, MaxRequestBytes: limit}},
	} {
		t.Run(limits.name, func(t *testing.T) {
			st := raise(t, limits.options)
			token := grant(t, st)
			overEachHTTP(t, func(t *testing.T, version string) {
				c := client(t, st, "planner", version)
				for _, cut := range []struct {
					name string
					size int
				}{
					{"at Countersign's limit", limit},
					{"at Envoy's limit", limit + 4<<10},
				} {
					begin := sized(t, cut.size)
					for _, rest := range []struct{ name, text string }{
						{"another call", string(toolCall("delete_case", map[string]any{"case_id": "4711"}))},
						{"white space", strings.Repeat(" ", 3*limit)},
						{"one byte", "\n"},
					} {
						for _, sending := range []struct {
							name   string
							body   io.Reader
							length int64
						}{
							{"with the length", bytes.NewReader(append(bytes.Clone(begin), rest.text...)), int64(cut.size + len(rest.text))},
							{"with no length", pieces(begin, []byte(rest.text)), -1},
							{"after a pause", &paused{ctx: t.Context(), stage: st, begin: begin, rest: []byte(rest.text)}, -1},
						} {
							t.Run(cut.name+" "+rest.name+" "+sending.name, func(t *testing.T) {
								reached := watch(t, st, "crm")
								got, err := rawCall{
									client: c, url: st.URLs["crm"], header: callHeader("attach_note", token),
									body: sending.body, length: sending.length,
								}.do(t)
								t.Logf("got %d %.200s, %v", got.status, got.body, err)
								for _, r := range reached() {
									t.Errorf("reached the server: %d of %d bytes (refused there: %q)",
										r.Size, cut.size+len(rest.text), r.Refused)
								}
							})
						}
					}
				}
			})
		})
	}
}
