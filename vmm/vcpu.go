package vmm

import (
	"errors"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
)

// vcpu is one virtual processor and the thread that runs it. Other goroutines reach
// it through post, which breaks the thread out of the guest and has it carry out an
// order; no other goroutine enters KVM_RUN.
type vcpu struct {
	machine *Machine
	id      int
	kvm     *kvm.VCPU
	worker  *patch.Worker
	wake    chan struct{} // one token: the queue may have something for a parked thread

	mu    sync.Mutex
	queue []order // for the thread, between two exits
	tid   int     // 0 while there is no thread

	// Of the thread alone.
	parked  bool
	ended   bool
	off     bool   // the guest has it turned off, by calls that we answer, or the machine sleeps
	asleep  bool   // it sleeps with the machine, and goes on at sleeper
	sleeper *entry // nil for where it was, on amd64
	entry   *entry // where it goes on, with all its state reset
}

// order is what others want of a vCPU's thread. It is data and not a function, as one that
// was made before a patch would be run after it.
type order struct {
	what  orderKind
	entry *entry          // of toStart
	done  chan<- struct{} // gets a token when it is carried out; nil for nobody waits. It must not block
}

type orderKind int

const (
	toEnd   orderKind = iota // for good
	toPark                   // stay out of the guest
	toRun                    // no longer parked
	toStart                  // begin at the entry
	toSleep                  // stay out of the guest, for the guest has suspended the machine
	toWake                   // go on, if it sleeps
)

// entry is where a vCPU begins after a reset, and what is in its first register.
type entry struct {
	pc, context uint64 //nolint:unused // on arm64
}

// post has the thread carry out an order as soon as it is out of the guest. It doesn't
// wait. It does nothing when there is no thread.
func (c *vcpu) post(o order) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.tid == 0 {
		return
	}

	c.queue = append(c.queue, o)

	// In this order: a thread that is about to enter the guest sees the flag, one that
	// is inside gets the signal, one that is parked gets the token.
	c.kvm.Interrupt()

	if err := kvm.Kick(c.tid, c.machine.cfg.KickSignal); err != nil {
		c.machine.cfg.Logger.Error("kick failed", "vcpu", c.id, "err", err)
	}

	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the life of the thread. It is ready when post reaches it, and enters the
// guest when the gate opens.
func (c *vcpu) run(ready *sync.WaitGroup, gate <-chan struct{}) {
	// Never unlocked: the thread ends with the goroutine, and takes along whatever
	// state KVM has tied to it.
	runtime.LockOSThread()

	c.mu.Lock()
	c.tid = kvm.Thread()
	c.mu.Unlock()

	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()

		c.tid, c.queue = 0, nil
	}()

	ready.Done()
	<-gate

	// Whoever ended the machine before there was a thread to post to left word.
	if c.machine.isEnding() {
		return
	}

	// Said first, for a handler that ends its goroutine (runtime.Goexit): then the rest
	// of the machine must not wait for this vCPU.
	exit := c.exit(ExitFailed, errGoexit)

	defer func() { c.finish(exit) }()

	exit = c.loop()
}

// finish ends the machine for this vCPU's reason, unless it has ended for another.
func (c *vcpu) finish(exit Exit) {
	s := c.worker.Enter()
	endSlot.In(s)(c.machine, s, exit)
	c.worker.Leave()
}

var errGoexit = errors.New("a device handler ended the vCPU's goroutine")

// loop runs the guest until it ends or is ended, and says how.
func (c *vcpu) loop() (exit Exit) {
	inside := false // a section

	defer func() {
		if v := recover(); v != nil {
			exit = c.exit(ExitFailed, &PanicError{VCPU: c.id, Value: v, Stack: debug.Stack()})
		}

		if inside {
			c.worker.Leave()
		}
	}()

	for {
		if c.off {
			if c.serve(); c.ended {
				return Exit{VCPU: c.id}
			}
		}

		if c.entry != nil {
			inside = true
			s := c.worker.Enter()
			err := enterSlot.In(s)(c, s)
			c.worker.Leave()

			inside = false

			if err != nil {
				return c.exit(ExitFailed, err)
			}
		}

		reason, err := c.kvm.Run()
		if err != nil {
			if !errors.Is(err, kvm.ErrInterrupted) {
				return c.exit(ExitFailed, err)
			}

			if c.serve(); c.ended {
				return Exit{VCPU: c.id}
			}

			continue
		}

		inside = true
		s := c.worker.Enter()
		exit, ended := exitSlot.In(s)(c, s, reason)
		c.worker.Leave()

		inside = false

		if ended {
			return exit
		}
	}
}

// serve carries out what was posted, and stays while the vCPU is parked or off.
func (c *vcpu) serve() {
	for {
		// First the flag, then the queue: what is posted in between sets it again.
		c.kvm.Continue()

		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()

		for _, o := range queue {
			c.obey(o)
		}

		if c.ended || !c.parked && !c.off {
			return
		}

		<-c.wake
	}
}

func (c *vcpu) obey(o order) {
	switch o.what {
	case toEnd:
		c.ended = true
	case toPark:
		c.parked = true
	case toRun:
		c.parked = false
	case toStart:
		c.entry, c.off = o.entry, false
	case toSleep:
		c.lieDown()
	case toWake:
		c.wakeUp()
	}

	if o.done != nil {
		o.done <- struct{}{}
	}
}

func (c *vcpu) exit(r ExitReason, err error) Exit {
	return Exit{Reason: r, VCPU: c.id, Err: err}
}
