// Package lib is what gets patched: every function behind a slot has an old and a new
// version, and tells by its answer which one it is.
package lib

import (
	"strconv"

	"github.com/vgraft/vgraft/patch"
)

// The slots.
var (
	// Leaf adds 1, and in the new version 2.
	Leaf = patch.NewSlot("leaf", leaf)

	// Spin is busy for n rounds without calling anything, and gives the sum of the numbers
	// below n, the new version that plus 1.
	Spin = patch.NewSlot("spin", spin)

	// Where is Old, and in the new version the frames of the stack above its caller.
	Where = patch.NewSlot("where", where)

	// Feature is Old, and in the new version a test of something that it uses: Good, or what
	// is wrong. There are as many as you like, and i picks one.
	//
	// It is the last one: it comes to depend on new variables, and would else be initialised
	// after slots that were after it, which would be a change.
	Feature = patch.NewSlot("feature", feature)
)

// What Feature and Where answer.
const (
	Old  = "old"
	Good = "good"
)

//go:noinline
func leaf(n int) int { return n + 1 }

//go:noinline
func spin(n int) int {
	sum := 0
	for i := range n {
		sum += i
	}

	return sum
}

//go:noinline
func feature(int) string { return Old }

//go:noinline
func where() string { return Old }

// Shape is a type of the program for which the new version has other interfaces.
type Shape struct {
	Name  string
	Sides int
	next  *Shape
}

func (s *Shape) String() string { return s.Name + strconv.Itoa(s.Sides) }

// Area uses what it can reach of a chain.
func (s *Shape) Area(k int) int {
	n := 0
	for ; s != nil; s = s.next {
		n += s.Sides * k
	}

	return n
}

// Count is a variable of the program that both versions write.
var Count int64

// Held keeps a chain alive for the new version to walk.
var Held = &Shape{"square", 4, &Shape{"triangle", 3, nil}}

// Sum is generic; the new version has more instantiations.
func Sum[T any](list []T, f func(T) int) (n int) {
	for _, x := range list {
		n += f(x)
	}

	return n
}
