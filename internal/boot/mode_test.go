package boot

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
)

// TestGDT compares with descriptors written out by hand.
func TestGDT(t *testing.T) {
	for _, tt := range []struct {
		mode       Mode
		code, data uint64
		task       uint64
		cs, ds     uint16
	}{
		{Protected32, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067, 0x10, 0x18},
		{Long64, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067, 0x10, 0x18},
		{User64, 0x00af_fb00_0000_ffff, 0x00cf_f300_0000_ffff, 0x0000_8b03_0000_2068, 0x13, 0x1b},
	} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			g := GDT(tt.mode)
			require.Zero(t, le.Uint64(g))
			require.Equal(t, tt.code, le.Uint64(g[selCode:]))
			require.Equal(t, tt.data, le.Uint64(g[selData:]))
			require.Equal(t, tt.task, le.Uint64(g[selTask:]))
			require.Zero(t, le.Uint64(g[selTask+8:]), "bits 32 to 63 of the task's base")

			code, data := tt.mode.Segments()
			require.Equal(t, tt.cs, code.Selector)
			require.Equal(t, tt.ds, data.Selector)
		})
	}
}

// TestControl holds the modes to the rules that VM entry checks.
func TestControl(t *testing.T) {
	for _, m := range []Mode{Protected32, Long64, User64} {
		cr0, cr4, efer := m.Control()
		code, _ := m.Segments()
		paging := cr0&cr0PG != 0

		require.NotZero(t, cr0&cr0PE, m)
		require.Equal(t, paging, efer&eferLMA != 0, m)
		require.Equal(t, efer&eferLME != 0, efer&eferLMA != 0, m)
		require.Equal(t, paging, cr4&cr4PAE != 0, m)
		require.Equal(t, paging, code.L == 1, m)
		require.NotEqual(t, code.L, code.DB, m)
		require.Equal(t, uint64(2), m.Flags()&^flagsIOPL3, m)
		require.Equal(t, m == User64, m.Flags()&flagsIOPL3 != 0, m)
	}

	require.Equal(t, "Mode(9)", Mode(9).String())
}

// TestTaskState reads the map of permitted ports as the processor does: two bytes from
// the one that holds the port's bit, which must lie within the limit.
func TestTaskState(t *testing.T) {
	require.Empty(t, TaskState(Protected32))
	require.Empty(t, TaskState(Long64))

	b, task := TaskState(User64), User64.Task()
	require.LessOrEqual(t, len(b), layout.TaskStateSize)
	require.Equal(t, uint64(layout.TaskState), task.Base)
	require.Equal(t, uint32(len(b)-1), task.Limit)

	for port := range 1 << 16 {
		at := int(le.Uint16(b[102:])) + port/8
		require.Less(t, at+1, len(b))

		if le.Uint16(b[at:])>>(port%8)&1 != 0 {
			t.Fatalf("port %#x is refused", port)
		}
	}

	require.Equal(t, byte(0xff), b[len(b)-1])
}
