package vmm

import (
	"context"
	"fmt"

	"github.com/vgraft/vgraft/internal/device/cpus"
	"github.com/vgraft/vgraft/internal/device/dimms"
	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/patch"
)

// CPU is what is known of a vCPU.
type CPU struct {
	ID      int
	Enabled bool // it is the guest's to use
}

// CPUs lists the vCPUs, those that may come included.
func (m *Machine) CPUs() []CPU {
	status, _ := m.cpus.Status()
	list := make([]CPU, len(status))

	for i, s := range status {
		list[i] = CPU{ID: i, Enabled: s.Enabled}
	}

	return list
}

// AddCPU gives the guest one more vCPU, and waits until its operating system has taken it.
// Whether it then uses it is for the system to decide: Linux wants
// /sys/devices/system/cpu/cpuN/online written, which udev does where it is set up so.
//
// The error wraps ErrConfig if there are Config.MaxCPUs already, ErrRefused if the system
// can't use it, ErrState if the machine isn't running, or has ended meanwhile. If ctx ends
// first, the vCPU has come all the same: id is good, and the system may yet take it.
func (m *Machine) AddCPU(ctx context.Context) (id int, err error) {
	if err := m.running("add a vCPU to"); err != nil {
		return 0, err
	}

	m.inSection(func(s patch.Section) { id, err = m.cpus.Add(s) })

	if err != nil {
		return 0, configError("MaxCPUs: %v", err)
	}

	return id, m.answered(ctx, "add a vCPU to", func(status []cpus.Status) (bool, error) {
		if status[id].Answer == cpus.Refused {
			return true, fmt.Errorf("%w vCPU %d", ErrRefused, id)
		}

		return status[id].Answer == cpus.Done, nil
	})
}

// RemoveCPU has the guest give a vCPU back that came by AddCPU, and waits until it has.
// AddCPU may then add it again.
//
// The error wraps ErrConfig if there is no such vCPU, ErrRefused if the guest keeps it,
// ErrState if the machine isn't running, or has ended meanwhile. If ctx ends first, the
// guest may yet give it back.
func (m *Machine) RemoveCPU(ctx context.Context, id int) error {
	if err := m.running("remove a vCPU of"); err != nil {
		return err
	}

	var err error

	m.inSection(func(s patch.Section) { err = m.cpus.Remove(s, id) })

	if err != nil {
		return configError("%v", err)
	}

	return m.answered(ctx, "remove a vCPU of", func(status []cpus.Status) (bool, error) {
		switch s := status[id]; {
		case !s.Enabled:
			return true, nil
		case s.Answer != cpus.NoAnswer:
			return true, fmt.Errorf("%w to give back vCPU %d", ErrRefused, id)
		default:
			return false, nil
		}
	})
}

func (m *Machine) running(op string) error {
	if s := m.state.get(); s != Running && s != Paused && s != Suspended {
		return m.wrongState(op, s)
	}

	return nil
}

// answered waits for what the guest says to a request.
func (m *Machine) answered(ctx context.Context, op string, done func([]cpus.Status) (bool, error)) error {
	for {
		status, news := m.cpus.Status()
		if ok, err := done(status); ok {
			return err
		}

		if err := m.await(ctx, op, news); err != nil {
			return err
		}
	}
}

// AddMemory gives the guest more RAM, a multiple of MemoryUnit, and waits until its
// operating system has taken it. Whether it then uses it is for the system to decide:
// Linux wants /sys/devices/system/memory/memoryN/state written, or memhp_default_state=online
// on its command line. The id is for RemoveMemory.
//
// The error wraps ErrConfig if that is more than Config.MaxMemory allows, in one piece, or the
// 17th one; ErrRefused if the system can't use it; ErrState if the machine isn't running, or
// has ended meanwhile. If ctx ends first, the memory has come all the same: id is good.
func (m *Machine) AddMemory(ctx context.Context, bytes uint64) (id int, err error) {
	if id, err = m.plug(ctx, bytes); err != nil {
		return 0, err
	}

	return id, m.memoryAnswered(ctx, id, "add memory to", func(a dimms.Answer) (bool, error) {
		if a == dimms.Refused {
			return true, fmt.Errorf("%w %d bytes of memory", ErrRefused, bytes)
		}

		return a != dimms.NoAnswer, nil
	})
}

