package lib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()

	return nil
}

type custom struct{ code int }

func panics() error {
	var (
		m     map[string]*record
		list  []int
		p     *record
		zero  int
		iface any = "text"
		array [4]int
	)

	text := func(f func()) string { return fmt.Sprint(caught(f)) }
	n := len(names) + int(tries.Load())&0

	_, isRuntime := caught(func() { list[n] = 1 }).(runtime.Error)

	return all(
		want("nil map", text(func() { m["x"] = p }), "assignment to entry in nil map"),
		want("bounds", text(func() { list[n]++ }), "runtime error: index out of range [3] with length 0"),
		want("array", text(func() { array[n+2] = 1 }), "runtime error: index out of range [5] with length 4"),
		want("slice", text(func() { _ = names[n+1:] }), "runtime error: slice bounds out of range [4:3]"),
		want("to array", text(func() { _ = [4]string(names[:n]) }), "runtime error: cannot convert slice with length 3 to array or pointer to array with length 4"),
		want("nil", text(func() { p.Name = "x" }), "runtime error: invalid memory address or nil pointer dereference"),
		want("division", text(func() { zero = n / zero }), "runtime error: integer divide by zero"),
		want("assertion", text(func() { _ = iface.(fmt.Stringer) }), "interface conversion: string is not fmt.Stringer: missing method String"),
		want("other assertion", text(func() { _ = iface.(*record) }), "interface conversion: interface {} is string, not *lib.record"),
		want("custom", caught(func() { panic(custom{5}) }), any(custom{5})),
		want("hash", text(func() { _ = map[any]int{}[[]record{}] }), "hash of unhashable type: []lib.record"),
		want("error", isRuntime, true),
		want("length", text(func() { _ = make([]record, n-10) }), "runtime error: makeslice: len out of range"),
		want("closed", text(func() { c := make(chan record); close(c); close(c) }), "close of closed channel"),
	)
}

func nested() (err error) {
	var order []string
	note := func(s string) { order = append(order, s) }

	func() {
		defer func() { note(fmt.Sprint("last ", recover())) }()
		defer func() {
			defer func() {
				note(fmt.Sprint("inner ", recover()))
				panic(&custom{3})
			}()

			panic("second")
		}()

		panic("first")
	}()

	defer func() {
		if v, ok := recover().(*custom); !ok || v.code != 9 {
			err = &wrong{"code", v, 9}
		}

		if s := strings.Join(order, ","); err == nil && !strings.HasPrefix(s, "inner second,last &{3}") {
			err = &wrong{"order", s, "that of panics"}
		}
	}()

	defer func() {
		v := recover().(*custom)
		v.code++
		panic(v)
	}()

	panic(&custom{8})
}

func goexit() error {
	var order []string

	done := make(chan []string)

	go func() {
		defer func() { done <- order }()
		defer func() { order = append(order, fmt.Sprint(recover())) }()

		func() {
			defer func() { order = append(order, "deferred") }()
			runtime.Goexit()
		}()

		order = append(order, "not reached")
	}()

	return want("order", strings.Join(<-done, ","), "deferred,<nil>")
}

func defers() error {
	var order []int

	n := func() (n int) {
		defer func() { n *= 2 }()

		for i := range 10 {
			defer func() { order = append(order, i); n++ }()
		}

		if tries.Load() >= 0 {
			defer addTo(&n, 5)
		}

		defer mu.Unlock()
		mu.Lock()

		return 1
	}()

	return all(want("result", n, 32), want("order", fmt.Sprint(order), "[9 8 7 6 5 4 3 2 1 0]"))
}

//go:noinline
func addTo(n *int, k int) { *n += k }

type job struct {
	n   int
	out chan<- result
}

type result struct {
	n    int
	text *string
}

func goroutines() error {
	jobs, out := make(chan job), make(chan result, 3)

	var wg sync.WaitGroup

	for range 4 {
		wg.Go(func() {
			for j := range jobs {
				s := fmt.Sprint("job ", j.n)
				j.out <- result{j.n, &s}
			}
		})
	}

	go func() {
		for i := range 20 {
			jobs <- job{i, out}
		}

		close(jobs)
		wg.Wait()
		close(out)
	}()

	sum := 0

	for r := range out {
		if *r.text != fmt.Sprint("job ", r.n) {
			return &wrong{"text", *r.text, r.n}
		}

		sum += r.n
	}

	once := sync.OnceValue(func() int { return sum + 1 })
	go once()

	return all(want("sum", sum, 190), want("once", once(), 191))
}

