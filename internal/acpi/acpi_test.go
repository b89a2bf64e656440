package acpi

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/layout"
)

var le = binary.LittleEndian

func boardConfig(cpus int) Config {
	return Config{CPUs: cpus, Base: layout.ACPI, Limit: layout.ACPI + layout.ACPISize}
}

// tablesOf follows the pointers of an image as a kernel does, checks every length and
// checksum on the way, and gives the tables by signature.
func tablesOf(t *testing.T, c Config) map[string][]byte {
	t.Helper()

	rsdp, image, err := Build(c)
	require.NoError(t, err)
	require.Equal(t, c.Base, rsdp)
	require.LessOrEqual(t, uint64(len(image)), c.Limit-c.Base)

	at := func(addr, n uint64) []byte {
		require.GreaterOrEqual(t, addr, c.Base)
		require.LessOrEqual(t, addr-c.Base+n, uint64(len(image)))

		return image[addr-c.Base:][:n]
	}

	root := at(rsdp, 36)
	require.Equal(t, "RSD PTR ", string(root[:8]))
	require.Equal(t, byte(2), root[15])
	require.Equal(t, uint32(36), le.Uint32(root[20:]))
	require.Zero(t, checksum(root[:20]))
	require.Zero(t, checksum(root))

	out := map[string][]byte{}
	follow := func(addr uint64) []byte {
		b := at(addr, uint64(le.Uint32(at(addr, 8)[4:])))
		require.Zero(t, checksum(b), "%s", b[:4])
		require.Equal(t, oemID, string(b[10:16]))
		out[string(b[:4])] = b

		return b
	}

	xsdt := follow(le.Uint64(root[24:]))
	for p := xsdt[headerSize:]; len(p) > 0; p = p[8:] {
		follow(le.Uint64(p))
	}

	fadt := out["FACP"]
	require.Len(t, fadt, 276)
	require.Equal(t, uint64(le.Uint32(fadt[40:])), le.Uint64(fadt[140:]), "DSDT and X_DSDT")
	follow(le.Uint64(fadt[140:]))

	facs := at(uint64(le.Uint32(fadt[36:])), 64)
	require.Zero(t, le.Uint32(fadt[36:])%64)
	require.Equal(t, "FACS", string(facs[:4]))
	require.Equal(t, uint32(64), le.Uint32(facs[4:]))
	out["FACS"] = facs

	return out
}

func TestBuild_tables(t *testing.T) {
	for _, cpus := range []int{1, 2, 255, 256, 4096} {
		tables := tablesOf(t, boardConfig(cpus))
		require.Len(t, tables, 5) // XSDT, FACP, APIC, DSDT, FACS
	}
}

// TestFADT checks fields at the offsets of the specification.
func TestFADT(t *testing.T) {
	f := tablesOf(t, boardConfig(1))["FACP"]

	require.Equal(t, []byte{6, 5}, []byte{f[8], f[131]}, "revision")
	require.Equal(t, uint16(9), le.Uint16(f[46:]), "SCI_INT")
	require.Zero(t, le.Uint32(f[48:]), "SMI_CMD")
	require.Equal(t, uint32(0x600), le.Uint32(f[56:]), "PM1a_EVT_BLK")
	require.Equal(t, uint32(0x604), le.Uint32(f[64:]), "PM1a_CNT_BLK")
	require.Equal(t, uint32(0x608), le.Uint32(f[76:]), "PM_TMR_BLK")
	require.Equal(t, []byte{4, 2, 0, 4}, f[88:92], "lengths")
	require.Equal(t, byte(0x32), f[108], "CENTURY")
	require.Equal(t, uint16(0x5), le.Uint16(f[109:]), "IAPC_BOOT_ARCH")
	require.Equal(t, uint32(0x575), le.Uint32(f[112:]), "Flags")
	require.Zero(t, le.Uint32(f[112:])&(1<<20), "HW_REDUCED_ACPI")
	require.Equal(t, []byte{1, 8, 0, 1, 0xf9, 0xc, 0, 0, 0, 0, 0, 0, 6}, f[116:129], "RESET_REG")
	require.Equal(t, []byte{1, 32, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0}, f[148:160], "X_PM1a_EVT_BLK")
	require.Equal(t, []byte{1, 16, 0, 2, 4, 6, 0, 0, 0, 0, 0, 0}, f[172:184], "X_PM1a_CNT_BLK")
	require.Equal(t, []byte{1, 32, 0, 3, 8, 6, 0, 0, 0, 0, 0, 0}, f[208:220], "X_PM_TMR_BLK")

	// What isn't there is zero: PM1b, PM2, GPE0, GPE1.
	require.Equal(t, make([]byte, 12), f[160:172])
	require.Equal(t, make([]byte, 24), f[184:208])
	require.Equal(t, make([]byte, 276-220), f[220:])
}

