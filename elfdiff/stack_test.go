package elfdiff_test

import (
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff"
	"github.com/vgraft/vgraft/internal/payload"
)

// versions are those of the program in testdata/stacks: each fix is one of the version
// before it.
var versions = []string{"base", "fix1", "fix2", "fix3"}

var chainCalls = parseCalls("greet you; keep a; show; item; handler x; closure x; keep b; show")

// chain is the program, built in all versions.
func chain(t *testing.T, flags ...string) (*builds, *pair, []*elfdiff.Build) {
	t.Helper()

	p := &pair{name: "chain", files: map[string]map[string]string{}, flags: map[string][]string{}, env: map[string][]string{}, calls: chainCalls, stateful: true}
	b := &builds{dir: t.TempDir(), objects: map[string]map[string][]object{}}

	var all []*elfdiff.Build

	for _, v := range versions {
		text, err := os.ReadFile("testdata/stacks/chain-" + v + ".go.txt")
		require.NoError(t, err)

		p.files[v], p.flags[v] = map[string]string{"main.go": string(text)}, flags
		b.objects[v] = map[string][]object{}
		b.write(t, v, p)
		b.module(t, v)
		b.build(t, v, []*pair{p})

		all = append(all, b.open(t, v, p))
	}

	return b, p, all
}

// stacked makes the payload of one of the versions, on top of others.
func stacked(t *testing.T, all []*elfdiff.Build, version int, stack []elfdiff.Layer) []byte {
	t.Helper()

	r, err := elfdiff.Diff(t.Context(), all[0], all[version], elfdiff.Options{ProcessWide: true, Stack: stack})
	require.NoError(t, err)
	require.Empty(t, r.Refusals, describe(r))

	content, err := r.Payload(elfdiff.PayloadOptions{Name: versions[version]})
	require.NoError(t, err)

	return content
}

func parsed(t *testing.T, content []byte) *payload.File {
	t.Helper()

	f, err := payload.Parse(content)
	require.NoError(t, err)

	return f
}

// TestStack has a process take one fix after the other, each linked against those below, and
// lose them again. What it answers is what the fixed programs answer.
func TestStack(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	for _, c := range []struct {
		name, arch string
		flags      []string
	}{
		{"as it is", runtime.GOARCH, nil},
		{"anywhere", runtime.GOARCH, []string{"-buildmode=pie"}},
		{"arm64", "arm64", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOARCH", c.arch)

			b, p, all := chain(t, c.flags...)
			emulate(t, b, p, c.arch)

			var (
				stack []elfdiff.Layer
				files []string
				ids   []string
			)

			for i := 1; i < len(versions); i++ {
				content := stacked(t, all, i, stack)
				require.Equal(t, content, stacked(t, all, i, stack), "the same for the same")

				f := parsed(t, content)
				require.Equal(t, ids, f.Meta.Depends)

				stack, ids = append(stack, elfdiff.Layer{Payload: content, Build: all[i]}), append(ids, f.ID)
				files = append(files, filepath.Join(t.TempDir(), versions[i]))
				require.NoError(t, os.WriteFile(files[i-1], content, 0o666))
			}

			checkChain(t, b, p, files)
			checkApart(t, b, p, files)
			checkLinked(t, stack)
		})
	}
}

// emulate has the programs run on another architecture.
func emulate(t *testing.T, b *builds, p *pair, arch string) {
	t.Helper()

	const emulator = "qemu-aarch64-static"

	if arch == runtime.GOARCH {
		return
	}

	if _, err := exec.LookPath(emulator); err != nil || arch != "arm64" {
		t.Skip("no emulator")
	}

	for _, v := range versions {
		file := b.program(v, p)
		require.NoError(t, os.Rename(file, file+"."+arch))
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\nexec "+emulator+" "+file+"."+arch+"\n"), 0o777))
	}
}

// checkLinked looks at what the payloads have of their own, and what they take of those
// below.
func checkLinked(t *testing.T, stack []elfdiff.Layer) {
	t.Helper()

	has := func(layer int, symbol string) bool {
		for _, s := range parsed(t, stack[layer].Payload).Symbols {
			if s.Name == symbol {
				return true
			}
		}

		return false
	}

	for symbol, want := range map[string][]bool{
		"main.greet":          {true, true, true},
		"main.suffix":         {true, true, false},
		"main.total":          {true, true, false},
		"main.kept":           {true, false, false},
		"main.last":           {true, false, false},
		"main.mark":           {true, false, false},
		"type:main.note":      {true, false, false},
		"main.(*item).Show":   {true, true, false},
		"main.(*item).Tag":    {true, false, false},
		"main.(*note).Show":   {true, true, true},
		"main.(*note).Tag":    {false, false, true},
		"main.decorate":       {true, true, true},
		"main.twice":          {true, true, false},
		"type:main.tagger":    {false, false, true},
		"main.tagOf":          {false, false, true},
		"main.(*item).absent": {false, false, false},
	} {
		for i := range stack {
			require.Equal(t, want[i], has(i, symbol), "%s in %d", symbol, i+1)
		}
	}
}

