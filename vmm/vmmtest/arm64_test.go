package vmmtest_test

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

func arm64() *vmmtest.ARM64 { return new(vmmtest.ARM64) }

// The bytes of each instruction, and what the disassembler of the GNU binutils makes of
// them.
func TestARM64_encodings(t *testing.T) {
	testutil.Pure(t)

	for _, tt := range []struct {
		code        *vmmtest.ARM64
		bytes, text string
	}{
		{arm64().Mov(vmmtest.X0, 0), "000080d2", "mov x0, #0x0"},
		{arm64().Mov(vmmtest.X30, 0xffff), "feff9fd2", "mov x30, #0xffff"},
		{arm64().Mov(vmmtest.X9, 0x1_0000), "090080d22900a0f2", "mov x9, #0x0; movk x9, #0x1, lsl #16"},
		{arm64().Mov(vmmtest.X1, 0x1122_3344_5566_7788), "01f18ed2c1acaaf28168c6f24124e2f2", "mov x1, #0x7788; movk x1, #0x5566, lsl #16; movk x1, #0x3344, lsl #32; movk x1, #0x1122, lsl #48"},
		{arm64().Mov(vmmtest.X17, 1<<63), "110080d21100f0f2", "mov x17, #0x0; movk x17, #0x8000, lsl #48"},
		{arm64().Mov(vmmtest.X2, 0xffff_0000_ffff_0000), "020080d2e2ffbff2e2fffff2", "mov x2, #0x0; movk x2, #0xffff, lsl #16; movk x2, #0xffff, lsl #48"},
		{arm64().Copy(vmmtest.X0, vmmtest.X30), "e0031eaa", "mov x0, x30"},
		{arm64().Copy(vmmtest.X29, vmmtest.X1), "fd0301aa", "mov x29, x1"},
		{arm64().VCPU(vmmtest.R8), "e80300aa", "mov x8, x0"},
		{arm64().AddReg(vmmtest.X0, vmmtest.X30), "00001eab", "adds x0, x0, x30"},
		{arm64().AddReg(vmmtest.X21, vmmtest.X10), "b5020aab", "adds x21, x21, x10"},
		{arm64().Add(vmmtest.X0, 0), "000000b1", "adds x0, x0, #0x0"},
		{arm64().Add(vmmtest.X3, 1), "630400b1", "adds x3, x3, #0x1"},
		{arm64().Add(vmmtest.X30, 4095), "deff3fb1", "adds x30, x30, #0xfff"},
		{arm64().Add(vmmtest.X30, -4095), "deff3ff1", "subs x30, x30, #0xfff"},
		{arm64().Add(vmmtest.X5, 4096), "110082d2a50011ab", "mov x17, #0x1000; adds x5, x5, x17"},
		{arm64().Add(vmmtest.X5, -4096), "11009ed2f1ffbff2f1ffdff2f1fffff2a50011ab", "mov x17, #0xf000; movk x17, #0xffff, lsl #16; movk x17, #0xffff, lsl #32; movk x17, #0xffff, lsl #48; adds x5, x5, x17"},
		{arm64().Add(vmmtest.X6, math.MaxInt32), "f1ff9fd2f1ffaff2c60011ab", "mov x17, #0xffff; movk x17, #0x7fff, lsl #16; adds x6, x6, x17"},
		{arm64().Add(vmmtest.X6, math.MinInt32), "110080d21100b0f2f1ffdff2f1fffff2c60011ab", "mov x17, #0x0; movk x17, #0x8000, lsl #16; movk x17, #0xffff, lsl #32; movk x17, #0xffff, lsl #48; adds x6, x6, x17"},
		{arm64().Cmp(vmmtest.X0, 0), "1f0000f1", "cmp x0, #0x0"},
		{arm64().Cmp(vmmtest.X30, 4095), "dfff3ff1", "cmp x30, #0xfff"},
		{arm64().Cmp(vmmtest.X10, -1), "5f0500b1", "cmn x10, #0x1"},
		{arm64().Cmp(vmmtest.X10, 0x1234_5678), "11cf8ad29146a2f25f0111eb", "mov x17, #0x5678; movk x17, #0x1234, lsl #16; cmp x10, x17"},
		{arm64().Cmp(vmmtest.X11, math.MinInt32), "110080d21100b0f2f1ffdff2f1fffff27f0111eb", "mov x17, #0x0; movk x17, #0x8000, lsl #16; movk x17, #0xffff, lsl #32; movk x17, #0xffff, lsl #48; cmp x11, x17"},
		{arm64().Shl(vmmtest.X1, 0), "21fc40d3", "lsr x1, x1, #0"},
		{arm64().Shl(vmmtest.X1, 1), "21f87fd3", "lsl x1, x1, #1"},
		{arm64().Shl(vmmtest.X30, 3), "def37dd3", "lsl x30, x30, #3"},
		{arm64().Shl(vmmtest.X11, 63), "6b0141d3", "lsl x11, x11, #63"},
		{arm64().Shl(vmmtest.X11, 64), "6bfd40d3", "lsr x11, x11, #0"},
		{arm64().Inc(vmmtest.X15), "ef0500b1", "adds x15, x15, #0x1"},
		{arm64().Dec(vmmtest.X8), "080500f1", "subs x8, x8, #0x1"},
		{arm64().Load(1, vmmtest.X0, vmmtest.X1), "20004039", "ldrb w0, [x1]"},
		{arm64().Load(2, vmmtest.X30, vmmtest.X2), "5e004079", "ldrh w30, [x2]"},
		{arm64().Load(4, vmmtest.X3, vmmtest.X30), "c30340b9", "ldr w3, [x30]"},
		{arm64().Load(8, vmmtest.X21, vmmtest.X10), "550140f9", "ldr x21, [x10]"},
		{arm64().Store(1, vmmtest.X1, vmmtest.X0), "20000039", "strb w0, [x1]"},
		{arm64().Store(2, vmmtest.X2, vmmtest.X30), "5e000079", "strh w30, [x2]"},
		{arm64().Store(4, vmmtest.X30, vmmtest.X3), "c30300b9", "str w3, [x30]"},
		{arm64().Store(8, vmmtest.X10, vmmtest.X21), "550100f9", "str x21, [x10]"},
		{arm64().LockInc(vmmtest.X0), "10fc5fc81006009110fc11c8b1ffff35", "ldaxr x16, [x0]; add x16, x16, #0x1; stlxr w17, x16, [x0]; cbnz w17, 0x0"},
		{arm64().LockInc(vmmtest.X30), "d0ff5fc810060091d0ff11c8b1ffff35", "ldaxr x16, [x30]; add x16, x16, #0x1; stlxr w17, x16, [x30]; cbnz w17, 0x0"},
		{arm64().Call(0x8400_0000), "000080d20080b0f2020000d4", "mov x0, #0x0; movk x0, #0x8400, lsl #16; hvc #0x0"},
		{arm64().Call(0xc400_0003, 1, 2, 3, 4, 5, 6, 7), "600080d20080b8f2210080d2420080d2630080d2840080d2a50080d2c60080d2e70080d2020000d4", "mov x0, #0x3; movk x0, #0xc400, lsl #16; mov x1, #0x1; mov x2, #0x2; mov x3, #0x3; mov x4, #0x4; mov x5, #0x5; mov x6, #0x6; mov x7, #0x7; hvc #0x0"},
		{arm64().PowerOff(), "000180d20080b0f2020000d400000014", "mov x0, #0x8; movk x0, #0x8400, lsl #16; hvc #0x0; b 0xc"},
		{arm64().Reset(), "200180d20080b0f2020000d400000014", "mov x0, #0x9; movk x0, #0x8400, lsl #16; hvc #0x0; b 0xc"},
		{arm64().Spin(), "00000014", "b 0x0"},
		{arm64().Insn(0xd503_201f, 0xd65f_03c0), "1f2003d5c0035fd6", "nop; ret"},
		{arm64().Raw(0x1f, 0x20).Raw(0x03, 0xd5), "1f2003d5", "nop"},
	} {
		require.Equal(t, tt.bytes, hex.EncodeToString(tt.code.Bytes()), tt.text)
	}
}

