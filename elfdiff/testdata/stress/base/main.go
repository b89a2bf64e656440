// Command stress is a program that is patched while it is as busy as it can be: see
// stress_test.go.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vgraft/vgraft/patch"

	"example.com/stress/lib"
)

var (
	mode     = flag.String("mode", "flips", "flips, stack or fresh")
	length   = flag.Duration("time", time.Second, "of the run")
	files    = flag.String("payloads", "", "with commas between them")
	expected = flag.String("where", "", "what the slot of that name gives in the new version")
	profiles = flag.String("profiles", "", "directory for profiles")
	workers  = flag.Int("workers", 4, "goroutines of each sort")
)

// features is more than there are.
const features = 64

// counts of what happened.
var counts struct {
	old, new, failed, dumps, seen, collected, flips atomic.Int64
}

var stop atomic.Bool

func fail(format string, args ...any) {
	if counts.failed.Add(1) <= 10 {
		fmt.Fprintf(os.Stderr, "FAILED: "+format+"\n", args...)
	}
}

// guarded runs a function until it is time to stop. A panic is a failed call.
func guarded(wg *sync.WaitGroup, what string, f func(i int)) {
	wg.Go(func() {
		for i := 0; !stop.Load(); i++ {
			func() {
				defer func() {
					if v := recover(); v != nil {
						fail("%s: panic: %v\n%s", what, v, debug.Stack())
					}
				}()

				f(i)
			}()

			runtime.Gosched() // so that patches come and go as often as calls
		}
	})
}

// version of an answer: whether it is the new one's.
func version(answer, old, new string) bool {
	switch answer {
	case old:
		counts.old.Add(1)
		return false
	case new:
		counts.new.Add(1)
	default:
		fail("%q is neither %q nor %q", answer, old, new)
	}

	return true
}

// section calls all slots in one section, where they must be of one version.
func section(w *patch.Worker, i int) {
	s := w.Enter()
	defer w.Leave()

	isNew := version(fmt.Sprint(lib.Leaf.In(s)(i)), fmt.Sprint(i+1), fmt.Sprint(i+2))
	if i%3 == 0 {
		runtime.Gosched()
	}

	same := func(what string, b bool) {
		if b != isNew {
			fail("%s is of another version in the same section", what)
		}
	}

	same("feature", version(lib.Feature.In(s)(i%features), lib.Old, lib.Good))
	same("where", version(lib.Where.In(s)(), lib.Old, *expected))
	same("leaf", version(fmt.Sprint(lib.Leaf.In(s)(0)), "1", "2"))
}

func get(i int) {
	version(fmt.Sprint(lib.Leaf.Get()(i)), fmt.Sprint(i+1), fmt.Sprint(i+2))
	version(lib.Feature.Get()(i%features), lib.Old, lib.Good)
	version(lib.Where.Get()(), lib.Old, *expected)
}

func spin(w *patch.Worker) {
	s := w.Enter()
	defer w.Leave()

	const n = 200_000
	version(fmt.Sprint(lib.Spin.In(s)(n)), fmt.Sprint(n*(n-1)/2), fmt.Sprint(n*(n-1)/2+1))
}

// load is all that goes on while patches come and go.
func load(wg *sync.WaitGroup, domains []*patch.Domain) {
	n := *workers

	for k := range n {
		w := domains[k%len(domains)].NewWorker(fmt.Sprint("section", k))
		at := rand.IntN(features)

		guarded(wg, "section", func(i int) { section(w, i+at) })
	}

	for range n {
		at := rand.IntN(features)
		guarded(wg, "get", func(i int) { get(i + at) })
	}

	w := domains[0].NewWorker("spin")
	guarded(wg, "spin", func(int) { spin(w) })

	guarded(wg, "collector", func(int) { runtime.GC(); counts.collected.Add(1) })
	guarded(wg, "scavenger", func(int) { debug.FreeOSMemory(); time.Sleep(20 * time.Millisecond) })

	buf := make([]byte, 1<<20)

	guarded(wg, "dumps", func(int) { dump(buf); time.Sleep(5 * time.Millisecond) })
}

// dump writes down the stacks of all goroutines, and looks for one of the new version.
func dump(buf []byte) {
	counts.dumps.Add(1)

	if bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("stress/lib.linger")) {
		counts.seen.Add(1)
	}
}

