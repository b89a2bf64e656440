package elfdiff

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cpuprofile gives a small profile, always the same, so that the build cache knows what is
// built with it: main calls lib.Answer often.
func cpuprofile() string {
	field := func(n int, content ...byte) []byte {
		return append([]byte{byte(n<<3 | 2), byte(len(content))}, content...)
	}
	number := func(n, v int) []byte { return []byte{byte(n << 3), byte(v)} }
	message := func(n int, fields ...[]byte) []byte { return field(n, slices.Concat(fields...)...) }

	valueType := func(n, kind, unit int) []byte { return message(n, number(1, kind), number(2, unit)) }
	location := func(id, function, line int) []byte {
		return message(4, number(1, id), message(4, number(1, function), number(2, line)))
	}
	function := func(id, name int) []byte { return message(5, number(1, id), number(2, name), number(5, 1)) }

	p := [][]byte{
		valueType(1, 1, 2), valueType(1, 3, 4),
		message(2, field(1, 1, 2), field(2, 100, 100)),
		location(1, 1, 4), location(2, 2, 7), function(1, 5), function(2, 6),
	}
	for _, s := range []string{"", "samples", "count", "cpu", "nanoseconds", "example.com/program/lib.Answer", "main.main"} {
		p = append(p, field(6, []byte(s)...))
	}

	return string(slices.Concat(p...))
}

