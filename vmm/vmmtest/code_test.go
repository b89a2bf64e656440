package vmmtest_test

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/vmmtest"
)

func code() *vmmtest.Code { return new(vmmtest.Code) }

// The bytes of each instruction, and what the disassembler of the GNU binutils makes of
// them. Displacements and constants always have their long form.
func TestCode_encodings(t *testing.T) {
	for _, tt := range []struct {
		code        *vmmtest.Code
		bytes, text string
	}{
		{code().Mov(vmmtest.RAX, 0x1122_3344_5566_7788), "48b88877665544332211", "movabs rax,0x1122334455667788"},
		{code().Mov(vmmtest.R15, 1), "49bf0100000000000000", "movabs r15,0x1"},
		{code().Copy(vmmtest.RAX, vmmtest.RDI), "4889f8", "mov rax,rdi"},
		{code().Copy(vmmtest.R8, vmmtest.RSP), "4989e0", "mov r8,rsp"},
		{code().Copy(vmmtest.RBP, vmmtest.R15), "4c89fd", "mov rbp,r15"},
		{code().Copy(vmmtest.R12, vmmtest.R13), "4d89ec", "mov r12,r13"},
		{code().Add(vmmtest.RBP, 8), "4881c508000000", "add rbp,0x8"},
		{code().Add(vmmtest.R9, -1), "4981c1ffffffff", "add r9,0xffffffffffffffff"},
		{code().Cmp(vmmtest.RCX, 0x1234_5678), "4881f978563412", "cmp rcx,0x12345678"},
		{code().Cmp(vmmtest.R14, math.MinInt32), "4981fe00000080", "cmp r14,0xffffffff80000000"},
		{code().Shl(vmmtest.RBX, 3), "48c1e303", "shl rbx,0x3"},
		{code().Shl(vmmtest.R11, 63), "49c1e33f", "shl r11,0x3f"},
		{code().Inc(vmmtest.RDX), "48ffc2", "inc rdx"},
		{code().Inc(vmmtest.R10), "49ffc2", "inc r10"},
		{code().Dec(vmmtest.RSI), "48ffce", "dec rsi"},
		{code().Dec(vmmtest.R12), "49ffcc", "dec r12"},
		{code().Load(1, vmmtest.RAX, vmmtest.RBX), "400fb64300", "rex movzx eax,BYTE PTR [rbx+0x0]"},
		{code().Load(2, vmmtest.R8, vmmtest.RSP), "440fb7442400", "movzx r8d,WORD PTR [rsp+0x0]"},
		{code().Load(4, vmmtest.RCX, vmmtest.R12), "418b4c2400", "mov ecx,DWORD PTR [r12+0x0]"},
		{code().Load(8, vmmtest.R15, vmmtest.R13), "4d8b7d00", "mov r15,QWORD PTR [r13+0x0]"},
		{code().Load(8, vmmtest.RAX, vmmtest.RBP), "488b4500", "mov rax,QWORD PTR [rbp+0x0]"},
		{code().Store(1, vmmtest.RBX, vmmtest.RSI), "40887300", "mov BYTE PTR [rbx+0x0],sil"},
		{code().Store(1, vmmtest.R9, vmmtest.R14), "45887100", "mov BYTE PTR [r9+0x0],r14b"},
		{code().Store(2, vmmtest.RSP, vmmtest.RAX), "664089442400", "rex mov WORD PTR [rsp+0x0],ax"},
		{code().Store(4, vmmtest.R13, vmmtest.R8), "45894500", "mov DWORD PTR [r13+0x0],r8d"},
		{code().Store(8, vmmtest.R12, vmmtest.RDX), "4989542400", "mov QWORD PTR [r12+0x0],rdx"},
		{code().LockInc(vmmtest.RBX), "f048ff4300", "lock inc QWORD PTR [rbx+0x0]"},
		{code().LockInc(vmmtest.R12), "f049ff442400", "lock inc QWORD PTR [r12+0x0]"},
		{code().OutDX(1), "ee", "out dx,al"},
		{code().OutDX(2), "66ef", "out dx,ax"},
		{code().OutDX(4), "ef", "out dx,eax"},
		{code().InDX(1), "ec", "in al,dx"},
		{code().InDX(2), "66ed", "in ax,dx"},
		{code().InDX(4), "ed", "in eax,dx"},
		{code().RepOuts(1), "f36e", "rep outs dx,BYTE PTR ds:[rsi]"},
		{code().RepOuts(2), "f3666f", "rep outs dx,WORD PTR ds:[rsi]"},
		{code().RepOuts(4), "f36f", "rep outs dx,DWORD PTR ds:[rsi]"},
		{code().RepIns(1), "f36c", "rep ins BYTE PTR es:[rdi],dx"},
		{code().RepIns(2), "f3666d", "rep ins WORD PTR es:[rdi],dx"},
		{code().RepIns(4), "f36d", "rep ins DWORD PTR es:[rdi],dx"},
		{code().Spin(), "f390ebfc", "pause; jmp 0x0"},
	} {
		require.Equal(t, tt.bytes, hex.EncodeToString(tt.code.Bytes()), tt.text)
	}
}