// Branches are relative to themselves, both ways.
func TestARM64_labels(t *testing.T) {
	testutil.Pure(t)

	c := arm64().
		Label("again").Dec(vmmtest.X1). // 00: subs x1, x1, #0x1
		Jz("end").                      // 04: b.eq 10
		Jnz("again").                   // 08: b.ne 0
		Jmp("again").                   // 0c: b 0
		Label("end")                    // 10:

	const want = "210400f1" + "60000054" + "c1ffff54" + "fdffff17"
	require.Equal(t, want, hex.EncodeToString(c.Bytes()))

	// More may follow, and what was given stays as it was.
	was := c.Bytes()
	c.Jmp("end").Jmp("last").Label("last") // 10: b 10; 14: b 18
	require.Equal(t, want, hex.EncodeToString(was))
	require.Equal(t, want+"00000014"+"01000014", hex.EncodeToString(c.Bytes()))

	// As far as a condition reaches: 1 MiB, less an instruction forwards.
	const reach = 1 << 20

	far := func(n int) *vmmtest.ARM64 { return arm64().Raw(make([]byte, n)...) }

	require.Equal(t, "01008054", hex.EncodeToString(far(0).Label("a").Raw(make([]byte, reach)...).Jnz("a").Bytes()[reach:]))
	require.Equal(t, "e1ff7f54", hex.EncodeToString(arm64().Jnz("a").Raw(make([]byte, reach-8)...).Label("a").Bytes()[:4]))
	require.PanicsWithValue(t, `vmmtest: label "a" is too far away`, func() {
		arm64().Jz("a").Raw(make([]byte, reach-4)...).Label("a").Bytes()
	})
	require.PanicsWithValue(t, `vmmtest: label "a" is too far away`, func() {
		arm64().Label("a").Raw(make([]byte, reach+4)...).Jz("a").Bytes()
	})
	require.PanicsWithValue(t, `vmmtest: label "a" is too far away`, func() { arm64().Jmp("a").Raw(1).Label("a").Bytes() })
}

