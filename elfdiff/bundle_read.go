package elfdiff

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// ReadBundle opens the bundle in a file.
func ReadBundle(name string) (*Build, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: open bundle: %w", err)
	}
	defer f.Close() // only read from

	s, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("elfdiff: open bundle: %w", err)
	}

	b, err := OpenBundle(f, s.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	return b, nil
}

// IsBundle says whether what begins so is meant to be a bundle. 16 bytes are enough.
func IsBundle(head []byte) bool { return bytes.HasPrefix(head, []byte(bundleMagic)) }

// OpenBundle reads what WriteBundle wrote, of so many bytes. The bundle may be hostile: the
// error is then ErrBundle, or one that Open has for the program in it; what is allocated is
// at most 64 times the bundle's size. Every content is compared with its sum, but nobody has
// signed the bundle: whoever can write it decides what a payload made with it contains.
func OpenBundle(r io.ReaderAt, size int64) (*Build, error) {
	b, err := openBundle(r, size)
	if err != nil {
		return nil, fmt.Errorf("elfdiff: open bundle: %w", err)
	}

	return b, nil
}

func openBundle(r io.ReaderAt, size int64) (*Build, error) {
	index, at, err := readIndex(r, size)
	if err != nil {
		return nil, err
	}

	if err := index.check(size - at); err != nil {
		return nil, err
	}

	contents := make([][]byte, len(index.Blobs))
	starts := make([]int64, len(index.Blobs))

	for i, blob := range index.Blobs {
		starts[i] = at
		at += blob.Packed
	}

	if err := inParallel(len(contents), func(i int) (err error) {
		contents[i], err = index.Blobs[i].read(r, starts[i])
		return err
	}); err != nil {
		return nil, err
	}

	b := &Build{ELF: contents[index.ELF], packages: index.Packages, flags: index.Flags}

	if b.Info, err = readInfo(b.ELF); err != nil {
		return nil, err
	}

	if err := b.setLDFlags(index.LDFlags); err != nil {
		return nil, err
	}

	if index.Profile != nil {
		b.profile = contents[*index.Profile]
		b.Info.ProfileSum = sumOf(b.profile)
	}

	if index.Builtins != nil {
		b.builtins = contents[*index.Builtins]
	}

	b.Objects = make([]Object, len(index.Objects))
	for i, o := range index.Objects {
		b.Objects[i] = Object{Package: o.Package, Archive: contents[o.Blob], Safe: o.Safe}
	}

	return b, b.checkBundle()
}

func badBundle(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrBundle, fmt.Sprintf(format, a...))
}

// readIndex gives the index, and where the blobs begin.
func readIndex(r io.ReaderAt, size int64) (*bundleIndex, int64, error) {
	if size < bundleHeader {
		return nil, 0, badBundle("%d bytes, shorter than a header", size)
	}

	header := make([]byte, bundleHeader)
	if err := readAt(r, header, 0); err != nil {
		return nil, 0, err
	}

	n := binary.LittleEndian.Uint64(header[bundleSizeAt:])

	switch v := binary.LittleEndian.Uint32(header[bundleVersionAt:]); {
	case !IsBundle(header):
		return nil, 0, badBundle("it doesn't begin as one")
	case v != bundleVersion:
		return nil, 0, badBundle("version %d, not %d", v, bundleVersion)
	case binary.LittleEndian.Uint32(header[bundleReservedAt:]) != 0:
		return nil, 0, badBundle("a reserved field is used")
	case n > maxIndex || int64(n) > size-bundleHeader:
		return nil, 0, badBundle("index of %d bytes in a file of %d", n, size)
	}

	text := make([]byte, n)
	if err := readAt(r, text, bundleHeader); err != nil {
		return nil, 0, err
	}

	if sha256.Sum256(text) != [sha256.Size]byte(header[bundleSumAt:]) {
		return nil, 0, badBundle("the index is damaged")
	}

	index := new(bundleIndex)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()

	if err := d.Decode(index); err != nil {
		return nil, 0, badBundle("index: %v", err)
	}

	if d.InputOffset() != int64(n) {
		return nil, 0, badBundle("index: more after it")
	}

	return index, bundleHeader + int64(n), nil
}

// readAt fills the buffer. A file that ends early is a bad bundle; what the reader says
// otherwise is the reader's error.
func readAt(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)

	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return badBundle("it ends at %d, before it should", at+int64(n))
	}

	return err
}

// check compares the index with itself and with the bytes that are left for the blobs.
func (x *bundleIndex) check(left int64) error {
	if len(x.Blobs) > maxBlobs || len(x.Objects) > maxBlobs {
		return badBundle("%d objects in %d blobs", len(x.Objects), len(x.Blobs))
	}

	var total int64

	for i, b := range x.Blobs {
		if b.Packed < 0 || b.Packed > left || b.Size < b.Packed || b.Size > maxTotal || b.Size/maxRatio > b.Packed {
			return badBundle("blob %d: %d bytes packed into %d", i, b.Size, b.Packed)
		}

		if total += b.Size; total > min(maxTotal, math.MaxInt) {
			return badBundle("more than %d bytes", total)
		}

		left -= b.Packed
	}

	if left != 0 {
		return badBundle("%d bytes after it", left)
	}

	refs := []int{x.ELF}
	for _, p := range []*int{x.Profile, x.Builtins} {
		if p != nil {
			refs = append(refs, *p)
		}
	}

	for i, o := range x.Objects {
		if refs = append(refs, o.Blob); i > 0 && o.Package <= x.Objects[i-1].Package {
			return badBundle("package %q is not in its place", o.Package)
		}
	}

	for _, r := range refs {
		if r < 0 || r >= len(x.Blobs) {
			return badBundle("blob %d of %d", r, len(x.Blobs))
		}
	}

	return nil
}

// read gives the content of a blob whose sizes have been checked.
func (b *bundleBlob) read(r io.ReaderAt, at int64) ([]byte, error) {
	packed := make([]byte, b.Packed)
	if err := readAt(r, packed, at); err != nil {
		return nil, err
	}

	content := packed

	if b.Size != b.Packed {
		in := bytes.NewReader(packed)
		z := flate.NewReader(in)
		content = make([]byte, b.Size)

		if _, err := io.ReadFull(z, content); err != nil {
			return nil, badBundle("blob at %d: %v", at, err)
		}

		if n, err := z.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || in.Len() != 0 {
			return nil, badBundle("blob at %d: more than it should be", at)
		}
	}

	if sumOf(content) != b.Sum {
		return nil, badBundle("blob at %d: it is damaged", at)
	}

	return content, nil
}

// checkBundle says whether the parts of a bundle belong together, as Open makes sure for
// those from the build cache.
func (b *Build) checkBundle() error {
	at, ok := slices.BinarySearchFunc(b.Objects, b.Info.Path, func(o Object, path string) int {
		switch {
		case o.Package < path:
			return -1
		case o.Package > path:
			return 1
		}

		return 0
	})
	if !ok {
		return badBundle("no object of %s", b.Info.Path)
	}

	for _, o := range b.Objects {
		if !bytes.HasPrefix(o.Archive, []byte(archiveMagic)) {
			return badBundle("the object of %s is no archive", o.Package)
		}
	}

	if (b.Info.Settings["-pgo"] != "") != (b.profile != nil) {
		return badBundle("a profile and a program that don't belong together")
	}

	return checkMain(b.ELF, b.Objects[at].Archive)
}
