package device_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
)

func TestExitReason_String(t *testing.T) {
	seen := map[string]bool{}

	for r := device.ExitNone; r <= device.ExitClosed; r++ {
		s := r.String()
		require.NotEmpty(t, s)
		require.NotEqual(t, "unknown", s)
		require.False(t, seen[s], s)
		seen[s] = true
	}

	require.Equal(t, "none", device.ExitReason(0).String())
	require.Equal(t, "unknown", device.ExitReason(-1).String())
	require.Equal(t, "unknown", (device.ExitClosed + 1).String())
}

// register is a device of one byte.
type register struct{ value byte }

func (r *register) read(_ patch.Section, off uint64, data []byte)  { data[0] = r.value + byte(off) }
func (r *register) write(_ patch.Section, off uint64, data []byte) { r.value = data[0] - byte(off) }

var (
	registerRead  = patch.NewSlot("device_test.read", (*register).read)
	registerWrite = patch.NewSlot("device_test.write", (*register).write)
)

func TestHandler_slots(t *testing.T) {
	var (
		r    register
		s    patch.Section
		data = []byte{7}
	)

	h := device.Slots(&r, registerRead, registerWrite)
	h.Store(s, 2, data)
	require.Equal(t, byte(5), r.value)

	h.Load(s, 3, data)
	require.Equal(t, []byte{8}, data)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Load(s, 0, data) }))
}

func TestHandler_zero(t *testing.T) {
	var h device.Handler

	require.True(t, h.IsZero())

	h = device.Direct(nil)
	require.True(t, h.IsZero())

	h = device.Direct(direct{})
	require.False(t, h.IsZero())

	h = device.Slots(&register{}, registerRead, registerWrite)
	require.False(t, h.IsZero())

	require.Panics(t, func() { device.Slots(nil, registerRead, registerWrite) })
	require.Panics(t, func() { device.Slots(&register{}, nil, registerWrite) })
	require.Panics(t, func() { device.Slots(&register{}, registerRead, nil) })
}

// direct reads as the offset, and remembers nothing.
type direct struct{ written *byte }

func (direct) Read(_ patch.Section, off uint64, data []byte)    { data[0] = byte(off) }
func (d direct) Write(_ patch.Section, off uint64, data []byte) { *d.written = data[0] + byte(off) }

func TestHandler_direct(t *testing.T) {
	var (
		written byte
		s       patch.Section
		data    = []byte{7}
	)

	h := device.Direct(direct{&written})
	h.Store(s, 2, data)
	require.Equal(t, byte(9), written)

	h.Load(s, 3, data)
	require.Equal(t, []byte{3}, data)
}

// A patch of a slot reaches the accesses of the sections that have it, and no others,
// with the very device.
func TestHandler_isPatched(t *testing.T) {
	var (
		d    = patch.NewDomain("d")
		w    = d.NewWorker("w")
		r    = register{value: 1}
		data [1]byte
	)

	defer w.Close()

	fix, err := patch.New("double", patch.Func(registerRead, func(r *register, _ patch.Section, _ uint64, data []byte) {
		data[0] = 2 * r.value
	}))
	require.NoError(t, err)

	_, err = patch.NewEngine(patch.Options{}).Apply(t.Context(), fix, patch.On(d))
	require.NoError(t, err)

	h := device.Slots(&r, registerRead, registerWrite)

	s := w.Enter()
	defer w.Leave()

	h.Store(s, 0, []byte{21})
	h.Load(s, 0, data[:])
	require.Equal(t, byte(42), data[0])

	h.Load(patch.Section{}, 0, data[:])
	require.Equal(t, byte(21), data[0])
}

// What a slot's function is given survives that the stack moves and that memory is
// collected meanwhile: nothing but the handler refers to the device.
func TestHandler_keepsTheDevice(t *testing.T) {
	h := device.Slots(&register{value: 5}, deepRead, registerWrite)
	done := make(chan byte)

	for range 16 {
		go func() { // a stack that is small still
			var data [1]byte

			h.Load(patch.Section{}, 0, data[:])
			done <- data[0]
		}()
	}

	for range 16 {
		require.Equal(t, byte(5), <-done)
	}
}

var deepRead = patch.NewSlot("device_test.deepRead", func(r *register, _ patch.Section, _ uint64, data []byte) {
	deep(r, 200)

	data[0] = r.value
})

// deep uses much stack, and has memory collected at the bottom.
func deep(r *register, n int) (sum byte) {
	var room [512]byte

	room[n%len(room)] = r.value

	if n == 0 {
		runtime.GC()
		return room[0]
	}

	return deep(r, n-1) + room[n%len(room)]
}

var lineSet = patch.NewSlot("device_test.irq", func(owner any, gsi uint32, level bool) error {
	if owner != "board" || gsi != 5 {
		return errors.New("another line")
	}

	if !level {
		return errLow
	}

	return nil
})

var errLow = errors.New("low")

func TestIRQ(t *testing.T) {
	var s patch.Section

	l := device.NewIRQ(lineSet, "board", 5, 37)
	require.NoError(t, l.Set(s, true))
	require.EqualValues(t, 37, l.Number())
	require.ErrorIs(t, l.Set(s, false), errLow)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = l.Set(s, true) }))
	require.NoError(t, device.IRQ{}.Set(s, false), "connected to nothing")
}

func BenchmarkHandler(b *testing.B) {
	var (
		r    register
		data [1]byte
		d    = patch.NewDomain("d")
		w    = d.NewWorker("w")
		h    = device.Slots(&r, registerRead, registerWrite)
	)

	defer w.Close()

	s := w.Enter()
	defer w.Leave()

	for b.Loop() {
		h.Load(s, 0, data[:])
	}
}
