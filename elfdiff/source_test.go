package elfdiff

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const libPath = "example.com/program/lib"

// repaired is lib.go after the repair.
func repaired() string { return strings.Replace(lib, "n + 1", "n + 41", 1) }

const repair = `From: somebody

The answer was wrong.

diff --git a/lib/lib.go b/lib/lib.go
index 0123456..89abcde 100644
--- a/lib/lib.go
+++ b/lib/lib.go
@@ -1,4 +1,4 @@
 package lib
 
 //go:noinline
-func Answer(n int) int { return n + 1 }
+func Answer(n int) int { return n + 41 }
diff --git a/lib/lib_test.go b/lib/lib_test.go
--- a/lib/lib_test.go
+++ b/lib/lib_test.go
@@ -7 +7 @@
-not there
+nor here
`

// requireRepaired wants a build that differs from its base in lib alone.
func requireRepaired(t *testing.T, base, fixed *Build) {
	t.Helper()

	require.Equal(t, "2  0", answers(t, base))
	require.Equal(t, "42  0", answers(t, fixed))
	require.Empty(t, base.Info.Differences(&fixed.Info))
	require.NotEqual(t, base.Info.BuildID, fixed.Info.BuildID)
	require.Len(t, fixed.Objects, len(base.Objects))

	for _, o := range base.Objects {
		same := o.Package != libPath && o.Package != "example.com/program"
		require.True(t, !same || fixed.object(t, o.Package) == string(o.Archive), o.Package)
	}

	require.NotEqual(t, base.object(t, libPath), fixed.object(t, libPath))
	requireRoundTrip(t, fixed)
}

// tree gives the content of all files, to see that none is changed.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()

	files := map[string]string{}

	require.NoError(t, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, err := os.ReadFile(name)
			files[name] = string(content)

			return err
		}

		return err
	}))

	return files
}

func TestFromSource(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{"plain", nil},
		{"trimpath", []string{"-trimpath"}},
		{"PIE", []string{"-buildmode=pie"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, dir := open(t, sources(), c.flags...)
			before := tree(t, dir)

			t.Run("same", func(t *testing.T) {
				same, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain()})
				require.NoError(t, err)
				require.Equal(t, base.Objects, same.Objects)
				require.Equal(t, base.Info.BuildID, same.Info.BuildID, "a build can be repeated")
			})

			t.Run("tree", func(t *testing.T) {
				files := sources()
				files["lib/lib.go"] = repaired()

				// The base comes from a bundle, and its tree is gone.
				kept, err := openBytes(bundleOf(t, base))
				require.NoError(t, err)

				fixed, err := FromSource(t.Context(), SourceOptions{Base: kept, Dir: write(t, files), Env: plain("GOFLAGS=-tags=more")})
				require.NoError(t, err)
				require.Equal(t, "42  0", answers(t, fixed))
				require.Empty(t, base.Info.Differences(&fixed.Info))
			})

			t.Run("overlay", func(t *testing.T) {
				other := write(t, map[string]string{"lib.go": repaired()})
				name := filepath.Join(other, "overlay.json")
				text, err := json.Marshal(overlayFile{Replace: map[string]string{"lib/lib.go": filepath.Join(other, "lib.go")}})
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(name, text, 0o666))

				fixed, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain(), Overlay: name})
				require.NoError(t, err)
				requireRepaired(t, base, fixed)
			})

			t.Run("patch", func(t *testing.T) {
				fixed, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain(), Patches: []SourcePatch{{Diff: []byte(repair)}}})
				require.NoError(t, err)
				requireRepaired(t, base, fixed)

				if c.flags == nil {
					require.Contains(t, string(fixed.ELF), filepath.Join(dir, "lib/lib.go"), "files keep their names")
				}
			})

			require.Equal(t, before, tree(t, dir), "the tree is left alone")
		})
	}
}

func TestFromSource_profile(t *testing.T) {
	files := sources()
	files["default.pgo"] = cpuprofile()

	base, _ := open(t, files, "-ldflags=-X=main.version=1")

	files["default.pgo"] = "another, which isn't even one"
	files["lib/lib.go"] = repaired()

	fixed, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: write(t, files), Env: plain()})
	require.NoError(t, err)
	require.Empty(t, base.Info.Differences(&fixed.Info))
	require.Equal(t, "42 1 0", answers(t, fixed))
	require.Equal(t, base.object(t, "runtime"), fixed.object(t, "runtime"), "compiled with the same profile")
}

