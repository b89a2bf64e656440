package elfdiff_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/payload"
)

const expecting = `The patch wants a variable to be as it was when its author looked.
want: safe
calls: f x
-- base/main.go --
package main

import "github.com/vgraft/vgraft/patch"

var (
	limit  = [2]int32{3, 4}
	reader *int
	name   = "x"
)

//go:noinline
func F(s string) string { return s + "!" }

var f = patch.NewSlot("f", F)

func main() {
	serve(map[string]func(string) string{
		"f": func(s string) string { return f.Get()(s) },
		"limit": func(s string) string { limit[1] = int32(s[0] - '0'); return "" },
		"read": func(s string) string { reader = new(int); return name },
		"unread": func(s string) string { reader = nil; return "" },
	})
}
-- fixed/main.go --
package main

import "github.com/vgraft/vgraft/patch"

var (
	limit  = [2]int32{3, 4}
	reader *int
	name   = "x"
)

//go:noinline
func F(s string) string { return s + "?" }

var f = patch.NewSlot("f", F)

func main() {
	serve(map[string]func(string) string{
		"f": func(s string) string { return f.Get()(s) },
		"limit": func(s string) string { limit[1] = int32(s[0] - '0'); return "" },
		"read": func(s string) string { reader = new(int); return name },
		"unread": func(s string) string { reader = nil; return "" },
	})
}
`

// TestExpect has a process take a patch only while variables are as its author said.
func TestExpect(t *testing.T) {
	p, err := parsePair("expect", expecting)
	require.NoError(t, err)

	b := buildPairs(t, []*pair{p})
	was, is := fresh(t, b.program(base, p), p), fresh(t, b.program(fixed, p), p)

	diff := func(expect map[string][]byte) (*elfdiff.Report, error) {
		return elfdiff.Diff(t.Context(), b.open(t, base, p), b.open(t, fixed, p), elfdiff.Options{Expect: expect})
	}

	report, err := diff(map[string][]byte{"main.limit": {3, 0, 0, 0, 4, 0, 0, 0}, "main.reader": make([]byte, 8)})
	require.NoError(t, err)
	require.Empty(t, report.Refusals)

	content, err := report.Payload(elfdiff.PayloadOptions{})
	require.NoError(t, err)

	f, err := payload.Parse(content)
	require.NoError(t, err)
	require.Len(t, f.Meta.Expect, 2)

	file := filepath.Join(t.TempDir(), "payload")
	require.NoError(t, os.WriteFile(file, content, 0o666))

	proc := start(t, b.program(base, p))
	proc.ok("load " + file)

	for _, c := range []struct{ wrong, right, what string }{
		{"call limit 5", "call limit 4", "variable main.limit: found 05 00 00 00 and not 04 00 00 00 at byte 4"},
		{"call read x", "call unread x", "variable main.reader: found"},
	} {
		proc.ask(c.wrong)

		for range 2 {
			answer := proc.ask("apply")
			require.Contains(t, answer, "error: ")
			require.Contains(t, answer, c.what)
			require.Equal(t, was, proc.calls(p), "nothing has changed")
		}

		proc.ask(c.right)
		proc.ok("apply")
		require.Equal(t, is, proc.calls(p))
		proc.ok("revert")
		require.Equal(t, was, proc.calls(p))
	}

	proc.end()

	for name, c := range map[string]struct {
		symbol, want string
		bytes        []byte
	}{
		"none":     {"main.nothing", "nothing of this name", []byte{1}},
		"function": {"main.F·f", "no variable", make([]byte, 8)},
		"short":    {"main.limit", "4 bytes, and the variable, of type [2]int32, has 8", make([]byte, 4)},
		"empty":    {"main.limit", "0 bytes", nil},
		"pointer":  {"main.name", "has pointers", []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}},
	} {
		_, err := diff(map[string][]byte{c.symbol: c.bytes})
		require.ErrorIs(t, err, elfdiff.ErrExpect, name)
		require.ErrorContains(t, err, c.want, name)
	}
}
