package lib

import (
	"fmt"
	"runtime"
	"strings"
)

// tests is a new variable with an initial value that refers to functions.
var tests = [...]struct {
	name string
	f    func() error
}{
	{"closures", closures}, {"state", state}, {"roots", roots}, {"bulk", bulk}, {"formats", formats}, {"json", jsons}, {"reflection", reflection},
	{"interfaces", interfaces}, {"generics", generics}, {"trees", trees}, {"maps", mapsOfAll}, {"keys", keys},
	{"panics", panics}, {"nested", nested}, {"goexit", goexit}, {"defers", defers}, {"callers", callers},
	{"goroutines", goroutines}, {"selects", selects}, {"contexts", contexts}, {"timers", timers}, {"pools", pools}, {"linger", lingers},
	{"iterators", iterators}, {"pulls", pulls}, {"jumps", jumps}, {"errors", errorsOf}, {"recursion", recursion}, {"stacks", stacks},
	{"finalizers", finalizers}, {"cleanups", cleanups}, {"strings", stringsOf}, {"floats", floats}, {"program", program},
}

// try runs one of the tests.
func try(i int) (answer string) {
	t := &tests[uint(i)%uint(len(tests))]

	defer func() {
		if v := recover(); v != nil {
			answer = fmt.Sprint(t.name, ": panic: ", v)
		}
	}()

	if err := t.f(); err != nil {
		return t.name + ": " + err.Error()
	}

	return Good
}

// wrong is a new type of error.
type wrong struct {
	what      string
	got, want any
}

func (w *wrong) Error() string { return fmt.Sprintf("%s is %v and not %v", w.what, w.got, w.want) }

func want[T comparable](what string, got, want T) error {
	if got != want {
		return &wrong{what, got, want}
	}

	return nil
}

// all gives the first error.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

//go:noinline
func outer(n int) string {
	return middle(n) + "!"
}

func middle(n int) string { // is inlined
	if n > 0 {
		return (func(n int) string {
			return inner(n)
		})(n)
	}

	return ""
}

//go:noinline
func inner(n int) (s string) {
	func() {
		defer func() {
			s = frames() // with what panicked

			_ = recover()
		}()

		var p *int
		*p = n
	}()

	return s
}

// frames describes the callers of its caller.
func frames() string {
	var pcs [16]uintptr

	it := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])

	var s strings.Builder

	for {
		f, more := it.Next()

		// What is outside this package isn't as deep in every version of the program.
		if strings.HasPrefix(f.Function, "example.com/stress/lib.") {
			fmt.Fprintf(&s, "%s:%s:%d;", f.Function[strings.LastIndex(f.Function, "/")+1:], f.File[strings.LastIndex(f.File, "/")+1:], f.Line)
		}

		if !more {
			return s.String()
		}
	}
}

func callers() error {
	_, file, line, ok := runtime.Caller(0)

	pc, _, next, _ := runtime.Caller(0)
	name := runtime.FuncForPC(pc).Name()

	return all(
		want("found", ok, true), want("line", next-line, 2), want("file", strings.HasSuffix(file, "lib/try.go"), true),
		want("name", name, "example.com/stress/lib.callers"), want("stable", frames(), frames()),
	)
}
