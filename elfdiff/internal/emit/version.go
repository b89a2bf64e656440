package emit

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
)

// moduleLayout is where runtime.moduledata has its fields; 0 is none. The fields before
// types are the same in all versions.
type moduleLayout struct {
	size uint64

	typedesclen, etypes, itaboffset, rodata, gofunc, epclntab uint64
	typelinks, modulename, gcdatamask, gcbssmask, next        uint64
}

// Offsets of the first fields of runtime.moduledata.
const (
	mdPCHeader     = 0
	mdFuncNames    = 8 // slices, of 24 bytes
	mdCU           = 32
	mdFiles        = 56
	mdPC           = 80
	mdPCLn         = 104
	mdFtab         = 128
	mdFindFunc     = 152
	mdMinPC        = 160
	mdMaxPC        = 168
	mdText         = 176
	mdEText        = 184
	mdNoPtrData    = 192
	mdENoPtrData   = 200
	mdData         = 208
	mdEData        = 216
	mdBSS          = 224
	mdEBSS         = 232
	mdNoPtrBSS     = 240
	mdENoPtrBSS    = 248
	mdEnd          = 272
	mdGCData       = 280
	mdGCBSS        = 288
	mdTypes        = 296
	sliceLen       = 8 // in a slice
	sliceCap       = 16
	maskBytes      = 8 // in a bitvector
	pcHeaderSize   = 72
	pcHeaderMagic  = 0xfffffff1
	funcSize       = 44
	bucketSize     = 20
	bucketBytes    = 4096
	subBucketBytes = 256
)

// layoutOf gives the layout of a release of Go 1.26 or 1.27.
func layoutOf(goVersion string) (moduleLayout, error) {
	minor, patch, dotted := strings.Cut(strings.TrimPrefix(goVersion, "go1."), ".")
	if !strings.HasPrefix(goVersion, "go1.") || strings.Trim(patch, "0123456789") != "" || dotted && patch == "" {
		minor = ""
	}

	switch minor {
	case "26":
		return moduleLayout{
			size: 592, etypes: 304, rodata: 312, gofunc: 320, epclntab: 328, typelinks: 360,
			modulename: 496, gcdatamask: 544, gcbssmask: 560, next: 584,
		}, nil
	case "27":
		return moduleLayout{
			size: 568, typedesclen: 304, etypes: 312, itaboffset: 320, rodata: 336, gofunc: 344, epclntab: 352,
			modulename: 472, gcdatamask: 520, gcbssmask: 536, next: 560,
		}, nil
	}

	return moduleLayout{}, fmt.Errorf("%w: %q", ErrVersion, goVersion)
}

// fields names the fields for a comparison.
func (l moduleLayout) fields() map[string]uint64 {
	all := map[string]uint64{
		"pcHeader": mdPCHeader, "funcnametab": mdFuncNames, "cutab": mdCU, "filetab": mdFiles, "pctab": mdPC, "pclntable": mdPCLn,
		"ftab": mdFtab, "findfunctab": mdFindFunc, "minpc": mdMinPC, "maxpc": mdMaxPC, "text": mdText, "etext": mdEText,
		"noptrdata": mdNoPtrData, "enoptrdata": mdENoPtrData, "data": mdData, "edata": mdEData, "bss": mdBSS, "ebss": mdEBSS,
		"noptrbss": mdNoPtrBSS, "enoptrbss": mdENoPtrBSS, "end": mdEnd, "gcdata": mdGCData, "gcbss": mdGCBSS, "types": mdTypes,
		"etypes": l.etypes, "rodata": l.rodata, "gofunc": l.gofunc, "epclntab": l.epclntab, "modulename": l.modulename,
		"gcdatamask": l.gcdatamask, "gcbssmask": l.gcbssmask, "next": l.next,
	}

	if l.typelinks != 0 {
		all["typelinks"] = l.typelinks
	} else {
		all["typedesclen"], all["itaboffset"] = l.typedesclen, l.itaboffset
	}

	return all
}

// check holds that a program has structs of these layouts: by its debugging information,
// and by its own module record, which says what is known from its symbols too.
func (l moduleLayout) check(m *program.Image) error {
	const module = "runtime.moduledata"

	want := map[string]int64{
		module: int64(l.size), "runtime._func": funcSize, "runtime.pcHeader": pcHeaderSize, "runtime.functab": 8,
		"runtime.findfuncbucket": bucketSize, "runtime.inlinedCall": inlinedCallSize, "runtime.stackObjectRecord": 16,
		"internal/abi.ITab": 32, "internal/abi.Type": 48,
	}

	names := make([]string, 0, len(want))
	for n := range want {
		names = append(names, n)
	}

	fields, sizes, err := m.Struct(names...)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVersion, err)
	}

	for n, size := range want {
		if sizes[n] != size {
			return fmt.Errorf("%w: %s has %d bytes, not %d", ErrVersion, n, sizes[n], size)
		}
	}

	for n, off := range l.fields() {
		if f, ok := fields[module][n]; !ok || f.Offset != int64(off) {
			return fmt.Errorf("%w: field %s of %s is at %d, not %d", ErrVersion, n, module, f.Offset, off)
		}
	}

	return l.checkRecord(m)
}

func (l moduleLayout) checkRecord(m *program.Image) error {
	s, ok := m.Lookup("runtime.firstmoduledata")
	b := m.Bytes(s.Addr, l.size)

	if !ok || b == nil || s.Size != l.size {
		return fmt.Errorf("%w: the program's own module record has %d bytes, not %d", ErrVersion, s.Size, l.size)
	}

	for _, x := range []struct{ at, want uint64 }{{mdText, m.Text}, {mdTypes, m.Types}, {l.etypes, m.ETypes}} {
		if v := binary.LittleEndian.Uint64(b[x.at:]); v != x.want {
			return fmt.Errorf("%w: the program's own module record has %#x at %d, not %#x", ErrVersion, v, x.at, x.want)
		}
	}

	h := m.Bytes(binary.LittleEndian.Uint64(b[mdPCHeader:]), pcHeaderSize)
	if h == nil || binary.LittleEndian.Uint32(h) != pcHeaderMagic {
		return fmt.Errorf("%w: the program's own function table isn't one of these", ErrVersion)
	}

	return nil
}
