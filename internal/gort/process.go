package gort

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/vgraft/vgraft/internal/payload"
)

// Process is the program that runs, and what is loaded beside it. There must be one of a
// process only: its lock orders all changes. All methods may be called from any goroutine.
type Process struct {
	bias  uint64 // what to add to an address as linked
	pie   bool
	parts []part // of the program, where they are

	mu      sync.Mutex // guards what follows, and changes of memory
	images  []*Image   // loaded, the oldest first
	linked  []*Image   // those that the runtime knows, whether still loaded or not
	mapped  int        // bytes of all
	renew   bool       // code that is written must be made known: see put
	retired int        // bytes of those that are unloaded, and stay
}

// part is a segment of the program.
type part struct {
	span
	code bool
}

// span is a range of addresses.
type span struct{ start, end uint64 }

func (s span) holds(addr, n uint64) bool {
	return addr >= s.start && addr <= s.end && n <= s.end-addr
}

// Self finds out where the program is.
func Self() (*Process, error) {
	if err := supported(); err != nil {
		return nil, err
	}

	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	defer f.Close() // only read from

	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSupported, err)
	}

	if err := probe(); err != nil {
		return nil, err
	}

	p := &Process{}
	if err := p.locate(f, auxv); err != nil {
		return nil, fmt.Errorf("%w: where the program is: %w", ErrNotSupported, err)
	}

	return p, nil
}

// locate compares where the kernel says that the program headers are with where they were
// linked to be.
func (p *Process) locate(r io.ReaderAt, auxv []byte) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return err
	}

	var header [40]byte
	if _, err := r.ReadAt(header[:], 0); err != nil {
		return err
	}

	phoff, at := binary.LittleEndian.Uint64(header[32:]), headersAt(auxv)
	found := false

	for _, s := range f.Progs {
		if s.Type != elf.PT_LOAD {
			continue
		}

		if phoff >= s.Off && phoff < s.Off+s.Filesz {
			p.bias, found = at-(s.Vaddr+phoff-s.Off), true
		}

		p.parts = append(p.parts, part{span{s.Vaddr, s.Vaddr + s.Memsz}, s.Flags&elf.PF_X != 0})
	}

	if !found || at == 0 || f.Type == elf.ET_EXEC && p.bias != 0 {
		return fmt.Errorf("its headers are at %#x", at)
	}

	p.pie = f.Type == elf.ET_DYN

	for i := range p.parts {
		p.parts[i].start += p.bias
		p.parts[i].end += p.bias
	}

	return nil
}

// headersAt is the address of the program headers, from what the kernel gave the process.
func headersAt(auxv []byte) uint64 {
	const phdr = 3 // AT_PHDR

	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) == phdr {
			return binary.LittleEndian.Uint64(auxv[8:])
		}
	}

	return 0
}

// PIE says whether the program runs elsewhere than it was linked to.
func (p *Process) PIE() bool { return p.pie }

// Holds says whether the program has all of the n bytes, whose address is as linked.
func (p *Process) Holds(addr, n uint64) bool {
	for _, s := range p.parts {
		if s.holds(addr+p.bias, n) {
			return true
		}
	}

	return false
}

// Anchored says whether the function with the symbol begins at the address as linked: it
// cross-checks the bias, and what addresses the payload has.
func (p *Process) Anchored(symbol string, addr uint64) bool {
	if !p.Holds(addr, 1) {
		return false
	}

	fn := runtime.FuncForPC(uintptr(addr + p.bias))

	return fn != nil && uint64(fn.Entry()) == addr+p.bias && fn.Name() == symbol
}

// Mapped counts the bytes mapped for payloads: for all, and of these for the ones that are
// unloaded but stay, since the runtime knows them.
func (p *Process) Mapped() (all, retired int) {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.mapped, p.retired
}

// region is one line of the kernel's list of what is mapped.
type region struct {
	span
	write, exec bool
}

// regions lists what is mapped, in the order of addresses.
func regions() ([]region, error) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSupported, err)
	}

	return parseRegions(string(text))
}

func parseRegions(text string) (out []region, err error) {
	for line := range strings.Lines(text) {
		at, rest, _ := strings.Cut(line, " ")
		from, to, _ := strings.Cut(at, "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)

		if err1 != nil || err2 != nil || len(rest) < 4 {
			return nil, fmt.Errorf("%w: a line of /proc/self/maps: %q", ErrNotSupported, line)
		}

		out = append(out, region{span{start, end}, rest[1] == 'w', rest[2] == 'x'})
	}

	return out, nil
}

// granule is what images are aligned to: the largest page of any of the architectures.
const granule = 64 << 10

// reach is how far instructions reach, from the begin of the program to the end of an image.
// Something is left of the 2 GiB and the 128 MiB of the architectures.
func reach(arch string) uint64 {
	if arch == "arm64" {
		return 127 << 20
	}

	return 2<<30 - 16<<20
}

// gap is what is left between the program and the first image, for C's heap to grow.
func gap(arch string) uint64 {
	if arch == "arm64" {
		return 1 << 20
	}

	return 16 << 20
}

// holes lists where an image of the size could be, in the order of addresses: each is the
// begin of what is free in a hole of the memory, above the program and above an address.
func (p *Process) holes(used []region, size, above uint64) []uint64 {
	low, high := p.parts[0].start, uint64(0)
	for _, s := range p.parts {
		low, high = min(low, s.start), max(high, s.end)
	}

	last := low + reach(runtime.GOARCH)
	at := roundUp(max(high+gap(runtime.GOARCH), above), granule)

	var out []uint64

	for _, r := range append(used, region{span: span{last, last}}) {
		if r.end <= at && r.start < last {
			continue
		}

		if end := min(r.start, last); end > at && size <= end-at {
			out = append(out, at)
		}

		if r.start >= last {
			break
		}

		at = max(at, roundUp(r.end, granule))
	}

	return out
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// reserve takes addresses for an image, above another one.
func (p *Process) reserve(used []region, size, above uint64) (uint64, error) {
	for _, at := range p.holes(used, size, above) {
		ok, err := reserveAt(at, size)
		if err != nil {
			return 0, err
		}

		if ok { // otherwise somebody else took it meanwhile
			return at, nil
		}
	}

	return 0, fmt.Errorf("%w: %d bytes", ErrNoRoom, size)
}

// isData says whether a page is the program's, and has nothing of its code. The kernel's list
// may say otherwise: emulators make it of their own, where neighbours may be one.
func (p *Process) isData(page, size uint64) (data bool) {
	for _, s := range p.parts {
		if page < s.end && page+size > s.start {
			if s.code {
				return false
			}

			data = true
		}
	}

	return data
}

// pages gives the pages that words are on, each once, and whether they may be written to.
func (p *Process) pages(ws []word, used []region) (map[uint64]bool, error) {
	size := uint64(os.Getpagesize())
	out := map[uint64]bool{}

	for _, w := range ws {
		page := w.at / size * size

		for _, r := range used {
			if r.holds(page, size) {
				if r.exec && !p.isData(page, size) {
					return nil, fmt.Errorf("%w: %s is on a page with code", ErrAddress, w.name)
				}

				out[page] = r.write
			}
		}

		if _, ok := out[page]; !ok {
			return nil, fmt.Errorf("%w: %s, %#x", ErrAddress, w.name, w.at)
		}
	}

	return out, nil
}

// supportedArch says whether payloads are made for the architecture.
func supportedArch() bool { return payload.PageSize(runtime.GOARCH) != 0 }