// lingers starts what outlives a revert, and is in the dumps of all stacks.
func lingers() error {
	if lingering.Add(1) <= 8 {
		go linger(&node{n: 5, text: "lingers"})
	} else {
		lingering.Add(-1)
	}

	return nil
}

var lingering atomic.Int32

//go:noinline
func linger(n *node) {
	defer lingering.Add(-1)

	for i := range 20 {
		time.Sleep(time.Millisecond)

		if n.text != "lingers" || n.get() != 5 {
			panic(fmt.Sprint("what a goroutine holds has changed: ", i, *n))
		}
	}
}

func selects() error {
	a, b, never := make(chan *record), make(chan kind, 1), make(chan struct{})
	quit := make(chan bool)

	go func() {
		defer close(quit)

		for i := range 10 {
			select {
			case a <- &record{Name: fmt.Sprint(i)}:
			case b <- kind(i % 2):
			case <-never:
				return
			}
		}
	}()

	n := 0

	for {
		select {
		case r := <-a:
			n += len(r.Name)
		case k := <-b:
			n += len(k.String()) - 4
		case _, ok := <-quit:
			if len(b) == 1 {
				<-b
				n++
			}

			select {
			case <-never:
				n = -1
			default:
			}

			return all(want("open", ok, false), want("count", n, 10))
		}
	}
}

type ctxKey struct{ n int }

func contexts() error {
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), ctxKey{1}, &record{Name: "value"}))
	child, stop := context.WithTimeout(ctx, time.Hour)

	defer stop()

	ran := make(chan error, 1)
	context.AfterFunc(child, func() { ran <- context.Cause(child) })
	cancel(&wrong{"it", 1, 2})

	err := <-ran

	var w *wrong

	return all(want("value", child.Value(ctxKey{1}).(*record).Name, "value"), want("cause", errors.As(err, &w) && w.got == 1, true),
		want("canceled", errors.Is(child.Err(), context.Canceled), true))
}

func timers() error {
	fired := make(chan time.Time, 1)
	t := time.AfterFunc(time.Microsecond, func() { fired <- time.Now() })

	defer t.Stop()

	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()

	<-tick.C

	select {
	case <-fired:
	case <-time.After(30 * time.Second):
		return errLate
	}

	return nil
}

var errLate error = &wrong{"a timer", "late", "in time"}

type buffer struct {
	used int
	data []*node
}

var (
	pool  = sync.Pool{New: func() any { return &buffer{data: []*node{{n: 3}}} }}
	once  sync.Once
	built *buffer
	cache sync.Map
)

func pools() error {
	b := pool.Get().(*buffer)
	if b.data[0].n != 3 {
		return &wrong{"pooled", b.data[0].n, 3}
	}

	b.data = []*node{{n: 3, text: fmt.Sprint(b.used)}}
	b.used++
	pool.Put(b)

	once.Do(func() { built = &buffer{used: 77} })

	k := kind(tries.Load() % 2)
	v, _ := cache.LoadOrStore(k, &node{n: int(k)})

	return all(want("built", built.used, 77), want("cached", v.(*node).n, int(k)))
}

func count(n int) iter.Seq2[int, *record] {
	return func(yield func(int, *record) bool) {
		defer tries.Add(1)

		for i := range n {
			if !yield(i, &record{Name: fmt.Sprint(i)}) {
				return
			}
		}
	}
}

func iterators() error {
	sum := 0

	first := func() string {
		for i, r := range count(10) {
			defer func() { sum += 1000 }()

			for j := range count(i) {
				if j == 2 {
					break
				}

				sum += j
			}

			if i == 5 {
				return r.Name
			}
		}

		return ""
	}()

	v := fmt.Sprint(caught(func() {
		for i := range count(3) {
			if i == 1 {
				panic(fmt.Sprint("at ", i))
			}
		}
	}))

	return all(want("first", first, "5"), want("sum", sum, 6004), want("panic", v, "at 1"))
}

