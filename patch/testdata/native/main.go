// Command native is the program that the tests of the loader patch: it makes payloads for
// itself, by hand, of machine code that needs no tables of the compiler, loads them, and
// says what is wrong.
package main

import (
	"bytes"
	"context"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/patch"
)

var slot = patch.NewSlot("f", F)

//go:noinline
func F() int { return 1 }

// T has a method that is found through a table that the runtime builds.
type T struct{ x int }

//go:noinline
func (*T) M() int { return 1 }

type (
	first  interface{ M() int }
	second interface{ M() int }
	third  interface{ M() int }
)

// value is a function in static data.
var value = F

var limit = [4]byte{1, 2, 3, 4}

// host is what a payload has to know of this program.
type host struct {
	symbols map[string]uint64
	next    uint64 // offset in a module record
	record  uint64 // its size
	bias    uint64
	pie     bool
}

func open() (*host, error) {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer f.Close()

	h := &host{symbols: map[string]uint64{}, pie: f.Type == elf.ET_DYN}

	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}

	for _, s := range syms {
		h.symbols[s.Name] = s.Value
	}

	d, err := f.DWARF()
	if err != nil {
		return nil, err
	}

	for r := d.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			return nil, errors.New("no module record")
		}

		if e.Tag == dwarf.TagStructType && e.Val(dwarf.AttrName) == "runtime.moduledata" {
			t, err := d.Type(e.Offset)
			if err != nil {
				return nil, err
			}

			h.record = uint64(t.Size())
			for _, f := range t.(*dwarf.StructType).Field {
				if f.Name == "next" {
					h.next = uint64(f.ByteOffset)
				}
			}

			h.bias = addressOf(F) - h.symbols["main.F"]

			return h, nil
		}

		if e.Tag != dwarf.TagCompileUnit && e.Tag != dwarf.TagStructType {
			r.SkipChildren()
		}
	}
}

func (h *host) ref(name string) payload.Ref {
	return payload.Ref{Kind: payload.RefHost, Value: h.symbols[name], Name: name}
}

// at refers to something by where it is now.
func (h *host) at(addr uint64, name string) payload.Ref {
	return payload.Ref{Kind: payload.RefHost, Value: addr - h.bias, Name: name}
}

// The offsets of the functions in the text: each has 32 bytes.
const (
	newF = iota * 32
	newM
	hook
	initialiser
	textSize
)

func code() []byte {
	text := make([]byte, textSize)
	put := func(at int, b ...byte) { copy(text[at:], b) }

	if runtime.GOARCH == "arm64" {
		ret := []byte{0xc0, 0x03, 0x5f, 0xd6}
		put(newF, append([]byte{0x40, 0x05, 0x80, 0xd2}, ret...)...)                                                        // mov x0, 42
		put(newM, append([]byte{0x60, 0x05, 0x80, 0xd2}, ret...)...)                                                        // mov x0, 43
		put(hook, append([]byte{0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2}, ret...)...)                                // mov x0, 0; mov x1, 0
		put(initialiser, append([]byte{0x01, 0x00, 0x00, 0x90, 0x20, 0x00, 0x80, 0x52, 0x20, 0x00, 0x00, 0x39}, ret...)...) // adrp x1; mov w0, 1; strb w0, [x1]

		return text
	}

	put(newF, 0xb8, 42, 0, 0, 0, 0xc3)                // mov eax, 42; ret
	put(newM, 0xb8, 43, 0, 0, 0, 0xc3)                // mov eax, 43; ret
	put(hook, 0x31, 0xc0, 0x31, 0xdb, 0xc3)           // xor eax, eax; xor ebx, ebx; ret
	put(initialiser, 0xc6, 0x05, 0, 0, 0, 0, 1, 0xc3) // mov byte [rip+x], 1; ret

	return text
}

// The offsets in the data.
const (
	flag = iota * 8 // that the initialiser sets
	table
	below
	record
)