func TestOpen(t *testing.T) {
	with := func(more map[string]string) map[string]string {
		files := sources()
		for k, v := range more {
			files[k] = v
		}

		return files
	}

	for _, c := range []struct {
		name    string
		files   map[string]string
		env     []string
		flags   []string // of go build
		options OpenOptions
		check   func(*testing.T, *Build)
	}{
		{name: "plain", check: func(t *testing.T, b *Build) {
			require.Equal(t, "example.com/program", b.Info.Path)
			require.Equal(t, runtime.GOOS, b.Info.OS)
			require.Equal(t, runtime.GOARCH, b.Info.Arch)
			require.False(t, b.Info.PIE)
			require.True(t, strings.HasPrefix(b.Info.BuildID, "go:"))
			require.NotEmpty(t, b.builtins)
		}},
		{name: "trimpath", flags: []string{"-trimpath"}},
		{name: "trimpath in GOFLAGS", env: []string{"GOFLAGS=-trimpath -tags=more"}},
		{name: "tags", flags: []string{"-tags=more,other"}},
		{name: "ldflags", flags: []string{"-ldflags=-X 'main.version=1 2'"}, check: func(t *testing.T, b *Build) {
			require.Equal(t, "-X 'main.version=1 2'", b.Info.LDFlags)
		}},
		{name: "not optimised", flags: []string{"-gcflags=all=-N -l"}},
		{name: "other GOAMD64", env: []string{"GOARCH=amd64", "GOAMD64=v3"}},
		{name: "arm64", env: []string{"GOARCH=arm64", "GOOS=linux"}, check: func(t *testing.T, b *Build) {
			require.Equal(t, "arm64", b.Info.Arch)
		}},
		{name: "PIE", flags: []string{"-buildmode=pie"}, check: func(t *testing.T, b *Build) { require.True(t, b.Info.PIE) }},
		{name: "experiment", env: []string{"GOEXPERIMENT=jsonv2"}, check: func(t *testing.T, b *Build) {
			require.Contains(t, b.Info.GoVersion, "jsonv2")
			require.Equal(t, runtime.Version(), b.Info.Toolchain())
		}},
		{name: "FIPS", env: []string{"GOFIPS140=latest"}},
		{name: "FIPS version", env: []string{"GOFIPS140=v1.0.0"}, flags: []string{"-tags=more"}},
		{name: "from files", flags: []string{"main.go", "extra.go"}, options: OpenOptions{Packages: []string{"main.go", "extra.go"}}},
		{name: "no build id", flags: []string{"-ldflags=-buildid="}, check: func(t *testing.T, b *Build) {
			require.True(t, strings.HasPrefix(b.Info.BuildID, "sha256:"))
			require.True(t, b.SameProgram(b.ELF))
		}},
		{name: "profile of the program", files: with(map[string]string{"default.pgo": cpuprofile()}), check: func(t *testing.T, b *Build) {
			require.Equal(t, cpuprofile(), string(b.profile))
		}},
		{name: "profile, trimpath", files: with(map[string]string{"default.pgo": cpuprofile()}), flags: []string{"-trimpath"}, check: func(t *testing.T, b *Build) {
			require.Equal(t, cpuprofile(), string(b.profile))
		}},
		{name: "vendored", files: with(map[string]string{
			"go.mod":                         sources()["go.mod"] + "\nrequire example.com/v v1.0.0\n",
			"lib/v.go":                       "package lib\n\nimport _ \"example.com/v\"\n",
			"vendor/example.com/v/v.go":      "package v\n",
			"vendor/modules.txt":             "# example.com/v v1.0.0\n## explicit\nexample.com/v\n",
			"vendor/example.com/unused/x.go": "package broken broken\n",
		}), check: func(t *testing.T, b *Build) { require.NotEmpty(t, b.object(t, "example.com/v")) }},
		{name: "workspace", env: []string{"GOWORK="}, files: with(map[string]string{
			"go.work":      "go 1.26\n\nuse (\n\t.\n\t./other\n)\n",
			"other/go.mod": "module example.com/other\n\ngo 1.26\n",
			"other/o.go":   "package other\n",
			"lib/o.go":     "package lib\n\nimport _ \"example.com/other\"\n",
		}), check: func(t *testing.T, b *Build) { require.NotEmpty(t, b.object(t, "example.com/other")) }},
		{name: "compiled otherwise than recorded", flags: []string{"-gcflags=-N", "-gcflags=example.com/program/lib=-l"},
			options: OpenOptions{Flags: []string{"-gcflags=-N", "-gcflags=example.com/program/lib=-l"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			if c.files == nil {
				c.files = sources()
			}

			dir := write(t, c.files)
			file := goBuild(t, dir, plain(c.env...), c.flags...)

			// What is built is the program's matter: the environment must not change it.
			c.options.Dir, c.options.Env = dir, plain("GOFLAGS=-race -tags=wrong", "GOARCH=386", "GOEXPERIMENT=synctest")
			if slices.Contains(c.env, "GOWORK=") {
				c.options.Env = append(c.options.Env, "GOWORK=")
			}

			b, err := Open(t.Context(), file, c.options)
			require.NoError(t, err)

			content, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, content, b.ELF)

			require.NotEmpty(t, b.object(t, "runtime"))
			require.True(t, slices.IsSortedFunc(b.Objects, func(x, y Object) int { return strings.Compare(x.Package, y.Package) }))

			for _, o := range b.Objects {
				require.True(t, strings.HasPrefix(string(o.Archive), archiveMagic+"_go_.o"), o.Package)
			}

			if c.check != nil {
				c.check(t, b)
			}

			if slices.Contains([]string{"plain", "arm64", "PIE", "from files", "profile of the program"}, c.name) {
				requireRoundTrip(t, b)
			}
		})
	}
}

func TestOpen_race(t *testing.T) {
	if testing.Short() || !raceCanBuild() {
		t.Skip("needs a C compiler, and takes a while")
	}

	dir := write(t, sources())
	file := goBuild(t, dir, plain("CGO_ENABLED=1"), "-race")

	b, err := Open(t.Context(), file, OpenOptions{Dir: dir, Env: plain()})
	require.NoError(t, err)
	require.NotEmpty(t, b.object(t, "runtime/race"))
	requireRoundTrip(t, b)
}

func raceCanBuild() bool {
	_, err := exec.LookPath("gcc")
	return err == nil && runtime.GOOS == "linux" && runtime.GOARCH == "amd64"
}

