package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tally is what the clients saw. Times are in nanoseconds.
type tally struct {
	Requests int    `json:"requests"`
	Flawed   int    `json:"flawed"`   // answers of the old code
	Repaired int    `json:"repaired"` // answers of the new code
	Failed   int    `json:"failed"`   // errors, and any other answer
	First    string `json:"first_failure,omitempty"`
	P50      int64  `json:"latency_p50_ns"`
	P99      int64  `json:"latency_p99_ns"`
	Longest  int64  `json:"latency_max_ns"`
}

func (t tally) check() error {
	switch {
	case t.Failed > 0:
		return fmt.Errorf("%d of %d requests failed: %s", t.Failed, t.Requests, t.First)
	case t.Flawed == 0 || t.Repaired == 0:
		return fmt.Errorf("of %d requests %d met the old code and %d the new: the load wasn't there", t.Requests, t.Flawed, t.Repaired)
	}

	return nil
}

// load is clients that ask one request after the other, each on a connection of its own.
type load struct {
	end     chan struct{}
	running sync.WaitGroup
	clients []client
	stopped sync.Once
	answers atomic.Int64
}

type client struct {
	tally
	took []int64
}

func startLoad(url string, clients int) *load {
	l := &load{end: make(chan struct{}), clients: make([]client, clients)}

	for i := range l.clients {
		l.running.Go(func() { l.clients[i].run(url, l) })
	}

	return l
}

func (c *client) run(url string, l *load) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()

	h := &http.Client{Transport: transport, Timeout: 10 * time.Second}

	for {
		select {
		case <-l.end:
			return
		default:
		}

		began := time.Now()
		got, err := ask(context.Background(), h, url)
		c.took = append(c.took, int64(time.Since(began)))
		l.answers.Add(1)

		switch {
		case err == nil && got == flawed:
			c.Flawed++
		case err == nil && got == repaired:
			c.Repaired++
		default:
			if c.Failed++; c.First == "" {
				c.First = fmt.Sprint(got, err)
			}
		}
	}
}

func (l *load) count() int64 { return l.answers.Load() }

// stop ends the load, and adds up what the clients saw.
func (l *load) stop() (t tally) {
	l.stopped.Do(func() { close(l.end) })
	l.running.Wait()

	var took []int64

	for _, c := range l.clients {
		took = append(took, c.took...)
		t.Flawed += c.Flawed
		t.Repaired += c.Repaired
		t.Failed += c.Failed
		t.First = max(t.First, c.First)
	}

	slices.Sort(took)

	if t.Requests = len(took); t.Requests > 0 {
		t.P50, t.P99, t.Longest = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	}

	return t
}

// ask gives the answer to one request. Any status but 200 is an error.
func ask(ctx context.Context, h *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}

	res, err := h.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()

	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}

	return string(body), err
}
