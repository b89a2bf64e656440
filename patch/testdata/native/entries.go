package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/patch"
)

// called and calledToo are functions whose entries are redirected. They check the stack.
//
//go:noinline
func called(n int) int { return strings.Count("a", "a") + deeper(n) }

//go:noinline
func calledToo(n int) int { return strings.Count("a", "a") + deeper(n) }

//go:noinline
func deeper(n int) int {
	if n == 0 {
		return 0
	}

	return deeper(n - 1)
}

// entered is a payload that redirects the entries of both.
func (f fixture) entered(name string) *payload.File {
	p := f.file(name)
	p.Meta.Slots = nil // entries alone are a patch
	p.Meta.Runtime.StopTheWorld, p.Meta.Runtime.StartTheWorld = f.symbols["runtime.stopTheWorld"], f.symbols["runtime.startTheWorld"]

	for i, fn := range []func(int) int{called, calledToo} {
		p.Meta.Entries = append(p.Meta.Entries, payload.Entry{
			Name: "called", At: f.at(addressOf(fn), "called"), Old: bytes.Clone(original()[i]),
			New: payload.Ref{Kind: payload.RefImage, Value: p.Text.Addr + uint64(newF+i*(newM-newF))},
		})
	}

	return p
}

// original are the bytes of their entries before anything was redirected.
var original = sync.OnceValue(func() [2][]byte { return [2][]byte{entryBytes(called), entryBytes(calledToo)} })

func entryBytes(fn func(int) int) []byte {
	return bytesOf(addressOf(fn))
}

// entries: they lead to the payload wherever they are called from, and back.
func entries(f fixture) {
	before := [2]string{string(entryBytes(called)), string(entryBytes(calledToo))}
	value := called

	p := must(f.upload(f.entered("entries")))
	want("loaded", value(0), 1)

	_, err := f.engine.Apply(ctx, p, patch.On(f.domain))
	wantErr("one domain", err, patch.ErrProcessWide)

	for range 3 {
		must(f.engine.DryRun(ctx, patch.OpApply, p, patch.Everywhere()))

		r := must(f.engine.Apply(ctx, p, patch.Everywhere()))
		want("entries", r.Words, 2)
		want("value", value(0), 42)
		want("direct", called(1), 42)
		want("the other", calledToo(1), 43)

		_, err = f.engine.Revert(ctx, p, patch.On(f.domain))
		wantErr("one domain", err, patch.ErrProcessWide)
		must(f.engine.Revert(ctx, p, patch.Everywhere()))
		want("value", value(0), 1)
		want("the other", calledToo(1), 1)
		want("bytes", [2]string{string(entryBytes(called)), string(entryBytes(calledToo))}, before)
	}

	// A transition that fails puts them back.
	w := f.domain.NewWorker("slow")
	other := f.entered("slots-too")
	other.Meta.Slots = f.file("x").Meta.Slots
	q := must(f.upload(other))

	w.Enter()

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	_, err = f.engine.Apply(short, q, patch.Everywhere())
	cancel()
	wantErr("slow", err, context.DeadlineExceeded)
	want("value", value(0), 1)
	w.Leave()
	w.Close()

	// Another payload may replace one, and be loaded before or after; on top of it, it isn't
	// made for it.
	must(f.engine.Apply(ctx, p, patch.Everywhere()))
	late := must(f.upload(f.entered("late")))

	_, err = f.engine.Apply(ctx, late, patch.Everywhere())
	wantErr("content", err, patch.ErrContent)
	want("value", value(0), 42)

	must(f.engine.Replace(ctx, q, patch.Everywhere()))
	want("value", value(0), 42)
	want("answer", f.answer(), 42)
	must(f.engine.Replace(ctx, late, patch.Everywhere()))
	want("answer", f.answer(), 1)
	want("value", value(0), 42)
	must(f.engine.Revert(ctx, late, patch.Everywhere()))
	want("value", value(0), 1)
	want("bytes", [2]string{string(entryBytes(called)), string(entryBytes(calledToo))}, before)

	for _, s := range textRegions() {
		want("a page of code is writable", s, false)
	}
}

// textRegions says of each part of the memory with code whether it is writable.
func textRegions() (writable []bool) {
	maps := must(os.ReadFile("/proc/self/maps"))
	for line := range strings.Lines(string(maps)) {
		if p := strings.Fields(line)[1]; p[2] == 'x' {
			writable = append(writable, p[1] == 'w')
		}
	}

	return writable
}

