package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Options bounds what is served. The zero value is a good default.
type Options struct {
	// ReadOnly refuses whatever could change something, and dry runs, which lock: POST.
	ReadOnly bool

	// MaxCalls is how many calls may be under way at once, and MaxStreams how many events
	// may be watched by. 0 or less means 16 each. More are refused with ErrLimit.
	MaxCalls, MaxStreams int

	// MaxTimeout is the longest timeout that a request may ask for. 0 or less means ten
	// minutes. Without one the engine's counts.
	MaxTimeout time.Duration

	// Transfer is how long a caller may take to send its request, and to take its answer,
	// or one event. 0 or less means 30 s.
	Transfer time.Duration

	// Logger gets what went wrong with connections. nil is silent. What is done with
	// patches, the engine's own Logger gets.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxCalls <= 0 {
		o.MaxCalls = 16
	}

	if o.MaxStreams <= 0 {
		o.MaxStreams = 16
	}

	if o.MaxTimeout <= 0 {
		o.MaxTimeout = 10 * time.Minute
	}

	if o.Transfer <= 0 {
		o.Transfer = 30 * time.Second
	}

	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	return o
}

// Bounds of HTTP itself.
const (
	maxHeader  = 64 << 10 // bytes; a Request of many domains may be in the address
	maxRequest = 1 << 20  // bytes of a Request
	maxIdle    = time.Minute
)

// Serve answers on the listener until ctx ends, then closes it, has every call under way
// end, and returns when nothing of them is left: nil, or what the listener died of. A
// transition that is cut short so leaves everything as it was.
func Serve(ctx context.Context, e *patch.Engine, l net.Listener, o Options) error {
	o = o.withDefaults()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var connections sync.WaitGroup

	h := newHandler(e, o)
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: o.Transfer,
		IdleTimeout:       maxIdle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				connections.Add(1)
			case http.StateClosed:
				connections.Done()
			}
		},
	}

	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()

	var err error

	select {
	case <-ctx.Done():
		err = l.Close()
		_ = <-ended
	case err = <-ended: // nobody else closes it: it died
	}

	cancel()
	h.drain() // the answers are sent by then
	err = errors.Join(err, ignoreClosed(srv.Close()))
	connections.Wait()

	if err != nil {
		return fmt.Errorf("control: serve: %w", err)
	}

	return nil
}

// ignoreClosed: the server closes the listener again.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}

	return err
}

// Handler is what Serve answers with, for a program that has a server of its own. It sets
// the deadlines of each request's transfer; the server's ReadHeaderTimeout and MaxHeaderBytes
// should be set, and its ReadTimeout and WriteTimeout not, since a transition may last.
func Handler(e *patch.Engine, o Options) http.Handler { return newHandler(e, o.withDefaults()) }

type handler struct {
	engine *patch.Engine
	Options
	calls, streams chan struct{} // as many as are allowed at once

	mu      sync.Mutex // guards what follows
	running int
	closed  bool
	idle    chan struct{} // closed when the last one has ended after drain began
}

func newHandler(e *patch.Engine, o Options) *handler {
	return &handler{
		engine: e, Options: o, idle: make(chan struct{}),
		calls: make(chan struct{}, o.MaxCalls), streams: make(chan struct{}, o.MaxStreams),
	}
}

// begin counts a request, unless no more are taken.
func (h *handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.closed {
		return false
	}

	h.running++

	return true
}

func (h *handler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.running--; h.running == 0 && h.closed {
		close(h.idle)
	}
}

// drain takes no more requests and waits for those that run.
func (h *handler) drain() {
	h.mu.Lock()

	h.closed = true
	running := h.running
	h.mu.Unlock()

	if running > 0 {
		<-h.idle
	}
}
