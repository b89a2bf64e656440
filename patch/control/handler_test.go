package control_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

const (
	asJSON = "application/json"
	asFile = "application/octet-stream"
)

// fingerprint is all that a request could change.
func fingerprint(e *patch.Engine) string {
	var b strings.Builder

	for _, s := range e.List() {
		fmt.Fprintln(&b, s.Patch.Name(), s.State, s.Everywhere, s.Revoked)
	}

	for _, d := range e.Domains() {
		fmt.Fprintln(&b, d.Name(), d.Applied(), d.Generation())
	}

	return b.String()
}

// ask sends a request past the network. The address is what a client would write.
func ask(t testing.TB, h http.Handler, method, address, typ, body string) (int, map[string]json.RawMessage) {
	t.Helper()

	u, err := url.ParseRequestURI(address)
	if err != nil {
		t.Skip("no client could send this")
	}

	r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body)).WithContext(t.Context())
	r.Method, r.URL = method, u

	if typ != "" {
		r.Header.Set("Content-Type", typ)
	}

	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	var answer map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	require.Equal(t, w.Code != http.StatusOK, answer["error"] != nil, "%s", w.Body)

	return w.Code, answer
}

// TestHandler_strict: what isn't wholly understood does nothing.
func TestHandler_strict(t *testing.T) {
	e, _, _ := newEngine(t)
	h := control.Handler(e, control.Options{})

	code, _ := ask(t, h, "POST", "/v1/upload", asFile, "fix")
	require.Equal(t, http.StatusOK, code)

	before := fingerprint(e)
	good := `{"patch":"fix","everywhere":true}`

	for _, c := range []struct {
		method, address, typ, body string
		code                       int
	}{
		{"POST", "/v1/apply", asJSON, ``, 400},
		{"POST", "/v1/apply", asJSON, `null`, 400},
		{"POST", "/v1/revoke", asJSON, `{}`, 400},
		{"POST", "/v1/revoke", asJSON, `{"patch":"fix","key":"` + strings.Repeat("ab", 32) + `"}`, 400},
		{"POST", "/v1/revoke", asJSON, `{"key":"ab"}`, 400},
		{"POST", "/v1/revoke", asJSON, `{"patch":"fixx"}`, 404},
		{"POST", "/v1/revoke", asJSON, `{"patch":"abc"}`, 404},
		{"POST", "/v1/apply", asJSON, `[]`, 400},
		{"POST", "/v1/apply", asJSON, good + `{}`, 400},
		{"POST", "/v1/apply", asJSON, good + `x`, 400},
		{"POST", "/v1/apply", asJSON, good[:len(good)-1], 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"mood":"good"}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"":1}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","Everywhere":true}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"other","patch":"fix","everywhere":true}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"mode":"loose"}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"mode":null}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"timeout_ns":-1}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"timeout_ns":1e30}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"timeout_ns":"1s"}`, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":1}`, 400},
		{"POST", "/v1/apply", asJSON, good + strings.Repeat(" ", 2<<20), 400},
		{"POST", "/v1/apply", "text/plain", good, 400}, // what a web page could send
		{"POST", "/v1/apply", "", good, 400},
		{"POST", "/v1/apply?dry_run=1", asJSON, good, 400},
		{"PUT", "/v1/apply", asJSON, good, 400},
		{"GET", "/v1/apply", asJSON, good, 400},
		{"GET", "/v1/patches", "", "x", 400},
		{"GET", "/v1/patches?x=y", "", "", 400},
		{"GET", "/v1/patch", "", "", 400},
		{"GET", "/v1/patch?name=a&name=b", "", "", 400},
		{"GET", "/v1/patch?name=%zz", "", "", 400},
		{"POST", "/v1/load", asFile, "new", 400},
		{"POST", "/v1/load?request=%7B%7D", asFile, "new", 404},
		{"POST", `/v1/load?request=%7B%22everywhere%22:true,%22patch%22:%22x%22%7D`, asFile, "new", 400},
		{"POST", "/v1/upload", asJSON, "new", 400},
		{"POST", "/v1/unload", asJSON, `{"patch":"fix","everywhere":true}`, 400},
		{"POST", "/v2/apply", asJSON, good, 400},
		{"POST", "/v1/apply/", asJSON, good, 400},
		{"POST", "/v1/../v1/apply", asJSON, good, 400},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix"}`, 404},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","everywhere":true,"domains":["a"]}`, 404},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","domains":["a","nowhere"]}`, 404},
		{"POST", "/v1/apply", asJSON, `{"patch":"fix","domains":["a",null]}`, 404},
		{"POST", "/v1/apply", asJSON, `{"patch":"","everywhere":true}`, 404},
	} {
		code, _ := ask(t, h, c.method, c.address, c.typ, c.body)
		require.Equal(t, c.code, code, "%s %s %.99s", c.method, c.address, c.body)
		require.Equal(t, before, fingerprint(e), "%s %s %.99s", c.method, c.address, c.body)
	}

	code, _ = ask(t, h, "POST", "/v1/apply", asJSON+"; charset=utf-8", " "+good+"\n")
	require.Equal(t, http.StatusOK, code)
	require.NotEqual(t, before, fingerprint(e))
}

// FuzzHandler: whatever the request, an answer of the protocol; what wasn't granted has
// changed nothing; and what has was a request that a second reader understands too.
func FuzzHandler(f *testing.F) {
	for _, s := range [][4]string{
		{"POST", "/v1/upload", asFile, "fix"},
		{"POST", "/v1/load?request=%7B%22everywhere%22:true%7D", asFile, "other"},
		{"POST", "/v1/apply", asJSON, `{"patch":"there","domains":["a","b"],"mode":"barrier","timeout_ns":1000000,"no_wait":true,"no_depends":true}`},
		{"POST", "/v1/apply", asJSON, `{"patch":"there","everywhere":true,"dry_run":true}`},
		{"POST", "/v1/revert", asJSON, `{"patch":"on","everywhere":true}`},
		{"POST", "/v1/replace", asJSON, `{"patch":"there","everywhere":true}`},
		{"POST", "/v1/unload", asJSON, `{"patch":"there","timeout_ns":1}`},
		{"POST", "/v1/revoke", asJSON, `{"patch":"there"}`},
		{"POST", "/v1/revoke", asJSON, `{"key":"` + strings.Repeat("ab", 32) + `"}`},
		{"GET", "/v1/patch?name=on", "", ""},
		{"GET", "/v1/status", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}

	f.Fuzz(func(t *testing.T, method, address, typ, body string) {
		if strings.Contains(address, "events") {
			t.Skip("it has no end")
		}

		e, _, _ := newEngine(t)
		h := control.Handler(e, control.Options{})
		ask(t, h, "POST", "/v1/upload", asFile, "there")
		ask(t, h, "POST", "/v1/load?request=%7B%22everywhere%22:true%7D", asFile, "on")

		before := fingerprint(e)
		code, _ := ask(t, h, method, address, typ, body)

		if before == fingerprint(e) {
			return
		}

		require.Equal(t, http.StatusOK, code)
		require.Equal(t, "POST", method)

		if path, _, _ := strings.Cut(address, "?"); path == "/v1/upload" || path == "/v1/load" {
			return // any file is one for this loader
		}

		d := json.NewDecoder(strings.NewReader(body))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&control.Request{})) // with a patch's name alone, revoke's too

		_, err := d.Token()
		require.ErrorIs(t, err, io.EOF)
	})
}

// TestConnection_hostile: bytes that are no HTTP, and too much of it, end the connection
// alone.
func TestConnection_hostile(t *testing.T) {
	r := serve(t, control.Options{})

	for name, text := range map[string]string{
		"garbage":           "\x00\x01\x02\r\n\r\n",
		"long header":       "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n",
		"body that ends":    "POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\nfix",
		"negative length":   "POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"a chunk too short": "POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nfix\r\n0\r\n\r\n",
	} {
		c, err := net.Dial("unix", r.path)
		require.NoError(t, err)

		_, _ = io.WriteString(c, text) // it may hang up before it has all
		require.NoError(t, c.(*net.UnixConn).CloseWrite())

		b, _ := io.ReadAll(c)
		require.NotContains(t, string(b), "200 OK", name)
		require.NoError(t, c.Close())
	}

	_, err := r.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, r.engine.List())
}