// file is a payload that replaces F.
func (h *host) file(name string) *payload.File {
	f := &payload.File{Arch: runtime.GOARCH}
	text, rodata := code(), make([]byte, 64)

	f.Text.Addr, f.Rodata.Addr, f.Data.Addr = payload.Place(f.Arch, len(text), len(rodata))
	f.Text.Bytes, f.Text.Size = text, uint64(len(text))
	f.Rodata.Bytes, f.Rodata.Size = rodata, uint64(len(rodata))
	f.Data.Bytes = make([]byte, record)
	f.Data.Size = record + h.record

	for i, at := range []uint64{newF, newM, hook} { // func values
		f.Relocs = append(f.Relocs, payload.Reloc{Off: f.Rodata.Addr + 8*uint64(i), Type: relative(), Ref: payload.Ref{Kind: payload.RefImage, Value: f.Text.Addr + at}})
	}

	f.Symbols = []payload.Symbol{{Name: "main.F", Kind: payload.Func, Addr: f.Text.Addr, Size: 32}}
	f.Meta = payload.Meta{
		Format: 1, Name: name,
		Target: payload.Target{
			BuildID: patch.BuildID(), GoVersion: runtime.Version(), Arch: runtime.GOARCH, PIE: h.pie, Text: h.symbols["runtime.text"],
			Anchor: payload.Anchor{Symbol: anchor, Addr: h.symbols[anchor]},
		},
		Provenance: payload.Provenance{Module: "example.com/fix"},
		Slots:      []payload.Slot{{Name: "f", Impl: "main.F", Func: "main.F", Value: f.Rodata.Addr}},
		Module:     payload.Module{Addr: f.Data.Addr + record, Size: h.record, Next: h.next},
		Runtime: payload.Runtime{
			FirstModule: h.symbols["runtime.firstmoduledata"], LastModule: h.symbols["runtime.lastmoduledatap"], ModulesSlice: h.symbols["runtime.modulesSlice"],
			GetItab: h.symbols["runtime.getitab"], UnreachableMethod: h.symbols["runtime.unreachableMethod"], ItabTable: h.symbols["runtime.itabTable"],
		},
	}

	return f
}

const anchor = "github.com/vgraft/vgraft/patch.NewEngine"

func relative() uint32 {
	if runtime.GOARCH == "arm64" {
		return payload.R_AARCH64_RELATIVE
	}

	return payload.R_X86_64_RELATIVE
}

func absolute() uint32 {
	if runtime.GOARCH == "arm64" {
		return payload.R_AARCH64_ABS64
	}

	return payload.R_X86_64_64
}

func (f fixture) upload(p *payload.File) (*patch.Patch, error) {
	b, err := p.Marshal()
	if err != nil {
		return nil, err
	}

	return f.engine.Upload(context.Background(), bytes.NewReader(b))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}

	return v
}

func want[T comparable](what string, got, want T) {
	if got != want {
		panic(fmt.Sprintf("%s: %v, not %v", what, got, want))
	}
}

func wantErr(what string, err, want error) {
	if !errors.Is(err, want) {
		panic(fmt.Sprintf("%s: %v, not %v", what, err, want))
	}
}

type fixture struct {
	*host
	engine *patch.Engine
	domain *patch.Domain
}

func newFixture(h *host) fixture {
	f := fixture{h, patch.NewEngine(patch.Options{AllowUnsigned: true}), patch.NewDomain("d")}
	if err := f.engine.Attach(context.Background(), f.domain); err != nil {
		panic(err)
	}

	return f
}

// answer is what a section of the domain gets.
func (f fixture) answer() int {
	w := f.domain.NewWorker("w")
	defer w.Close()

	s := w.Enter()
	defer w.Leave()

	return slot.In(s)()
}

func main() {
	h, err := open()
	if err != nil {
		panic(err)
	}

	var stop atomic.Bool

	go func() { // the collector and stack dumps at all times
		buf := make([]byte, 1<<16)
		for !stop.Load() {
			runtime.GC()
			runtime.Stack(buf, true)
		}
	}()

	for _, c := range []struct {
		name string
		run  func(fixture)
	}{
		{"life", life}, {"hooks", hooks}, {"depends", depends}, {"itabs", itabs}, {"words", words},
		{"replaced", replaced}, {"stacked", stacked}, {"nobody", nobody}, {"restored", restored}, {"flips", flips},
		{"entries", entries}, {"entries-stacked", entriesStacked}, {"entries-refused", entriesRefused}, {"entries-flips", entriesFlips},
		{"fixups", fixups}, {"refused", refused}, {"again", again},
	} {
		if len(os.Args) < 2 || strings.Contains(os.Args[1], c.name) {
			c.run(newFixture(h))
			fmt.Println("ok", c.name)
		}
	}

	stop.Store(true)
}