func TestOpen_pgo(t *testing.T) {
	dir := write(t, sources())
	profile := filepath.Join(write(t, map[string]string{"cpu.pgo": cpuprofile()}), "cpu.pgo")

	for _, c := range []struct {
		name, given string // to Open
		flags       []string
		move        bool // the profile away
		want        error
	}{
		{name: "recorded"},
		{name: "moved", move: true, want: ErrMissing},
		{name: "trimpath", flags: []string{"-trimpath"}, want: ErrMissing},
		{name: "trimpath and given", flags: []string{"-trimpath"}, given: profile},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := goBuild(t, dir, plain(), append(c.flags, "-pgo="+profile)...)

			if c.move {
				require.NoError(t, os.Rename(profile, profile+".moved"))
				defer os.Rename(profile+".moved", profile) //nolint:errcheck // the next case would tell
			}

			b, err := Open(t.Context(), file, OpenOptions{Dir: dir, Env: plain(), Profile: c.given})
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
				return
			}

			require.NoError(t, err)
			require.Equal(t, sumOf([]byte(cpuprofile())), b.Info.ProfileSum)
			requireRoundTrip(t, b)
		})
	}

	_, err := Open(t.Context(), goBuild(t, dir, plain()), OpenOptions{Dir: dir, Env: plain(), Profile: profile})
	require.ErrorIs(t, err, ErrMismatch)
}

func TestOpen_overlay(t *testing.T) {
	dir := write(t, sources())
	other := write(t, map[string]string{"lib.go": strings.Replace(lib, "n + 1", "n + 2", 1)})
	overlay := filepath.Join(other, "overlay.json")

	require.NoError(t, os.WriteFile(overlay, []byte(`{"Replace": {"lib/lib.go": "`+other+`/lib.go"}}`), 0o666))

	file := goBuild(t, dir, plain(), "-overlay="+overlay)

	b, err := Open(t.Context(), file, OpenOptions{Dir: dir, Env: plain(), Overlay: overlay})
	require.NoError(t, err)

	without, err := Open(t.Context(), goBuild(t, dir, plain()), OpenOptions{Dir: dir, Env: plain()})
	require.NoError(t, err)
	require.NotEqual(t, without.object(t, "example.com/program/lib"), b.object(t, "example.com/program/lib"))
}

func TestOpen_refused(t *testing.T) {
	dir := write(t, sources())
	file := goBuild(t, dir, plain())

	changed := sources()
	changed["main.go"] = strings.Replace(changed["main.go"], "Answer(1)", "Answer(2)", 1)

	stripped := filepath.Join(t.TempDir(), "stripped")

	for _, c := range []struct {
		name, file string
		dir        string
		options    OpenOptions
		want       error
	}{
		{name: "no ELF", file: filepath.Join(dir, "main.go"), want: ErrNotGo},
		{name: "no file", file: filepath.Join(dir, "none"), want: os.ErrNotExist},
		{name: "-s", file: goBuild(t, dir, plain(), "-ldflags=-s"), want: ErrStripped},
		{name: "-w", file: goBuild(t, dir, plain(), "-ldflags=-w"), want: ErrStripped},
		{name: "changed since", file: file, dir: write(t, changed), want: ErrMismatch},
		{name: "files not told", file: goBuild(t, dir, plain(), "main.go", "extra.go"), want: ErrMissing},
		{name: "other ldflags", file: goBuild(t, dir, plain(), "-ldflags=-X=main.version=1"), options: OpenOptions{LDFlags: "-X=main.version=2"}, want: ErrMismatch},
		{name: "another package", file: file, options: OpenOptions{Packages: []string{"./lib"}}, want: ErrMismatch},
		{name: "flag in two words", file: file, options: OpenOptions{Flags: []string{"-mod", "mod"}}, want: errFlag},
		{name: "no go command", file: file, options: OpenOptions{GoCommand: filepath.Join(dir, "go")}, want: ErrToolchain},
		{name: "archive", file: goBuild(t, dir, plain(), "./lib"), want: ErrNotGo},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.options.Dir, c.options.Env = dir, plain(); c.dir != "" {
				c.options.Dir = c.dir
			}

			_, err := Open(t.Context(), c.file, c.options)
			require.ErrorIs(t, err, c.want)
		})
	}

	// What is deployed is the same program, and is no base.
	b, err := Open(t.Context(), file, OpenOptions{Dir: dir, Env: plain()})
	require.NoError(t, err)
	require.True(t, b.SameProgram(b.ELF))

	if _, err := exec.LookPath("strip"); err != nil {
		return
	}

	text, err := exec.CommandContext(t.Context(), "strip", "-o", stripped, file).CombinedOutput()
	require.NoError(t, err, "%s", text)

	content, err := os.ReadFile(stripped)
	require.NoError(t, err)

	f, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	require.Nil(t, f.Section(".symtab"))
	require.True(t, b.SameProgram(content))

	_, err = Open(t.Context(), stripped, OpenOptions{Dir: dir, Env: plain()})
	require.ErrorIs(t, err, ErrStripped)

	again, err := os.ReadFile(goBuild(t, dir, plain(), "-ldflags=-s -w"))
	require.NoError(t, err)
	require.False(t, b.SameProgram(again), "-s and -w make another build")
}

