//go:build !amd64

package gort

const memfdCreate = 279 // SYS_MEMFD_CREATE of arm64 and all later architectures
