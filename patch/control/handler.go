package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Errors of this package.
var (
	ErrRequest  = errors.New("malformed request") // and nothing was done
	ErrReadOnly = errors.New("this socket only answers questions")
	ErrLimit    = errors.New("too many at once")
)

// route is what a path does.
type route struct {
	method string
	accept string // content type of the body; empty is none
	query  string // the one parameter, which is then needed; empty is none
	do     func(*handler, context.Context, call) (any, error)
}

const (
	typeJSON = "application/json"
	typeFile = "application/octet-stream"
)

// call is a request as far as it is understood.
type call struct {
	query string // value of the route's parameter
	body  io.Reader
}

var routes = map[string]route{
	"/v1/status":  {method: http.MethodGet, do: (*handler).status},
	"/v1/patches": {method: http.MethodGet, do: (*handler).patches},
	"/v1/patch":   {method: http.MethodGet, query: "name", do: (*handler).patch},
	"/v1/domains": {method: http.MethodGet, do: (*handler).domains},
	"/v1/slots":   {method: http.MethodGet, do: (*handler).slots},
	pathEvents:    {method: http.MethodGet}, // see stream
	"/v1/upload":  {method: http.MethodPost, accept: typeFile, do: (*handler).upload},
	"/v1/load":    {method: http.MethodPost, accept: typeFile, query: "request", do: (*handler).load},
	"/v1/apply":   {method: http.MethodPost, accept: typeJSON, do: transition(patch.OpApply)},
	"/v1/revert":  {method: http.MethodPost, accept: typeJSON, do: transition(patch.OpRevert)},
	"/v1/replace": {method: http.MethodPost, accept: typeJSON, do: transition(patch.OpReplace)},
	"/v1/unload":  {method: http.MethodPost, accept: typeJSON, do: (*handler).unload},
	"/v1/revoke":  {method: http.MethodPost, accept: typeJSON, do: (*handler).revoke},
}

const pathEvents = "/v1/events"

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.begin() {
		h.answer(w, nil, fmt.Errorf("%w: the server ends", ErrLimit))
		return
	}
	defer h.end()

	rc := http.NewResponseController(w)

	if r.ContentLength != 0 {
		// A caller may be slow, but not for ever. The deadline is for the transfer alone: on
		// the connection it would end a long transition too. It stays where the body isn't
		// read to its end, since the server then reads what is left of it.
		_ = rc.SetReadDeadline(time.Now().Add(h.Transfer))

		// One that sends nothing more must not hold up the server's end.
		defer context.AfterFunc(r.Context(), func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) })()
	}

	rt, c, err := h.understand(r)
	if err != nil {
		h.answer(w, nil, err)
		return
	}

	slots := h.calls
	if rt.do == nil {
		slots = h.streams
	}

	free := sync.OnceFunc(func() { <-slots })

	select {
	case slots <- struct{}{}:
		defer free()
	default:
		h.answer(w, nil, fmt.Errorf("%w: %d are under way", ErrLimit, cap(slots)))
		return
	}

	if rt.do == nil {
		h.stream(w, r)
		return
	}

	c.body = &transfer{r: r.Body, done: func() { _ = rc.SetReadDeadline(time.Time{}) }}

	v, err := rt.do(h, r.Context(), c)

	free() // who has the answer may ask again
	h.answer(w, v, err)
}

// transfer reads a body, and says when it has come to its end.
type transfer struct {
	r    io.Reader
	done func()
}

func (t *transfer) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if err == io.EOF && t.done != nil {
		t.done()
		t.done = nil
	}

	return n, err
}

// understand reads all of the request but its body.
func (h *handler) understand(r *http.Request) (route, call, error) {
	malformed := func(format string, a ...any) (route, call, error) {
		return route{}, call{}, fmt.Errorf("%w: %s", ErrRequest, fmt.Sprintf(format, a...))
	}

	rt, ok := routes[r.URL.Path]

	switch {
	case !ok:
		return malformed("there is no %q", r.URL.Path)
	case r.Method != rt.method:
		return malformed("%s is for %s", r.URL.Path, rt.method)
	case h.ReadOnly && rt.method != http.MethodGet:
		return route{}, call{}, ErrReadOnly
	case rt.accept == "" && r.ContentLength != 0:
		return malformed("%s has no body", r.URL.Path)
	}

	// The type also keeps web pages out: a browser asks first before it sends these.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); rt.accept != "" && (err != nil || t != rt.accept) {
		return malformed("the body of %s is of type %s", r.URL.Path, rt.accept)
	}

	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return malformed("%v", err)
	}

	v := q[rt.query]

	switch {
	case rt.query == "" && len(q) > 0:
		return malformed("%s has no parameters", r.URL.Path)
	case rt.query == "":
		return rt, call{}, nil
	case len(v) != 1 || len(q) != 1:
		return malformed("%s has one parameter, %s", r.URL.Path, rt.query)
	}

	return rt, call{query: v[0]}, nil
}

// failure is an answer that has an error beside what was done.
type failure struct {
	Patch  *Patch  `json:"patch,omitempty"`
	Report *Report `json:"report,omitempty"`
	Error  *Error  `json:"error,omitempty"`
}

// answer sends all of the answer before it returns, so that the connection may be closed.
func (h *handler) answer(w http.ResponseWriter, v any, err error) {
	code := http.StatusOK

	if err != nil {
		code = statusOf(err)

		f, _ := v.(failure)
		f.Error = ErrorOf(err)
		v = f
	}

	b, err := json.Marshal(v)
	if err != nil { // no type of ours can be the reason
		code, b = http.StatusInternalServerError, []byte("{}")
	}

	b = append(b, '\n')

	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(h.Transfer))

	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)

	if _, err := w.Write(b); err != nil {
		return // the caller is gone
	}

	_ = rc.Flush()
	_ = rc.SetWriteDeadline(time.Time{})
}

// statusOf is for tools that know HTTP only; the Error says it exactly.
func statusOf(err error) int {
	for _, s := range []struct {
		err  error
		code int
	}{
		{ErrRequest, http.StatusBadRequest},
		{ErrReadOnly, http.StatusForbidden},
		{ErrLimit, http.StatusServiceUnavailable},
		{patch.ErrUnknown, http.StatusNotFound},
		{patch.ErrNoDomain, http.StatusNotFound},
		{patch.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{patch.ErrNotSupported, http.StatusNotImplemented},
	} {
		if errors.Is(err, s.err) {
			return s.code
		}
	}

	switch patch.OutcomeOf(err) {
	case patch.OutcomeRefused:
		return http.StatusConflict
	case patch.OutcomeTimeout:
		return http.StatusGatewayTimeout
	}

	return http.StatusInternalServerError
}
