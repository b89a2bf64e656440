package elfdiff

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
)

// ErrExpect is Options.Expect with what no process of the base could meet.
var ErrExpect = errors.New("expectation that can't hold")

// expectations are Options.Expect with the addresses.
func (a *analysis) expectations() ([]payload.ExpectBytes, error) {
	var out []payload.ExpectBytes

	for _, name := range slices.Sorted(keysOf(a.opts.Expect)) {
		want := a.opts.Expect[name]
		wrong := func(format string, args ...any) ([]payload.ExpectBytes, error) {
			return nil, fmt.Errorf("%w: of %s: %s", ErrExpect, name, fmt.Sprintf(format, args...))
		}

		s := a.base.Named(program.Key{Name: name})

		switch {
		case s == nil || !s.Linked || !s.Defined():
			return wrong("what runs has nothing of this name")
		case !s.IsVar():
			return wrong("it is no variable")
		case uint64(len(want)) != s.Size || s.Size == 0:
			return wrong("%d bytes, and the variable, of type %s, has %d", len(want), nameOrNone(s.GoType()), s.Size)
		case s.Kind.HasPointers() && len(bytes.Trim(want, "\x00")) > 0:
			return wrong("its type %s has pointers, whose values aren't known before: only zeroes can be expected", nameOrNone(s.GoType()))
		}

		out = append(out, payload.ExpectBytes{Name: name, Addr: refTo(s), Bytes: want})
	}

	return out, nil
}
