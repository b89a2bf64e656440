package vmm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/vgraft/vgraft/internal/bus"
	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/dimms"
	"github.com/vgraft/vgraft/internal/device/ged"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/kvm"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/power"
)

// Machine is one virtual machine. Any number of them live in a process, and know
// nothing of each other. All methods may be called from any goroutine.
type Machine struct {
	cfg     Config
	domain  *patch.Domain
	devices []Device  // the board's, then the configuration's
	started []Starter // those of them that are to be stopped
	mem     *guestmem.Memory
	sys     *kvm.System
	vm      *kvm.VM
	chips   chips
	vcpus   []*vcpu
	ged     *ged.GED
	cpus    *cpus.CPUs
	dimms   *dimms.Slots // nil if no memory can come
	button  *power.Button

	// The address spaces and the interrupt lines taken. They don't change after New.
	pio, mmio bus.Bus
	irqs      [lines]bool
	room      device.Room

	state   stateBox
	control chan struct{} // one token: held by Start, Pause, Resume and Close
	threads sync.WaitGroup
	stopped chan struct{} // closed when Wait has an answer

	mu     sync.Mutex
	ending bool
	exit   Exit // valid once ending
	asleep bool // it is suspended, or would be if it weren't paused
	awake  int  // vCPUs that have yet to stop for that
	woken  bool // meanwhile
}

// New makes a machine: it checks the configuration, acquires everything, attaches the
// devices and loads the guest. Nothing of the guest runs before Start. ctx bounds this
// call alone. On error nothing is left behind; it wraps ErrConfig, ErrNotSupported,
// ErrImage, ErrTooLarge, ErrCmdline, an *OverlapError, a device's own error, or what
// the system said (fs.ErrNotExist and fs.ErrPermission for the KVM device).
func New(ctx context.Context, cfg Config) (_ *Machine, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}

	if ctx.Err() != nil {
		return nil, fmt.Errorf("vmm: %w", context.Cause(ctx))
	}

	m := &Machine{
		cfg:     cfg,
		domain:  patch.NewDomain(cfg.Name),
		ged:     ged.New(),
		cpus:    cpus.NewHotplug(hotplug(cfg)),
		button:  power.NewButton(),
		pio:     bus.Bus{Limit: 1 << 16},
		room:    tableRoom(),
		control: make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}

	defer func() {
		if err != nil {
			err = errors.Join(err, m.release())
		}
	}()

	if err := m.create(); err != nil {
		return nil, err
	}

	if err := m.attach(); err != nil {
		return nil, err
	}

	starts, err := m.load(ctx)
	if err != nil {
		return nil, err
	}

	for i, c := range m.vcpus {
		var start *Start
		if i < len(starts) {
			start = &starts[i]
			m.cpus.SetOn(i)
		}

		if err := c.setup(start); err != nil {
			return nil, fmt.Errorf("vmm: set up vCPU %d: %w", i, err)
		}
	}

	return m, nil
}

// create acquires the machine without its devices.
func (m *Machine) create() (err error) {
	if m.sys, err = kvm.Open(m.cfg.KVM); err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	if err := checkHost(m.sys, m.cfg.MaxCPUs); err != nil {
		return err
	}

	if m.mem, err = newMemory(m.cfg.Memory); err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	if m.vm, err = createVM(m.sys, m.mem, moreMemory(m.cfg)); err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	for i, r := range m.mem.Regions() {
		if err := m.vm.SetMemory(uint32(i), r.Base, r.Bytes); err != nil {
			return fmt.Errorf("vmm: %w", err)
		}
	}

	if m.chips, err = createChips(m.vm); err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	for i := range m.cfg.MaxCPUs {
		v, err := m.vm.CreateVCPU(i)
		if err != nil {
			return fmt.Errorf("vmm: vCPU %d: %w", i, err)
		}

		m.vcpus = append(m.vcpus, &vcpu{machine: m, id: i, kvm: v, wake: make(chan struct{}, 1)})
	}

	if err := m.wire(); err != nil {
		return fmt.Errorf("vmm: %w", err)
	}

	return nil
}

