package vmm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Cache is a cache of processors. The zero Cache is none.
type Cache struct {
	Size uint32 // bytes
	Line uint16 // bytes, a power of two; 0 if it isn't known
	Ways uint8  // of associativity; 0 if that isn't known
}

// Caches are the caches of a machine's processors.
type Caches struct {
	L1Data, L1Code, L2 Cache // of each vCPU
	L3                 Cache // of each socket; may be none
}

// usualCaches are those of a machine whose host doesn't say what it has.
var usualCaches = Caches{
	L1Data: Cache{Size: 64 << 10, Line: 64, Ways: 4},
	L1Code: Cache{Size: 64 << 10, Line: 64, Ways: 4},
	L2:     Cache{Size: 1 << 20, Line: 64, Ways: 8},
	L3:     Cache{Size: 32 << 20, Line: 64, Ways: 16},
}

// sets is how many sets a cache has, if what is known of it says so.
func (c Cache) sets() uint32 {
	if c.Line == 0 || c.Ways == 0 {
		return 0
	}

	return c.Size / (uint32(c.Line) * uint32(c.Ways))
}

// valid says whether there can be such a cache.
func (c Cache) valid() bool {
	known := uint32(max(c.Line, 1)) * uint32(max(c.Ways, 1))

	return c.Size != 0 && c.Line&(c.Line-1) == 0 && c.Size%known == 0
}

func (c Caches) valid() bool {
	return c.L1Data.valid() && c.L1Code.valid() && c.L2.valid() && (c.L3 == Cache{} || c.L3.valid())
}

// hostCaches are the caches of the host's first processor, or the usual ones.
func hostCaches() Caches {
	c, err := readCaches(os.DirFS("/sys/devices/system/cpu/cpu0/cache"))
	if err != nil {
		return usualCaches
	}

	return c
}

// errCaches is the error of caches that aren't as a machine's can be.
var errCaches = errors.New("caches other than split ones, a second and perhaps a third level")

// maxHostCaches is how many caches a host's processor may have, of which the fourth level
// and what is beyond are left out.
const maxHostCaches = 16

// readCaches reads what Linux says of a processor's caches (Documentation/ABI/testing,
// sysfs-devices-system-cpu). All of it has to fit, or nothing is taken.
func readCaches(dir fs.FS) (c Caches, err error) {
	for i := range maxHostCaches {
		index := fmt.Sprintf("index%d/", i)

		level, err := attribute(dir, index+"level")
		if errors.Is(err, fs.ErrNotExist) {
			break
		}

		kind, errKind := attribute(dir, index+"type")
		one, errOne := readCache(dir, index)

		if err := errors.Join(err, errKind, errOne); err != nil {
			return Caches{}, err
		}

		var to *Cache

		switch level + kind {
		case "1Data":
			to = &c.L1Data
		case "1Instruction":
			to = &c.L1Code
		case "2Unified":
			to = &c.L2
		case "3Unified":
			to = &c.L3
		default:
			if n, err := strconv.ParseUint(level, 10, 8); err != nil || n <= 3 {
				return Caches{}, fmt.Errorf("%w: level %q, type %q", errCaches, level, kind)
			}

			continue
		}

		if *to != (Cache{}) || !one.valid() {
			return Caches{}, fmt.Errorf("%w: %+v", errCaches, one)
		}

		*to = one
	}

	if !c.valid() {
		return Caches{}, fmt.Errorf("%w: %+v", errCaches, c)
	}

	return c, nil
}

// readCache reads the numbers of one.
func readCache(dir fs.FS, index string) (c Cache, err error) {
	size, err := attribute(dir, index+"size")
	if err != nil {
		return c, err
	}

	// Linux has it in KiB, always.
	kib, err := strconv.ParseUint(strings.TrimSuffix(size, "K"), 10, 22)
	if err != nil {
		return c, err
	}

	line, errLine := optional(dir, index+"coherency_line_size", 16)
	ways, errWays := optional(dir, index+"ways_of_associativity", 8)

	return Cache{Size: uint32(kib << 10), Line: uint16(line), Ways: uint8(ways)}, errors.Join(errLine, errWays)
}

// optional reads a number that Linux leaves out when it doesn't know it.
func optional(dir fs.FS, name string, bits int) (uint64, error) {
	s, err := attribute(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}

	if err != nil {
		return 0, err
	}

	return strconv.ParseUint(s, 10, bits)
}

// attribute reads a file of one short line.
func attribute(dir fs.FS, name string) (_ string, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}

	defer func() { err = errors.Join(err, f.Close()) }()

	const limit = 64

	b, err := io.ReadAll(io.LimitReader(f, limit))

	return strings.TrimSpace(string(b)), err
}
