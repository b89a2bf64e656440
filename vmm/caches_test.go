package vmm_test

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/internal/testutil"
	"github.com/vgraft/vgraft/vmm"
	"github.com/vgraft/vgraft/vmm/acpi"
)

// sysfs has caches as Linux shows them: each is level, type, size, line, ways; a "-" is a
// file that isn't there.
func sysfs(caches ...string) fstest.MapFS {
	dir := fstest.MapFS{"uevent": {}}

	for i, c := range caches {
		for n, value := range strings.Fields(c) {
			name := []string{"level", "type", "size", "coherency_line_size", "ways_of_associativity"}[n]
			if value != "-" {
				dir["index"+string(rune('0'+i))+"/"+name] = &fstest.MapFile{Data: []byte(value + "\n")}
			}
		}
	}

	return dir
}

var server = []string{"1 Data 64K 64 4", "1 Instruction 64K 64 4", "2 Unified 1024K 64 8", "3 Unified 32768K 64 16"}

func TestReadCaches(t *testing.T) {
	testutil.Pure(t)

	c, err := vmm.ReadCaches(sysfs(server...))
	require.NoError(t, err)
	require.Equal(t, vmm.UsualCaches, c)

	// Without a third level, with a fourth; and where not everything is known.
	c, err = vmm.ReadCaches(sysfs("1 Data 32K 64 2", "1 Instruction 48K 64 3", "2 Unified 1024K 64 16", "4 Unified 65536K 64 16"))
	require.NoError(t, err)
	require.Equal(t, vmm.Caches{
		L1Data: vmm.Cache{Size: 32 << 10, Line: 64, Ways: 2}, L1Code: vmm.Cache{Size: 48 << 10, Line: 64, Ways: 3},
		L2: vmm.Cache{Size: 1 << 20, Line: 64, Ways: 16},
	}, c)

	c, err = vmm.ReadCaches(sysfs("1 Instruction 32K - 2", "1 Data 32K 128 -", "3 Unified 3M1", "2 Unified 512K - -"))
	require.Error(t, err)
	require.Zero(t, c)

	c, err = vmm.ReadCaches(sysfs("1 Instruction 32K - 2", "1 Data 32K 128 -", "2 Unified 512K - -"))
	require.NoError(t, err)
	require.Equal(t, vmm.Caches{
		L1Data: vmm.Cache{Size: 32 << 10, Line: 128}, L1Code: vmm.Cache{Size: 32 << 10, Ways: 2}, L2: vmm.Cache{Size: 512 << 10},
	}, c)

	for name, caches := range map[string][]string{
		"none":            nil,
		"no sizes":        {"1 Data - - -", "1 Instruction - - -", "2 Unified - - -"}, // as of a device tree without them
		"no second level": server[:2],
		"no code":         {server[0], server[2]},
		"unified first":   {"1 Unified 64K 64 4", server[2]},
		"two of a kind":   append([]string{server[0]}, server...),
		"no level":        {server[0], "- Data 64K 64 4", server[1], server[2]},
		"odd level":       append([]string{"x Data 64K 64 4"}, server...),
		"level 0":         append([]string{"0 Data 64K 64 4"}, server...),
		"empty type":      append([]string{"1 - 64K 64 4"}, server...),
		"size 0":          {"1 Data 0K 64 4", server[1], server[2]},
		"size negative":   {"1 Data -1K 64 4", server[1], server[2]},
		"size huge":       {"1 Data 4194304K 64 4", server[1], server[2]},
		"size more":       {"1 Data 99999999999999999999K 64 4", server[1], server[2]},
		"size odd":        {"1 Data 63K 64 5", server[1], server[2]},
		"line odd":        {"1 Data 63K 63 1", server[1], server[2]},
		"line huge":       {"1 Data 64K 65536 1", server[1], server[2]},
		"ways huge":       {"1 Data 64K 64 256", server[1], server[2]},
		"ways odd":        {"1 Data 64K 64 four", server[1], server[2]},
		"long line":       {"1 Data " + strings.Repeat("9", 1<<20) + "K 64 4", server[1], server[2]},
	} {
		c, err := vmm.ReadCaches(sysfs(caches...))
		require.Error(t, err, name)
		require.Zero(t, c, name)
	}

	_, err = vmm.ReadCaches(failing{})
	require.ErrorIs(t, err, errFailing)
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Open(string) (fs.File, error) { return nil, errFailing }

// What is in the files is anybody's guess: the answer is caches that can be, or an error.
func FuzzReadCaches(f *testing.F) {
	f.Add("1 Data 64K 64 4", "64K")
	f.Add("3 Unified 32768K 64 16", "0K")
	f.Add("4 Unified - - -", "\x00")

	f.Fuzz(func(t *testing.T, line, size string) {
		dir := sysfs(server[0], server[1], server[2])
		maps.Copy(dir, fstest.MapFS{"index2/size": {Data: []byte(size)}})

		fields := strings.Fields(line)
		for i, c := range fields[:min(len(fields), 5)] {
			name := []string{"level", "type", "size", "coherency_line_size", "ways_of_associativity"}[i]
			dir["index3/"+name] = &fstest.MapFile{Data: []byte(c)}
		}

		c, err := vmm.ReadCaches(dir)
		if err != nil {
			require.Zero(t, c)
			return
		}

		cfg := vmm.Config{CPUs: 1, MaxCPUs: 1, Topology: vmm.Topology{Caches: c}}
		_, err = vmm.VirtSetOf(cfg, false, nil)
		require.NoError(t, err, "%+v", c)
	})
}

// The table says of each cache what is known.
func TestTopology_caches(t *testing.T) {
	testutil.Pure(t)

	nodes := func(c vmm.Caches) (list []acpi.CacheNode) {
		set, err := vmm.VirtSetOf(vmm.Config{CPUs: 1, MaxCPUs: 1, Topology: vmm.Topology{Caches: c}}, false, nil)
		require.NoError(t, err)

		for _, f := range acpi.Lint(set, acpi.LintOptions{Arch: acpi.ArchARM64}) {
			require.Equal(t, "arm64-spcr", f.Rule, "%v", f) // there is no serial port
		}

		table, ok := acpi.First[*acpi.PPTT](set)
		require.True(t, ok)

		for _, s := range table.Structures {
			if n, ok := s.(*acpi.CacheNode); ok {
				list = append(list, *n)
			}
		}

		return list
	}

	const all = acpi.CacheSizeValid | acpi.CacheSetsValid | acpi.CacheAssociativityValid | acpi.CacheAllocationValid |
		acpi.CacheTypeValid | acpi.CacheWritePolicyValid | acpi.CacheLineSizeValid | acpi.CacheIDValid

	usual := nodes(vmm.Caches{})
	require.Len(t, usual, 4)
	require.Equal(t, nodes(vmm.UsualCaches), usual)

	for i, want := range []struct{ size, sets uint32 }{{32 << 20, 32768}, {1 << 20, 2048}, {64 << 10, 256}, {64 << 10, 256}} {
		require.Equal(t, want.size, usual[i].Size)
		require.Equal(t, want.sets, usual[i].NumberOfSets)
		require.EqualValues(t, all, usual[i].Flags)
	}

	few := nodes(vmm.Caches{
		L1Data: vmm.Cache{Size: 32 << 10, Line: 128, Ways: 2}, L1Code: vmm.Cache{Size: 48 << 10}, L2: vmm.Cache{Size: 512 << 10, Line: 64},
	})
	require.Len(t, few, 3)
	require.EqualValues(t, all&^(acpi.CacheSetsValid|acpi.CacheAssociativityValid), few[0].Flags)
	require.EqualValues(t, all, few[1].Flags)
	require.EqualValues(t, 128, few[1].NumberOfSets)
	require.EqualValues(t, all&^(acpi.CacheSetsValid|acpi.CacheAssociativityValid|acpi.CacheLineSizeValid), few[2].Flags)
}