// RemoveMemory has the guest give memory back that came by AddMemory, and waits until it
// has; then the host has it, and as much may come again. A system that has put what it can't
// move there keeps it: Linux doesn't if the memory was brought online as online_movable, by
// hand or by memhp_default_state=online_movable on its command line.
//
// The error wraps ErrConfig if there is no such memory, ErrRefused if the guest keeps it,
// ErrState if the machine isn't running, or has ended meanwhile. If ctx ends first, the
// guest may yet give it back; the host has it then after the next call of AddMemory or
// RemoveMemory.
func (m *Machine) RemoveMemory(ctx context.Context, id int) error {
	if err := m.askMemory(ctx, id); err != nil {
		return err
	}

	if err := m.memoryAnswered(ctx, id, "remove memory of", func(a dimms.Answer) (bool, error) {
		switch a {
		case dimms.NoAnswer:
			return false, nil
		case dimms.Ejected:
			return true, nil
		default:
			return true, fmt.Errorf("%w to give back memory %d", ErrRefused, id)
		}
	}); err != nil {
		return err
	}

	// Whatever ctx says now: it is short.
	unlock, err := m.lock(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	defer unlock()

	if err := m.running("remove memory of"); err != nil {
		return err
	}

	return m.takeMemory()
}

// memoryAnswered waits for what the guest says to a request.
func (m *Machine) memoryAnswered(ctx context.Context, id int, op string, done func(dimms.Answer) (bool, error)) error {
	for {
		answer, news := m.dimms.Status(id)
		if ok, err := done(answer); ok {
			return err
		}

		if err := m.await(ctx, op, news); err != nil {
			return err
		}
	}
}

// askMemory asks the guest to give memory back.
func (m *Machine) askMemory(ctx context.Context, id int) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()

	if err := m.running("remove memory of"); err != nil {
		return err
	}

	if m.dimms == nil {
		return configError("no memory %d: none can come", id)
	}

	if err := m.takeMemory(); err != nil {
		return err
	}

	m.inSection(func(s patch.Section) { err = m.dimms.Ask(s, id) })

	if err != nil {
		return configError("%v", err)
	}

	return nil
}

// firstMemorySlot is KVM's slot for what is in the first of ours; there are fewer for the
// memory that is there at first.
const firstMemorySlot = 8

// takeMemory takes the memory that the guest has given back. Called with control held.
func (m *Machine) takeMemory() error {
	return m.dimms.Take(func(slot int, base, size uint64) error {
		return m.mem.Shrink(Range{Base: base, Size: size}, func() error {
			return m.vm.SetMemory(uint32(firstMemorySlot+slot), base, nil)
		})
	})
}

// plug puts memory into the machine.
func (m *Machine) plug(ctx context.Context, bytes uint64) (slot int, err error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()

	if err := m.running("add memory to"); err != nil {
		return 0, err
	}

	more := moreMemory(m.cfg)

	if bytes == 0 || bytes%MemoryUnit != 0 || bytes > more.Size {
		return 0, configError("%d bytes of memory, and %d may come, in multiples of %d", bytes, more.Size, MemoryUnit)
	}

	if err := m.takeMemory(); err != nil {
		return 0, fmt.Errorf("vmm: %w", err)
	}

	base, fits, err := m.dimms.Room(more.Base, more.End(), bytes)

	switch {
	case err != nil:
		return 0, configError("%v", err)
	case !fits:
		return 0, configError("%d bytes of memory, and so much isn't left of %d, in one piece", bytes, more.Size)
	}

	slot, _ = m.dimms.Next()
	ready := func(r guestmem.Region) error { return m.vm.SetMemory(uint32(firstMemorySlot+slot), r.Base, r.Bytes) }

	if err := m.mem.Grow(Range{Base: base, Size: bytes}, ready); err != nil {
		return 0, fmt.Errorf("vmm: %w", err)
	}

	m.inSection(func(s patch.Section) { slot, err = m.dimms.Plug(s, base, bytes) })

	return slot, err
}

// await waits for the guest to say something.
func (m *Machine) await(ctx context.Context, op string, news <-chan struct{}) error {
	select {
	case <-news:
		return nil
	case <-m.stopped:
		return m.wrongState(op, m.state.get())
	case <-ctx.Done():
		return fmt.Errorf("vmm: waiting for the guest: %w", context.Cause(ctx))
	}
}
