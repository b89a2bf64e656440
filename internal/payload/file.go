package payload

import "encoding/json"

// MaxImage bounds the image of a payload: the address where its data, zeroes included, ends.
const MaxImage = 64 << 20

// MaxDepends bounds the payloads that one may be linked against: ELF has so many section
// numbers to tell them apart by.
const MaxDepends = 32

// IDSize is how long a payload's ID is, in bytes.
const IDSize = 20

// File is what a payload consists of. Every offset into its image is an address of the ELF
// file: the image is mapped with one base for all of its segments.
type File struct {
	// ID is the identity of the payload, 40 hexadecimal digits. Parse sets it; Marshal
	// computes it anew.
	ID string

	Arch string // GOARCH: "amd64" or "arm64"

	// Text is executable, Rodata is not written to once it is relocated, and Data is
	// writable, with zeroes after its bytes. Place gives addresses for them.
	Text, Rodata, Data Segment

	// Symbols is everything that the image defines and that tools or a later payload may
	// ask for.
	Symbols []Symbol

	// Relocs are what the loader has to fill in.
	Relocs []Reloc

	Meta Meta
}

// Segment is a part of the image with a protection of its own.
type Segment struct {
	Addr  uint64 // image offset
	Bytes []byte
	Size  uint64 // in memory, at least that of Bytes; more is zeroes, and for Data alone
}

// End is the image offset after the segment.
func (s Segment) End() uint64 { return s.Addr + s.Size }

// holds says whether the segment has all of the n bytes at an image offset.
func (s Segment) holds(at, n uint64) bool {
	return at >= s.Addr && at <= s.End() && n <= s.End()-at
}

// Size is how many bytes the image takes from offset 0 on.
func (f *File) Size() uint64 { return max(f.Text.End(), f.Rodata.End(), f.Data.End()) }

// SymbolKind says what a symbol names.
type SymbolKind uint8

// The kinds of symbols.
const (
	Func   SymbolKind = iota + 1 // in Text
	Object                       // in Rodata or Data
)

// Symbol is a named part of the image.
type Symbol struct {
	Name string
	Kind SymbolKind
	Addr uint64 // image offset
	Size uint64
}

// RefKind says what a Ref refers to. The zero RefKind refers to nothing.
type RefKind string

// The kinds of references.
const (
	// RefImage is a place in the image: Value is its offset.
	RefImage RefKind = "image"

	// RefHost is a place in the program: Value is its address as linked, to which the
	// loader adds the bias of a position-independent program.
	RefHost RefKind = "host"

	// RefPatch is a place in another payload: Value is the offset in the image of
	// Meta.Depends[Index].
	RefPatch RefKind = "patch"

	// RefItab is the interface table that the runtime uses for Meta.Itabs[Index]: it is
	// known only when the payload is committed.
	RefItab RefKind = "itab"
)

// Ref refers to a place. Name is its symbol, for people; a relocation's reference to the
// image has none, as ELF keeps no symbol of it.
type Ref struct {
	Kind  RefKind `json:"kind"`
	Index int     `json:"index,omitempty"`
	Value uint64  `json:"value,omitempty"`
	Name  string  `json:"name,omitempty"`
}

// Reloc has the loader write the address of Ref plus Addend at an image offset, in the way
// of the ELF relocation type. After Parse a reference to the image is to the start of a
// segment, or, for a relative relocation, to the place itself.
type Reloc struct {
	Off    uint64 // image offset
	Type   uint32 // one of those of Arch, below
	Ref    Ref
	Addend int64
}

// Meta is what the loader has to know beside the image, and what people want to. Unknown
// fields are refused: a loader that doesn't know one can't know that it may be left out.
type Meta struct {
	Format     int               `json:"format"` // 1
	Name       string            `json:"name"`   // proposed for the patch
	Target     Target            `json:"target"`
	Depends    []string          `json:"depends,omitempty"` // IDs of the payloads that it is linked against, bottom first
	Provenance Provenance        `json:"provenance"`
	Slots      []Slot            `json:"slots,omitempty"`
	Itabs      []Itab            `json:"itabs,omitempty"`
	Module     Module            `json:"module"`
	Types      []uint64          `json:"types,omitempty"` // image offsets of types without a name, which reflection may have made
	Runtime    Runtime           `json:"runtime"`
	Fixups     []Word            `json:"fixups,omitempty"`  // of what the program's linker left out: written once, never undone
	Words      []Word            `json:"words,omitempty"`   // process-wide: written at apply, undone at revert
	Entries    []Entry           `json:"entries,omitempty"` // process-wide: written at apply, undone at revert
	Inits      []Init            `json:"inits,omitempty"`   // run once, in this order, before anything else of the payload
	Hooks      map[string]uint64 `json:"hooks,omitempty"`   // by Hook* name: image offset of a func value
	Expect     []ExpectBytes     `json:"expect,omitempty"`
	Changes    []Change          `json:"changes,omitempty"`
	Accepted   []string          `json:"accepted,omitempty"` // refusals that the author overrode
}

// Target is the one build of the one program that the payload is for.
type Target struct {
	BuildID   string `json:"build_id"`      // as patch.BuildID gives it
	GoVersion string `json:"go_version"`    // as runtime.Version gives it
	Arch      string `json:"arch"`          // that of the File
	PIE       bool   `json:"pie,omitempty"` // it runs where it is loaded, not where it was linked
	Anchor    Anchor `json:"anchor"`
	Text      uint64 `json:"text"` // runtime.text: what the text offsets of its method tables count from, as linked
}

