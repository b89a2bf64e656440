// Package archtest holds the architecture: which package may import which, where unsafe
// may stand, and what library code must not do. ARCHITECTURE.md gives the reasons.
//
// It has tests only. They read the source files of the module, of every system and
// build tag, and ask the go command for what is linked in the end. Nothing imports it.
package archtest