func TestOpen_toolchain(t *testing.T) {
	dir := write(t, sources())
	file := goBuild(t, dir, plain())

	// The same program, by a version that there isn't.
	content, err := os.ReadFile(file)
	require.NoError(t, err)

	content = bytes.ReplaceAll(content, []byte(runtime.Version()), []byte("go1.99.99"[:len(runtime.Version())]))
	if bytes.Contains(content, []byte(runtime.Version())) {
		t.Skip("a version of another length")
	}

	require.NoError(t, os.WriteFile(file, content, 0o777))

	_, err = Open(t.Context(), file, OpenOptions{Dir: dir, Env: plain()})
	require.ErrorIs(t, err, ErrToolchain)
	require.ErrorAs(t, err, new(*GoError))
}

func TestSplitQuoted(t *testing.T) {
	for in, want := range map[string][]string{
		"":                                 nil,
		" -a  -b=c ":                       {"-a", "-b=c"},
		`'-gcflags=all=-N -l' -x`:          {"-gcflags=all=-N -l", "-x"},
		`"-ldflags=-X 'main.a=b c'" -mod=`: {"-ldflags=-X 'main.a=b c'", "-mod="},
	} {
		got, err := splitQuoted(in)
		require.NoError(t, err)
		require.Equal(t, want, got)

		again, err := splitQuoted(joinQuoted(got))
		require.NoError(t, err)
		require.Equal(t, want, again)
	}

	_, err := splitQuoted(`'open`)
	require.Error(t, err)

	keep, err := foreignFlags(`-race -mod=vendor '-gcflags=all=-N -l' --tags=x "-modfile=a b"`)
	require.NoError(t, err)
	require.Equal(t, `-mod=vendor '-modfile=a b'`, keep)
}

func TestSplitVersion(t *testing.T) {
	for in, want := range map[string][2]string{
		"go1.26.8":                    {"go1.26.8", ""},
		"go1.26.8-X:jsonv2":           {"go1.26.8", "jsonv2"},
		"go1.25.1 X:jsonv2,synctest":  {"go1.25.1", "jsonv2,synctest"},
		"go1.27-devel_abc Mon X:none": {"go1.27-devel_abc Mon", "none"},
	} {
		v, x := splitVersion(in)
		require.Equal(t, want, [2]string{v, x})
	}

	require.Equal(t, "go1.26.8", toolchainOf("go1.26.8"))
	require.Equal(t, "go1.27rc1", toolchainOf("go1.27rc1"))
	require.Equal(t, "local", toolchainOf("go1.27-devel_abc"))
	require.Equal(t, "local", toolchainOf("devel go1.27-abc"))
}
