package patch_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
)

// queue is an object that somebody made without a thought of what patches would need.
type queue struct {
	data [4]uint64
	next *queue
}

type credits struct{ left int }

func newCredits(t testing.TB) *patch.Shadow[queue, credits] {
	return patch.NewShadow[queue, credits](uniqueName(t))
}

func TestNewShadow_mistakes(t *testing.T) {
	patch.NewShadow[queue, int]("patch_test/shadow.taken")

	type nothing struct{}

	for name, tc := range map[string]struct {
		declare func()
		want    string
	}{
		"no id":   {func() { patch.NewShadow[queue, int]("") }, "patch: shadow variable without an id"},
		"space":   {func() { patch.NewShadow[queue, int]("a b") }, `patch: shadow variable "a b": its id has a space, or what can't be printed`},
		"no size": {func() { patch.NewShadow[nothing, int]("x") }, "patch: shadow variable x: objects of type patch_test.nothing have no size, and so can't be told apart"},
		"another value": {
			func() { patch.NewShadow[queue, uint]("patch_test/shadow.taken") },
			"patch: shadow variable patch_test/shadow.taken is declared as int of github.com/vgraft/vgraft/patch_test.queue, and now as uint of github.com/vgraft/vgraft/patch_test.queue",
		},
		"another object": {
			func() { patch.NewShadow[credits, int]("patch_test/shadow.taken") },
			"patch: shadow variable patch_test/shadow.taken is declared as int of github.com/vgraft/vgraft/patch_test.queue, and now as int of github.com/vgraft/vgraft/patch_test.credits",
		},
	} {
		t.Run(name, func(t *testing.T) { require.PanicsWithValue(t, tc.want, tc.declare) })
	}

	require.NotPanics(t, func() { patch.NewShadow[queue, int]("x") }, "what panicked is not declared")
}

func TestShadow_successorFindsIt(t *testing.T) {
	first := newCredits(t)
	second := patch.NewShadow[queue, credits](first.ID())
	other := newCredits(t)
	q := &queue{}

	v, err := first.Attach(q, credits{3})
	require.NoError(t, err)

	got, ok := second.Get(q)
	require.True(t, ok)
	require.Same(t, v, got)

	_, ok = other.Get(q)
	require.False(t, ok, "another variable of the same types")

	require.True(t, second.Detach(q, nil))
	require.Zero(t, first.Len())
}

func TestShadow_life(t *testing.T) {
	s := newCredits(t)
	p, q := &queue{}, &queue{}

	_, ok := s.Get(q)
	require.False(t, ok)
	require.False(t, s.Detach(q, func(*credits) { t.Error("destroyed what isn't there") }))

	v, err := s.Attach(q, credits{1})
	require.NoError(t, err)
	require.Equal(t, 1, v.left)

	_, err = s.Attach(q, credits{2})
	require.ErrorIs(t, err, patch.ErrAttached)
	require.ErrorContains(t, err, s.ID())
	require.Equal(t, 1, v.left)

	v.left = 7

	got, fresh := s.GetOrAttach(q, func() credits { t.Error("built what is there"); return credits{} })
	require.False(t, fresh)
	require.Same(t, v, got)

	_, ok = s.Get(p)
	require.False(t, ok, "of another object")

	w, fresh := s.GetOrAttach(p, func() credits { return credits{9} })
	require.True(t, fresh)
	require.Equal(t, 9, w.left)
	require.Equal(t, 2, s.Len())

	var destroyed []int

	require.True(t, s.Detach(q, func(c *credits) { destroyed = append(destroyed, c.left) }))
	require.False(t, s.Detach(q, func(c *credits) { destroyed = append(destroyed, c.left) }))
	require.Equal(t, []int{7}, destroyed)
	require.Equal(t, 1, s.Len())

	v2, err := s.Attach(q, credits{8})
	require.NoError(t, err, "a detached one can be attached again")
	require.NotSame(t, v, v2)

	seen := map[*queue]int{}

	require.Equal(t, 2, s.DetachAll(func(q *queue, c *credits) { seen[q] = c.left }))
	require.Equal(t, map[*queue]int{p: 9, q: 8}, seen)
	require.Zero(t, s.DetachAll(nil))
	require.Zero(t, s.Len())
}

func TestShadow_nilObject(t *testing.T) {
	s := newCredits(t)
	want := "patch: shadow variable " + s.ID() + ": attaching it to a nil object"

	require.PanicsWithValue(t, want, func() { _, _ = s.Attach(nil, credits{}) })
	require.PanicsWithValue(t, want, func() { s.GetOrAttach(nil, func() credits { return credits{} }) })

	_, ok := s.Get(nil)
	require.False(t, ok)
	require.False(t, s.Detach(nil, nil))
}

// TestShadow_parts attaches to what shares an allocation: each part is an object of its
// own, also the first, which has the address of the whole.
func TestShadow_parts(t *testing.T) {
	s := patch.NewShadow[uint64, string](uniqueName(t))
	whole := patch.NewShadow[queue, string](uniqueName(t))
	q := &queue{}

	for i := range q.data {
		_, err := s.Attach(&q.data[i], fmt.Sprint(i))
		require.NoError(t, err)
	}

	_, err := whole.Attach(q, "whole")
	require.NoError(t, err)

	for i := range q.data {
		v, ok := s.Get(&q.data[i])
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(i), *v)
	}

	var tiny [32]*byte // the runtime packs such objects into common blocks

	small := patch.NewShadow[byte, int](uniqueName(t))

	for i := range tiny {
		tiny[i] = new(byte)
		_, err := small.Attach(tiny[i], i)
		require.NoError(t, err)
	}

	for i, b := range tiny {
		v, ok := small.Get(b)
		require.True(t, ok)
		require.Equal(t, i, *v)
	}
}

