package power

import (
	"time"

	"github.com/vgraft/vgraft/patch"
)

const (
	requestPause = 10 * time.Millisecond // between two rounds of requests
	requestGrace = 2 * time.Second       // for the last round, when the machine ends
)

// logger is what a feature needs of a slog.Logger.
type logger interface {
	Warn(msg string, args ...any)
}

// requests is the goroutine that tells the embedder what the guest wants.
type requests struct {
	p          *Performance
	worker     *patch.Worker
	stop, done chan struct{}
	late       chan struct{} // closed by Stop when it waits no longer: then nobody is told anything
}

// Start is for the machine.
func (p *Performance) Start() error {
	if p.request == nil {
		return nil
	}

	p.turn = &requests{
		p: p, worker: p.domain.NewWorker("performance"),
		stop: make(chan struct{}), done: make(chan struct{}), late: make(chan struct{}),
	}

	go p.turn.run()

	return nil
}

// Stop is for the machine. It lets the embedder hear the last of the guest's wishes, if that
// doesn't take longer than two seconds.
func (p *Performance) Stop() {
	if p.turn == nil {
		return // never started
	}

	close(p.turn.stop)

	select {
	case <-p.turn.done:
	case <-time.After(requestGrace):
		close(p.turn.late)
		p.log.Warn("performance: the function for requests doesn't return")
	}
}

func (r *requests) run() {
	defer close(r.done)
	defer r.worker.Close()

	for {
		select {
		case <-r.p.changed:
		case <-r.stop:
			r.tell()
			return
		}

		r.tell()

		select {
		case <-time.After(requestPause):
		case <-r.stop:
		}
	}
}

// tell calls the embedder's function, outside of the section.
func (r *requests) tell() {
	for cpu := 0; ; cpu++ {
		s := r.worker.Enter()
		next, ok := performanceTake.In(s)(r.p, cpu)
		r.worker.Leave()

		if !ok {
			return
		}

		select {
		case <-r.late:
			return
		default:
		}

		cpu = next.CPU
		r.p.request(next)
	}
}

// take gives what is new of the first processor of which something is, from that one on.
func (p *Performance) take(from int) (PerformanceRequest, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	for i := from; i < len(p.cpus); i++ {
		if c := &p.cpus[i]; c.news {
			c.news = false
			return PerformanceRequest{CPU: i, Desired: p.wish(c)}, true
		}
	}

	return PerformanceRequest{}, false
}