// entriesStacked: an entry that a payload below redirected is redirected again, and back.
func entriesStacked(f fixture) {
	lower := f.entered("lower")
	a := must(f.upload(lower))

	upper := f.entered("upper")
	upper.Meta.Depends = []string{string(a.ID())}
	upper.Meta.Entries = upper.Meta.Entries[:1]
	upper.Meta.Entries[0].From = payload.Ref{Kind: payload.RefPatch, Value: lower.Text.Addr + newF, Name: "called"}
	upper.Meta.Entries[0].New.Value += newM - newF

	b := must(f.upload(upper)) // before the one below is applied
	must(f.engine.Apply(ctx, a, patch.Everywhere()))
	must(f.engine.Apply(ctx, b, patch.Everywhere()))
	want("above", called(0), 43)
	want("below", calledToo(0), 43)

	_, err := f.engine.Revert(ctx, a, patch.Everywhere())
	wantErr("below", err, patch.ErrNotTop)

	must(f.engine.Revert(ctx, b, patch.Everywhere()))
	want("below again", called(0), 42)
	must(f.engine.Revert(ctx, a, patch.Everywhere()))
	want("none", called(0)+calledToo(0), 2)
}

// entriesRefused: each is told apart, when it is loaded, and leaves nothing behind.
func entriesRefused(f fixture) {
	before := f.engine.Stats()

	for name, c := range map[string]struct {
		change func(*payload.File)
		want   error
	}{
		"bytes": {func(p *payload.File) { p.Meta.Entries[1].Old[0] ^= 1 }, patch.ErrContent},
		"stop":  {func(p *payload.File) { p.Meta.Runtime.StopTheWorld = p.Meta.Runtime.StartTheWorld }, patch.ErrAddress},
		"start": {func(p *payload.File) { p.Meta.Runtime.StartTheWorld += 16 }, patch.ErrAddress},
		"not entry": {func(p *payload.File) {
			p.Meta.Entries[1].At.Value += 8
			p.Meta.Entries[1].Old = bytesOf(addressOf(calledToo) + 8)
		}, patch.ErrAddress},
		"data": {func(p *payload.File) {
			p.Meta.Entries[1].At = f.at(address(&limit), "limit")
			p.Meta.Entries[1].Old = bytesOf(address(&limit))
		}, patch.ErrAddress},
		"the runtime": {func(p *payload.File) {
			p.Meta.Entries[1].At = f.ref("runtime.GC")
			p.Meta.Entries[1].Old = bytesOf(addressOf(runtime.GC))
		}, patch.ErrAddress},
		"twice":   {func(p *payload.File) { p.Meta.Entries[1] = p.Meta.Entries[0] }, patch.ErrMalformed},
		"no stop": {func(p *payload.File) { p.Meta.Runtime.StopTheWorld = 0 }, patch.ErrMalformed},
	} {
		p := f.entered("refused")
		c.change(p)

		_, err := f.upload(p)
		wantErr(name, err, c.want)
		want("mapped", f.engine.Stats().Mapped, before.Mapped)
		want("called", called(0)+calledToo(0), 2)
	}
}

func bytesOf(at uint64) []byte {
	b := make([]byte, payload.EntrySize(runtime.GOARCH))
	for i := range b {
		b[i] = load[byte](at + uint64(i))
	}

	return b
}

// entriesFlips: what is called while entries change, from goroutines that are preempted, grow
// their stacks and are profiled, is old or new.
func entriesFlips(f fixture) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))

	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		panic(err)
	}
	defer pprof.StopCPUProfile()

	p := must(f.upload(f.entered("flips")))

	var (
		stop              atomic.Bool
		bad, before, then atomic.Int64
		wg                sync.WaitGroup
		sink              atomic.Pointer[[]byte]
	)

	note := func(n, fresh int) {
		switch n {
		case 1:
			before.Add(1)
		case fresh:
			then.Add(1)
		default:
			bad.Add(1)
		}
	}

	for i := range 4 {
		wg.Go(func() {
			for k := 0; !stop.Load(); k++ {
				switch i {
				case 0: // without a pause
					note(called(0), 42)
					note(calledToo(k%8), 43)

					if k%1000 == 0 {
						runtime.Gosched() // signals may not be allowed to stop it
					}
				case 1: // on stacks that grow
					done := make(chan int)
					go func() { done <- called(1000 + k%1000) }()
					note(<-done, 42)
				case 2:
					b := make([]byte, k%5000)
					sink.Store(&b)
					note(calledToo(k%100), 43)
					runtime.Gosched()
				default:
					note(called(0), 42)
					runtime.Gosched()
				}
			}
		})
	}

	flips, start := 0, time.Now()

	for ; flips < 2000 && time.Since(start) < 5*time.Second; flips++ {
		must(f.engine.Apply(ctx, p, patch.Everywhere()))
		want("called", called(0), 42)
		must(f.engine.Revert(ctx, p, patch.Everywhere()))
		want("called", called(0), 1)
	}

	stop.Store(true)
	wg.Wait()
	want("wrong answers", bad.Load(), 0)
	println("flips", flips, "in ms", time.Since(start).Milliseconds(), "before", before.Load(), "after", then.Load())
}
