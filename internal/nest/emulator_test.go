package nest

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLosesRewrites(t *testing.T) {
	for version, want := range map[string]bool{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright": true,
		"QEMU emulator version 8.0.4":                                            true,
		"QEMU emulator version 8.1.0":                                            false,
		"QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)":                    false,
		"something else": false,
		"":               false,
	} {
		require.Equal(t, want, losesRewrites(version), version)
	}
}

// That it does what it says is seen in every rig: see stage1.sh.
func TestKeeper(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(keeper()))
	require.NoError(t, err)
	require.Equal(t, elf.ET_EXEC, f.Type)
	require.Len(t, f.Progs, 1)
	require.EqualValues(t, len(keeper()), f.Progs[0].Filesz)
}
