package control

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/authz/denial"
	"countersign.dev/authz/revoke"
)

const (
	// timeLimit is for one request. A change takes a few milliseconds when the store is there.
	timeLimit = 5 * time.Second
	// defaultPage and maxPage are how many entries an answer has.
	defaultPage, maxPage = 1000, 10_000
	// idLength is that of [revoke.Entry.ID].
	idLength = 22
)

// Handler serves the interface over a TLS listener that demands a verified client certificate.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /revocations", c.serve(OperationAdd, (*request).add))
	mux.HandleFunc("GET /revocations", c.serve(OperationList, (*request).list))
	mux.HandleFunc("DELETE /revocations/{id}", c.serve(OperationRemove, (*request).remove))
	return mux
}

// answer is what a caller gets.
type answer struct {
	status   int
	location string
	body     any // nil for none
}

// Page is the answer to GET.
type Page struct {
	Revocations []revoke.Entry `json:"revocations"`
	// Next is what to ask for behind; empty at the end.
	Next string `json:"next,omitempty"`
}

// Failure is the answer to a request that was not done.
type Failure struct {
	// Reason is the stable name of the rule that the request broke.
	Reason string `json:"error"`
	// Message says what to do about it, where the caller can; otherwise it is empty.
	Message    string `json:"message,omitempty"`
	DecisionID string `json:"decision_id"`
}

func (c *Control) serve(operation string, do func(*request, context.Context, *http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), timeLimit)
		defer cancel()
		r := c.begin(operation, req)
		a, err := answer{}, r.identify(ctx, req)
		if err == nil {
			a, err = do(r, ctx, req)
		} else {
			err = errors.Join(err, r.record(ctx, err))
		}
		if err != nil {
			a = r.refuse(err)
		}
		w.Header().Set("Cache-Control", "no-store")
		write(w, a)
	}
}

// decide asks policy and records the answer, or what was wrong with the request before that.
func (r *request) decide(ctx context.Context, wrong error) error {
	err := wrong
	if err == nil {
		err = r.permit(ctx)
	}
	return errors.Join(err, r.record(ctx, err))
}

func (r *request) add(ctx context.Context, req *http.Request) (answer, error) {
	e, err := r.read(req)
	if err == nil {
		e.By, e.Added = r.peer.ID.String(), r.now.UTC().Truncate(time.Second)
		r.entry = &e
	}
	if err := r.decide(ctx, err); err != nil {
		return answer{}, err
	}
	if err := r.List.Add(ctx, e); err != nil {
		return answer{}, r.failure(ctx, err)
	}
	if kept, found := r.List.Get(e.ID()); found {
		e = kept
	}
	return answer{http.StatusCreated, "/revocations/" + e.ID(), e}, nil
}

// read reads the body. What is wrong with it may be told: the caller wrote it.
func (r *request) read(req *http.Request) (revoke.Entry, error) {
	media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || req.Header.Get("Content-Encoding") != "" {
		return revoke.Entry{}, denial.New(denial.ContentType, "the body must be application/json")
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, revoke.MaxRequest+1))
	switch {
	case err != nil:
		return revoke.Entry{}, denial.New(denial.BodyPartial, "reading the body: %w", err)
	case len(body) > revoke.MaxRequest:
		return revoke.Entry{}, denial.New(denial.BodyTooLarge, "the body has more than %d bytes", revoke.MaxRequest)
	}
	e, err := revoke.ParseRequest(body)
	switch {
	case err != nil:
		return revoke.Entry{}, denial.New(denial.ParamsInvalid, "%w", err)
	case !e.Expires.IsZero() && !e.Expires.After(r.now):
		return revoke.Entry{}, denial.New(denial.ParamsInvalid, "expires is over: it is %s", r.now.UTC().Format(time.RFC3339))
	}
	return e, nil
}

func (r *request) list(ctx context.Context, req *http.Request) (answer, error) {
	after, limit, err := page(req)
	if err := r.decide(ctx, err); err != nil {
		return answer{}, err
	}
	entries := slices.DeleteFunc(r.List.Entries(), func(e revoke.Entry) bool { return e.ID() <= after })
	p := Page{Revocations: entries}
	if len(entries) > limit {
		p.Revocations = entries[:limit]
		p.Next = entries[limit-1].ID()
	}
	return answer{status: http.StatusOK, body: p}, nil
}

func page(req *http.Request) (after string, limit int, err error) {
	query := req.URL.Query()
	for name, values := range query {
		if name != "after" && name != "limit" || len(values) != 1 {
			return "", 0, denial.New(denial.ParamsInvalid, "want after and limit, once each, and not %.40q", name)
		}
	}
	limit = defaultPage
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return "", 0, denial.New(denial.ParamsInvalid, "limit must be from 1 to %d", maxPage)
		}
	}
	return query.Get("after"), limit, nil
}

func (r *request) remove(ctx context.Context, req *http.Request) (answer, error) {
	id := req.PathValue("id")
	var wrong error
	if len(id) != idLength {
		wrong = denial.New(denial.ParamsInvalid, "%.40q is not the id of an entry", id)
	} else if e, found := r.List.Get(id); found {
		r.entry = &e
	}
	if err := r.decide(ctx, wrong); err != nil {
		return answer{}, err
	}
	if err := r.List.Remove(ctx, id); err != nil {
		return answer{}, r.failure(ctx, err)
	}
	return answer{status: http.StatusNoContent}, nil
}

// refuse makes the answer to a request that was not done. Why is told where it is about what the caller wrote.
func (r *request) refuse(err error) answer {
	reason := denial.ReasonOf(err)
	status, message := http.StatusServiceUnavailable, "try again; see the logs and /status of the server"
	switch class := reason.Class(); {
	case errors.Is(err, r.Missing):
		status, message, reason = http.StatusNotFound, r.Missing.Error(), "not_found"
	case errors.Is(err, r.Full):
		status, message, reason = http.StatusInsufficientStorage, r.Full.Error(), "full"
	case reason == denial.ContentType:
		status, message = http.StatusUnsupportedMediaType, detail(err)
	case reason == denial.BodyTooLarge:
		status, message = http.StatusRequestEntityTooLarge, detail(err)
	case class == denial.ClassMalformed:
		status, message = http.StatusBadRequest, detail(err)
	case class == denial.ClassPeer, class == denial.ClassCredential:
		status, message = http.StatusForbidden, ""
	case class == denial.ClassPolicy:
		status, message = http.StatusForbidden, r.verdict.Public
	}
	return answer{status: status, body: Failure{string(reason), message, r.id}}
}

func detail(err error) string {
	if e, ok := errors.AsType[*denial.Error](err); ok {
		return strings.ToValidUTF8(e.Detail, "\ufffd")
	}
	return ""
}

func write(w http.ResponseWriter, a answer) {
	if a.location != "" {
		w.Header().Set("Location", a.location)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	text, err := json.Marshal(a.body)
	if err != nil { // no entry or message that got here makes one
		a.status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(append(text, '\n')) // the client is gone if this fails
}
