package patch_test

import (
	"fmt"

	"github.com/vgraft/vgraft/patch"
)

// Conn is what a running program has many of; nobody foresaw that it would have to count
// its failures.
type Conn struct{ name string }

// failures is the field that a patch adds to every Conn. The next version of the patch
// declares it in the same way and goes on counting.
var failures = patch.NewShadow[Conn, int]("example.com/server.Conn.failures")

func ExampleShadow() {
	a, b := &Conn{"a"}, &Conn{"b"}

	fail := func(c *Conn) {
		n, _ := failures.GetOrAttach(c, func() int { return 0 })
		*n++
	}

	fail(a)
	fail(a)

	for _, c := range []*Conn{a, b} {
		if n, ok := failures.Get(c); ok {
			fmt.Println(c.name, "failed", *n)
		} else {
			fmt.Println(c.name, "never failed")
		}
	}

	// When the patch goes for good, so does what it attached.
	fmt.Println(failures.DetachAll(nil), "detached")

	// Output:
	// a failed 2
	// b never failed
	// 1 detached
}
