package elfdiff

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// told is an ELF file with no more than what the go command and the linker say of a program.
func told(t testing.TB, file []byte) []byte {
	t.Helper()

	f, err := elf.NewFile(bytes.NewReader(file))
	require.NoError(t, err)

	const header, program, section = 64, 56, 64

	names := []byte{0}
	body := []byte{}
	heads := []elf.Section64{{}}

	var progs []elf.Prog64

	add := func(name string, typ elf.SectionType, flags elf.SectionFlag, addr uint64, data []byte) {
		heads = append(heads, elf.Section64{
			Name: uint32(len(names)), Type: uint32(typ), Flags: uint64(flags), Addr: addr,
			Off: uint64(header + 2*program + len(body)), Size: uint64(len(data)), Addralign: 1,
		})
		names, body = append(names, name+"\x00"...), append(body, data...)
	}

	for name, typ := range map[string]elf.ProgType{".go.buildinfo": elf.PT_LOAD, ".note.go.buildid": elf.PT_NOTE} {
		s := f.Section(name)
		require.NotNil(t, s)

		data, err := s.Data()
		require.NoError(t, err)

		flags := elf.PF_R
		if typ == elf.PT_LOAD {
			flags |= elf.PF_W
		}

		progs = append(progs, elf.Prog64{
			Type: uint32(typ), Flags: uint32(flags), Off: uint64(header + 2*program + len(body)),
			Vaddr: s.Addr, Filesz: s.Size, Memsz: s.Size, Align: 16,
		})
		add(name, s.Type, s.Flags, s.Addr, data)
	}

	add(".symtab", elf.SHT_SYMTAB, 0, 0, nil)
	add(".debug_info", elf.SHT_PROGBITS, 0, 0, nil)
	add(".shstrtab", elf.SHT_STRTAB, 0, 0, append(bytes.Clone(names), ".shstrtab\x00"...))

	out := new(bytes.Buffer)
	put := func(v any) { _ = binary.Write(out, binary.LittleEndian, v) } // a buffer takes everything

	put(elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(f.Type), Machine: uint16(f.Machine), Version: uint32(elf.EV_CURRENT),
		Phoff: header, Shoff: uint64(header + 2*program + len(body)), Ehsize: header,
		Phentsize: program, Phnum: uint16(len(progs)), Shentsize: section, Shnum: uint16(len(heads)), Shstrndx: uint16(len(heads) - 1),
	})
	put(progs)
	out.Write(body)
	put(heads)

	return out.Bytes()
}

// FuzzReadInfo: whatever the program and the archive of its package, what they say of
// themselves or an error of this package.
func FuzzReadInfo(f *testing.F) {
	build, _ := open(f, sources())
	file := told(f, build.ELF)

	info, err := readInfo(file)
	require.NoError(f, err)
	require.Equal(f, build.Info.Path, info.Path)
	require.Equal(f, build.Info.BuildID, info.BuildID)

	archive := build.Objects[0].Archive
	f.Add(file, archive[:min(len(archive), 4<<10)])
	f.Add(file, []byte(archiveMagic+"a               0           0     0     644     3         `\nabc\n"))

	f.Fuzz(func(t *testing.T, file, archive []byte) {
		if info, err := readInfo(file); err == nil {
			splitVersion(info.GoVersion)
			buildFlags(&info)
			buildVariables(&info)

			if fields, err := splitQuoted(info.LDFlags); err == nil && !strings.ContainsAny(info.LDFlags, `'"`) {
				again, err := splitQuoted(joinQuoted(fields))
				require.NoError(t, err)
				require.Equal(t, fields, again)
			}
		} else {
			require.True(t, errors.Is(err, ErrNotGo) || errors.Is(err, ErrStripped), "%v", err)
		}

		if err := checkMain(file, archive); err != nil {
			require.ErrorIs(t, err, ErrMismatch)
		}

		out, err := withoutExports(archive)
		if err != nil {
			require.ErrorIs(t, err, ErrMismatch)
		}

		require.LessOrEqual(t, len(out), len(archive))
	})
}
