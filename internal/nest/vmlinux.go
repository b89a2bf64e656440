package nest

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Vmlinux returns the path of a flavour's kernel as an ELF file, extracted
// from the bzImage of [Kernel] and cached beside it.
func Vmlinux(ctx context.Context, f Flavour) (string, error) {
	k, err := Kernel(ctx, f)
	if err != nil {
		return "", err
	}
	return k.Vmlinux(ctx)
}

// Vmlinux returns the path of this kernel as an ELF file, extracted from its
// bzImage at the first call. Such a file is what the PVH entry wants, and what
// an emulator boots fastest: it need not run the decompressor.
func (k KernelFiles) Vmlinux(ctx context.Context) (string, error) {
	path := filepath.Join(k.Dir, "vmlinux")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return "", fmt.Errorf("nest: vmlinux: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	image, err := os.ReadFile(k.Vmlinuz)
	if err != nil {
		return "", fmt.Errorf("nest: vmlinux: %w", err)
	}
	payload, err := payload(image)
	if err != nil {
		return "", fmt.Errorf("nest: vmlinux: %s: %w", k.Vmlinuz, err)
	}
	kernel, err := decompress(ctx, payload)
	if errors.As(err, new(*MissingToolError)) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("nest: vmlinux: %s: %w", k.Vmlinuz, err)
	}
	tmp := path + ".tmp" // ours alone: we have the lock
	if err := os.WriteFile(tmp, kernel, 0o644); err != nil {
		return "", fmt.Errorf("nest: vmlinux: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("nest: vmlinux: %w", err)
	}
	return path, nil
}

// Fields of the setup header (Linux, Documentation/x86/boot.rst).
const (
	setupSectsOff    = 0x1f1 // size of the real-mode code in 512-byte sectors, after the boot sector
	setupMagicOff    = 0x202
	setupVersionOff  = 0x206
	payloadOffsetOff = 0x248 // from the start of the protected-mode code
	payloadLengthOff = 0x24c
	setupHeaderEnd   = 0x250
)

// payload finds the compressed kernel in a bzImage. Its last four bytes are
// the size of the kernel.
func payload(image []byte) ([]byte, error) {
	if len(image) < setupHeaderEnd || string(image[setupMagicOff:setupMagicOff+4]) != "HdrS" {
		return nil, errors.New("not a bzImage: no setup header")
	}
	if v := binary.LittleEndian.Uint16(image[setupVersionOff:]); v < 0x208 {
		return nil, fmt.Errorf("boot protocol %#x has no payload fields", v)
	}
	sects := uint64(image[setupSectsOff])
	if sects == 0 {
		sects = 4 // "for backwards compatibility, if the setup_sects field contains 0, the real value is 4"
	}
	off := (sects+1)*512 + uint64(binary.LittleEndian.Uint32(image[payloadOffsetOff:]))
	length := uint64(binary.LittleEndian.Uint32(image[payloadLengthOff:]))
	if length < 8 || off+length > uint64(len(image)) {
		return nil, fmt.Errorf("payload [%#x, +%#x) is not inside the image of %#x bytes", off, length, len(image))
	}
	return image[off : off+length], nil
}

// decompressors knows compression formats by their first bytes. gzip needs no
// program.
var decompressors = []struct {
	magic     string
	name, pkg string
}{
	{"\x1f\x8b", "gzip", ""},
	{"\xfd7zXZ\x00", "xz", "xz-utils"},
	{"\x02\x21\x4c\x18", "lz4", "lz4"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstd"},
	{"BZh", "bzip2", "bzip2"},
}

// decompress returns the ELF file in a payload.
func decompress(ctx context.Context, payload []byte) ([]byte, error) {
	data, size := payload[:len(payload)-4], int64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
	for _, d := range decompressors {
		if !bytes.HasPrefix(payload, []byte(d.magic)) {
			continue
		}
		var kernel []byte
		var err error
		if d.name == "gzip" {
			kernel, err = gunzip(payload, size) // its trailer is the size
		} else {
			kernel, err = pipeThrough(ctx, data, d.name, d.pkg)
		}
		if err != nil {
			return nil, err
		}
		if int64(len(kernel)) != size {
			return nil, fmt.Errorf("%s gave %d bytes, the image says %d", d.name, len(kernel), size)
		}
		if _, err := elf.NewFile(bytes.NewReader(kernel)); err != nil {
			return nil, fmt.Errorf("%s payload: %w", d.name, err)
		}
		return kernel, nil
	}
	return nil, fmt.Errorf("payload starting with % x is compressed in no way known here", payload[:6])
}

func gunzip(data []byte, size int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, size+1)) // one more than promised shows as a wrong size
}

func pipeThrough(ctx context.Context, data []byte, name, pkg string) ([]byte, error) {
	path, err := lookTool(name, pkg)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, "-dc")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s -dc: %w", name, err)
	}
	return out, nil
}