func TestFromSource_patches(t *testing.T) {
	base, dir := open(t, sources())

	// Two patches of one file, over an overlay, and a new file and a deleted one.
	over := write(t, map[string]string{"lib.go": "// Another head.\n\n" + lib})
	overlay := filepath.Join(over, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, []byte(`{"Replace": {"`+dir+`/lib/lib.go": "`+over+`/lib.go"}}`), 0o666))

	fixed, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain(), Overlay: overlay, Patches: []SourcePatch{
		{Diff: []byte(repair)},
		{Diff: []byte(strings.NewReplacer("n + 41", "n + more()", "n + 1 ", "n + 41 ").Replace(repair))},
		{Diff: []byte("--- /dev/null\n+++ b/lib/more.go\n@@ -0,0 +1,3 @@\n+package lib\n+\n+func more() int { return 41 }\n")},
		{Diff: []byte("--- a/more.go\n+++ /dev/null\n@@ -1,5 +0,0 @@\n-//go:build more\n-\n-package main\n-\n-const extra = 1\n")},
		{Diff: []byte("diff --git a/extra.go b/zextra.go\nsimilarity index 100%\nrename from extra.go\nrename to zextra.go\n")},
	}})
	require.NoError(t, err)
	require.Equal(t, "42  0", answers(t, fixed))
	require.Contains(t, string(fixed.object(t, libPath)), "more.go")

	for name, p := range map[string]SourcePatch{
		"doesn't apply":     {Diff: []byte(strings.Replace(repair, "n + 1 ", "n + 2 ", 1))},
		"no file":           {Diff: []byte(strings.ReplaceAll(repair, "lib/lib.go", "lib/none.go"))},
		"new, and there":    {Diff: []byte("--- /dev/null\n+++ b/main.go\n@@ -0,0 +1 @@\n+package main\n")},
		"deleted in part":   {Diff: []byte("--- a/more.go\n+++ /dev/null\n@@ -1 +0,0 @@\n-//go:build more\n")},
		"out of the tree":   {Diff: []byte(strings.ReplaceAll(repair, "/lib/lib.go", "/../lib.go"))},
		"empty":             {},
		"tests only":        {Diff: []byte("--- a/x_test.go\n+++ b/x_test.go\n@@ -1 +1 @@\n-a\n+b\n")},
		"in the wrong root": {Diff: []byte(repair), Root: "./lib"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain(), Patches: []SourcePatch{p}})
			require.ErrorIs(t, err, ErrPatchFile)
		})
	}

	_, err = FromSource(t.Context(), SourceOptions{Dir: dir})
	require.ErrorIs(t, err, ErrMissing)

	// What doesn't compile says so.
	var failed *GoError

	_, err = FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: plain(), Patches: []SourcePatch{{Diff: []byte(strings.Replace(repair, "n + 41", "m + 41", 1))}}})
	require.ErrorAs(t, err, &failed)
	require.Contains(t, failed.Stderr, "undefined: m")
}

// proxy is a module proxy in a directory, with versions of example.com/m; the later ones
// answer better, and the last needs another module, too.
func proxy(t *testing.T) (url string) {
	t.Helper()

	files := map[string]string{}

	add := func(path, version, mod string, source map[string]string) {
		var w bytes.Buffer

		z := zip.NewWriter(&w)
		if strings.Contains(mod, "\ngo ") { // the proxy makes one up for a module that has none
			source["go.mod"] = mod
		}

		for name, text := range source {
			f, err := z.Create(path + "@" + version + "/" + name)
			require.NoError(t, err)
			_, err = f.Write([]byte(text))
			require.NoError(t, err)
		}

		require.NoError(t, z.Close())

		at := path + "/@v/" + version
		files[at+".zip"], files[at+".mod"], files[at+".info"] = w.String(), mod, `{"Version": "`+version+`"}`
		files[path+"/@v/list"] += version + "\n"
	}

	const mod = "module example.com/m\n\ngo 1.26\n"

	add("example.com/m", "v1.0.0", mod, map[string]string{"m.go": strings.Replace(lib, "package lib", "package m", 1)})
	add("example.com/m", "v1.0.1", mod, map[string]string{"m.go": strings.Replace(repaired(), "package lib", "package m", 1)})
	add("example.com/old", "v1.0.0", "module example.com/old\n", map[string]string{"m.go": strings.Replace(lib, "package lib", "package old", 1)})
	add("example.com/n", "v0.1.0", "module example.com/n\n\ngo 1.26\n", map[string]string{"n.go": "package n\n\nfunc N() int { return 41 }\n"})
	add("example.com/m", "v1.0.2", mod+"\nrequire example.com/n v0.1.0\n", map[string]string{
		"m.go": "package m\n\nimport \"example.com/n\"\n\n//go:noinline\nfunc Answer(n0 int) int { return n0 + n.N() }\n",
	})

	return "file://" + write(t, files)
}

