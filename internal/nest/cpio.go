package nest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
)

// File is one entry of an initial ramdisk.
type File struct {
	// Name is the path from the root of the ramdisk; a leading slash is
	// accepted and makes no difference.
	Name string
	// Mode holds the permissions and, for what is not a regular file, one of
	// fs.ModeDir, fs.ModeSymlink, fs.ModeDevice (block), fs.ModeDevice |
	// fs.ModeCharDevice, fs.ModeNamedPipe. Zero permissions mean 0o755 for a
	// directory and 0o644 for everything else.
	Mode fs.FileMode
	// Data is the contents of a regular file and the target of a symbolic link.
	Data []byte
	// Major and Minor number a device node.
	Major, Minor uint32
}

// File types of the mode field, as in stat(2).
const (
	cpioFIFO    = 0o010000
	cpioChar    = 0o020000
	cpioDir     = 0o040000
	cpioBlock   = 0o060000
	cpioRegular = 0o100000
	cpioSymlink = 0o120000
)

// mode returns the cpio mode of f, or an error for a type it can't have.
func (f File) mode() (uint32, error) {
	perm := uint32(f.Mode.Perm())
	if perm == 0 {
		perm = 0o644
		if f.Mode.IsDir() {
			perm = 0o755
		}
	}
	if f.Mode&fs.ModeSetuid != 0 {
		perm |= 0o4000
	}
	if f.Mode&fs.ModeSetgid != 0 {
		perm |= 0o2000
	}
	if f.Mode&fs.ModeSticky != 0 {
		perm |= 0o1000
	}
	switch f.Mode.Type() {
	case 0:
		return cpioRegular | perm, nil
	case fs.ModeDir:
		return cpioDir | perm, nil
	case fs.ModeSymlink:
		// The permissions of a link mean nothing; this is what ln gives.
		return cpioSymlink | 0o777, nil
	case fs.ModeDevice:
		return cpioBlock | perm, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		return cpioChar | perm, nil
	case fs.ModeNamedPipe:
		return cpioFIFO | perm, nil
	}
	return 0, fmt.Errorf("nest: initramfs: %s: type %v cannot be archived", f.Name, f.Mode.Type())
}

// Initramfs writes files as an initial ramdisk: an uncompressed cpio archive
// in the newc format (Linux, Documentation/driver-api/early-userspace/
// buffer-format.rst). Directories on the way to a file are created when they
// are not listed before it. The bytes depend on the arguments alone: times
// are zero, owners are root, inode numbers count up.
//
// A name that occurs twice, leads out of the root or is empty is an error.
func Initramfs(w io.Writer, files ...File) error {
	c := &cpioWriter{w: bufio.NewWriter(w), seen: map[string]bool{}}
	for _, f := range files {
		if err := c.add(f); err != nil {
			return err
		}
	}
	if err := c.entry("TRAILER!!!", File{}, 0); err != nil {
		return err
	}
	return c.w.Flush()
}

type cpioWriter struct {
	w    *bufio.Writer
	ino  uint32
	seen map[string]bool // name → is a directory
}

// add writes f after the directories that lead to it.
func (c *cpioWriter) add(f File) error {
	name := strings.TrimLeft(f.Name, "/")
	if name == "" || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("nest: initramfs: %q is no clean path below the root", f.Name)
	}
	if strings.ContainsRune(name, 0) {
		return fmt.Errorf("nest: initramfs: %q has a NUL byte in its name", f.Name)
	}
	if _, twice := c.seen[name]; twice {
		return fmt.Errorf("nest: initramfs: %s is listed twice, or after a file in it", name)
	}
	for i, r := range name {
		if r != '/' {
			continue
		}
		dir := name[:i]
		isDir, listed := c.seen[dir]
		if listed && !isDir {
			return fmt.Errorf("nest: initramfs: %s: %s is not a directory", name, dir)
		}
		if listed {
			continue
		}
		c.seen[dir] = true
		if err := c.entry(dir, File{}, cpioDir|0o755); err != nil {
			return err
		}
	}
	mode, err := f.mode()
	if err != nil {
		return err
	}
	c.seen[name] = f.Mode.IsDir()
	return c.entry(name, f, mode)
}

// entry writes one header and its data.
//
//	c_magic 6 bytes "070701"; then 8 hexadecimal digits each: c_ino c_mode
//	c_uid c_gid c_nlink c_mtime c_filesize c_maj c_min c_rmaj c_rmin
//	c_namesize c_chksum; the name with its NUL; padding to 4; the data;
//	padding to 4.
func (c *cpioWriter) entry(name string, f File, mode uint32) error {
	if len(f.Data) > math.MaxUint32 {
		return fmt.Errorf("nest: initramfs: %s: %d bytes do not fit the format", name, len(f.Data))
	}
	var ino, nlink uint32 = 0, 1
	if mode != 0 { // the trailer has no inode
		c.ino++
		ino = c.ino
	}
	if mode&0o170000 == cpioDir {
		nlink = 2
	}
	header := "070701"
	for _, v := range []uint32{ino, mode, 0, 0, nlink, 0, uint32(len(f.Data)), 0, 0, f.Major, f.Minor, uint32(len(name) + 1), 0} {
		header += fmt.Sprintf("%08x", v)
	}
	header += name + "\x00"
	c.w.WriteString(header) // bufio keeps the first error for Flush and later writes
	c.pad(len(header))
	if _, err := c.w.Write(f.Data); err != nil {
		return fmt.Errorf("nest: initramfs: %w", err)
	}
	c.pad(len(f.Data))
	return nil
}

// pad fills up to a multiple of four after n bytes.
func (c *cpioWriter) pad(n int) {
	c.w.Write(make([]byte, -n&3))
}

// Gzip compresses an initial ramdisk at the fastest level. Equal input gives
// equal output with one release of Go.
func Gzip(ramdisk []byte) []byte {
	var out bytes.Buffer
	// The level is valid and a bytes.Buffer does not fail.
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	_, _ = z.Write(ramdisk)
	z.Close()
	return out.Bytes()
}
