package goobj

import "encoding/binary"

// FuncInfo is what the compiler says of a function beside its code.
type FuncInfo struct {
	Args, Locals uint32 // sizes, in bytes
	ID, Flags    uint8
	StartLine    int32
	Files        []uint32 // indices into the object's Files
	Inlined      []Inlined
}

// Inlined is a call that the compiler replaced by the callee's body.
type Inlined struct {
	Parent   int32
	File     uint32 // index into the object's Files
	Line     int32
	Func     Ref
	ParentPC int32
}

const (
	funcInfoHead = 20
	inlinedSize  = 24
)

// ReadFuncInfo reads the data of a symbol of type AuxFuncInfo.
func ReadFuncInfo(b []byte) (FuncInfo, bool) {
	if len(b) < funcInfoHead {
		return FuncInfo{}, false
	}

	le := binary.LittleEndian
	fi := FuncInfo{
		Args: le.Uint32(b), Locals: le.Uint32(b[4:]),
		ID: b[8], Flags: b[9],
		StartLine: int32(le.Uint32(b[12:])),
	}

	n := uint64(le.Uint32(b[16:]))
	b = b[funcInfoHead:]

	if n*4+4 > uint64(len(b)) {
		return FuncInfo{}, false
	}

	for i := range int(n) {
		fi.Files = append(fi.Files, le.Uint32(b[4*i:]))
	}

	b = b[4*n:]
	n = uint64(le.Uint32(b))
	b = b[4:]

	if n*inlinedSize > uint64(len(b)) {
		return FuncInfo{}, false
	}

	for range n {
		fi.Inlined = append(fi.Inlined, Inlined{
			Parent: int32(le.Uint32(b)), File: le.Uint32(b[4:]), Line: int32(le.Uint32(b[8:])),
			Func: Ref{le.Uint32(b[12:]), le.Uint32(b[16:])}, ParentPC: int32(le.Uint32(b[20:])),
		})
		b = b[inlinedSize:]
	}

	return fi, true
}
