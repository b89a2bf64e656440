package boot

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bobuhiro11/gokvm/bootparam"

	"github.com/vgraft/vgraft/internal/guestmem"
	"github.com/vgraft/vgraft/internal/layout"
)

// Numbers of the Linux boot protocol (Documentation/arch/x86/boot.rst).
const (
	setupHeaderAt = 0x1f1 // struct setup_header, in the file and in the zero page
	setupMagicAt  = 0x202
	setupMagic    = bootparam.MagicSignature // "HdrS"
	setupLenAt    = 0x201                    // the header ends at 0x202 plus this byte
	setupMinEnd   = 0x264                    // init_size is the last field that 2.12 needs
	setupMaxEnd   = 0x26c                    // end of what bootparam.SetupHeader knows

	minProtocol   = 0x020c // 2.12: xloadflags
	xlfKernel64   = 1 << 0 // the kernel has the 64-bit entry point at 0x200
	entry64       = 0x200
	sectorSize    = 512
	typeUndefined = 0xff // type_of_loader of a loader without a number
	vidModeNormal = 0xffff

	defaultSetupSects  = 4   // setup_sects 0 means this
	defaultCmdlineSize = 255 // cmdline_size 0 means this

	zeroPageSize = 4096
	rsdpAt       = 0x70 // acpi_rsdp_addr in the zero page (Documentation/arch/x86/zero-page.rst)
)

// bzImage is what Load needs of the setup header.
type bzImage struct {
	header     []byte // the first setupMaxEnd bytes of the file, zero after the header
	payloadOff uint64 // protected-mode code in the file
	payloadLen uint64
	load       uint64 // guest-physical address of the payload
	footprint  uint64 // bytes from load which the kernel uses before it knows the memory map
	initrdMax  uint64 // highest address that a byte of the initrd may have
	maxCmdline int
}

func parseBzImage(k *Kernel) (*bzImage, error) {
	bad := func(format string, a ...any) error {
		return &ImageError{Format: BzImage, Reason: fmt.Sprintf(format, a...)}
	}

	raw := make([]byte, setupMaxEnd)
	if err := k.read(BzImage, raw, 0); err != nil {
		return nil, err
	}

	// What lies after the header is code, not fields: an older kernel has fewer.
	end := setupMagicAt + int(raw[setupLenAt])
	if end < setupMinEnd {
		return nil, bad("setup header ends at %#x, must reach %#x", end, setupMinEnd)
	}

	if end < len(raw) {
		clear(raw[end:])
	}

	bp, err := bootparam.New(bytes.NewReader(raw))
	if err != nil {
		return nil, &ImageError{Format: BzImage, Reason: "setup header", Err: err}
	}

	h := &bp.Hdr

	switch {
	case h.Version < minProtocol:
		return nil, bad("boot protocol %d.%02d, need 2.12", h.Version>>8, h.Version&0xff)
	case h.XloadFlags&xlfKernel64 == 0:
		return nil, bad("no 64-bit entry point (xloadflags %#x)", h.XloadFlags)
	case h.LoadFlags&bootparam.LoadedHigh == 0:
		return nil, bad("not loaded high (loadflags %#x)", h.LoadFlags)
	}

	b := &bzImage{header: raw, initrdMax: uint64(h.InitrdAddrMax)}

	if err := b.payload(k.size, h); err != nil {
		return nil, err
	}

	if err := b.place(h); err != nil {
		return nil, err
	}

	b.maxCmdline = int(min(uint64(h.CmdlineSize), layout.CmdlineSize-1))
	if b.maxCmdline == 0 {
		b.maxCmdline = defaultCmdlineSize
	}

	return b, nil
}

// payload finds the protected-mode code in the file: it follows the boot sector and
// setup_sects sectors, and has syssize units of 16 bytes.
func (b *bzImage) payload(size uint64, h *bootparam.SetupHeader) error {
	sects := uint64(h.SetupSects)
	if sects == 0 {
		sects = defaultSetupSects
	}

	b.payloadOff = (sects + 1) * sectorSize
	b.payloadLen = uint64(h.SysSize) * 16

	// The last unit may be partly filled. What follows the code (a signature) is left.
	if b.payloadOff > size || b.payloadLen > size-b.payloadOff+15 {
		return &ImageError{Format: BzImage, Reason: truncated(b.payloadOff, b.payloadLen, size)}
	}

	b.payloadLen = min(b.payloadLen, size-b.payloadOff)

	if b.payloadLen <= entry64 {
		return &ImageError{Format: BzImage, Reason: fmt.Sprintf("%#x bytes of code hold no entry point at %#x", b.payloadLen, entry64)}
	}

	return nil
}

