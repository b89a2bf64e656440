// Package boot puts an operating system into a fresh guest: it reads kernel images,
// places them with their initrd and command line in guest RAM, and says in which state
// a vCPU must begin.
//
// Three images are understood: for amd64 the Linux bzImage, by its 64-bit entry, and an
// ELF file with a PVH entry note; for arm64 the Linux Image. All x86 knowledge about modes, segments and control
// registers is here, so that the caller only copies values into KVM's structures; the
// package itself knows nothing of KVM.
//
// A kernel image is hostile input. Parse checks everything that can be checked without
// a guest; Load checks the rest against the guest's RAM. Both answer with a typed
// error, never a panic, and never allocate what only a number in the file asks for.
package boot

import (
	"encoding/binary"
	"io"
)

// Format is a kind of kernel image.
type Format string

// The formats that Parse recognises.
const (
	BzImage Format = "bzImage"
	ELF     Format = "ELF"
	Image   Format = "Image"
	unknown Format = "kernel image" // in errors only
)

// Kernel is a kernel image that was understood. It is immutable, may be loaded into
// any number of guests, and reads its file again at each Load: the reader given to
// Parse must stay open and unchanged.
type Kernel struct {
	format Format
	image  io.ReaderAt
	size   uint64

	// One of them is set, by format.
	bz  *bzImage
	elf *elfImage
	arm *armImage
}

// Parse reads the headers of a kernel image of size bytes. It touches no guest. An
// image that isn't understood gives an *ImageError, which is ErrFormat; a failure of r
// is returned as it is, with context.
func Parse(r io.ReaderAt, size int64) (*Kernel, error) {
	if size <= 0 {
		return nil, &ImageError{Format: unknown, Reason: "empty"}
	}

	k := &Kernel{image: r, size: uint64(size)}

	// The magic numbers: an ELF file's first four bytes, or "HdrS" at 0x202 of a
	// bzImage (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"), or
	// "ARM\x64" at 56 of an Image.
	var head [setupMagicAt + 4]byte

	n := int(min(k.size, uint64(len(head))))
	if err := k.read(unknown, head[:n], 0); err != nil {
		return nil, err
	}

	var err error

	switch {
	case n >= 4 && string(head[:4]) == elfMagic:
		k.format = ELF
		k.elf, err = parseELF(k)
	case n == len(head) && binary.LittleEndian.Uint32(head[setupMagicAt:]) == setupMagic:
		k.format = BzImage
		k.bz, err = parseBzImage(k)
	case n >= imageHeaderSize && binary.LittleEndian.Uint32(head[imageMagicAt:]) == imageMagic:
		k.format = Image
		k.arm, err = parseImage(k)
	default:
		err = &ImageError{Format: unknown, Reason: "neither a bzImage, an Image nor an ELF file"}
	}

	if err != nil {
		return nil, err
	}

	return k, nil
}

// Format tells which kind of image it is.
func (k *Kernel) Format() Format { return k.format }

// MaxCmdline is the longest command line that Load takes, in bytes, without the NUL.
func (k *Kernel) MaxCmdline() int {
	switch k.format {
	case BzImage:
		return k.bz.maxCmdline
	case Image:
		return imageMaxCmdline
	default:
		return pvhMaxCmdline
	}
}

// Load writes the kernel, its initrd, its command line and the boot structures into
// guest memory, and returns how the first vCPU enters. After an error the memory is
// partly written and must be thrown away. Errors are *SizeError (ErrTooLarge),
// *CmdlineError (ErrCmdline), *ImageError (ErrFormat), or a failed read.
func (k *Kernel) Load(p Params) (Entry, error) {
	if err := checkCmdline(p.Cmdline, k.MaxCmdline()); err != nil {
		return Entry{}, err
	}

	if (k.format == Image) != p.isARM() {
		// Without any RAM it is not for arm64, and the others will say what is wrong.
		return Entry{}, &ImageError{Format: k.format, Reason: "for another processor than the guest's"}
	}

	if err := checkRanges(p.RAM); err != nil {
		return Entry{}, err
	}

	if k.format == Image {
		return k.loadImage(p)
	}

	low, err := checkRAM(p.RAM)
	if err != nil {
		return Entry{}, err
	}

	if k.format == BzImage {
		return k.loadBzImage(p, low)
	}

	return k.loadELF(p, low)
}

// read fills b from offset off of the image, which must hold that much.
func (k *Kernel) read(f Format, b []byte, off uint64) error {
	if off > k.size || uint64(len(b)) > k.size-off {
		return &ImageError{Format: f, Reason: truncated(off, uint64(len(b)), k.size)}
	}

	return readFull(k.image, b, off, func(got int) error {
		return &ImageError{Format: f, Reason: truncated(off, uint64(len(b)), off+uint64(got)), Err: io.ErrUnexpectedEOF}
	}, string(f))
}
