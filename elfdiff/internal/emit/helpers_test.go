package emit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/elfdiff/internal/program"
	"github.com/vgraft/vgraft/internal/payload"
	"github.com/vgraft/vgraft/internal/testutil"
)

// config is how programs are built.
type config struct {
	toolchain string   // empty is that of the test
	arch      string   // empty is amd64
	flags     []string // of go build
	cgo       bool     // it needs a C compiler
}

func (c config) command(dir string, args ...string) *exec.Cmd {
	arch := c.arch
	if arch == "" {
		arch = "amd64"
	}

	cgo := "0"
	if c.cgo {
		cgo = "1"
	}

	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED="+cgo, "GOWORK=off", "GOFLAGS=")

	if c.toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+c.toolchain)
	}

	return cmd
}

// lacking skips a test that needs what the machine lacks, and fails it where all tests are
// to run.
func lacking(t testing.TB, what string) {
	t.Helper()
	require.Empty(t, os.Getenv(testutil.LayersEnv), what)
	t.Skip(what)
}

func (c config) version(t testing.TB) string {
	t.Helper()

	if _, err := exec.LookPath("gcc"); c.cgo && err != nil {
		lacking(t, err.Error())
	}

	out, err := c.command(t.TempDir(), "env", "GOVERSION").CombinedOutput()
	if err != nil {
		lacking(t, fmt.Sprintf("no toolchain %s: %s", c.toolchain, out))
	}

	return strings.TrimSpace(string(out))
}

// programDir is where the programs would be if they were there: the go command is told
// that they are.
const programDir = "testdata/program"

// build builds a program from files, and links it in reverse.
func (c config) build(t testing.TB, files map[string]string) (p *program.Program, exe string) {
	t.Helper()

	dir := t.TempDir()
	exe = filepath.Join(dir, "program")

	here, err := os.Getwd()
	require.NoError(t, err)

	replace := map[string]string{}

	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))

		replace[filepath.Join(here, programDir, name)] = file
	}

	b, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)

	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, b, 0o600))

	flags := append([]string{"-overlay", overlay}, c.flags...)

	out, err := c.command(here, append(append([]string{"build", "-o", exe}, flags...), "./"+programDir)...).CombinedOutput()
	require.NoError(t, err, "%s", out)

	args := append([]string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"}, flags...)
	out, err = c.command(here, append(args, "./"+programDir)...).Output()
	require.NoError(t, err)

	var pkgs []program.Package

	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		path, file, _ := strings.Cut(line, " ")
		b, err := os.ReadFile(file)
		require.NoError(t, err)

		pkgs = append(pkgs, program.Package{Path: path, Archive: b})
	}

	b, err = os.ReadFile(exe)
	require.NoError(t, err)

	m, err := program.OpenImage(b)
	require.NoError(t, err)

	p, err = program.New(m, "github.com/vgraft/vgraft/elfdiff/internal/emit/"+programDir, pkgs)
	require.NoError(t, err)

	_, err = p.Link()
	require.NoError(t, err)

	return p, exe
}

func text(t testing.TB, name string) string {
	t.Helper()

	b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	require.NoError(t, err)

	return string(b)
}

// files are those of a program.
func (c config) files(t testing.TB, what string) map[string]string {
	t.Helper()

	return map[string]string{"main.go": text(t, "main"), "load.go": text(t, "load"), "what.go": what}
}

// pair builds a program and its fixed version: files of the test data by their names.
func (c config) pair(t testing.TB, base, fixed string) (b, f *program.Program, exe, fixedExe string) {
	t.Helper()

	b, exe = c.build(t, c.files(t, base))
	f, fixedExe = c.build(t, c.files(t, fixed))

	return b, f, exe, fixedExe
}

// closure decides what goes into a payload in the simplest way: all functions that are
// reachable from the roots and are changed, or lead to changed ones, and all that the base
// doesn't have.
type closure struct {
	base    *program.Program
	content map[program.Content]*program.Symbol
	byName  map[string][]*program.Symbol

	below map[string]uint64 // symbols of a payload that is linked against, and that didn't change

	needed map[*program.Symbol]bool
	in     map[*program.Symbol]bool
	list   []*program.Symbol
	itabs  []*program.Symbol
}

func newClosure(base *program.Program) *closure {
	c := &closure{
		base: base, content: map[program.Content]*program.Symbol{}, byName: map[string][]*program.Symbol{},
		needed: map[*program.Symbol]bool{}, in: map[*program.Symbol]bool{},
	}

	for _, s := range base.Symbols {
		if !s.Linked {
			continue
		}

		if s.Anonymous() {
			c.content[s.Content()] = s
		} else {
			c.byName[s.Name] = append(c.byName[s.Name], s)
		}
	}

	return c
}