func TestFromSource_modules(t *testing.T) {
	cache := t.TempDir()
	env := plain("GOPROXY="+proxy(t), "GONOSUMDB=*", "GOMODCACHE="+cache, "GOFLAGS=-modcacherw")

	files := sources()
	files["go.mod"] += "\nrequire example.com/m v1.0.0\n"
	files["lib/lib.go"] = "package lib\n\nimport \"example.com/m\"\n\nfunc Answer(n int) int { return m.Answer(n) }\n"
	dir := write(t, files)

	tidy := exec.CommandContext(t.Context(), "go", "mod", "tidy")
	tidy.Dir, tidy.Env = dir, env
	text, err := tidy.CombinedOutput()
	require.NoError(t, err, "%s", text)

	base, err := Open(t.Context(), goBuild(t, dir, env), OpenOptions{Dir: dir, Env: env})
	require.NoError(t, err)
	require.Equal(t, "2  0", answers(t, base))

	vendor := write(t, map[string]string{})
	require.NoError(t, os.CopyFS(vendor, os.DirFS(dir)))

	tidy = exec.CommandContext(t.Context(), "go", "mod", "vendor")
	tidy.Dir, tidy.Env = vendor, env
	text, err = tidy.CombinedOutput()
	require.NoError(t, err, "%s", text)

	for _, c := range []struct {
		name    string
		dir     string
		options SourceOptions
		more    int // packages
	}{
		{"version", dir, SourceOptions{Modules: []string{"example.com/m@v1.0.1"}}, 0},
		{"with a new requirement", dir, SourceOptions{Modules: []string{"example.com/m@v1.0.2"}}, 1},
		{"vendored", vendor, SourceOptions{Modules: []string{"example.com/m@v1.0.2"}}, 1},
		{"patched", dir, SourceOptions{Patches: []SourcePatch{{Root: "example.com/m", Diff: modulePatch("n + 1", "n + 20")}, {Root: "example.com/m", Diff: modulePatch("n + 20", "n + 41")}}}, 0},
		{"version and patched", dir, SourceOptions{Modules: []string{"example.com/m@v1.0.1"}, Patches: []SourcePatch{{Root: "example.com/m", Diff: modulePatch("n + 41", "n + 40 + 1")}}}, 0},
		{"patched where it is vendored", vendor, SourceOptions{Patches: []SourcePatch{{Root: "vendor/example.com/m", Diff: modulePatch("n + 1", "n + 41")}}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := tree(t, c.dir)
			c.options.Base, c.options.Dir, c.options.Env = base, c.dir, env

			for i, p := range c.options.Patches {
				if strings.HasPrefix(p.Root, "vendor") {
					c.options.Patches[i].Root = filepath.Join(vendor, p.Root)
				}
			}

			fixed, err := FromSource(t.Context(), c.options)
			require.NoError(t, err)
			require.Equal(t, "42  0", answers(t, fixed))
			require.Empty(t, base.Info.Differences(&fixed.Info))
			require.Len(t, fixed.Objects, len(base.Objects)+c.more)
			require.Equal(t, base.object(t, "runtime"), fixed.object(t, "runtime"))
			require.Equal(t, before, tree(t, c.dir), "the tree is left alone")
		})
	}

	for _, m := range []string{"example.com/m", "@v1.0.0", "-x@v1.0.0", "example.com/m@v9.9.9"} {
		_, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: env, Modules: []string{m}})
		require.Error(t, err, m)
	}

	work := write(t, map[string]string{"go.work": "go 1.26\n\nuse " + dir + "\n"})
	_, err = FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: append(env, "GOWORK="+work+"/go.work"), Modules: []string{"example.com/m@v1.0.1"}})
	require.ErrorIs(t, err, ErrMissing)
}

