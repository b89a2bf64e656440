package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Errors of a Client. All others are those of the engine and the server: errors.Is and
// errors.As find what they would find there.
var (
	// ErrUnreachable is that nobody listens, or that this user may not connect. The
	// engine knows nothing of the call.
	ErrUnreachable = errors.New("can't reach the engine")

	// ErrLost is a connection that broke before the answer came: whether the call was
	// done isn't known.
	ErrLost = errors.New("the answer was lost")

	// ErrAnswer is an answer that isn't one of this protocol.
	ErrAnswer = errors.New("no answer of an engine")
)

// maxAnswer bounds what a Client reads, but for events.
const maxAnswer = 64 << 20 // bytes

// Client operates an engine in another process. Make one with Dial or NewClient. All
// methods may be called from any goroutine. When the context of a call ends before the
// answer comes the server takes the call back, unless all was done by then: the error
// is ErrLost and the context's, and only Get tells.
type Client struct {
	http *http.Client
	base string
}

// Dial is a client of the Unix socket with that path. It connects when it is first used.
func Dial(path string) *Client {
	var d net.Dialer

	return NewClient("http://engine", &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	})
}

// NewClient is a client of the server at the address, "https://host:port" say, which the
// transport leads to.
func NewClient(base string, t http.RoundTripper) *Client {
	return &Client{base: base, http: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close closes connections that no call uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// answer is all that a server may answer with.
type answer struct {
	Status  *Status  `json:"status"`
	Patches []Patch  `json:"patches"`
	Patch   *Patch   `json:"patch"`
	Domains []Domain `json:"domains"`
	Slots   []Slot   `json:"slots"`
	Report  *Report  `json:"report"`
	Error   *Error   `json:"error"`
}

// Status tells of the engine and its program.
func (c *Client) Status(ctx context.Context) (Status, error) {
	a, err := c.get(ctx, "/v1/status", nil)
	if err == nil && a.Status == nil {
		err = fmt.Errorf("control: status: %w", ErrAnswer)
	}

	if err != nil {
		return Status{}, err
	}

	return *a.Status, nil
}

// List gives every loaded patch, in the order of loading.
func (c *Client) List(ctx context.Context) ([]Patch, error) {
	a, err := c.get(ctx, "/v1/patches", nil)

	return a.Patches, err
}

// Get finds a loaded patch by name or id.
func (c *Client) Get(ctx context.Context, name string) (Patch, error) {
	a, err := c.get(ctx, "/v1/patch", url.Values{"name": {name}})

	return a.thePatch(err)
}

// Domains gives those that are attached to the engine.
func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	a, err := c.get(ctx, "/v1/domains", nil)

	return a.Domains, err
}

// Slots gives every slot that the program declares.
func (c *Client) Slots(ctx context.Context) ([]Slot, error) {
	a, err := c.get(ctx, "/v1/slots", nil)

	return a.Slots, err
}

// Upload is Engine.Upload.
func (c *Client) Upload(ctx context.Context, file io.Reader) (Patch, error) {
	a, err := c.do(ctx, http.MethodPost, "/v1/upload", nil, typeFile, file)

	return a.thePatch(err)
}

// Load uploads the file and applies the patch. If it can't be applied it is unloaded
// again; so it is after a dry run.
func (c *Client) Load(ctx context.Context, file io.Reader, r Request) (Patch, patch.Report, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return Patch{}, patch.Report{}, fmt.Errorf("control: load: %w", err)
	}

	a, err := c.do(ctx, http.MethodPost, "/v1/load", url.Values{"request": {string(b)}}, typeFile, file)
	p, err := a.thePatch(err)

	return p, a.Report.Report(), err
}

// Apply is Engine.Apply, or DryRun of it, of a loaded patch.
func (c *Client) Apply(ctx context.Context, r Request) (patch.Report, error) {
	return c.transition(ctx, "/v1/apply", r)
}

// Revert is Engine.Revert, or DryRun of it.
func (c *Client) Revert(ctx context.Context, r Request) (patch.Report, error) {
	return c.transition(ctx, "/v1/revert", r)
}

// Replace is Engine.Replace, or DryRun of it, of a loaded patch.
func (c *Client) Replace(ctx context.Context, r Request) (patch.Report, error) {
	return c.transition(ctx, "/v1/replace", r)
}

func (c *Client) transition(ctx context.Context, path string, r Request) (patch.Report, error) {
	a, err := c.post(ctx, path, r)

	return a.Report.Report(), err
}

// Unload is Engine.Unload. A timeout of 0 is the engine's.
func (c *Client) Unload(ctx context.Context, name string, timeout time.Duration) error {
	_, err := c.post(ctx, "/v1/unload", unloadRequest{Patch: name, Timeout: timeout})

	return err
}

// Revoke is Engine.Revoke, of a loaded patch by name or id, or of any id of a payload, loaded
// or not.
func (c *Client) Revoke(ctx context.Context, name string) error {
	_, err := c.post(ctx, "/v1/revoke", revokeRequest{Patch: name})

	return err
}

// RevokeKey is Engine.RevokeKey.
func (c *Client) RevokeKey(ctx context.Context, key patch.KeyID) error {
	_, err := c.post(ctx, "/v1/revoke", revokeRequest{Key: key})

	return err
}

func (a answer) thePatch(err error) (Patch, error) {
	switch {
	case a.Patch != nil:
		return *a.Patch, err
	case err == nil:
		err = fmt.Errorf("control: %w", ErrAnswer)
	}

	return Patch{}, err
}

func (c *Client) get(ctx context.Context, path string, q url.Values) (answer, error) {
	return c.do(ctx, http.MethodGet, path, q, "", nil)
}

func (c *Client) post(ctx context.Context, path string, v any) (answer, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return answer{}, fmt.Errorf("control: %s: %w", path, err)
	}

	return c.do(ctx, http.MethodPost, path, nil, typeJSON, bytes.NewReader(b))
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values, typ string, body io.Reader) (a answer, err error) {
	res, err := c.send(ctx, method, path, q, typ, body)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()

	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return a, c.broken(ctx, path, err)
	}

	return a, a.read(path, res.StatusCode, b)
}

func (a *answer) read(path string, code int, b []byte) error {
	if err := json.Unmarshal(b, a); err != nil {
		return fmt.Errorf("control: %s: %w: HTTP status %d: %w", path, ErrAnswer, code, err)
	}

	if a.Error == nil && code != http.StatusOK {
		return fmt.Errorf("control: %s: %w: HTTP status %d", path, ErrAnswer, code)
	}

	return a.Error.Err()
}

// send gives the answer's beginning.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, typ string, body io.Reader) (*http.Response, error) {
	address := c.base + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}

	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", path, err)
	}

	if typ != "" {
		r.Header.Set("Content-Type", typ)
	}

	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.broken(ctx, path, err)
	}

	return res, nil
}

// broken sorts the errors of a connection.
func (c *Client) broken(ctx context.Context, path string, err error) error {
	var op *net.OpError

	switch {
	case errors.As(err, &op) && op.Op == "dial" && ctx.Err() == nil:
		return fmt.Errorf("control: %w: %w", ErrUnreachable, op)
	case ctx.Err() != nil:
		err = ctx.Err()
	}

	return fmt.Errorf("control: %s: %w: %w", path, ErrLost, err)
}