// checkChain applies and reverts, while garbage is collected all the time.
func checkChain(t *testing.T, b *builds, p *pair, files []string) {
	t.Helper()

	answers := map[string][]string{}

	for _, v := range versions {
		proc := start(t, b.program(v, p))
		answers[v] = proc.calls(p.calls)
		proc.end()
	}

	require.NotEqual(t, answers["fix1"], answers["fix2"])
	require.NotEqual(t, answers["fix2"], answers["fix3"])

	// What is kept depends on the calls before.
	since := func(a []string) (out []string) {
		for _, s := range a {
			if !strings.HasPrefix(s, "keep") {
				out = append(out, s)
			}
		}

		return out
	}

	proc := start(t, b.program("base", p), "GOGC=1", "GODEBUG=clobberfree=1")
	require.Equal(t, answers["base"], proc.calls(p.calls))

	for _, f := range files {
		proc.ok("load " + f)
	}

	is := func(version int) {
		t.Helper()
		require.Equal(t, since(answers[versions[version]]), since(proc.calls(p.calls)), "UNSOUND: %s", versions[version])
		proc.ok("gc")
	}

	for range 2 {
		for i := range files {
			proc.ok("apply " + string(rune('1'+i)))
			is(i + 1)
		}

		require.Contains(t, proc.ask("revert 1"), "error")

		for i := len(files) - 1; i >= 0; i-- {
			proc.ok("revert " + string(rune('1'+i)))
			is(i)
		}
	}

	proc.end()

	// Each version finds what those before have left.
	proc = start(t, b.program("base", p), "GOGC=1", "GODEBUG=clobberfree=1")

	for i, want := range []string{`"note 1 a of some"`, `"note 2 a of 2#"`, `"note 3 a of 3#, noted a!"`} {
		proc.ok("load " + files[i])
		proc.ok("apply")
		require.Equal(t, want, proc.call(call{"keep", "a"}))
		proc.ok("gc")
	}

	proc.ok("revert")
	require.Equal(t, `"note 2 b of 4#"`, proc.call(call{"keep", "b"}))
	proc.end()
}

// checkApart has the engine refuse payloads without those that they are linked against.
func checkApart(t *testing.T, b *builds, p *pair, files []string) {
	t.Helper()

	proc := start(t, b.program("base", p))
	require.Contains(t, proc.ask("load "+files[1]), "error", "the one below isn't loaded")

	proc.ok("load " + files[0])
	proc.ok("load " + files[1])
	require.Contains(t, proc.ask("apply 2"), "error", "the one below isn't applied")

	proc.ok("apply 1")
	proc.ok("apply 2")
	proc.end()
}

// TestStack_refused has stacks be refused that don't fit the program, or each other.
func TestStack_refused(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}

	_, _, all := chain(t)

	one := elfdiff.Layer{Payload: stacked(t, all, 1, nil), Build: all[1]}
	two := elfdiff.Layer{Payload: stacked(t, all, 2, []elfdiff.Layer{one}), Build: all[2]}

	signed, err := payload.Sign(one.Payload, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	require.NoError(t, err)
	require.Equal(t, two.Payload, stacked(t, all, 2, []elfdiff.Layer{{Payload: signed, Build: all[1]}}))

	for name, c := range map[string]struct {
		base  int
		stack []elfdiff.Layer
		layer int
	}{
		"wrong order":        {0, []elfdiff.Layer{two, one}, 0},
		"missing":            {0, []elfdiff.Layer{two}, 0},
		"twice":              {0, []elfdiff.Layer{one, one}, 1},
		"another program":    {1, []elfdiff.Layer{one}, 0},
		"another build":      {0, []elfdiff.Layer{{Payload: one.Payload, Build: all[2]}}, 0},
		"the base":           {0, []elfdiff.Layer{{Payload: one.Payload, Build: all[0]}}, 0},
		"another build, top": {0, []elfdiff.Layer{one, {Payload: two.Payload, Build: all[3]}}, 1},
		"the build below":    {0, []elfdiff.Layer{one, {Payload: two.Payload, Build: all[1]}}, 1},
		"no build":           {0, []elfdiff.Layer{{Payload: one.Payload}}, 0},
		"no payload":         {0, []elfdiff.Layer{{Payload: []byte("\x7fELF"), Build: all[1]}}, 0},
		"cut":                {0, []elfdiff.Layer{{Payload: signed[1:], Build: all[1]}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := elfdiff.Diff(t.Context(), all[c.base], all[3], elfdiff.Options{ProcessWide: true, Stack: c.stack})

			var bad *elfdiff.StackError

			require.ErrorIs(t, err, elfdiff.ErrStack)
			require.ErrorAs(t, err, &bad)
			require.Equal(t, c.layer, bad.Layer)
			t.Log(err)
		})
	}
}