// TestFromSource_oldModule patches a module of the time before go.mod.
func TestFromSource_oldModule(t *testing.T) {
	env := plain("GOPROXY="+proxy(t), "GONOSUMDB=*", "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw")

	files := sources()
	files["go.mod"] += "\nrequire example.com/old v1.0.0\n"
	files["lib/lib.go"] = "package lib\n\nimport \"example.com/old\"\n\nfunc Answer(n int) int { return old.Answer(n) }\n"
	dir := write(t, files)

	tidy := exec.CommandContext(t.Context(), "go", "mod", "tidy")
	tidy.Dir, tidy.Env = dir, env
	text, err := tidy.CombinedOutput()
	require.NoError(t, err, "%s", text)

	base, err := Open(t.Context(), goBuild(t, dir, env), OpenOptions{Dir: dir, Env: env})
	require.NoError(t, err)

	fixed, err := FromSource(t.Context(), SourceOptions{Base: base, Dir: dir, Env: env, Patches: []SourcePatch{{Root: "example.com/old", Diff: modulePatch("n + 1", "n + 41")}}})
	require.NoError(t, err)
	require.Equal(t, "42  0", answers(t, fixed))
}

func modulePatch(from, to string) []byte {
	return []byte("--- a/m.go\n+++ b/m.go\n@@ -4 +4 @@\n-func Answer(n int) int { return " + from + " }\n+func Answer(n int) int { return " + to + " }\n")
}

// stdPatch is a repair of the standard library.
func stdPatch(t *testing.T) []byte {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)

	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "src/unicode/utf8/utf8.go"))
	require.NoError(t, err)

	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "func RuneCountInString(") {
			return []byte("--- a/src/unicode/utf8/utf8.go\n+++ b/src/unicode/utf8/utf8.go\n@@ -1,1 +1,2 @@\n " + line + "+\tn += 40\n")
		}
	}

	require.Fail(t, "no such function")

	return nil
}

func TestFromSource_std(t *testing.T) {
	files := sources()
	files["lib/lib.go"] = "package lib\n\nimport \"unicode/utf8\"\n\nfunc Answer(n int) int { return n + utf8.RuneCountInString(text) }\n\nvar text = \"x\"\n"

	base, dir := open(t, files)
	o := SourceOptions{Base: base, Dir: dir, Env: plain(), Patches: []SourcePatch{{Root: "std", Diff: stdPatch(t)}}}

	fixed, err := FromSource(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, "42  0", answers(t, fixed))
	require.Equal(t, base.object(t, "runtime"), fixed.object(t, "runtime"))

	// A toolchain that was downloaded lies in the module cache, over which there is no
	// overlay. This one seems to.
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)

	o.Env = append(o.Env, "GOMODCACHE="+filepath.Dir(strings.TrimSpace(string(out))))

	if runtime.GOOS == "windows" {
		t.Skip("symbolic links are not everybody's there")
	}

	again, err := FromSource(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, fixed.Objects, again.Objects, "the GOROOT has no part in the objects")
}

