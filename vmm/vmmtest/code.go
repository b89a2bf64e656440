package vmmtest

import "fmt"

// Reg is a general register of 64 bits. R8 to R15 are of amd64; the same numbers are X8 to
// X15 on arm64, so that code that uses no others is for both.
type Reg byte

// Code builds a guest for vmm.Flat on this host, one instruction or a few with each call:
//
//	code := new(vmmtest.Code).
//		Mov(vmmtest.R8, 10).
//		Mov(vmmtest.R9, 0xd000_0000).
//		Label("again").
//		Store(4, vmmtest.R9, vmmtest.R8).
//		Dec(vmmtest.R8).
//		Jnz("again").
//		PowerOff().
//		Bytes()
//
// It is AMD64 or ARM64. What both have is the same in both, so that this is a guest for
// either architecture:
//   - Widths are in bytes: 1, 2, 4 or 8 for memory, 1, 2 or 4 for ports.
//   - Constants are sign-extended.
//   - Jz and Jnz look at the last Add, AddReg, Inc, Dec or Cmp.
//   - R8 to R15 keep what they are set to. Methods that need registers of their own, such as
//     PowerOff, use others, and say so.
//   - What can't be encoded panics, as it is a mistake of the test.
type Code = hostCode

// text is code with labels, of any architecture.
type text struct {
	b      []byte
	labels map[string]int
	jumps  []jump
}

// jump is an instruction at an offset, or a part of one, still to be told its label.
type jump struct {
	at    int
	label string
}

func (c *text) name(label string) {
	if c.labels == nil {
		c.labels = map[string]int{}
	}

	if _, ok := c.labels[label]; ok {
		panic(fmt.Sprintf("vmmtest: label %q twice", label))
	}

	c.labels[label] = len(c.b)
}

func (c *text) jump(label string) { c.jumps = append(c.jumps, jump{len(c.b), label}) }

// linked is a copy in which every jump is told its distance by set, which says whether that
// can be encoded.
func (c *text) linked(set func(insn []byte, distance int) bool) []byte {
	b := append([]byte(nil), c.b...)

	for _, j := range c.jumps {
		target, ok := c.labels[j.label]
		if !ok {
			panic(fmt.Sprintf("vmmtest: no label %q", j.label))
		}

		if !set(b[j.at:], target-j.at) {
			panic(fmt.Sprintf("vmmtest: label %q is too far away", j.label))
		}
	}

	return b
}

func checked(width, most int) int {
	if width < 1 || width > most || width&(width-1) != 0 {
		panic(fmt.Sprintf("vmmtest: an access of %d bytes", width))
	}

	return width
}
