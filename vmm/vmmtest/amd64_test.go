package vmmtest_test

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

func amd64() *vmmtest.AMD64 { return new(vmmtest.AMD64) }

// The bytes of each instruction, and what the disassembler of the GNU binutils makes of
// them. Displacements and constants always have their long form.
func TestAMD64_encodings(t *testing.T) {
	testutil.Pure(t)

	for _, tt := range []struct {
		code        *vmmtest.AMD64
		bytes, text string
	}{
		{amd64().Mov(vmmtest.RAX, 0x1122_3344_5566_7788), "48b88877665544332211", "movabs rax,0x1122334455667788"},
		{amd64().Mov(vmmtest.R15, 1), "49bf0100000000000000", "movabs r15,0x1"},
		{amd64().Copy(vmmtest.RAX, vmmtest.RDI), "4889f8", "mov rax,rdi"},
		{amd64().Copy(vmmtest.R8, vmmtest.RSP), "4989e0", "mov r8,rsp"},
		{amd64().Copy(vmmtest.RBP, vmmtest.R15), "4c89fd", "mov rbp,r15"},
		{amd64().Copy(vmmtest.R12, vmmtest.R13), "4d89ec", "mov r12,r13"},
		{amd64().Add(vmmtest.RBP, 8), "4881c508000000", "add rbp,0x8"},
		{amd64().Add(vmmtest.R9, -1), "4981c1ffffffff", "add r9,0xffffffffffffffff"},
		{amd64().AddReg(vmmtest.RBX, vmmtest.RDI), "4801fb", "add rbx,rdi"},
		{amd64().AddReg(vmmtest.R8, vmmtest.RSP), "4901e0", "add r8,rsp"},
		{amd64().AddReg(vmmtest.RBP, vmmtest.R15), "4c01fd", "add rbp,r15"},
		{amd64().AddReg(vmmtest.R12, vmmtest.R13), "4d01ec", "add r12,r13"},
		{amd64().VCPU(vmmtest.R9), "4989f9", "mov r9,rdi"},
		{amd64().Cmp(vmmtest.RCX, 0x1234_5678), "4881f978563412", "cmp rcx,0x12345678"},
		{amd64().Cmp(vmmtest.R14, math.MinInt32), "4981fe00000080", "cmp r14,0xffffffff80000000"},
		{amd64().Shl(vmmtest.RBX, 3), "48c1e303", "shl rbx,0x3"},
		{amd64().Shl(vmmtest.R11, 63), "49c1e33f", "shl r11,0x3f"},
		{amd64().Inc(vmmtest.RDX), "48ffc2", "inc rdx"},
		{amd64().Inc(vmmtest.R10), "49ffc2", "inc r10"},
		{amd64().Dec(vmmtest.RSI), "48ffce", "dec rsi"},
		{amd64().Dec(vmmtest.R12), "49ffcc", "dec r12"},
		{amd64().Load(1, vmmtest.RAX, vmmtest.RBX), "400fb64300", "rex movzx eax,BYTE PTR [rbx+0x0]"},
		{amd64().Load(2, vmmtest.R8, vmmtest.RSP), "440fb7442400", "movzx r8d,WORD PTR [rsp+0x0]"},
		{amd64().Load(4, vmmtest.RCX, vmmtest.R12), "418b4c2400", "mov ecx,DWORD PTR [r12+0x0]"},
		{amd64().Load(8, vmmtest.R15, vmmtest.R13), "4d8b7d00", "mov r15,QWORD PTR [r13+0x0]"},
		{amd64().Load(8, vmmtest.RAX, vmmtest.RBP), "488b4500", "mov rax,QWORD PTR [rbp+0x0]"},
		{amd64().Store(1, vmmtest.RBX, vmmtest.RSI), "40887300", "mov BYTE PTR [rbx+0x0],sil"},
		{amd64().Store(1, vmmtest.R9, vmmtest.R14), "45887100", "mov BYTE PTR [r9+0x0],r14b"},
		{amd64().Store(2, vmmtest.RSP, vmmtest.RAX), "664089442400", "rex mov WORD PTR [rsp+0x0],ax"},
		{amd64().Store(4, vmmtest.R13, vmmtest.R8), "45894500", "mov DWORD PTR [r13+0x0],r8d"},
		{amd64().Store(8, vmmtest.R12, vmmtest.RDX), "4989542400", "mov QWORD PTR [r12+0x0],rdx"},
		{amd64().LockInc(vmmtest.RBX), "f048ff4300", "lock inc QWORD PTR [rbx+0x0]"},
		{amd64().LockInc(vmmtest.R12), "f049ff442400", "lock inc QWORD PTR [r12+0x0]"},
		{amd64().OutDX(1), "ee", "out dx,al"},
		{amd64().OutDX(2), "66ef", "out dx,ax"},
		{amd64().OutDX(4), "ef", "out dx,eax"},
		{amd64().InDX(1), "ec", "in al,dx"},
		{amd64().InDX(2), "66ed", "in ax,dx"},
		{amd64().InDX(4), "ed", "in eax,dx"},
		{amd64().RepOuts(1), "f36e", "rep outs dx,BYTE PTR ds:[rsi]"},
		{amd64().RepOuts(2), "f3666f", "rep outs dx,WORD PTR ds:[rsi]"},
		{amd64().RepOuts(4), "f36f", "rep outs dx,DWORD PTR ds:[rsi]"},
		{amd64().RepIns(1), "f36c", "rep ins BYTE PTR es:[rdi],dx"},
		{amd64().RepIns(2), "f3666d", "rep ins WORD PTR es:[rdi],dx"},
		{amd64().RepIns(4), "f36d", "rep ins DWORD PTR es:[rdi],dx"},
		{amd64().Spin(), "f390ebfc", "pause; jmp 0x0"},
	} {
		require.Equal(t, tt.bytes, hex.EncodeToString(tt.code.Bytes()), tt.text)
	}
}

