package vmm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/vgraft/vgraft/internal/boot"
)

// Linux boots a Linux kernel: a bzImage by its 64-bit entry, or an ELF vmlinux (or any
// other ELF kernel with the note) by PVH; on arm64 an uncompressed Image. Only the first vCPU starts; the kernel finds
// the others, and all devices, through ACPI.
//
// Random numbers, for its generator and on arm64 for its addresses, it gets by the boot
// protocol: other ones each time, and not by PVH, which has no place for them. Time it gets
// by the clock: on arm64 that is EFI's, with no firmware but for that.
type Linux struct {
	Kernel  string // path of the image
	Initrd  string // path; empty is none
	Cmdline string

	// FS is where the paths lead. nil is the host's file system; an embed.FS carries
	// the kernel inside the program.
	FS fs.FS
}

// Load puts the kernel into the guest. See New for the errors.
func (l Linux) Load(ctx context.Context, g Guest) (_ []Start, err error) {
	kernel, size, err := l.open(l.Kernel)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	defer kernel.Close()

	k, err := boot.Parse(interruptible{ctx, kernel}, size)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", l.Kernel, err)
	}

	p := boot.Params{Mem: g.Memory, RAM: g.RAM, Cmdline: l.Cmdline, RSDP: g.RSDP}

	if l.Initrd != "" {
		initrd, size, err := l.open(l.Initrd)
		if err != nil {
			return nil, fmt.Errorf("initrd: %w", err)
		}
		defer initrd.Close()

		p.Initrd, p.InitrdSize = interruptible{ctx, initrd}, size
	}

	e, err := k.Load(p)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", l.Kernel, err)
	}

	return []Start{{Mode: e.Mode, PC: e.PC, SI: e.SI, BX: e.BX, X: [4]uint64{e.X0}, PageTable: e.PageTable}}, nil
}

// imageFile is a file that can be read from anywhere.
type imageFile interface {
	io.ReaderAt
	io.Closer
}

func (l Linux) open(path string) (_ imageFile, size int64, err error) {
	fsys := l.FS

	var f fs.File
	if fsys == nil {
		f, err = os.Open(path)
	} else {
		f, err = fsys.Open(path)
	}

	if err != nil {
		return nil, 0, err
	}

	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()

	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}

	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}

	if r, ok := f.(imageFile); ok {
		return r, info.Size(), nil
	}

	// A file system whose files can only be read in order: take it whole, but not more
	// than it said.
	b, err := io.ReadAll(io.LimitReader(f, info.Size()))
	if err != nil {
		return nil, 0, err
	}

	return struct {
		io.ReaderAt
		io.Closer
	}{bytes.NewReader(b), f}, int64(len(b)), nil
}

// interruptible lets ctx end a load between two reads.
type interruptible struct {
	ctx context.Context
	io.ReaderAt
}

func (r interruptible) ReadAt(p []byte, off int64) (int, error) {
	const chunk = 4 << 20

	for done := 0; ; {
		if err := r.ctx.Err(); err != nil {
			return done, err
		}

		n, err := r.ReaderAt.ReadAt(p[done:min(len(p), done+chunk)], off+int64(done))
		if done += n; err != nil || done == len(p) {
			return done, err
		}
	}
}