func TestParseDiff(t *testing.T) {
	for _, c := range []struct {
		name, from, diff, want string
		err                    bool
	}{
		{name: "moved", from: "1\n2\n3\na\nb\n", diff: "@@ -1,2 +1,2 @@\n a\n-b\n+c\n", want: "1\n2\n3\na\nc\n"},
		{name: "nearest", from: "a\n1\n2\na\n3\n4\n5\n6\na\n", diff: "@@ -5 +5 @@\n-a\n+b\n", want: "a\n1\n2\nb\n3\n4\n5\n6\na\n"},
		{name: "two, drifting", from: "0\na\n1\na\n", diff: "@@ -1 +1 @@\n-a\n+b\n@@ -3 +3 @@\n-a\n+c\n", want: "0\nb\n1\nc\n"},
		{name: "not backwards", from: "b\na\n", diff: "@@ -1 +1 @@\n-a\n+c\n@@ -2 +2 @@\n-b\n+d\n", err: true},
		{name: "no newline before", from: "a", diff: "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n", want: "b\n"},
		{name: "no newline after", from: "a\n", diff: "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n", want: "b"},
		{name: "newline differs", from: "a", diff: "@@ -1 +1 @@\n-a\n+b\n", err: true},
		{name: "insert without context", from: "a\nb\n", diff: "@@ -1,0 +2 @@\n+c\n", want: "a\nc\nb\n"},
		{name: "insert out of the file", from: "a\n", diff: "@@ -7,0 +8 @@\n+c\n", err: true},
		{name: "empty line trimmed", from: "a\n\nb\n", diff: "@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", want: "a\n\nc\n"},
		{name: "carriage returns", from: "a\r\nb\r\n", diff: "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n", want: "a\r\nc\r\n"},
		{name: "a line that looks like a name", from: "-- x\n", diff: "@@ -1 +1 @@\n--- x\n+++ y\n", want: "++ y\n"},
		{name: "function in the head", from: "a\n", diff: "@@ -1 +1 @@ func f() {\n-a\n+b\n", want: "b\n"},
		{name: "cut short", from: "a\n", diff: "@@ -1,2 +1,2 @@\n-a\n+b\n", err: true},
		{name: "too many", from: "a\n", diff: "@@ -1,1 +1,3 @@\n a\n a\n+b\n", err: true},
		{name: "bad head", from: "a\n", diff: "@@ -x +1 @@\n-a\n+b\n", err: true},
		{name: "no hunk", from: "a\n", diff: "", err: true},
		{name: "far", from: "a\n", diff: "@@ -999999999999 +1 @@\n-a\n+b\n", want: "b\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := parseDiff([]byte("--- x.go.orig\t2026-01-01\n+++ x.go\t2026-01-02\n" + c.diff))
			if err == nil {
				require.Len(t, files, 1)
				require.Equal(t, "x.go", files[0].from)
				require.Equal(t, "x.go", files[0].to)

				var got []byte
				if got, err = files[0].apply([]byte(c.from)); err == nil {
					require.False(t, c.err)
					require.Equal(t, c.want, string(got))
				}
			}

			if c.err {
				require.ErrorIs(t, err, ErrPatchFile)
				return
			}

			require.NoError(t, err)
		})
	}

	for name, text := range map[string]string{
		"binary":   "diff --git a/x b/x\nBinary files a/x and b/x differ\n",
		"mode":     "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n",
		"no names": "--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n",
		"quoted":   "--- \"a/\\303\"\n+++ \"b/\\303\"\n@@ -1 +1 @@\n-a\n+b\n",
		"absolute": "--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-a\n+b\n",
		"none":     "hello\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseDiff([]byte(text))
			require.ErrorIs(t, err, ErrPatchFile)
		})
	}

	files, err := parseDiff([]byte(repair))
	require.NoError(t, err)
	require.Len(t, files, 2)
	require.Equal(t, "lib/lib.go", files[0].name())
}

// FuzzParseDiff: whatever the patch and the file, a new file or an ErrPatchFile, and what
// no hunk speaks of stays.
func FuzzParseDiff(f *testing.F) {
	f.Add([]byte(repair), []byte(lib))
	f.Add([]byte("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n"), []byte{})
	f.Add([]byte("diff --git a/x b/y\nrename from x\nrename to y\n--- a/x\n+++ b/y\n@@ -1,2 +1 @@\n a\n-b\n\\ No newline\n"), []byte("a\nb"))

	f.Fuzz(func(t *testing.T, diff, content []byte) {
		files, err := parseDiff(diff)
		if err != nil {
			require.ErrorIs(t, err, ErrPatchFile)
			return
		}

		for _, file := range files {
			require.True(t, filepath.IsLocal(file.name()))

			got, err := file.apply(content)
			if err != nil {
				require.ErrorIs(t, err, ErrPatchFile)
				continue
			}

			want := len(content)
			for _, h := range file.hunks {
				want += len(strings.Join(h.new, "")) - len(strings.Join(h.old, ""))
			}

			require.Len(t, got, want)
		}
	})
}
