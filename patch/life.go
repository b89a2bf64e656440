package patch

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// life is what changes about a patch: who holds it, where it is applied, and what may
// still run of it.
type life struct {
	loading lock // held while a Load or an Unload hook may run

	mu      sync.Mutex
	holders int              // engines that have it
	busy    int              // transitions that it takes part in
	domains map[*Domain]bool // where it is applied
	ever    bool             // it was applied once
	stuck   int              // hooks that were given up on and still run
	late    []sighting       // sections that may have seen it, in transitions that failed
	unmap   func()           // gives back what its Loader acquired; nil is nothing
	gone    bool             // it was called
}

func (l *life) enter(d *Domain) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.domains == nil {
		l.domains = map[*Domain]bool{}
	}

	l.domains[d], l.ever = true, true
}

func (l *life) leave(d *Domain) {
	l.mu.Lock()
	defer l.mu.Unlock()

	delete(l.domains, d)
}

// giveUp notes a hook that didn't return in time, until done says that it has.
func (l *life) giveUp(done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.stuck++

	go func() {
		<-done

		l.mu.Lock()
		l.stuck--
		l.mu.Unlock()

		l.free()
	}()
}

// begin has the patch take part in a transition, unless one of its hooks still runs.
func (l *life) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.stuck > 0 {
		return ErrBusy
	}

	l.busy++

	return nil
}

const stillRuns = "a hook that was given up on still runs"

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.busy--
}

// lingers notes sections that may have begun while the patch was bound, and may go on.
func (l *life) lingers(s []sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.late = slices.Concat(l.late, s)
	l.prune()
}

// prune forgets the sections that have ended, and with them their workers.
func (l *life) prune() {
	var still []sighting

	for _, s := range l.late {
		if s.seen&(closed|inside) == inside && s.worker.boundaries.Load() == s.seen {
			still = append(still, s)
		}
	}

	l.late = still
}

// settled waits until no section runs that may have seen the patch, and gives the worker
// that is in the way when done comes first.
func (l *life) settled(done <-chan struct{}) *Worker {
	l.mu.Lock()
	l.prune()
	late := l.late
	l.mu.Unlock()

	for _, s := range late {
		if !s.worker.passed(s.seen, done) {
			return s.worker
		}
	}

	return nil
}

// sighting is a worker's count of boundaries at some time.
type sighting struct {
	worker *Worker
	seen   uint64
	slot   int // that it was in, or was last in
}

// sight looks at every worker of the domain, and adds what it sees.
func (d *Domain) sight(to []sighting) []sighting {
	d.mu.Lock()
	defer d.mu.Unlock()

	to = slices.Grow(to, len(d.workers))
	for _, w := range d.workers {
		to = append(to, sighting{w, w.boundaries.Load(), w.lastSlot()})
	}

	return to
}

// hold counts another engine, and says whether it is the first.
func (l *life) hold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.holders++

	return l.holders == 1
}

// release counts an engine less, and says whether it was the last.
func (l *life) release() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.holders--

	return l.holders == 0
}

// free gives back what the patch's Loader acquired, once no engine has the patch and no
// hook of it runs.
func (l *life) free() {
	l.mu.Lock()

	if l.holders > 0 || l.stuck > 0 || len(l.domains) > 0 || l.gone || l.unmap == nil {
		l.mu.Unlock()
		return
	}

	l.gone = true
	l.mu.Unlock()

	l.unmap()
}

func (l *life) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.gone
}

// unload is begin for Unload: the patch must be applied nowhere, and take part in
// nothing else. The detail is what it takes part in.
func (l *life) unload() (detail string, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	switch {
	case len(l.domains) > 0:
		return "", ErrApplied
	case l.busy > 0:
		return "a transition of it is under way", ErrBusy
	case l.stuck > 0:
		return stillRuns, ErrBusy
	}

	l.busy++

	return "", nil
}

// where lists the domains where it is applied, the oldest first.
func (l *life) where() []*Domain {
	l.mu.Lock()
	defer l.mu.Unlock()

	return slices.SortedFunc(maps.Keys(l.domains), func(a, b *Domain) int { return cmp.Compare(a.id, b.id) })
}
