package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/vgraft/vgraft/patch"
)

// Watch gives the events of the engine from now on. Close the stream, or end ctx.
func (c *Client) Watch(ctx context.Context) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)

	res, err := c.send(ctx, http.MethodGet, pathEvents, nil, "", nil)
	if err != nil {
		cancel()
		return nil, err
	}

	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != typeLines {
		defer cancel()
		defer res.Body.Close()

		b, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err := (&answer{}).read(pathEvents, res.StatusCode, b); err != nil {
			return nil, err
		}

		return nil, fmt.Errorf("control: watch: %w", ErrAnswer)
	}

	return &Stream{c: c, ctx: ctx, cancel: cancel, body: res.Body, lines: json.NewDecoder(res.Body)}, nil
}

// Stream is events of an engine. Next is for one goroutine.
type Stream struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	body   io.Closer
	lines  *json.Decoder
}

// Next waits for the next event. It is io.EOF when the server has ended the stream, and
// the context's error after Close.
func (s *Stream) Next() (patch.Event, error) {
	var ev Event

	switch err := s.lines.Decode(&ev); {
	case err == nil:
		return ev.Event(), nil
	case errors.Is(err, io.EOF):
		return patch.Event{}, io.EOF
	default:
		return patch.Event{}, s.c.broken(s.ctx, pathEvents, err)
	}
}

// Close ends the stream. It is idempotent, and may be called from any goroutine.
func (s *Stream) Close() error {
	s.cancel()

	return s.body.Close()
}
