package control_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/patch/control"
)

// half sends the beginning of an upload and waits for what comes back.
func half(t *testing.T, r *rig) net.Conn {
	t.Helper()

	c, err := net.Dial("unix", r.path)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })

	_, err = io.WriteString(c, "POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\nfix")
	require.NoError(t, err)

	return c
}

// A caller that sends half a file and stays holds a place for a while, not for ever.
func TestSlow_caller(t *testing.T) {
	testutil.NoLeaks(t)

	r := serve(t, control.Options{Transfer: 10 * time.Millisecond, MaxCalls: 1})

	res, err := http.ReadResponse(bufio.NewReader(half(t, r)), nil)
	require.NoError(t, err)
	require.NotEqual(t, http.StatusOK, res.StatusCode)
	require.NoError(t, res.Body.Close())
	require.Empty(t, r.engine.List())

	_, err = r.List(t.Context())
	require.NoError(t, err, "the place is free again")
}

// Nor does it hold up the server's end, though it would have half an hour yet.
func TestSlow_callerAtTheEnd(t *testing.T) {
	testutil.NoLeaks(t)

	r := serve(t, control.Options{Transfer: 30 * time.Minute, MaxCalls: 1})
	c := half(t, r)

	for { // until its call is under way
		if _, err := r.List(t.Context()); err != nil {
			require.ErrorIs(t, err, control.ErrLimit)
			break
		}
	}

	require.NoError(t, r.end())

	_, err := io.ReadAll(c)
	require.NoError(t, err)
}

// Nor one that watches and doesn't read.
func TestSlow_watcherAtTheEnd(t *testing.T) {
	testutil.NoLeaks(t)

	r := serve(t, control.Options{Transfer: 30 * time.Minute})

	s, err := r.Watch(t.Context())
	require.NoError(t, err)

	defer s.Close()

	for range 5000 { // more than the socket and the buffers take
		require.NoError(t, r.engine.Revoke("00"))
	}

	for r.engine.Stats().EventsLost == 0 {
		require.NoError(t, r.engine.Revoke("00"))
	}

	require.NoError(t, r.end())
}