func (m *Machine) attach() error {
	// The device of events first, for others to have some.
	var more []Device
	if m.cfg.MaxMemory > m.cfg.Memory {
		m.dimms = dimms.New()
		more = []Device{m.dimms}
	}

	list := slices.Concat([]Device{m.ged, m.cpus, m.button}, boardDevices(m.cfg.Memory), more, m.cfg.Devices)

	for i, d := range list {
		// Kept first: a device that failed to attach may have acquired something.
		m.devices = append(m.devices, d)

		if err := d.Attach(platform{m}); err != nil {
			return fmt.Errorf("vmm: attach device %d, %T: %w", i, d, err)
		}
	}

	return nil
}

// PowerButton presses the machine's power button: the guest's operating system gets an
// event, and most shut down; then Wait says so. What it means is for the guest to decide,
// so a machine that must end is closed. One that is suspended wakes up. The error wraps
// ErrState if the machine neither runs nor is paused nor suspended.
func (m *Machine) PowerButton() error {
	if s := m.state.get(); s != Running && s != Paused && s != Suspended {
		return m.wrongState("press the power button of", s)
	}

	m.button.Press()

	return nil
}

// Domain is where patches for this machine are applied. Close closes it. A machine that
// is to have what was applied everywhere is attached to the engine before Start.
func (m *Machine) Domain() *patch.Domain { return m.domain }

// Memory is the guest's RAM, for tools that look into a guest.
func (m *Machine) Memory() Memory { return m.mem }

// State is the present state.
func (m *Machine) State() State { return m.state.get() }

// States gives the state now and from then on each newer one. A receiver that is slow
// misses those in between, never the last; the channel is closed after Closed.
func (m *Machine) States() <-chan State { return m.state.watch() }

// lock takes the machine for one call that changes its state.
func (m *Machine) lock(ctx context.Context) (unlock func(), err error) {
	// A select with both ready would toss a coin.
	if ctx.Err() != nil {
		return nil, fmt.Errorf("vmm: %w", context.Cause(ctx))
	}

	select {
	case m.control <- struct{}{}:
		return func() { <-m.control }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("vmm: waiting for another call on the machine: %w", context.Cause(ctx))
	}
}

// wrongState is the error for a call that the state doesn't allow.
func (m *Machine) wrongState(op string, s State) error {
	err := error(&StateError{Op: op, State: s})
	if s == Closed {
		err = errors.Join(err, os.ErrClosed)
	}

	return err
}

// Start runs the guest, and returns at once. The error wraps ErrState if it was
// started before, or is a device's that could not start; then the machine has ended.
func (m *Machine) Start(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()

	if s, ok := m.state.set(Running, Created); !ok {
		return m.wrongState("start", s)
	}

	// The threads are there before a device can end the machine, and wait for the
	// devices before they enter the guest.
	var ready sync.WaitGroup

	gate := make(chan struct{})

	for _, c := range m.vcpus {
		c.worker = m.domain.NewWorker(fmt.Sprintf("%s/vcpu%d", m.cfg.Name, c.id))

		ready.Add(1)
		m.threads.Go(func() { c.run(&ready, gate) })
	}

	ready.Wait()

	// Also if a device panics: the embedder may recover, and Close must find an end.
	err = errStartPanic

	defer func() {
		if err != nil {
			m.requestEnd(Exit{Reason: ExitFailed, VCPU: -1, Err: err})
		}

		close(gate)

		go m.supervise()
	}()

	err = m.startDevices()

	return err
}

var errStartPanic = errors.New("vmm: a device panicked in Start")

func (m *Machine) startDevices() error {
	for _, d := range m.devices {
		s, ok := d.(Starter)
		if !ok {
			continue
		}

		if err := s.Start(); err != nil {
			return fmt.Errorf("vmm: start device %T: %w", d, err)
		}

		m.started = append(m.started, s)
	}

	return nil
}

// supervise waits for the end of the guest, and then says so.
func (m *Machine) supervise() {
	m.threads.Wait()

	for _, s := range slices.Backward(m.started) {
		s.Stop()
	}

	for _, c := range m.vcpus {
		c.worker.Close()
	}

	m.state.set(Stopped, Running, Paused, Suspended)
	close(m.stopped)
}

// requestEnd is end for goroutines that are in no section.
func (m *Machine) requestEnd(e Exit) {
	m.inSection(func(s patch.Section) { endSlot.In(s)(m, s, e) })
}