// place chooses the load address: the preferred one. A relocatable kernel that is
// loaded lower moves itself up to it, so a lower one would gain nothing.
func (b *bzImage) place(h *bootparam.SetupHeader) error {
	bad := func(format string, a ...any) error {
		return &ImageError{Format: BzImage, Reason: fmt.Sprintf(format, a...)}
	}

	b.load = h.PrefAddress
	if h.RelocatableKernel != 0 {
		align := uint64(h.KernelAlignment)
		if align == 0 || align&(align-1) != 0 {
			return bad("kernel_alignment %#x is not a power of two", align)
		}

		b.load = max(b.load, layout.HighRAM)
		if b.load > layout.HoleStart {
			return bad("pref_address %#x lies above low memory", h.PrefAddress)
		}

		b.load = (b.load + align - 1) &^ (align - 1)
	}

	if b.load < layout.HighRAM || b.load > layout.HoleStart {
		return bad("load address %#x is outside [%#x, %#x)", b.load, layout.HighRAM, layout.HoleStart)
	}

	b.footprint = max(uint64(h.InitSize), b.payloadLen)

	return nil
}

func (k *Kernel) loadBzImage(p Params, low guestmem.Range) (Entry, error) {
	b := k.bz

	if b.load > low.End() || b.footprint > low.End()-b.load {
		return Entry{}, &SizeError{What: "kernel", Base: b.load, Size: b.footprint, Limit: low.End()}
	}

	initrd, err := p.placeInitrd(b.load+b.footprint, min(low.End(), b.initrdMax+1))
	if err != nil {
		return Entry{}, err
	}

	code, err := p.Mem.Slice(b.load, b.payloadLen)
	if err != nil {
		return Entry{}, fmt.Errorf("load kernel: %w", err)
	}

	if err := k.read(BzImage, code, b.payloadOff); err != nil {
		return Entry{}, err
	}

	if err := p.loadInitrd(initrd); err != nil {
		return Entry{}, err
	}

	page, err := b.zeroPage(p, initrd)
	if err != nil {
		return Entry{}, err
	}

	if err := p.write("zero page", layout.ZeroPage, page); err != nil {
		return Entry{}, err
	}

	if err := p.writeSetupData(); err != nil {
		return Entry{}, err
	}

	if err := p.writeCmdline(); err != nil {
		return Entry{}, err
	}

	e := newEntry(Long64, b.load+entry64)
	e.SI = layout.ZeroPage

	if e.PageTable, err = identity4G(p.Mem); err != nil {
		return Entry{}, err
	}

	return e, p.write("GDT", e.GDTBase, GDT(Long64))
}

// zeroPage builds struct boot_params.
func (b *bzImage) zeroPage(p Params, initrd guestmem.Range) ([]byte, error) {
	bp, err := bootparam.New(bytes.NewReader(b.header))
	if err != nil {
		return nil, &ImageError{Format: BzImage, Reason: "setup header", Err: err}
	}

	h := &bp.Hdr
	h.TypeOfLoader = typeUndefined
	h.VidMode = vidModeNormal
	h.Code32Start = uint32(b.load)
	h.CmdlinePtr = layout.Cmdline
	h.RamdiskImage = uint32(initrd.Base)
	h.RamdiskSize = uint32(initrd.Size)
	h.SetupData = layout.SetupData

	binary.LittleEndian.PutUint64(bp.Padding[rsdpAt:], p.RSDP)

	entries := e820(p.RAM)
	if len(entries) > bootparam.E820Max {
		return nil, &SizeError{What: "memory map", Size: uint64(len(entries)), Limit: bootparam.E820Max}
	}

	for _, m := range entries {
		bp.AddE820Entry(m.Base, m.Size, m.kind)
	}

	raw, err := bp.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode zero page: %w", err)
	}

	// The whole page: the kernel reads it to the end, whatever was in it before.
	page := make([]byte, zeroPageSize)
	copy(page, raw)

	return page, nil
}
