//go:build !linux

package gort

import (
	"fmt"
	"runtime"
)

func supported() error { return fmt.Errorf("%w: on %s", ErrNotSupported, runtime.GOOS) }

type protection uintptr

const (
	readOnly protection = iota
	readWrite
)

// Nothing below is reached: there is no Process.

func reserveAt(uint64, uint64) (bool, error)   { return false, ErrNotSupported }
func unmap(uint64, uint64) error               { return ErrNotSupported }
func protect(uint64, uint64, protection) error { return ErrNotSupported }
func mapText(uint64, []byte) error             { return ErrNotSupported }
