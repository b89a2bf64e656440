// The guest: 64-bit code for ring 3, entered on every vCPU with its number in DI.
// It is linked into this program like any function and never called: guestCode gives
// its bytes, and they are copied into the virtual machine.
//
// Each vCPU sends messages of five words to its own FIFO, which holds four. Then it
// reads back the neighbour of the FIFO, a register that it never wrote, and counts how
// often that was intact and how often not. The counters are in guest memory, where
// the monitor's program reads them: messages, intact, corrupt, words. Behind them is
// the word by which the program asks the guest to stop.

#include "textflag.h"
#include "layout.h"

TEXT guest<>(SB), NOSPLIT|NOFRAME, $0
	// R8: counters of this vCPU. R9: its first port.
	MOVQ DI, R8
	SHLQ $6, R8
	ADDQ $COUNTERS, R8
	MOVQ DI, R9
	SHLQ $3, R9
	ADDQ $PORT, R9
	XORL BX, BX // the stream: each word is one more than the last

message:
	LEAQ BEGIN(R9), DX
	MOVL $1, AX
	OUTB
	LEAQ DATA(R9), DX
	MOVL $WORDS, CX

word:
	INCL BX
	MOVL BX, AX
	OUTL
	INCQ 24(R8)
	DECL CX
	JNZ  word

	LEAQ NEIGHBOUR(R9), DX
	INL
	CMPL AX, $INTACT
	JNE  corrupt
	INCQ 8(R8)
	JMP  counted

corrupt:
	INCQ 16(R8)

counted:
	INCQ 0(R8)
	CMPQ 32(R8), $0 // the host asks to stop
	JEQ  message
	LEAQ DONE(R9), DX
	MOVL $1, AX
	OUTB

rest:
	PAUSE
	JMP rest
	UNDEF // the end, for guestCode
	UNDEF

// func guestAddress() *byte
TEXT ·guestAddress(SB), NOSPLIT, $0-8
	LEAQ guest<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
