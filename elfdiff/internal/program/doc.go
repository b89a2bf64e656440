// Package program puts a linked Go program together again: its ELF file and the compiler
// objects that it was linked from.
//
// The linker throws away what elfdiff needs: which word points to what. The objects still
// have it, with names, but no addresses. Reverse linking joins the two: it goes through the
// objects' symbols over the linked bytes and reads from each relocated field the address
// of what it refers to. On the way it compares every byte that isn't relocated, and every
// address with every other mention of the same symbol. A single contradiction means that
// the objects aren't this program's, or that this package doesn't understand how they were
// linked, and the program is refused: nothing that follows would be sound.
//
// What it finds is also what is alive: a symbol that nothing in the program leads to, the
// linker left out.
package program
