package acpi_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/vmm/acpi"
)

// laid are the forms that no iasl makes, with the reference that was written by hand from
// the specification: each field with its offset, its size and its value. Why iasl doesn't is
// said there.
func laid() map[string]acpi.Table {
	return map[string]acpi.Table{
		"APIC-gic76": &acpi.MADT{Header: head(3), LocalAPICAddress: 0xfee00000, Structures: []acpi.MADTStructure{
			&acpi.GICC{
				CPUInterfaceNumber: 0x11, ProcessorUID: 0x12, Flags: acpi.GICCEnabled | acpi.GICCMaintenanceEdge, ParkingProtocolVersion: 0x13,
				PerformanceInterruptGSIV: 0x17, ParkedAddress: 0x40001000, PhysicalBaseAddress: 0x8010000, GICV: 0x8040000, GICH: 0x8030000,
				VGICMaintenanceInterrupt: 0x19, GICRBaseAddress: 0x80a0000, MPIDR: 0x0100000302,
				EfficiencyClass: 0xff, SPEOverflowInterrupt: 0xffff, TRBEInterrupt: 0xffff, // which it has no room for
			},
			&acpi.GICD{GICID: 0x14, PhysicalBaseAddress: 0x8000000, GICVersion: 2},
			&acpi.GICMSIFrame{MSIFrameID: 0x15, PhysicalBaseAddress: 0x8020000, Flags: acpi.GICMSIFrameSPISelect, SPICount: 0x40, SPIBase: 0x50},
		}},
		"SPCR-3": &acpi.SPCR{
			Header: head(3), InterfaceType: acpi.SerialPL011, BaseAddress: acpi.GAS{BitWidth: 32, BitOffset: 1, AccessSize: 3, Address: 0x9000000},
			InterruptType: acpi.SPCRGIC, IRQ: 4, GlobalSystemInterrupt: 33, BaudRate: acpi.SPCRBaud115200, StopBits: 1, FlowControl: 2,
			TerminalType: acpi.SPCRTerminalANSI, PCIDeviceID: 0xfffe, PCIVendorID: acpi.SPCRNoPCI, PCIBus: 0x21, PCIDevice: 0x22, PCIFunction: 0x23,
			PCIFlags: 0x24, PCISegment: 0x25, UARTClockFrequency: 48_000_000,
		},
		"TPM2-4": &acpi.TPM2{
			Header: head(4), PlatformClass: acpi.TPM2ClassServer, ControlAreaAddress: 0xfed40040, StartMethod: acpi.TPM2StartCRBWithSMC,
			Parameters: []byte{0x21, 0, 0, 0, 1, 2, 0, 0, 0x01, 0xff, 0, 0xc2},
		},
		"IORT-old": &acpi.IORT{Header: head(0), Nodes: []acpi.IORTNode{
			&acpi.RootComplex{
				IORTHead: acpi.IORTHead{Mappings: []acpi.IORTMapping{{InputBase: 0x11, NumIDs: 0x12, OutputBase: 0x13, OutputReference: 100}}},
				Memory:   acpi.IORTMemory{CacheCoherent: 1, Hints: acpi.IORTHintTransient | acpi.IORTHintWriteAllocate, Flags: acpi.IORTMemoryDeviceAttrs},

				ATSAttribute: 1, PCISegmentNumber: 0x102, AddressSizeLimit: 0xff, Flags: 0xff,
			},
			&acpi.SMMUv3{
				BaseAddress: 0x2b400000, Flags: acpi.SMMUv3CoherentWalk, VATOSAddress: 0x2b500000, Model: 1,
				EventGSIV: 0x21, PRIGSIV: 0x22, GERRGSIV: 0x23, SyncGSIV: 0x24, ProximityDomain: 0xff,
			},
			&acpi.PMCG{Page0BaseAddress: 0x2b600000, OverflowInterruptGSIV: 0x25, NodeReference: 100, Page1BaseAddress: 0xff},
		}},
		"IORT-6": &acpi.IORT{Header: head(6), Padding: make([]byte, 4), Nodes: []acpi.IORTNode{&acpi.RootComplex{
			IORTHead: acpi.IORTHead{Revision: 4, Identifier: 0x31, Mappings: []acpi.IORTMapping{
				{InputBase: 0x33, NumIDs: 0x34, OutputBase: 0x35, OutputReference: 52, Flags: acpi.IORTSingleMapping},
			}},
			Memory:       acpi.IORTMemory{CacheCoherent: 1, Flags: acpi.IORTMemoryCoherent | acpi.IORTMemoryDeviceAttrs},
			ATSAttribute: 1, PCISegmentNumber: 0x32, AddressSizeLimit: 48, PASIDCapabilities: 20, Flags: 1,
		}}},
	}
}

// layOut makes the bytes of a reference. Its lines are the offset of a field in its structure,
// its size, its value and its name; @ begins a structure, and # a remark.
func layOut(t *testing.T, file string) []byte {
	t.Helper()

	text, err := os.ReadFile(file)
	require.NoError(t, err)

	var b []byte

	start, lengthAt, sumAt := 0, 0, 0

	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)

		switch {
		case len(fields) == 0 || fields[0] == "#":
			continue
		case fields[0] == "@":
			start = len(b)
			continue
		}

		require.GreaterOrEqual(t, len(fields), 4, line)

		offset, err := strconv.Atoi(fields[0])
		require.NoError(t, err, line)
		require.Equal(t, offset, len(b)-start, "%s: sizes and offsets don't agree: %s", file, line)

		size, err := strconv.Atoi(fields[1])
		require.NoError(t, err, line)

		value := make([]byte, 8)

		switch v := fields[2]; {
		case v == "length":
			lengthAt = len(b)
		case v == "sum":
			sumAt = len(b)
		case v[0] == '"':
			copy(value, strings.Trim(v, `"`))
		default:
			n, err := strconv.ParseUint(v, 0, 8*size)
			require.NoError(t, err, line)
			binary.LittleEndian.PutUint64(value, n)
		}

		b = append(b, value[:size]...)
	}

	binary.LittleEndian.PutUint32(b[lengthAt:], uint32(len(b)))
	b[sumAt] = -sum(b)

	return b
}

// TestLaid compares with references that no compiler made.
func TestLaid(t *testing.T) {
	tables := laid()

	files, err := filepath.Glob("testdata/laid/*")
	require.NoError(t, err)
	require.Len(t, files, len(tables))

	for _, f := range files {
		want, table := layOut(t, f), tables[filepath.Base(f)]
		require.NotNil(t, table, f)
		require.Equal(t, want, marshal(t, table), f)

		read, err := acpi.Parse(want)
		require.NoError(t, err, f)
		require.IsType(t, table, read, f)
		require.True(t, bytes.Equal(want, marshal(t, read)), f)
	}
}
