//go:build amd64

package main

import (
	"bytes"
	"errors"
	"unsafe"
)

// guestAddress is where the linker put the guest. In guest_amd64.s.
func guestAddress() *byte

// maxGuest is more than the guest has, and less than lies behind it in any program:
// the Go runtime alone is larger.
const maxGuest = 1024

// guestCode is the guest's machine code: up to the two UNDEF that end it.
func guestCode() ([]byte, error) {
	text := unsafe.Slice(guestAddress(), maxGuest)

	n := bytes.Index(text, []byte{0x0f, 0x0b, 0x0f, 0x0b})
	if n < 0 {
		return nil, errors.New("the embedded guest has no end")
	}

	return bytes.Clone(text[:n]), nil
}
