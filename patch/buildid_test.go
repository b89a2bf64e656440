package patch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const printBuildID = "VGRAFT_TEST_PRINT_BUILD_ID"

// TestHostBuildID starts this program again, also as a copy of another name, and one that
// differs by a byte.
func TestHostBuildID(t *testing.T) {
	if os.Getenv(printBuildID) != "" {
		_, err := os.Stdout.WriteString("id=" + BuildID() + "\n")
		require.NoError(t, err)

		return
	}

	self, err := os.Executable()
	require.NoError(t, err)

	program, err := os.ReadFile(self)
	require.NoError(t, err)

	start := func(name string) string {
		cmd := exec.CommandContext(t.Context(), name, "-test.run=^TestHostBuildID$")
		cmd.Env = append(os.Environ(), printBuildID+"=1")

		out, err := cmd.Output()
		require.NoError(t, err)

		_, after, ok := strings.Cut(string(out), "id=")
		require.True(t, ok, "%s", out)

		id, _, _ := strings.Cut(after, "\n")

		return id
	}

	id := BuildID()
	require.Equal(t, id, BuildID())
	require.Equal(t, id, start(self), "another process of the same build")

	other := t.TempDir() + "/other.exe"
	require.NoError(t, os.WriteFile(other, program, 0o700))
	require.Equal(t, id, start(other), "a copy")

	if runtime.GOOS == "linux" {
		require.True(t, strings.HasPrefix(id, "go:"), id)

		// What another build differs by is the note: here, one letter of it.
		note := []byte(strings.TrimPrefix(id, "go:"))
		changed := bytes.Clone(note)
		changed[len(changed)-1] ^= 1

		require.NoError(t, os.WriteFile(other, bytes.ReplaceAll(program, note, changed), 0o700))
		require.Equal(t, "go:"+string(changed), start(other))
	}
}

func TestFileBuildID_fallsBackToTheContent(t *testing.T) {
	id := func(b []byte) string {
		id, ok := fileBuildID(bytes.NewReader(b))
		require.True(t, ok)

		return id
	}

	const four = "action/main/content/whole"

	require.Equal(t, "go:"+four, id(elfWith(note("Go\x00\x00", four, goNoteType))))
	require.Equal(t, "go:"+four, id(elfWith(append(note("GNU\x00", "123", 3), note("Go\x00\x00", four, goNoteType)...))))

	seen := map[string]string{}

	for name, b := range map[string][]byte{
		"empty":             nil,
		"no ELF":            []byte("MZ"),
		"no notes":          elfWith(nil),
		"no id":             elfWith(note("Go\x00\x00", "", goNoteType)),
		"an id of a person": elfWith(note("Go\x00\x00", "v1", goNoteType)),
		"another type":      elfWith(note("Go\x00\x00", four, 1)),
		"another name":      elfWith(note("GNU\x00", four, goNoteType)),
		"torn":              elfWith(note("Go\x00\x00", four, goNoteType)[:20]),
		"a size too large":  elfWith(append(binary.LittleEndian.AppendUint32(nil, 1<<32-1), make([]byte, 20)...)),
	} {
		got := id(b)
		require.True(t, strings.HasPrefix(got, "sha256:"), "%s: %s", name, got)
		require.Empty(t, seen[got], "%s is the same as %s", name, seen[got])

		seen[got] = name
	}
}

// note is one ELF note.
func note(name, content string, typ uint32) []byte {
	var b []byte

	for _, n := range []uint32{uint32(len(name)), uint32(len(content)), typ} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}

	for _, s := range []string{name, content} {
		b = append(b, s...)
		b = append(b, make([]byte, -len(s)&3)...)
	}

	return b
}

// elfWith is an ELF file that has these notes and nothing else.
func elfWith(notes []byte) []byte {
	h := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(elf.EM_X86_64),
		Version: uint32(elf.EV_CURRENT),
		Phoff:   64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	p := elf.Prog64{Type: uint32(elf.PT_NOTE), Off: 64 + 56, Filesz: uint64(len(notes))}

	var b bytes.Buffer

	for _, part := range []any{h, p, notes} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err) // a buffer takes everything
		}
	}

	return b.Bytes()
}

// FuzzGoBuildIDNote: whatever the notes, no panic, and an id that is in them.
func FuzzGoBuildIDNote(f *testing.F) {
	f.Add(note("Go\x00\x00", "a/b/c/d", goNoteType))
	f.Add(append(note("GNU\x00", "123", 3), note("Go\x00\x00", "a/b/c/d", goNoteType)...))
	f.Add(bytes.Repeat([]byte{0xff}, 40))

	f.Fuzz(func(t *testing.T, notes []byte) {
		id, ok := goBuildIDNote(notes, binary.LittleEndian)
		require.Equal(t, ok, id != "")
		require.True(t, bytes.Contains(notes, []byte(id)))
	})
}
