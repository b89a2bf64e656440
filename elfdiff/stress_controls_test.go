//go:build linux

package elfdiff_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
)

// control is a payload that is broken on purpose.
type control struct {
	name  string
	spoil func(t testing.TB, m *mutant)
}

// mutant is a payload to be spoiled.
type mutant struct {
	*payload.File
	goVersion string
}

// Offsets in the module record, which are those of emit.
const (
	recordPCHeader = 0
	recordPCLn     = 104
	recordFtab     = 128
)

// masks is where the pointer masks of data and zeroed data are in the module record.
func (m *mutant) masks() []uint64 {
	if strings.HasPrefix(m.goVersion, "go1.27") {
		return []uint64{520, 536}
	}

	return []uint64{544, 560}
}

// points gives the bytes that a field of the module record points to.
func (m *mutant) points(t testing.TB, field uint64) []byte {
	t.Helper()

	at := m.Meta.Module.Addr + field

	for _, r := range m.Relocs {
		if r.Off == at {
			require.Equal(t, payload.RefImage, r.Ref.Kind)

			to := int64(r.Ref.Value) + r.Addend
			require.GreaterOrEqual(t, to, int64(m.Rodata.Addr))

			return m.Rodata.Bytes[uint64(to)-m.Rodata.Addr:]
		}
	}

	require.Failf(t, "no pointer", "in the module record at %d", field)

	return nil
}

// word is a word of the module record.
func (m *mutant) word(field uint64) uint64 {
	return binary.LittleEndian.Uint64(m.Data.Bytes[m.Meta.Module.Addr-m.Data.Addr+field:])
}

var controls = []control{
	{"pointer masks of variables", func(t testing.TB, m *mutant) {
		for _, at := range m.masks() {
			bits := m.word(at) & (1<<32 - 1)
			require.NotZero(t, bits)

			mask := m.points(t, at+8)[:bits/8]
			require.NotEqual(t, make([]byte, len(mask)), mask)
			clear(mask)
		}
	}},
	{"an empty module", func(_ testing.TB, m *mutant) {
		at, n := m.Meta.Module.Addr, m.Meta.Module.Size
		clear(m.Data.Bytes[at-m.Data.Addr:][:n])

		m.Relocs = slices.DeleteFunc(m.Relocs, func(r payload.Reloc) bool { return r.Off >= at && r.Off < at+n })
	}},
	{"function tables", func(t testing.TB, m *mutant) {
		n := m.word(recordFtab+8) - 1
		require.Greater(t, n, uint64(10))

		ftab := m.points(t, recordFtab)[:8*n]

		// Each function gets the record of the next one.
		first := bytes.Clone(ftab[4:8])
		for i := uint64(0); i < n-1; i++ {
			copy(ftab[8*i+4:], ftab[8*i+12:8*i+16])
		}

		copy(ftab[8*n-4:], first)
	}},
	{"lines", func(t testing.TB, m *mutant) {
		// Each function begins a line further down.
		n := m.word(recordFtab+8) - 1
		ftab, funcs := m.points(t, recordFtab), m.points(t, recordPCLn)
		pc := m.points(t, 80)

		for i := range n {
			f := funcs[binary.LittleEndian.Uint32(ftab[8*i+4:]):]
			if at := binary.LittleEndian.Uint32(f[24:]); at != 0 {
				pc[at] += 2 // zigzag, of a small number
			}
		}
	}},
}

// controls shows that the other runs would see payloads that are broken.
func (s *stressed) controls(t *testing.T) {
	for _, c := range controls {
		t.Run(c.name, func(t *testing.T) {
			f, err := payload.Parse(s.file)
			require.NoError(t, err)

			c.spoil(t, &mutant{f, f.Meta.Target.GoVersion})

			file, err := f.Marshal()
			require.NoError(t, err)
			require.NotEqual(t, s.file, file)

			_, err = s.patch(t, 3*time.Second, []string{written(t, file)}, []string{"GODEBUG=clobberfree=1", "GOGC=1"})
			require.Error(t, err, "nobody noticed")
			t.Logf("%.600s", err)
		})
	}
}
