// Package gort is what a loader of payloads knows of the Go runtime: how an image is mapped
// beside the program, linked into the runtime's list of modules, and given the interface
// tables that the runtime uses; and how words of the program, and the entries of its functions,
// are overwritten and put back.
//
// It uses no linkname and no assembly. What it touches of the runtime it is told by address:
// the payload has them from the program's symbols, and is refused unless it was made for this
// very build. Of the layout of the runtime's data it knows
//
//	moduledata   the offset of its field next, which the payload has
//	itab         inter, type; functions from 24 on
//	interface    the number of its methods at 64
//	itabTable    size, count; entries from 16 on
//	worldStop    a byte and three words: what stopTheWorld gives and startTheWorld takes
//
// It works on linux/amd64 and linux/arm64. Elsewhere Self is ErrNotSupported.
package gort
