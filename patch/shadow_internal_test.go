package patch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShadow_staleEntry makes what else only the collector makes, in a moment that a test
// can't choose: an object at the address of a dead one, whose cleanup is late.
func TestShadow_staleEntry(t *testing.T) {
	type object = [32]byte

	s := NewShadow[object, byte]("patch/internal_test.stale")
	obj := &object{}

	for name, use := range map[string]func(){
		"get": func() {
			_, ok := s.Get(obj)
			require.False(t, ok)
		},
		"detach": func() { require.False(t, s.Detach(obj, nil)) },
		"detach all": func() {
			require.Zero(t, s.DetachAll(func(*object, *byte) { t.Error("destroyed with a dead object") }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			// The zero weak pointer is one whose object is dead.
			stale := &shadowEntry{addr: address(&obj[0])}
			stale.value.Store(new(byte))

			s.table.entries.Store(stale.addr, stale)
			s.table.attached.Add(1)
			require.Equal(t, 1, s.Len())

			use()

			v, err := s.Attach(obj, 7)
			require.NoError(t, err)
			require.Equal(t, byte(7), *v)
			require.Equal(t, 1, s.Len(), "the new one took the place of the old")

			require.False(t, s.table.drop(stale), "the late cleanup finds nothing of its own")

			got, ok := s.Get(obj)
			require.True(t, ok)
			require.Same(t, v, got)

			require.True(t, s.Detach(obj, nil))
			require.Zero(t, s.Len())
		})
	}
}

// TestShadow_deadBuilder: build panicked, and its object died and was replaced before
// the entry was taken out. Nothing was attached, so nothing is counted down.
func TestShadow_deadBuilder(t *testing.T) {
	s := NewShadow[[32]byte, byte]("patch/internal_test.dead-builder")
	obj := &[32]byte{}
	stale := &shadowEntry{addr: address(&obj[0])}

	s.table.entries.Store(stale.addr, stale)

	_, err := s.Attach(obj, 1)
	require.NoError(t, err)
	require.Equal(t, 1, s.Len())
}