// Instructions that use others.
func TestCode_composed(t *testing.T) {
	const (
		eax = "48b87856341200000000" // movabs rax,0x12345678
		dx  = "48baf803000000000000" // movabs rdx,0x3f8
	)

	for bytes, c := range map[string]*vmmtest.Code{
		eax + dx + "ee":                    code().Out(1, 0x3f8, 0x1234_5678),
		eax + dx + "66ef":                  code().Out(2, 0x3f8, 0x1234_5678),
		eax + dx + "ef":                    code().Out(4, 0x3f8, 0x1234_5678),
		"48b80000000000000000" + dx + "ed": code().In(4, 0x3f8),
		"48b83400000000000000" + "48ba0006000000000000" + "ee" + "f390" + "ebfc": code().PowerOff(),
		"0f0b0102": code().Raw(0x0f, 0x0b).Raw().Raw(1, 2),
		"":         code(),
	} {
		require.Equal(t, bytes, hex.EncodeToString(c.Bytes()))
	}
}

// Jumps are relative to the end of the instruction, both ways.
func TestCode_labels(t *testing.T) {
	c := code().
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

func TestCode_panics(t *testing.T) {
	const none = vmmtest.R15 + 1

	for what, f := range map[string]func(){
		`no label "nowhere"`:       func() { code().Label("here").Jz("nowhere").Bytes() },
		`label "twice" twice`:      func() { code().Label("twice").Inc(vmmtest.RAX).Label("twice") },
		"an access of 0 bytes":     func() { code().Load(0, vmmtest.RAX, vmmtest.RBX) },
		"an access of 3 bytes":     func() { code().Store(3, vmmtest.RBX, vmmtest.RAX) },
		"an access of 16 bytes":    func() { code().Load(16, vmmtest.RAX, vmmtest.RBX) },
		"an access of 8 bytes":     func() { code().Out(8, 0x80, 0) },
		"an access of -1 bytes":    func() { code().InDX(-1) },
		"an access of 32 bytes":    func() { code().RepOuts(32) },
		"an access of 6 bytes":     func() { code().RepIns(6) },
		"an access of 5 bytes":     func() { code().OutDX(5) },
		"vmmtest: no register 16":  func() { code().Mov(none, 0) },
		"vmmtest: no register 17":  func() { code().Copy(none+1, vmmtest.RAX) },
		"vmmtest: no register 18":  func() { code().Copy(vmmtest.RAX, none+2) },
		"vmmtest: no register 19":  func() { code().Add(none+3, 0) },
		"vmmtest: no register 20":  func() { code().Load(1, none+4, vmmtest.RAX) },
		"vmmtest: no register 21":  func() { code().Store(8, none+5, vmmtest.RAX) },
		"vmmtest: no register 255": func() { code().LockInc(255) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), what) }()
			f()
		}()
	}
}
