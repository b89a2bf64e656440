package device_test

import (
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

func TestSlots(t *testing.T) {
	var (
		r    register
		s    patch.Section
		data = []byte{7}
	)

	h := device.Slots(&r, registerRead, registerWrite)
	h.Write(s, 2, data)
	require.Equal(t, byte(5), r.value)

	h.Read(s, 3, data)
	require.Equal(t, []byte{8}, data)
	require.Zero(t, testing.AllocsPerRun(100, func() { h.Read(s, 0, data) }))
}