// Instructions that use others.
func TestAMD64_composed(t *testing.T) {
	testutil.Pure(t)

	const (
		eax = "48b87856341200000000" // movabs rax,0x12345678
		dx  = "48baf803000000000000" // movabs rdx,0x3f8
	)

	for bytes, c := range map[string]*vmmtest.AMD64{
		eax + dx + "ee":                    amd64().Out(1, 0x3f8, 0x1234_5678),
		eax + dx + "66ef":                  amd64().Out(2, 0x3f8, 0x1234_5678),
		eax + dx + "ef":                    amd64().Out(4, 0x3f8, 0x1234_5678),
		"48b80000000000000000" + dx + "ed": amd64().In(4, 0x3f8),
		"48b83400000000000000" + "48ba0006000000000000" + "ee" + "f390" + "ebfc": amd64().PowerOff(),
		"48b80600000000000000" + "48baf90c000000000000" + "ee" + "f390" + "ebfc": amd64().Reset(),
		"0f0b0102": amd64().Raw(0x0f, 0x0b).Raw().Raw(1, 2),
		"":         amd64(),
	} {
		require.Equal(t, bytes, hex.EncodeToString(c.Bytes()))
	}
}

// Jumps are relative to the end of the instruction, both ways.
func TestAMD64_labels(t *testing.T) {
	testutil.Pure(t)

	c := amd64().
		Label("again").Dec(vmmtest.RBX). // 00: dec rbx
		Jz("end").                       // 03: je 14
		Jnz("again").                    // 09: jne 0
		Jmp("here").Label("here").       // 0f: jmp 14
		Label("end")                     // 14:

	const want = "48ffcb" + "0f840b000000" + "0f85f1ffffff" + "e900000000"
	require.Equal(t, want, hex.EncodeToString(c.Bytes()))

	// More may follow, and what was given stays as it was.
	was := c.Bytes()
	c.Jmp("end") // 14: jmp 14
	require.Equal(t, want, hex.EncodeToString(was))
	require.Equal(t, want+"e9fbffffff", hex.EncodeToString(c.Bytes()))
}

func TestAMD64_panics(t *testing.T) {
	testutil.Pure(t)

	const none = vmmtest.R15 + 1

	for what, f := range map[string]func(){
		`no label "nowhere"`:       func() { amd64().Label("here").Jz("nowhere").Bytes() },
		`label "twice" twice`:      func() { amd64().Label("twice").Inc(vmmtest.RAX).Label("twice") },
		"an access of 0 bytes":     func() { amd64().Load(0, vmmtest.RAX, vmmtest.RBX) },
		"an access of 3 bytes":     func() { amd64().Store(3, vmmtest.RBX, vmmtest.RAX) },
		"an access of 16 bytes":    func() { amd64().Load(16, vmmtest.RAX, vmmtest.RBX) },
		"an access of 8 bytes":     func() { amd64().Out(8, 0x80, 0) },
		"an access of -1 bytes":    func() { amd64().InDX(-1) },
		"an access of 32 bytes":    func() { amd64().RepOuts(32) },
		"an access of 6 bytes":     func() { amd64().RepIns(6) },
		"an access of 5 bytes":     func() { amd64().OutDX(5) },
		"vmmtest: no register 16":  func() { amd64().Mov(none, 0) },
		"vmmtest: no register 17":  func() { amd64().Copy(none+1, vmmtest.RAX) },
		"vmmtest: no register 18":  func() { amd64().Copy(vmmtest.RAX, none+2) },
		"vmmtest: no register 19":  func() { amd64().Add(none+3, 0) },
		"vmmtest: no register 20":  func() { amd64().Load(1, none+4, vmmtest.RAX) },
		"vmmtest: no register 21":  func() { amd64().Store(8, none+5, vmmtest.RAX) },
		"vmmtest: no register 255": func() { amd64().LockInc(255) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), what) }()
			f()
		}()
	}
}