// Anchor is a function of package patch, which is in every program that has a loader: where
// it runs gives the bias, and holds that the addresses are this program's.
type Anchor struct {
	Symbol string `json:"symbol"`
	Addr   uint64 `json:"addr"` // as linked
}

// Provenance is what a payload was built from, and with what.
type Provenance struct {
	Module    string            `json:"module,omitempty"`
	Revision  string            `json:"revision,omitempty"`
	Toolchain string            `json:"toolchain,omitempty"`
	Flags     map[string]string `json:"flags,omitempty"`
}

// Slot binds a slot of the program.
type Slot struct {
	Name  string `json:"name"`
	Impl  string `json:"impl"`  // symbol of the implementation that the program declared
	Func  string `json:"func"`  // symbol of the new one
	Value uint64 `json:"value"` // image offset of its func value: the word that holds its address
}

// Itab is an interface table that the payload uses and the program may not have.
type Itab struct {
	Name  string      `json:"name"`
	Inter Ref         `json:"inter"`
	Type  Ref         `json:"type"`
	New   []ItabEntry `json:"new,omitempty"`
}

// ItabEntry is a method to put where the program's linker left it out.
type ItabEntry struct {
	Index int    `json:"index"` // of the interface's methods
	Func  uint64 `json:"func"`  // image offset
}

// Module is the runtime.moduledata of the payload, which needs nothing but to be linked in.
type Module struct {
	Addr uint64 `json:"addr"` // image offset, in Data
	Size uint64 `json:"size"`
	Next uint64 `json:"next"` // offset of its field next, in it
}

// Runtime is where the program has what the loader needs of the Go runtime, as linked. What
// isn't needed may be 0.
type Runtime struct {
	FirstModule       uint64 `json:"first_module"`       // var runtime.firstmoduledata
	LastModule        uint64 `json:"last_module"`        // var runtime.lastmoduledatap
	ModulesSlice      uint64 `json:"modules_slice"`      // var runtime.modulesSlice
	GetItab           uint64 `json:"getitab"`            // func runtime.getitab
	UnreachableMethod uint64 `json:"unreachable_method"` // func runtime.unreachableMethod
	ItabTable         uint64 `json:"itab_table"`         // var runtime.itabTable

	// MadeTypes are the variables of package reflect, of type sync.Map, with the types that it
	// made: those of them that the program has.
	MadeTypes []uint64 `json:"made_types,omitempty"`

	// For entries: functions with which the world is stopped.
	StopTheWorld  uint64 `json:"stop_the_world,omitempty"`  // func runtime.stopTheWorld
	StartTheWorld uint64 `json:"start_the_world,omitempty"` // func runtime.startTheWorld
}

// The kinds of words. Of those in interface tables and method tables the runtime has made
// copies, the tables that it built while it ran, which the loader has to find.
const (
	WordFuncValue = "function-value"
	WordItab      = "interface-table"
	WordMethod    = "method-table"
	WordDict      = "dictionary"
	WordData      = "data" // anything else
)

// Word is a word of the program, or of a payload below, that is overwritten.
type Word struct {
	Kind string  `json:"kind"`
	Name string  `json:"name"` // of what it belongs to, for people
	At   Ref     `json:"at"`   // to the program or a payload below
	Size int     `json:"size"` // in bytes: 8, or 4 for an offset in a method table
	Old  []Value `json:"old"`  // what may be there now
	New  Value   `json:"new"`

	// Same is true of a fixup whose function, and all that it leads to in the image, is as the
	// program's own source has it: any payload's copy is as good.
	Same bool `json:"same,omitempty"`
}

// Entry is a function of the program whose first bytes become a jump: whoever calls it by its
// address runs the payload's version. On amd64 these are EntrySize bytes, a jump with a
// displacement of 32 bits; on arm64 one branch. No goroutine of a stopped world can stand
// inside them: who makes a payload has seen to that.
type Entry struct {
	Name string `json:"name"` // of the function, for people
	At   Ref    `json:"at"`   // to the program
	Old  []byte `json:"old"`  // the bytes that are overwritten, as the program's file has them

	// From is where the entry leads before: to a payload below that redirected it already.
	// Nothing is that it has the Old bytes.
	From Ref `json:"from,omitzero"`

	New Ref `json:"new"` // to the code of the image
}

// Value is what a word holds: the address of Ref, or, where that refers to nothing, Const.
// In a word of 4 bytes the address is counted from Target.Text, or, where the word is in a
// payload below, from the start of that one's text.
type Value struct {
	Ref   Ref    `json:"ref,omitzero"`
	Const uint64 `json:"const,omitempty"`
}

// Init is the initialisation of a package that the program doesn't have.
type Init struct {
	Package string   `json:"package"`
	Funcs   []uint64 `json:"funcs"` // image offsets, in their order
}

// The names of hooks.
const (
	HookLoad       = "load"
	HookUnload     = "unload"
	HookPreApply   = "pre-apply"
	HookPostApply  = "post-apply"
	HookPreRevert  = "pre-revert"
	HookPostRevert = "post-revert"
	HookApply      = "apply"
	HookRevert     = "revert"
)

// ExpectBytes is a variable that must hold certain bytes for the patch to be applied.
type ExpectBytes struct {
	Name  string `json:"name"`
	Addr  Ref    `json:"addr"`
	Bytes []byte `json:"bytes"`
}

// Change is a function that is in the payload, and why.
type Change struct {
	Symbol string `json:"symbol"`
	Reason string `json:"reason"`
}

// encode gives the one spelling of the Meta.
func (m *Meta) encode() ([]byte, error) { return json.Marshal(m) }
