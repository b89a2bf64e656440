package vmm_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"log"
	"os"
	"reflect"
	"syscall"
	"testing"
	"unsafe"

	"github.com/bobuhiro11/gokvm/kvm"
	"github.com/bobuhiro11/gokvm/machine"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/vmmtest"
)

// newGokvm makes a machine of that monitor with the test device's ports, which call
// count. The code runs in ring 0, the only one in which gokvm runs 64-bit code.
func newGokvm(t testing.TB, memory int, code *vmmtest.Code, count func()) *machine.Machine {
	t.Helper()

	defer log.SetOutput(log.Writer()) // gokvm logs what it loads
	log.SetOutput(io.Discard)

	m, err := machine.New("/dev/kvm", 1, memory)
	require.NoError(t, err)

	m.AddDevice(gokvmCounter(count))
	require.NoError(t, m.LoadLinux(executable(t, code.Bytes()), nil, ""))

	return m
}

// gokvmCounter is what counter is, for gokvm.
type gokvmCounter func()

func (gokvmCounter) IOPort() uint64 { return portAt }
func (gokvmCounter) Size() uint64   { return 8 }

func (c gokvmCounter) Read(uint64, []byte) error {
	c()
	return nil
}

func (c gokvmCounter) Write(uint64, []byte) error {
	c()
	return nil
}

// closeGokvm gives back what the machine holds, as gokvm has no way to: all its memory is
// resident from the beginning. Only /dev/kvm is left to the garbage collector.
func closeGokvm(t testing.TB, m *machine.Machine) {
	t.Helper()

	dev, err := os.Open("/dev/kvm")
	require.NoError(t, err)

	size, err := kvm.GetVCPUMMmapSize(dev.Fd())
	require.NoError(t, err)
	require.NoError(t, dev.Close())

	cpu, err := m.CPUToFD(0)
	require.NoError(t, err)

	fields := reflect.ValueOf(m).Elem()

	// gokvm has mapped it with just this size, and the machine isn't used any more.
	require.NoError(t, unix.MunmapPtr(unsafe.Pointer(m.RunData()[0]), size))
	require.NoError(t, unix.Close(int(cpu)))
	require.NoError(t, unix.Close(int(fields.FieldByName("vmFd").Uint())))
	require.NoError(t, syscall.Munmap(fields.FieldByName("mem").Bytes())) // not unix.Munmap, which doesn't know it
}

// executable is an ELF file whose code is loaded where Flat code is, and entered at its
// first byte.
func executable(t testing.TB, code []byte) io.ReaderAt {
	t.Helper()

	const headers = 64 + 56 // Ehdr, Phdr

	var (
		b bytes.Buffer
		h = elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
			Entry: vmm.FlatBase, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64,
		}
		p = elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Off: headers, Vaddr: vmm.FlatBase, Paddr: vmm.FlatBase,
			Filesz: uint64(len(code)), Memsz: uint64(len(code)),
		}
	)

	require.NoError(t, binary.Write(&b, binary.LittleEndian, h))
	require.NoError(t, binary.Write(&b, binary.LittleEndian, p))
	b.Write(code)

	return bytes.NewReader(b.Bytes())
}