func TestMADT(t *testing.T) {
	c := boardConfig(300)
	c.TimerGSI = 2
	m := tablesOf(t, c)["APIC"]

	require.Equal(t, uint32(layout.LAPIC), le.Uint32(m[36:]))
	require.Equal(t, uint32(1), le.Uint32(m[40:]), "PCAT_COMPAT")

	var (
		ids  []uint32
		rest [][]byte
	)

	for b := m[44:]; len(b) > 0; b = b[b[1]:] {
		switch b[0] {
		case 0:
			require.Equal(t, uint32(1), le.Uint32(b[4:]))
			ids = append(ids, uint32(b[3]))
		case 9:
			require.Equal(t, uint32(1), le.Uint32(b[8:]))
			ids = append(ids, le.Uint32(b[4:]))
		default:
			rest = append(rest, b[:b[1]])
		}
	}

	require.Len(t, ids, 300)

	for i, id := range ids {
		require.Equal(t, uint32(i), id)
	}

	require.Equal(t, [][]byte{
		{1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0},        // I/O APIC
		{2, 10, 0, 0, 2, 0, 0, 0, 0, 0},                    // timer
		{2, 10, 0, 9, 9, 0, 0, 0, 0xd, 0},                  // SCI
		{4, 6, 0xff, 0, 0, 1},                              // NMI
		{10, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}, // NMI, x2APIC
	}, rest)

	// By default the timer is where KVM has it, which needs no override.
	require.NotContains(t, string(tablesOf(t, boardConfig(1))["APIC"]), "\x02\x0a\x00\x00")
}

func TestBuild_refuses(t *testing.T) {
	for _, c := range []Config{
		{},
		{CPUs: -1, Base: layout.ACPI, Limit: layout.HighRAM},
		{CPUs: math.MaxInt, Base: layout.ACPI, Limit: layout.HighRAM},
		{CPUs: 1, Base: 0, Limit: layout.HighRAM},
		{CPUs: 1, Base: layout.ACPI + 16, Limit: layout.HighRAM},
		{CPUs: 1, Base: layout.ACPI, Limit: layout.ACPI - 1},
		{CPUs: 1, Base: layout.ACPI, Limit: layout.ACPI + 256},
		{CPUs: 4096, Base: layout.ACPI, Limit: layout.ACPI + 0x8000},
		{CPUs: 1, Base: 1 << 32, Limit: 1<<32 + 0x10000},
		{CPUs: 1, Base: math.MaxUint64 &^ 63, Limit: math.MaxUint64},
	} {
		_, _, err := Build(c)
		require.ErrorIs(t, err, ErrConfig, "%+v", c)
	}
}

// TestBuild_exactRoom: the limit is the first byte that isn't ours.
func TestBuild_exactRoom(t *testing.T) {
	c := boardConfig(1)
	_, image, err := Build(c)
	require.NoError(t, err)

	c.Limit = c.Base + uint64(len(image))
	_, again, err := Build(c)
	require.NoError(t, err)
	require.True(t, bytes.Equal(image, again))

	c.Limit--
	_, _, err = Build(c)
	require.ErrorIs(t, err, ErrConfig)
}

func TestAML(t *testing.T) {
	require.Equal(t, []byte{0x00}, integer(0))
	require.Equal(t, []byte{0x01}, integer(1))
	require.Equal(t, []byte{0x0a, 0xff}, integer(0xff))
	require.Equal(t, []byte{0x0b, 0x00, 0x01}, integer(0x100))
	require.Equal(t, []byte{0x0c, 0x00, 0x00, 0x01, 0x00}, integer(0x1_0000))
	require.Equal(t, []byte{0x0c, 0x41, 0xd0, 0x05, 0x01}, eisaID("PNP0501"))
	require.Panics(t, func() { eisaID("PNP05xx") })

	// Lengths on both sides of each limit of the encoding.
	for _, tt := range []struct {
		body int
		lead []byte
	}{
		{0, []byte{0x01}},
		{62, []byte{0x3f}},
		{63, []byte{0x41, 0x04}},
		{4093, []byte{0x4f, 0xff}},
		{4094, []byte{0x81, 0x00, 0x01}},
		{1<<20 - 4, []byte{0x8f, 0xff, 0xff}},
		{1<<20 - 3, []byte{0xc1, 0x00, 0x00, 0x01}},
	} {
		b := pkg(make([]byte, tt.body))
		require.Equal(t, tt.lead, b[:len(tt.lead)], tt.body)
		require.Len(t, b, tt.body+len(tt.lead))
	}

	require.Panics(t, func() { pkg(make([]byte, 1<<28)) })
}
