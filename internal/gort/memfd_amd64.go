package gort

// Numbers of system calls that package syscall lacks.
const (
	memfdCreate = 319 // SYS_MEMFD_CREATE
	membarrier  = 324 // SYS_MEMBARRIER
)
