package payload

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReloc_Apply(t *testing.T) {
	const base = 0x10000000

	for name, tc := range map[string]struct {
		arch   string
		typ    uint32
		before uint32
		target uint64
		addend int64
		want   uint64
		err    error
	}{
		"64":              {"amd64", R_X86_64_64, 0, 0x123456789a, 6, 0x12345678a0, nil},
		"relative":        {"amd64", R_X86_64_RELATIVE, 0, base + 0x140, 0, base + 0x140, nil},
		"PC32":            {"amd64", R_X86_64_PC32, 0, base + 0x100, -4, 0xfc - 16, nil},
		"PC32 back":       {"amd64", R_X86_64_PC32, 0, base, -4, 1<<32 - 20, nil},
		"PC32 limit":      {"amd64", R_X86_64_PC32, 0, base + 16 + 1<<31 - 1, 0, 1<<31 - 1, nil},
		"PC32 far":        {"amd64", R_X86_64_PC32, 0, base + 16 + 1<<31, 0, 0, ErrRange},
		"PC32 far back":   {"amd64", R_X86_64_PC32, 0, 1 << 47, 0, 0, ErrRange},
		"type of another": {"amd64", R_AARCH64_CALL26, 0, base, 0, 0, ErrFormat},
		"PREL32":          {"arm64", R_AARCH64_PREL32, 0, base + 0x100, 0, 0xf0, nil},
		// bl +0x100; the assembler writes 94000040
		"CALL26":       {"arm64", R_AARCH64_CALL26, 0x94000000, base + 0x110, 0, 0x94000040, nil},
		"CALL26 back":  {"arm64", R_AARCH64_CALL26, 0x94000000, base + 0xc, 0, 0x97ffffff, nil},
		"CALL26 odd":   {"arm64", R_AARCH64_CALL26, 0x94000000, base + 0x112, 0, 0, ErrRange},
		"CALL26 far":   {"arm64", R_AARCH64_CALL26, 0x94000000, base + 16 + 1<<27, 0, 0, ErrRange},
		"ADRP":         {"arm64", R_AARCH64_ADR_PREL_PG_HI21, 0x90000000, base + 0x5123, 0, 0xb0000020, nil},
		"ADRP back":    {"arm64", R_AARCH64_ADR_PREL_PG_HI21, 0x90000000, base - 1, 0, 0xf0ffffe0, nil},
		"ADRP far":     {"arm64", R_AARCH64_ADR_PREL_PG_HI21, 0x90000000, base + 1<<32, 0, 0, ErrRange},
		"ADD":          {"arm64", R_AARCH64_ADD_ABS_LO12_NC, 0x91000000, base + 0x5123, 0, 0x91000000 | 0x123<<10, nil},
		"LDR":          {"arm64", R_AARCH64_LDST64_ABS_LO12_NC, 0xf9400000, base + 0x5120, 8, 0xf9400000 | 0x128/8<<10, nil},
		"LDR not even": {"arm64", R_AARCH64_LDST64_ABS_LO12_NC, 0xf9400000, base + 0x5124, 0, 0, ErrRange},
		"LDRB":         {"arm64", R_AARCH64_LDST8_ABS_LO12_NC, 0x39400000, base + 0x5fff, 0, 0x39400000 | 0xfff<<10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			image := make([]byte, 32)
			binary.LittleEndian.PutUint32(image[16:], tc.before)

			err := Reloc{Off: 16, Type: tc.typ, Addend: tc.addend}.Apply(tc.arch, image, base, tc.target)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				return
			}

			require.NoError(t, err)
			require.Equal(t, tc.want, binary.LittleEndian.Uint64(image[16:]))
		})
	}

	require.ErrorIs(t, Reloc{Off: 30, Type: R_X86_64_PC32}.Apply("amd64", make([]byte, 32), 0, 0), ErrFormat)
	require.ErrorIs(t, Reloc{Off: 1<<64 - 2, Type: R_X86_64_PC32}.Apply("amd64", make([]byte, 32), 0, 0), ErrFormat)
}
