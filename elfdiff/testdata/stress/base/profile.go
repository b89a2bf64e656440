package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// profile turns on all profiles, and gives what writes them in the end.
func profile() func() {
	if *profiles == "" {
		return func() {}
	}

	create := func(name string) *os.File { return must(os.Create(filepath.Join(*profiles, name))) }

	runtime.SetBlockProfileRate(1000)
	runtime.SetMutexProfileFraction(10)

	cpu, events := create("cpu"), create("trace")

	must(0, pprof.StartCPUProfile(cpu))
	must(0, trace.Start(events))

	return func() {
		trace.Stop()
		pprof.StopCPUProfile()
		must(0, cpu.Close())
		must(0, events.Close())

		for _, name := range []string{"heap", "allocs", "block", "mutex", "goroutine"} {
			f := create(name)
			must(0, pprof.Lookup(name).WriteTo(f, 0))
			must(0, f.Close())
		}
	}
}
