package program

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff/internal/goobj"
)

// TestRedirectable: what is overwritten is one instruction, or all that begins after the first
// is where no signal stops a goroutine.
func TestRedirectable(t *testing.T) {
	const n = 5

	// As the compiler writes it: nothing is unsafe in the first instruction, the branch is,
	// nothing in the rest.
	table := func(unsafeFrom, unsafeTo, end byte) []byte {
		return []byte{0, unsafeFrom, 1, unsafeTo - unsafeFrom, 2, end - unsafeTo, 0}
	}
	// The first value is given as a difference from -1; so 0 there is -1, 1 is one less, 2 one more.

	small := []byte{0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55, 0x48, 0x89, 0xe5, 0, 0, 0, 0, 0, 0}

	for name, c := range map[string]struct {
		arch   string
		code   []byte
		pcdata []byte
		size   uint64
		want   string
	}{
		"small frame":                {"amd64", small, table(4, 6, 64), 64, ""},
		"small frame, far":           {"amd64", []byte{0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0, 1, 0, 0, 0x55}, table(4, 10, 64), 64, ""},
		"large frame":                {"amd64", []byte{0x4c, 0x8d, 0x64, 0x24, 0x80, 0x4d, 0x3b, 0x66, 0x10, 0x76}, table(9, 11, 64), 64, ""},
		"larger frame":               {"amd64", []byte{0x4c, 0x8d, 0xa4, 0x24, 0, 1, 2, 3, 0x4d, 0x3b, 0x66, 0x10, 0x76}, nil, 64, ""},
		"huge frame":                 {"amd64", []byte{0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0, 0, 1, 0, 0x72}, table(3, 20, 64), 64, ""},
		"arm64":                      {"arm64", []byte{0x90, 0x0b, 0x40, 0xf9}, nil, 64, ""},
		"arm64 without a check":      {"arm64", []byte{0xe0, 0x03, 0x01, 0xaa}, nil, 64, "check of the stack"},
		"no table":                   {"amd64", small, nil, 64, "be stopped"},
		"nothing unsafe":             {"amd64", small, []byte{0, 64, 0}, 64, "be stopped"},
		"unsafe too late":            {"amd64", small, table(6, 8, 64), 64, "be stopped"},
		"unsafe too early":           {"amd64", small, table(1, 4, 64), 64, "be stopped"},
		"a table that ends":          {"amd64", small, []byte{0, 4}, 64, "be stopped"},
		"a table that is cut":        {"amd64", small, []byte{0, 4, 1}, 64, "be stopped"},
		"a table of nothing":         {"amd64", small, []byte{0x80}, 64, "be stopped"},
		"huge frame, nothing unsafe": {"amd64", []byte{0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0, 0, 1, 0, 0x72}, table(10, 20, 64), 64, "be stopped"},
		"no check":                   {"amd64", []byte{0x55, 0x48, 0x89, 0xe5, 0x48, 0x83}, table(0, 64, 65), 64, "check of the stack"},
		"a tiny one":                 {"amd64", []byte{0x48, 0xff, 0xc0, 0xc3}, nil, 4, "too short"},
		"another comparison":         {"amd64", []byte{0x49, 0x3b, 0x66, 0x10, 0x90, 0x90}, table(4, 6, 64), 64, "check of the stack"},
		"another machine":            {"riscv64", small, nil, 64, "riscv64"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Symbol{Kind: goobj.Kind(1), Size: c.size, read: true}
			if c.pcdata != nil {
				s.aux.pcdata = []*Symbol{{Data: c.pcdata}}
			}

			size := n
			if c.arch == "arm64" {
				size = 4
			}

			why := s.Redirectable(c.arch, c.code, size)
			if c.want == "" {
				require.Empty(t, why)
				return
			}

			require.Contains(t, why, c.want)
		})
	}
}

// FuzzValueAt: no table has it panic, or run for ever.
func FuzzValueAt(f *testing.F) {
	f.Add([]byte{0, 4, 1, 2, 2, 58, 0}, uint64(4))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, uint64(1)<<40)

	f.Fuzz(func(_ *testing.T, table []byte, at uint64) { valueAt(table, at) })
}
