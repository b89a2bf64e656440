// Package elfdiff makes live patches for Go programs: it compares two builds of a program
// and writes what changed as a payload, which package patch loads into the running process.
//
// A build is an ELF file and the compiler's objects that it was linked from. Open finds
// those of a program in the build cache, OpenBundle in a file that was saved when the
// program was released, and FromSource builds the repaired program as the first was built.
//
// The package is pure: any system can make a payload for any other. It runs the go command
// and reads and writes what it is told to; it prints nothing and holds no state.
package elfdiff
