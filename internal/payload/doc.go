// Package payload is the format that elfdiff writes and patch reads: the one place where
// the two meet.
//
// It is pure: bytes in, bytes out, on any system, with the standard library alone. It
// opens no file and holds no state, and it knows neither how a payload is made nor what
// applying one does. What it parses is hostile until the signature holds.
//
// A signed payload is the file and a trailer of 128 bytes after it. Tools for ELF files
// don't look there; strip and objcopy write a new file without it.
//
//	offset from the end
//	-128  signature     64 bytes, Ed25519ph
//	 -64  key id        32 bytes, SHA-256 of the public key's 32 bytes
//	 -32  version       uint32, 1
//	 -28  reserved      uint32, 0
//	 -24  length        uint64, of the file without the trailer
//	 -16  magic         "vgraft-signed\x1a\r\n"
//
// Numbers are little-endian.
package payload
