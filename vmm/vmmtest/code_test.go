package vmmtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// builder is what a guest for either architecture can be made of.
type builder[C any] interface {
	Raw(b ...byte) C
	VCPU(dst vmmtest.Reg) C
	Mov(r vmmtest.Reg, v uint64) C
	Copy(dst, src vmmtest.Reg) C
	AddReg(dst, src vmmtest.Reg) C
	Add(r vmmtest.Reg, v int32) C
	Cmp(r vmmtest.Reg, v int32) C
	Shl(r vmmtest.Reg, n byte) C
	Inc(r vmmtest.Reg) C
	Dec(r vmmtest.Reg) C
	Load(width int, dst, base vmmtest.Reg) C
	Store(width int, base, src vmmtest.Reg) C
	LockInc(base vmmtest.Reg) C
	Label(name string) C
	Jmp(label string) C
	Jz(label string) C
	Jnz(label string) C
	Spin() C
	PowerOff() C
	Reset() C
	Bytes() []byte
}

var (
	_ builder[*vmmtest.AMD64] = (*vmmtest.AMD64)(nil)
	_ builder[*vmmtest.ARM64] = (*vmmtest.ARM64)(nil)
	_ builder[*vmmtest.Code]  = (*vmmtest.Code)(nil)
)

// The registers that are there on both have one number.
func TestReg(t *testing.T) {
	testutil.Pure(t)

	require.Equal(t, vmmtest.X8, vmmtest.R8)
	require.Equal(t, vmmtest.X15, vmmtest.R15)
	require.Equal(t, vmmtest.X30, vmmtest.X0+30)
}
