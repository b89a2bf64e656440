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
// on its command line. Memory that has come doesn't go.
//
// The error wraps ErrConfig if that is more than Config.MaxMemory allows, or the 17th time;
// ErrRefused if the system can't use it; ErrState if the machine isn't running, or has ended
// meanwhile. If ctx ends first, the memory has come all the same.
func (m *Machine) AddMemory(ctx context.Context, bytes uint64) error {
	slot, err := m.plug(ctx, bytes)
	if err != nil {
		return err
	}

	for {
		answer, news := m.dimms.Status(slot)

		switch answer {
		case dimms.Done:
			return nil
		case dimms.Refused:
			return fmt.Errorf("%w %d bytes of memory", ErrRefused, bytes)
		}

		if err := m.await(ctx, "add memory to", news); err != nil {
			return err
		}
	}
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

	switch {
	case bytes == 0 || bytes%MemoryUnit != 0 || bytes > more.Size-m.grown:
		return 0, configError("%d bytes of memory, and %d may come, in multiples of %d", bytes, more.Size-m.grown, MemoryUnit)
	case !m.dimms.Free():
		return 0, configError("%v", dimms.ErrFull)
	}

	r := Range{Base: more.Base + m.grown, Size: bytes}
	number := uint32(len(m.mem.Ranges()))

	if err := m.mem.Grow(r, func(r guestmem.Region) error { return m.vm.SetMemory(number, r.Base, r.Bytes) }); err != nil {
		return 0, fmt.Errorf("vmm: %w", err)
	}

	m.grown += bytes
	m.inSection(func(s patch.Section) { slot, err = m.dimms.Plug(s, r.Base, r.Size) })

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
