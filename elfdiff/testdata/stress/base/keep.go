package main

import (
	"iter"
	"runtime"
)

// keepRuntime uses parts of the runtime that the new version needs and the rest of the
// program doesn't: of coroutines, goroutines that end themselves, and functions deferred in
// loops there must be one in a process, so that a payload can't bring them.
func keepRuntime() (n int) {
	next, stop := iter.Pull2(func(yield func(int, *byte) bool) { yield(1, nil) })
	n, _, _ = next()

	stop()

	done := make(chan bool)

	go func() {
		defer close(done)

		runtime.Goexit()
	}()

	<-done

	for i := range n + 1 {
		defer func() { n += i }()
	}

	for i := range func(yield func(int) bool) { yield(2) } {
		defer func() { n += i }()
	}

	return n
}
