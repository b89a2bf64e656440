//go:build !amd64

package gort

// Numbers of system calls of arm64 and all later architectures.
const (
	memfdCreate = 279 // SYS_MEMFD_CREATE
	membarrier  = 283 // SYS_MEMBARRIER
)