func (c *closure) host(s *program.Symbol) *program.Symbol {
	if s.Anonymous() {
		return c.content[s.Content()]
	}

	for _, h := range c.byName[s.Name] {
		if h.ABI == s.ABI && (!s.IsText() || h.Content() == s.Content()) {
			return h
		}
	}

	return nil
}

func (c *closure) Resolve(s *program.Symbol) (payload.Ref, bool) {
	if h := c.host(s); h != nil && !c.needed[s] {
		return payload.Ref{Kind: payload.RefHost, Value: h.Addr, Name: symbolName(s)}, true
	}

	if at, ok := c.below[symbolName(s)]; ok && !s.Anonymous() && !c.needed[s] {
		return payload.Ref{Kind: payload.RefPatch, Value: at}, true
	}

	if !s.Defined() && s.Linked {
		if e, ok := c.base.ELF.Lookup(s.Name); ok {
			return payload.Ref{Kind: payload.RefHost, Value: e.Addr, Name: s.Name}, true
		}
	}

	return payload.Ref{}, false
}

// need marks what leads to changed functions.
func (c *closure) need(roots ...*program.Symbol) {
	leads := map[*program.Symbol][]*program.Symbol{}
	seen := map[*program.Symbol]bool{}

	var queue, all []*program.Symbol

	visit := func(s *program.Symbol) {
		if s != nil && !seen[s] && s.Defined() {
			seen[s] = true
			queue = append(queue, s)
			all = append(all, s)
		}
	}

	for _, r := range roots {
		visit(r)
	}

	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]

		if h := c.host(s); h != nil && (s.IsVar() || s.IsType() || s.IsItab()) {
			continue
		}

		for _, r := range s.Relocs() {
			if !r.Marks() && r.Sym != nil && !r.Weak {
				leads[r.Sym] = append(leads[r.Sym], s)
				visit(r.Sym)
			}
		}
	}

	for _, s := range all {
		if _, below := c.below[symbolName(s)]; s.IsText() && c.host(s) == nil && !below {
			c.mark(s, leads)
		}
	}
}

func (c *closure) mark(s *program.Symbol, leads map[*program.Symbol][]*program.Symbol) {
	if c.needed[s] {
		return
	}

	c.needed[s] = true
	for _, l := range leads[s] {
		c.mark(l, leads)
	}
}

func (c *closure) include(s *program.Symbol) {
	if s == nil || c.in[s] || !s.Defined() {
		return
	}

	if _, ok := c.Resolve(s); ok {
		return
	}

	c.in[s] = true

	if s.IsItab() {
		c.itabs = append(c.itabs, s)
	} else {
		c.list = append(c.list, s)
	}

	for _, r := range s.Relocs() {
		if r.Marks() || r.Weak && !s.IsItab() {
			continue
		}

		c.include(r.Sym)
	}
}

// plan is for a payload with these functions, each the slot of its name.
func (c *closure) plan(t testing.TB, fixed *program.Program, version string, roots ...string) Plan {
	t.Helper()

	anchor, ok := c.base.ELF.Lookup("main.anchor")
	require.True(t, ok)

	p := Plan{
		Base: c.base, GoVersion: version, Resolve: c.Resolve,
		KeepMethod: func(*program.Symbol, int) bool { return true },
		Meta: payload.Meta{
			Name:   "test",
			Target: payload.Target{BuildID: "test", Anchor: payload.Anchor{Symbol: anchor.Name, Addr: anchor.Addr}},
		},
	}

	var fns []*program.Symbol

	for _, n := range roots {
		fn := fixed.Func("main." + n)
		require.NotNil(t, fn, n)
		fns = append(fns, fn)
		p.Slots = append(p.Slots, Slot{Name: n, Impl: "main." + n, Func: fn})
	}

	c.need(fns...)

	for _, fn := range fns {
		c.include(fn)
	}

	p.Include, p.Itabs = c.list, c.itabs

	return p
}

// stack has later payloads be linked against one, but for what changes.
func (c *closure) stack(t testing.TB, f *payload.File, changed ...string) (id string) {
	t.Helper()

	b, err := f.Marshal()
	require.NoError(t, err)

	p, err := payload.Parse(b)
	require.NoError(t, err)

	c.below = map[string]uint64{}
	for _, s := range f.Symbols {
		if !slices.Contains(changed, s.Name) {
			c.below[s.Name] = s.Addr
		}
	}

	return p.ID
}

// write writes a payload to a file, and gives its name and size.
func write(t testing.TB, f *payload.File) (file string, size int) {
	t.Helper()

	b, err := f.Marshal()
	require.NoError(t, err)

	file = filepath.Join(t.TempDir(), "payload.elf")
	require.NoError(t, os.WriteFile(file, b, 0o600))

	return file, len(b)
}