// look makes sure that the dumps and the profile have something of the patch, which is
// applied: of a busy machine they could miss it.
func look() {
	const n = 100_000_000
	version(fmt.Sprint(lib.Spin.Get()(n)), fmt.Sprint(n*(n-1)/2), fmt.Sprint(n*(n-1)/2+1))

	buf := make([]byte, 1<<20)

	for i := 0; counts.seen.Load() == 0 && i < 100*features; i++ {
		version(lib.Feature.Get()(i%features), lib.Old, lib.Good)
		dump(buf)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(2)
	}

	return v
}

var ctx = context.Background()

func upload(e *patch.Engine, name string) *patch.Patch {
	f := must(os.Open(name))
	defer f.Close()

	return must(e.Upload(ctx, f))
}

// flips applies and reverts one patch over and over.
func flips(e *patch.Engine, names []string) {
	p := upload(e, names[0])

	for end := time.Now().Add(*length); time.Now().Before(end); {
		must(e.Apply(ctx, p, patch.Everywhere()))

		if n := counts.flips.Add(1); n%10 == 0 {
			time.Sleep(3 * time.Millisecond)
		}

		must(e.Revert(ctx, p, patch.Everywhere()))
	}

	must(e.Apply(ctx, p, patch.Everywhere()))
	look()
	must(e.Revert(ctx, p, patch.Everywhere()))
}

// stack applies patches on top of each other and reverts them in turn, and then loads and
// unloads each on its own.
func stack(e *patch.Engine, names []string) {
	var all []*patch.Patch

	for _, n := range names[:len(names)/2] {
		p := upload(e, n)
		must(e.Apply(ctx, p, patch.Everywhere()))
		counts.flips.Add(1)

		all = append(all, p)
	}

	look()

	for i := range all {
		p := all[len(all)-1-i]
		must(e.Revert(ctx, p, patch.Everywhere()))
		must(0, e.Unload(ctx, p))
	}

	for _, n := range names[len(names)/2:] {
		p := upload(e, n)
		must(e.Apply(ctx, p, patch.Everywhere()))
		counts.flips.Add(1)
		must(e.Revert(ctx, p, patch.Everywhere()))
		must(0, e.Unload(ctx, p))
	}
}

// kept makes the linker keep assembly, which a payload can't bring.
func kept() any {
	return reflect.MakeFunc(reflect.TypeFor[func()](), func([]reflect.Value) []reflect.Value { return nil }).Interface()
}

// fresh calls what the program was built with, once.
func fresh() {
	for i := range features {
		if got := lib.Feature.Get()(i); got != lib.Old && got != lib.Good {
			fail("%s", got)
		}
	}

	fmt.Printf("%d %s %s\n", lib.Leaf.Get()(1), lib.Feature.Get()(0), lib.Where.Get()())
}

func main() {
	flag.Parse()
	keepRuntime()

	if *mode == "fresh" {
		kept().(func())()
		fresh()
		os.Exit(int(min(counts.failed.Load(), 1)))
	}

	e := patch.NewEngine(patch.Options{AllowUnsigned: true, Timeout: time.Minute})
	domains := []*patch.Domain{patch.Default(), patch.NewDomain("a"), patch.NewDomain("b")}

	for _, d := range domains {
		must(0, e.Attach(ctx, d))
	}

	write := profile()

	var wg sync.WaitGroup

	load(&wg, domains)

	switch names := strings.Split(*files, ","); {
	case *files == "":
		time.Sleep(*length)
	case *mode == "flips":
		flips(e, names)
	default:
		stack(e, names)
	}

	stop.Store(true)
	wg.Wait()

	if got := lib.Leaf.Get()(1); got != 2 {
		fail("the patch is reverted, and the answer is %d", got)
	}

	write()

	c := &counts
	result := "OK"

	if c.failed.Load() > 0 || *files != "" && c.new.Load() == 0 || c.old.Load() == 0 || *files != "" && c.seen.Load() == 0 {
		result = "BAD"
	}

	s := e.Stats()

	fmt.Printf("%s old=%d new=%d failed=%d flips=%d collections=%d dumps=%d seen=%d mapped=%d\n", result,
		c.old.Load(), c.new.Load(), c.failed.Load(), c.flips.Load(), c.collected.Load(), c.dumps.Load(), c.seen.Load(), s.Mapped)

	if result != "OK" {
		os.Exit(1)
	}
}
