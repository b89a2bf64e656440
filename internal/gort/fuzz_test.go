package gort

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/payload"
)

// FuzzLoad: whatever the payload, if it is one at all, it is mapped or there is an error that
// says why not, and nothing of the program changes. Where the runtime's variables are is left
// out: no payload gets further that is wrong there.
func FuzzLoad(f *testing.F) {
	p := self(f)
	abs := map[string]uint32{"amd64": payload.R_X86_64_64, "arm64": payload.R_AARCH64_ABS64}[runtime.GOARCH]
	host := payload.Ref{Kind: payload.RefHost, Value: uint64(runtime.FuncForPC(reflect.ValueOf(anchor).Pointer()).Entry()) - p.bias, Name: "anchor"}

	place := func(in *payload.File) {
		in.Arch = runtime.GOARCH
		in.Text.Addr, in.Rodata.Addr, in.Data.Addr = payload.Place(in.Arch, len(in.Text.Bytes), len(in.Rodata.Bytes))
		in.Text.Size, in.Rodata.Size, in.Data.Size = uint64(len(in.Text.Bytes)), uint64(len(in.Rodata.Bytes)), uint64(len(in.Data.Bytes))
	}

	seed := payload.File{Text: payload.Segment{Bytes: make([]byte, 64)}, Rodata: payload.Segment{Bytes: make([]byte, 64)}, Data: payload.Segment{Bytes: make([]byte, 600)}}
	place(&seed)

	seed.Relocs = []payload.Reloc{{Off: seed.Data.Addr, Type: abs, Ref: host}, {Off: seed.Data.Addr + 8, Type: abs, Ref: payload.Ref{Kind: payload.RefImage, Value: seed.Text.Addr}}}
	seed.Meta = payload.Meta{
		Format: 1, Name: "x", Target: payload.Target{BuildID: "b", GoVersion: runtime.Version(), Arch: seed.Arch, Anchor: payload.Anchor{Symbol: "a", Addr: host.Value}, Text: host.Value},
		Module:  payload.Module{Addr: seed.Data.Addr, Size: 592, Next: 584},
		Runtime: payload.Runtime{FirstModule: host.Value, LastModule: host.Value, ModulesSlice: host.Value, GetItab: host.Value, UnreachableMethod: host.Value, ItabTable: host.Value, MadeTypes: []uint64{host.Value}},
		Itabs:   []payload.Itab{{Name: "i", Inter: host, Type: payload.Ref{Kind: payload.RefImage, Value: seed.Rodata.Addr}}},
		Words:   []payload.Word{{Kind: payload.WordFuncValue, Name: "w", At: host, Size: 8, Old: []payload.Value{{Const: load(host.Value+p.bias, 8)}}, New: payload.Value{Ref: payload.Ref{Kind: payload.RefImage, Value: seed.Text.Addr}}}},
		Types:   []uint64{seed.Rodata.Addr},
		Expect:  []payload.ExpectBytes{{Name: "v", Addr: host, Bytes: []byte{1, 2}}},
	}

	_, err := seed.Marshal()
	require.NoError(f, err)

	meta, err := json.Marshal(seed.Meta)
	require.NoError(f, err)

	relocs, err := json.Marshal(seed.Relocs)
	require.NoError(f, err)

	f.Add(seed.Text.Bytes, seed.Rodata.Bytes, seed.Data.Bytes, meta, relocs)

	f.Fuzz(func(t *testing.T, text, rodata, data, meta, relocs []byte) {
		in := payload.File{Text: payload.Segment{Bytes: text}, Rodata: payload.Segment{Bytes: rodata}, Data: payload.Segment{Bytes: data}}
		if json.Unmarshal(meta, &in.Meta) != nil || json.Unmarshal(relocs, &in.Relocs) != nil {
			return
		}

		place(&in)

		b, err := in.Marshal()
		if err != nil {
			return
		}

		out, err := payload.Parse(b)
		require.NoError(t, err)

		if len(out.Meta.Depends) > 0 {
			return // what is below is there, or Load ends before all this
		}

		im := &Image{proc: p, file: out, size: roundUp(out.Size(), uint64(os.Getpagesize()))}

		if err := loaded(im); err != nil {
			require.True(t, errors.Is(err, ErrAddress) || errors.Is(err, ErrContent) || errors.Is(err, ErrNoRoom) || errors.Is(err, payload.ErrRange), "%v", err)
		}
	})
}

// loaded does what Load does.
func loaded(im *Image) error {
	if err := im.check(); err != nil {
		return err
	}

	used, err := regions()
	if err != nil {
		return err
	}

	_ = im.proc.checkRuntime(&im.file.Meta, used)

	if _, err := im.proc.pages(im.words(im.file.Meta.Words), used); err != nil {
		return err
	}

	if im.base, err = im.proc.reserve(used, im.size, 0); err != nil {
		return err
	}

	err = im.place()
	if err == nil {
		if err = im.checkTypes(used); err == nil {
			err = im.checkMade()
		}

		for _, e := range im.file.Meta.Expect {
			im.Has(e)
		}
	}

	return errors.Join(err, unmap(im.base, im.size))
}

// FuzzParseRegions: whatever the kernel's list, an answer or an ErrNotSupported.
func FuzzParseRegions(f *testing.F) {
	f.Add("00400000-00401000 r-xp 00000000 08:01 123 /bin/x\n7ffd0000-7ffe0000 rw-p 00000000 00:00 0 [stack]\n")
	f.Add("-\n")

	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseRegions(text); err != nil {
			require.ErrorIs(t, err, ErrNotSupported)
		}
	})
}