// inSection runs f in a section, on a goroutine that is in none.
func (m *Machine) inSection(f func(patch.Section)) { m.domain.Do(m.cfg.Name+"/control", f) }

// end ends the guest. The first call decides how. It doesn't wait.
func (m *Machine) end(s patch.Section, e Exit) {
	m.mu.Lock()
	first := !m.ending

	if first {
		m.ending, m.exit = true, e
	}
	m.mu.Unlock()

	if !first {
		return
	}

	// Not e.String, which is for others too, and so out of the slot's reach.
	attrs := []any{"machine", m.cfg.Name, "reason", e.Reason.String()}
	if e.Err != nil {
		attrs = append(attrs, "err", e.Err)
	}

	m.cfg.Logger.Info("machine ends", attrs...)

	for _, c := range m.vcpus {
		postSlot.In(s)(c, order{what: toEnd})
	}
}

func (m *Machine) isEnding() bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.ending
}

// Wait waits until the guest has ended and everything that it sent to its devices is
// delivered, and says how it ended. Any number of goroutines may wait; after the end
// each call gives the same answer at once. The error is ctx's.
func (m *Machine) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-m.stopped:
		return m.exit, nil
	default:
	}

	select {
	case <-m.stopped:
		return m.exit, nil
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("vmm: waiting for the guest's end: %w", context.Cause(ctx))
	}
}

// Pause stops every vCPU between two instructions and returns when all of them stand.
// Devices keep their state, and what arrives for the guest meanwhile waits. The error
// wraps ErrState if the machine neither runs nor is suspended; if ctx ends first, the
// machine runs on.
func (m *Machine) Pause(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()

	if s := m.state.get(); s != Running && s != Suspended {
		return m.wrongState("pause", s)
	}

	// One token for each vCPU that stands. A thread that has ended drops what was
	// posted to it; then the machine has stopped.
	standing := make(chan struct{}, len(m.vcpus))

	m.order(order{what: toPark, done: standing})

	for range m.vcpus {
		select {
		case <-standing:
		case <-m.stopped:
			return m.wrongState("pause", m.state.get())
		case <-ctx.Done():
			m.order(order{what: toRun})
			return fmt.Errorf("vmm: pause: %w", context.Cause(ctx))
		}
	}

	if s, ok := m.state.set(Paused, Running, Suspended); !ok {
		return m.wrongState("pause", s)
	}

	return nil
}

// Resume lets the vCPUs of a paused machine run on, or go on being suspended. The error wraps ErrState if it
// isn't paused.
func (m *Machine) Resume(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()

	if s, ok := m.resumed(); !ok {
		return m.wrongState("resume", s)
	}

	m.order(order{what: toRun})

	return nil
}

// order tells every vCPU what to do. It doesn't wait.
func (m *Machine) order(o order) {
	m.inSection(func(s patch.Section) {
		for _, c := range m.vcpus {
			postSlot.In(s)(c, o)
		}
	})
}

// Close ends the guest if it runs, with ExitClosed, and gives everything back: when
// it returns, no goroutine, descriptor or mapping of the machine is left. It may be
// called in any state, and again.
func (m *Machine) Close() error {
	m.control <- struct{}{}
	defer func() { <-m.control }()

	m.requestEnd(Exit{Reason: ExitClosed, VCPU: -1})

	switch s := m.state.get(); s {
	case Closed:
		return nil
	case Created:
		close(m.stopped)
	default:
		<-m.stopped
	}

	err := m.release()
	m.domain.Close() // engines forget it
	m.state.set(Closed, Created, Stopped)

	return err
}

// release gives back what New has acquired, in the opposite order.
func (m *Machine) release() error {
	var errs []error

	for _, d := range slices.Backward(m.devices) {
		if c, ok := d.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}

	for _, c := range m.vcpus {
		errs = append(errs, c.kvm.Close())
	}

	errs = append(errs, m.chips.close())

	if m.vm != nil {
		errs = append(errs, m.vm.Close())
	}

	if m.mem != nil {
		errs = append(errs, m.mem.Close())
	}

	if m.sys != nil {
		errs = append(errs, m.sys.Close())
	}

	return errors.Join(errs...)
}
