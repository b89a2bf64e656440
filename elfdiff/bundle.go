package elfdiff

import (
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// A bundle is a header, an index, and blobs one after the other up to the end of the file.
//
//	header	0   magic     16 bytes, "vgraft-bundle\x1a\r\n"
//		16  version   uint32, 1
//		20  reserved  uint32, 0
//		24  size      uint64, of the index
//		32  sum       SHA-256 of the index
//	index	JSON of bundleIndex
//	blobs	each packed by DEFLATE (RFC 1951), or as it is where that isn't shorter
//
// Numbers are little-endian. A blob is named by the SHA-256 of its content, and there once.
// What the program records of itself isn't repeated: it is read from the ELF file again.
const (
	bundleMagic   = "vgraft-bundle\x1a\r\n"
	bundleVersion = 1
	bundleHeader  = 64

	bundleVersionAt  = 16
	bundleReservedAt = 20
	bundleSizeAt     = 24
	bundleSumAt      = 32
)

// Bounds of what is read. The ratio bounds what a small hostile file can make its reader
// allocate: what packs better is stored.
const (
	maxIndex = 16 << 20
	maxBlobs = 1 << 16
	maxRatio = 64
	maxTotal = 8 << 30 // bytes of all blobs, unpacked
)

type bundleIndex struct {
	ELF      int            `json:"elf"` // this and those below are indices of Blobs
	Objects  []bundleObject `json:"objects"`
	Profile  *int           `json:"profile,omitempty"`
	Builtins *int           `json:"builtins,omitempty"`
	Packages []string       `json:"packages,omitempty"`
	Flags    []string       `json:"flags,omitempty"`
	LDFlags  string         `json:"ldflags,omitempty"`
	Blobs    []bundleBlob   `json:"blobs"`
}

type bundleObject struct {
	Package string `json:"package"`
	Blob    int    `json:"blob"`
	Safe    bool   `json:"safe,omitempty"`
}

type bundleBlob struct {
	Sum    string `json:"sum"`    // SHA-256 in hexadecimal
	Size   int64  `json:"size"`   // of the content
	Packed int64  `json:"packed"` // as it is in the file; the same as Size for what isn't packed
}

// WriteBundle writes the build as one file, which OpenBundle reads: what has to be kept of
// a release so that it can be repaired later, without its source tree and the build cache.
// The same build gives the same bytes for as long as elfdiff is built with the same Go.
//
// The program in it isn't stripped. One that is deployed may be: see SameProgram.
func (b *Build) WriteBundle(w io.Writer) error {
	var (
		index    = bundleIndex{Packages: b.packages, Flags: b.flags, LDFlags: b.ldflags, Objects: make([]bundleObject, 0, len(b.Objects))}
		contents [][]byte
		known    = map[[sha256.Size]byte]int{}
	)

	add := func(content []byte) int {
		sum := sha256.Sum256(content)

		at, ok := known[sum]
		if !ok {
			at = len(contents)
			known[sum] = at
			contents = append(contents, content)
			index.Blobs = append(index.Blobs, bundleBlob{Sum: sumOf(content), Size: int64(len(content))})
		}

		return at
	}

	optional := func(content []byte) *int {
		if content == nil {
			return nil
		}

		at := add(content)

		return &at
	}

	index.ELF = add(b.ELF)
	index.Profile, index.Builtins = optional(b.profile), optional(b.builtins)

	for _, o := range b.Objects {
		index.Objects = append(index.Objects, bundleObject{Package: o.Package, Blob: add(o.Archive), Safe: o.Safe})
	}

	packed := make([][]byte, len(contents))

	if err := inParallel(len(contents), func(i int) (err error) {
		packed[i], err = pack(contents[i])
		index.Blobs[i].Packed = int64(len(packed[i]))

		return err
	}); err != nil {
		return fmt.Errorf("elfdiff: write bundle: %w", err)
	}

	if err := writeBundle(w, &index, packed); err != nil {
		return fmt.Errorf("elfdiff: write bundle: %w", err)
	}

	return nil
}

func writeBundle(w io.Writer, index *bundleIndex, packed [][]byte) error {
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}

	sum := sha256.Sum256(text)
	header := make([]byte, bundleHeader, bundleHeader+len(text))
	copy(header, bundleMagic)
	binary.LittleEndian.PutUint32(header[bundleVersionAt:], bundleVersion)
	binary.LittleEndian.PutUint64(header[bundleSizeAt:], uint64(len(text)))
	copy(header[bundleSumAt:], sum[:])

	for _, part := range append([][]byte{append(header, text...)}, packed...) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}

	return nil
}

// pack gives the content as it is where packing it gains nothing, or so much that its
// reader would take it for an attack.
func pack(content []byte) ([]byte, error) {
	var out bytes.Buffer

	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}

	if _, err := w.Write(content); err != nil {
		return nil, err
	}

	if err := w.Close(); err != nil {
		return nil, err
	}

	if n := out.Len(); n >= len(content) || len(content) > n*maxRatio {
		return content, nil
	}

	return out.Bytes(), nil
}

// inParallel calls do for each number below n, on as many processors as there are, and
// gives the error of the lowest number that has one.
func inParallel(n int, do func(i int) error) error {
	var (
		wg   sync.WaitGroup
		next = make(chan int)
		errs = make([]error, n)
	)

	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}

	for i := range n {
		next <- i
	}

	close(next)
	wg.Wait()

	return cmp.Or(errs...)
}
