package payload

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckEntries(t *testing.T) {
	for name, change := range map[string]func(f *File){
		"no name":          func(f *File) { f.Meta.Entries[0].Name = "" },
		"short":            func(f *File) { f.Meta.Entries[0].Old = f.Meta.Entries[0].Old[1:] },
		"long":             func(f *File) { f.Meta.Entries[0].Old = append(f.Meta.Entries[0].Old, 0) },
		"no place":         func(f *File) { f.Meta.Entries[0].At = Ref{} },
		"in a payload":     func(f *File) { f.Meta.Entries[0].At = f.Meta.Entries[1].From },
		"in the image":     func(f *File) { f.Meta.Entries[0].At = f.Meta.Entries[0].New },
		"overlap":          func(f *File) { f.Meta.Entries[1].At.Value = f.Meta.Entries[0].At.Value + uint64(EntrySize(f.Arch)) - 1 },
		"twice":            func(f *File) { f.Meta.Entries[1].At = f.Meta.Entries[0].At },
		"leads to data":    func(f *File) { f.Meta.Entries[0].New.Value = f.Data.Addr },
		"leads elsewhere":  func(f *File) { f.Meta.Entries[0].New = f.Meta.Entries[0].At },
		"from the program": func(f *File) { f.Meta.Entries[1].From = f.Meta.Entries[0].At },
		"from nowhere":     func(f *File) { f.Meta.Entries[1].From.Index = 1 },
		"no stop":          func(f *File) { f.Meta.Runtime.StopTheWorld = 0 },
		"no start":         func(f *File) { f.Meta.Runtime.StartTheWorld = 0 },
		"far stop":         func(f *File) { f.Meta.Runtime.StopTheWorld = maxAddr },
		"far":              func(f *File) { f.Meta.Entries[0].At.Value = maxAddr },
		"too many": func(f *File) {
			e := f.Meta.Entries[0]
			for i := range uint64(MaxEntries) {
				e.At.Value = 0x402000 + 16*i
				f.Meta.Entries = append(f.Meta.Entries, e)
			}
		},
	} {
		for _, arch := range []string{"amd64", "arm64"} {
			t.Run(name+" "+arch, func(t *testing.T) {
				f := sample(arch)
				change(f)

				_, err := f.Marshal()
				require.ErrorIs(t, err, ErrFormat)
			})
		}
	}
}