func pulls() error {
	next, stop := iter.Pull2(count(5))
	defer stop()

	n := 0

	for {
		i, r, ok := next()
		if !ok || i == 3 {
			break
		}

		n += i + len(r.Name)
	}

	return want("n", n, 6)
}

//go:noinline
func jump(n int) string {
	switch n {
	case 0:
		return "zero"
	case 1:
		return "one"
	case 2:
		return "two"
	case 3:
		return "three"
	case 4:
		return "four"
	case 5:
		return "five"
	case 6:
		return "six"
	case 7:
		return "seven"
	case 8:
		return "eight"
	case 9:
		return "nine"
	case 10:
		return "ten"
	}

	return "many"
}

//go:noinline
func word(s string) int {
	switch s {
	case "zero":
		return 0
	case "one":
		return 1
	case "two":
		return 2
	case "three":
		return 3
	case "four":
		return 4
	case "five":
		return 5
	case "six":
		return 6
	case "seven":
		return 7
	case "eight":
		return 8
	case "nine":
		return 9
	case "ten":
		return 10
	}

	return -1
}

func jumps() error {
	for i := range 12 {
		if n := word(jump(i)); n != i && i < 11 || i == 11 && n != -1 {
			return &wrong{"jump", n, i}
		}
	}

	return nil
}

type temporary struct{ error }

func (t temporary) Unwrap() error   { return t.error }
func (t temporary) Temporary() bool { return true }
func (t temporary) Is(e error) bool { return e == io.EOF }

func errorsOf() error {
	err := fmt.Errorf("wrapped: %w", errors.Join(temporary{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}}, &wrong{what: "this"}))

	var (
		w *wrong
		p *fs.PathError
		t interface{ Temporary() bool }
	)

	return all(
		want("as wrong", errors.As(err, &w) && w.what == "this", true), want("as path", errors.As(err, &p) && p.Path == "x", true),
		want("as interface", errors.As(err, &t) && t.Temporary(), true), want("is", errors.Is(err, io.EOF) && errors.Is(err, fs.ErrNotExist), true),
		want("is not", errors.Is(err, io.ErrUnexpectedEOF), false),
	)
}

// deep needs more stack the deeper it is, and has pointers into it.
func deep(n int, up *[64]int, r *record) int {
	var frame [64]int

	frame[n%64] = n
	mine := &record{Name: "deep", Next: r}

	if n == 0 {
		return up[1]
	}

	if n%100 == 0 {
		runtime.Gosched()
	}

	got := deep(n-1, &frame, mine)

	if frame[n%64] != n || mine.Name != "deep" || mine.Next != r {
		panic("the stack has changed")
	}

	return got
}

func recursion() error {
	n := make(chan int)
	go func() { n <- deep(500, new([64]int), nil) }() // begins with a small stack

	return want("deep", <-n, 1)
}

func stacks() error {
	buf := make([]byte, 4096)
	s := string(buf[:runtime.Stack(buf, false)])

	var pcs [32]uintptr
	n := runtime.Callers(0, pcs[:])

	return all(want("itself", strings.Contains(s, "stress/lib.stacks(") && strings.Contains(s, "lib/flow.go:"), true), want("callers", n > 3, true))
}

var finalized, made, cleaned atomic.Int64

type final struct {
	n    int64
	text string
	self *final
}

//go:noinline
func finalizers() error {
	f := &final{n: made.Add(1), text: "final"}
	runtime.SetFinalizer(f, func(f *final) {
		if f.text == "final" {
			finalized.Add(1)
		}
	})

	if made.Load() > 20000 && finalized.Load() == 0 {
		return &wrong{"finalized", 0, made.Load()}
	}

	return nil
}

//go:noinline
func cleanups() error {
	f := &final{n: made.Add(1), text: "cleanup"}
	runtime.AddCleanup(f, func(r *record) {
		if r.Name == "of it" {
			cleaned.Add(1)
		}
	}, &record{Name: "of it"})

	if made.Load() > 20000 && cleaned.Load() == 0 {
		return &wrong{"cleaned", 0, made.Load()}
	}

	runtime.KeepAlive(f)

	return nil
}