var global queue

func TestShadow_globalsAndEmptyValues(t *testing.T) {
	mark := patch.NewShadow[queue, struct{}](uniqueName(t))

	_, err := mark.Attach(&global, struct{}{})
	require.NoError(t, err)

	runtime.GC()

	_, ok := mark.Get(&global)
	require.True(t, ok)
	require.True(t, mark.Detach(&global, nil))

	_, ok = mark.Get(&global)
	require.False(t, ok)
}

// TestShadow_panickingBuild attaches nothing, and the next to ask builds it: also one that
// waits already.
func TestShadow_panickingBuild(t *testing.T) {
	s := newCredits(t)
	q := &queue{}

	require.PanicsWithValue(t, "no credit", func() {
		s.GetOrAttach(q, func() credits {
			_, ok := s.Get(q)
			require.False(t, ok, "what is being built isn't there yet")
			require.False(t, s.Detach(q, nil))
			require.Zero(t, s.DetachAll(nil))

			panic("no credit")
		})
	})

	_, ok := s.Get(q)
	require.False(t, ok)
	require.Zero(t, s.Len())

	building, waiter := make(chan struct{}), make(chan struct{})
	asked := make(chan struct{})

	go func() {
		defer close(waiter)

		<-building
		close(asked)

		v, fresh := s.GetOrAttach(q, func() credits { return credits{2} })
		if !fresh || v.left != 2 {
			t.Error("the waiter did not build it")
		}
	}()

	ended := make(chan struct{})

	go func() {
		defer close(ended)

		s.GetOrAttach(q, func() credits {
			close(building)
			<-asked
			runtime.Goexit()

			return credits{}
		})
	}()

	<-ended
	<-waiter

	v, ok := s.Get(q)
	require.True(t, ok)
	require.Equal(t, 2, v.left)
	require.Equal(t, 1, s.Len())
}

// TestShadow_buildUsesOthers: building holds up nothing but the same variable of the same
// object.
func TestShadow_buildUsesOthers(t *testing.T) {
	s, other := newCredits(t), newCredits(t)
	q := &queue{next: &queue{}}

	v, fresh := s.GetOrAttach(q, func() credits {
		n, _ := s.GetOrAttach(q.next, func() credits { return credits{1} })
		o, _ := other.GetOrAttach(q, func() credits { return credits{2} })

		return credits{n.left + o.left}
	})
	require.True(t, fresh)
	require.Equal(t, 3, v.left)
}

func TestShadow_destroyPanics(t *testing.T) {
	s := newCredits(t)

	var keep [8]queue
	for i := range keep {
		_, err := s.Attach(&keep[i], credits{i})
		require.NoError(t, err)
	}

	require.PanicsWithError(t, "stop", func() { s.DetachAll(func(*queue, *credits) { panic(errors.New("stop")) }) })
	require.Equal(t, 7, s.Len())
	require.Equal(t, 7, s.DetachAll(nil))
	runtime.KeepAlive(&keep)
}

func TestShadow_builtOnceUnderContention(t *testing.T) {
	s := newCredits(t)

	for range 200 {
		var (
			q     = &queue{}
			built atomic.Int64
			fresh atomic.Int64
			got   [8]*credits
			wg    sync.WaitGroup
		)

		for i := range got {
			wg.Go(func() {
				v, f := s.GetOrAttach(q, func() credits {
					runtime.Gosched()
					return credits{int(built.Add(1))}
				})
				if f {
					fresh.Add(1)
				}

				got[i] = v
			})
		}

		wg.Wait()
		require.EqualValues(t, 1, built.Load())
		require.EqualValues(t, 1, fresh.Load())

		for _, v := range got {
			require.Same(t, got[0], v)
		}
	}
}

// TestShadow_race does all at once to few objects, and counts: what was attached and not
// detached is there in the end.
func TestShadow_race(t *testing.T) {
	s := newCredits(t)

	var (
		objects            [4]queue
		attached, detached atomic.Int64
		wg                 sync.WaitGroup
	)

	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				q := &objects[(g+i)%len(objects)]

				switch (g*7 + i) % 5 {
				case 0:
					if _, err := s.Attach(q, credits{1}); err == nil {
						attached.Add(1)
					}
				case 1:
					if _, fresh := s.GetOrAttach(q, func() credits { return credits{1} }); fresh {
						attached.Add(1)
					}
				case 2:
					if s.Detach(q, nil) {
						detached.Add(1)
					}
				case 3:
					if v, ok := s.Get(q); ok && v.left != 1 {
						t.Errorf("got %d", v.left)
					}
				case 4:
					if i%50 == 0 {
						detached.Add(int64(s.DetachAll(func(q *queue, v *credits) {
							if q == nil || v.left != 1 {
								t.Error("of no object")
							}
						})))
					}
				}
			}
		})
	}

	wg.Wait()
	require.NotZero(t, detached.Load())
	require.EqualValues(t, attached.Load()-detached.Load(), s.Len())

	there := 0

	for i := range objects {
		if _, ok := s.Get(&objects[i]); ok {
			there++
		}
	}

	require.Equal(t, s.Len(), there)
}

func TestShadow_getDoesNotAllocate(t *testing.T) {
	s := newCredits(t)
	p, q := &queue{}, &queue{}

	_, err := s.Attach(p, credits{})
	require.NoError(t, err)

	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Get(p)
		s.Get(q)
	}))
}