func TestARM64_panics(t *testing.T) {
	testutil.Pure(t)

	const none = vmmtest.X30 + 1

	for what, f := range map[string]func(){
		`no label "nowhere"`:       func() { arm64().Label("here").Jz("nowhere").Bytes() },
		`label "twice" twice`:      func() { arm64().Label("twice").Inc(vmmtest.X0).Label("twice") },
		"an access of 0 bytes":     func() { arm64().Load(0, vmmtest.X0, vmmtest.X1) },
		"an access of 3 bytes":     func() { arm64().Store(3, vmmtest.X1, vmmtest.X0) },
		"an access of 16 bytes":    func() { arm64().Load(16, vmmtest.X0, vmmtest.X1) },
		"a call with 8 arguments":  func() { arm64().Call(0, 1, 2, 3, 4, 5, 6, 7, 8) },
		"vmmtest: no register 31":  func() { arm64().Mov(none, 0) },
		"vmmtest: no register 32":  func() { arm64().Copy(none+1, vmmtest.X0) },
		"vmmtest: no register 33":  func() { arm64().AddReg(vmmtest.X0, none+2) },
		"vmmtest: no register 34":  func() { arm64().Add(none+3, 0) },
		"vmmtest: no register 35":  func() { arm64().Load(1, none+4, vmmtest.X0) },
		"vmmtest: no register 36":  func() { arm64().Store(8, none+5, vmmtest.X0) },
		"vmmtest: no register 37":  func() { arm64().Cmp(none+6, 0) },
		"vmmtest: no register 38":  func() { arm64().Shl(none+7, 0) },
		"vmmtest: no register 255": func() { arm64().LockInc(255) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), what) }()
			f()
		}()
	}
}
