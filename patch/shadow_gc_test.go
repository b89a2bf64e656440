package patch_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// heavy is a value that one can watch being freed, since weak pointers can.
type heavy struct{ _ [1 << 10]byte }

func TestShadow_freedWithItsObject(t *testing.T) {
	s := patch.NewShadow[queue, heavy](uniqueName(t))

	var values []weak.Pointer[heavy]

	kept := &queue{}
	v, err := s.Attach(kept, heavy{})
	require.NoError(t, err)

	keptValue := weak.Make(v)

	for range 100 {
		v, err := s.Attach(&queue{}, heavy{})
		require.NoError(t, err)

		values = append(values, weak.Make(v))
	}

	collect(t, "the objects are freed", func() bool { return s.Len() == 1 })
	collect(t, "the values are freed", func() bool {
		for _, v := range values {
			if v.Value() != nil {
				return false
			}
		}

		return true
	})

	v, ok := s.Get(kept)
	require.True(t, ok, "what lives keeps its own")
	require.Same(t, v, keptValue.Value())
}

// TestShadow_detachedIsFreed: neither the table nor the object holds what was detached.
func TestShadow_detachedIsFreed(t *testing.T) {
	s := patch.NewShadow[queue, heavy](uniqueName(t))
	q := &queue{}

	v, err := s.Attach(q, heavy{})
	require.NoError(t, err)

	value := weak.Make(v)
	v = nil

	require.True(t, s.Detach(q, nil))
	collect(t, "the value is freed", func() bool { return value.Value() == nil })
	runtime.KeepAlive(q)
}

// TestShadow_valueMayHoldWeakly is what the doc comment tells a V to do that needs its
// object.
func TestShadow_valueMayHoldWeakly(t *testing.T) {
	type back struct{ of weak.Pointer[queue] }

	s := patch.NewShadow[queue, back](uniqueName(t))

	q := &queue{}
	v, err := s.Attach(q, back{weak.Make(q)})
	require.NoError(t, err)
	require.Same(t, q, v.of.Value())

	q = nil

	collect(t, "the object is freed", func() bool { return s.Len() == 0 })
}

// TestShadow_addressReuse makes objects where others have died, and asks at once, while
// the cleanups of the dead are under way: none may have what was the other's.
func TestShadow_addressReuse(t *testing.T) {
	s := patch.NewShadow[queue, int](uniqueName(t))
	dead := map[uintptr]bool{}
	reused := 0

	collect(t, "addresses are reused", func() bool {
		for i := range 2000 {
			q := &queue{}
			if dead[addressOf(q)] {
				reused++
			}

			_, ok := s.Get(q)
			require.False(t, ok, "a new object has the variable of a dead one")

			v, err := s.Attach(q, i)
			require.NoError(t, err)
			require.Equal(t, i, *v)

			dead[addressOf(q)] = true
		}

		return reused > 1000
	})

	collect(t, "all is freed", func() bool { return s.Len() == 0 })
}

func TestShadow_repeatedAttachLeavesNothing(t *testing.T) {
	s := patch.NewShadow[queue, int](uniqueName(t))
	q := &queue{}

	for i := range 1000 {
		_, err := s.Attach(q, i)
		require.NoError(t, err)
		require.True(t, s.Detach(q, nil))
	}

	// The cleanups of those 1000 must not take this one away when they come too late.
	_, err := s.Attach(q, 7)
	require.NoError(t, err)

	runtime.GC()
	runtime.GC()

	v, ok := s.Get(q)
	require.True(t, ok)
	require.Equal(t, 7, *v)
	runtime.KeepAlive(q)
}
