package vmm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm"
)

const patience = 20 * time.Second

// quick asks for less of what takes long: exits are slow under the race detector.
func quick() bool { return testing.Short() || raceEnabled }

func within(t testing.TB) context.Context {
	t.Helper()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)

	return ctx
}

// create makes a machine that is closed when the test ends.
func create(t testing.TB, cfg vmm.Config) *vmm.Machine {
	t.Helper()

	m, err := vmm.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })

	return m
}

func start(t testing.TB, cfg vmm.Config) *vmm.Machine {
	t.Helper()

	m := create(t, cfg)
	require.NoError(t, m.Start(t.Context()))

	return m
}

func wait(t testing.TB, m *vmm.Machine) vmm.Exit {
	t.Helper()

	e, err := m.Wait(within(t))
	require.NoError(t, err)

	return e
}

// run runs a guest to its end. The machine is still open.
func run(t testing.TB, cfg vmm.Config) (*vmm.Machine, vmm.Exit) {
	t.Helper()

	m := start(t, cfg)

	return m, wait(t, m)
}

func word(t testing.TB, m *vmm.Machine, gpa int64) uint64 {
	t.Helper()

	var b [8]byte

	_, err := m.Memory().ReadAt(b[:], gpa)
	require.NoError(t, err)

	return binary.LittleEndian.Uint64(b[:])
}

// moved waits until the guest has counted on.
func moved(t testing.TB, m *vmm.Machine, gpa int64) {
	t.Helper()

	was := word(t, m, gpa)

	require.Eventually(t, func() bool { return word(t, m, gpa) != was }, patience, time.Millisecond)
}

// device is one of the embedder's own. What isn't set does nothing.
type device struct {
	port, ports    uint16
	mmio, size     uint64
	irq            uint32
	read, write    func(off uint64, data []byte)
	attach         func(vmm.Platform) error
	start          func() error
	closing        error
	stopped, close atomic.Int32
}

func (d *device) Attach(p vmm.Platform) error {
	if d.ports != 0 {
		if err := p.PIO("test", d.port, d.ports, vmm.Direct(d)); err != nil {
			return err
		}
	}

	if d.size != 0 {
		if err := p.MMIO("test", d.mmio, d.size, vmm.Direct(d)); err != nil {
			return err
		}
	}

	if d.irq != 0 {
		if _, err := p.IRQ(d.irq); err != nil {
			return err
		}
	}

	if d.attach != nil {
		return d.attach(p)
	}

	return nil
}

func (d *device) Read(_ patch.Section, off uint64, data []byte) {
	if d.read != nil {
		d.read(off, data)
	} else {
		clear(data)
	}
}

func (d *device) Write(_ patch.Section, off uint64, data []byte) {
	if d.write != nil {
		d.write(off, data)
	}
}

func (d *device) Start() error {
	if d.start != nil {
		return d.start()
	}

	return nil
}

func (d *device) Stop() { d.stopped.Add(1) }

func (d *device) Close() error {
	d.close.Add(1)

	return d.closing
}

// sink is a buffer that may be read while a machine writes.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.String()
}
