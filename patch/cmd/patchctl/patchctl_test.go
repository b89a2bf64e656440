package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// TestSequence plays what the testers of xen-livepatch played on their hypervisor; the
// numbers are those of their log.
func TestSequence(t *testing.T) {
	s := serve(t, control.Options{})

	const empty = "NAME  STATE  DOMAINS  ID  SIGNER\n"

	s.want(exitOK, "list", "", empty) // 1
	s.greets("baseline", "baseline")

	s.want(exitRefused, "revert hello", "", "no such patch") // 2

	s.want(exitOK, "load -", "hello", "apply hello: done on a, b") // 3
	s.greets("hello", "hello")

	s.want(exitRefused, "load -", "hello", "another patch has this name") // 4

	_, out, _ := s.ctl("list", "") // 5
	require.Regexp(t, `(?m)^hello  applied  everywhere  a1  -$`, out)

	s.want(exitOK, "revert hello", "", "revert hello: done on a, b") // 6
	s.greets("baseline", "baseline")
	require.Equal(t, []string{"load"}, s.hooks)

	s.want(exitOK, "unload hello", "", "") // 7
	require.Equal(t, []string{"load", "unload"}, s.hooks)

	s.want(exitRefused, "unload hello", "", "no such patch") // 8

	s.want(exitOK, "load -", "hello", "") // 9
	s.want(exitOK, "load -", "bye", "")
	s.greets("bye", "bye")
	s.want(exitRefused, "revert hello", "", `not the top of the stack: "bye" is above it`)

	s.want(exitOK, "upload -", "world", "world") // 10
	s.greets("bye", "bye")
	s.want(exitOK, "replace world", "", "removed bye, hello")
	s.greets("world", "world")

	s.want(exitRefused, "apply hello", "", "a variable of the patch has changed") // 11
	s.want(exitRefused, "apply bye", "", "it needs a1, and the top is")           // 12

	s.want(exitOK, "apply world", "", "no domain: it is so everywhere already") // 13
	s.want(exitRefused, "apply world -domain a", "", "already applied")
	s.greets("world", "world")

	s.want(exitOK, "revert world", "", "") // 14

	for _, name := range []string{"world", "bye", "hello"} {
		s.want(exitOK, "unload "+name, "", "")
	}

	s.want(exitOK, "list", "", empty)
	s.greets("baseline", "baseline")

	s.want(exitOK, "load -", "nop", "") // 15
	s.want(exitOK, "revert nop", "", "")
	s.want(exitOK, "apply nop", "", "")
	s.greets("nop", "nop")

	s.want(exitRefused, "unload nop", "", "already applied") // 16

	s.want(exitOK, "revert nop", "", "") // 17
	s.want(exitOK, "unload nop", "", "")
	s.want(exitOK, "list", "", empty)
}

func TestFlags(t *testing.T) {
	s := serve(t, control.Options{})
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("hello\n"), 0o600))

	s.want(exitOK, "-domain b load "+file, "", "on b,") // flags before the verb, and after
	s.greets("baseline", "hello")

	s.want(exitOK, "upload -", "bye", "")
	s.want(exitRefused, "apply bye -domain a", "", "no patch is applied")
	s.want(exitOK, "dry-run apply bye -domain a -nodeps", "", "would do")
	s.greets("baseline", "hello")
	s.want(exitOK, "apply -mode barrier bye -domain=a -nodeps -nowait", "", "")
	s.greets("bye", "hello")

	s.want(exitRefused, "apply bye -domain nowhere", "", "no domain of this name")
	s.want(exitFailed, "load -", "stubborn", "not today")
	s.want(exitFailed, "load /no/such/file", "", "no such file")
	s.want(exitRefused, "load -", "nonsense", "no patch at all")
	s.want(exitOK, "domains", "", "a       bye\n")
	s.want(exitOK, "slots", "", "patchctl_test/greet  func() string")
	s.want(exitOK, "status", "", "2 loaded, 2 applied, 0 revoked")
	s.want(exitOK, "get a1", "", "advisory    \uFFFD[31mred\n") // and nothing that colours the terminal

	id := strings.Repeat("0a", 20)
	s.want(exitOK, "revoke bye", "", "")
	s.want(exitOK, "status", "", "2 loaded, 2 applied, 1 revoked")
	s.want(exitRefused, "apply bye -domain b -nodeps", "", "revoked")
	s.want(exitOK, "revoke "+id, "", "") // not loaded yet
	s.want(exitOK, "revoke-key "+strings.Repeat("0A", 32), "", "")
	s.want(exitRefused, "revoke by", "", "40 hexadecimal digits")
	s.want(exitUsage, "revoke-key "+id, "", "64 hexadecimal digits")

	w := s.a.NewWorker("vcpu0")
	w.Enter()
	s.want(exitTimeout, "revert bye -domain a -timeout 1ms", "", `worker "vcpu0"`)
	w.Leave()
	s.greets("bye", "hello")
}

func TestUsage(t *testing.T) {
	s := serve(t, control.Options{})

	for _, line := range []string{
		"", "lisst", "list x", "get", "get a b", "apply", "apply a b", "revoke", "revoke-key", "dry-run revoke x", "dry-run", "dry-run list", "dry-run unload x",
		"-what list", "-timeout soon list", "-timeout -1s list", "-mode loose list", "apply x -timeout 1000h",
	} {
		s.want(exitUsage, line, "", "patchctl: ")
	}

	var out, errs bytes.Buffer

	require.Equal(t, exitUsage, run(t.Context(), []string{"list"}, "", nil, &out, &errs))
	require.Contains(t, errs.String(), "VGRAFT_SOCKET")
	require.Equal(t, exitUnreachable, run(t.Context(), []string{"list"}, "/no/such/socket", nil, &out, &errs))
	require.Equal(t, exitOK, run(t.Context(), []string{"-socket", s.socket, "list"}, "/no/such/socket", nil, &out, &errs))
}

func TestReadOnly(t *testing.T) {
	s := serve(t, control.Options{ReadOnly: true})

	s.want(exitRefused, "load -", "hello", "only answers questions")
	s.want(exitRefused, "dry-run apply x", "", "only answers questions")
	s.want(exitOK, "status", "", "read-only  true")
	s.greets("baseline", "baseline")
}

// TestHelp: the text names every verb, and no other.
func TestHelp(t *testing.T) {
	var out bytes.Buffer

	for _, args := range [][]string{{"help"}, {"-h"}, {"list", "-help"}} {
		out.Reset()
		require.Equal(t, exitOK, run(t.Context(), args, "", nil, &out, &out))
	}

	var named []string
	for _, m := range regexp.MustCompile(`(?m)^\t([a-z][a-z-]+) (?:[A-Z]+ )* +[a-z]`).FindAllStringSubmatch(out.String(), -1) {
		named = append(named, m[1])
	}

	want := []string{"dry-run", "help"}
	for v := range verbs {
		want = append(want, v)
	}

	slices.Sort(named)
	slices.Sort(want)
	require.Equal(t, want, named)
}

// TestJSON: where the output is no terminal it is JSON, with the error too.
func TestJSON(t *testing.T) {
	s := serve(t, control.Options{})

	ask := func(v any, line, in string) int {
		var out, errs bytes.Buffer

		code := run(t.Context(), strings.Fields(line), s.socket, strings.NewReader(in), &out, &errs)
		require.NoError(t, json.Unmarshal(out.Bytes(), v), "%s: %s", line, &out)

		return code
	}

	var o outcome

	require.Equal(t, exitOK, ask(&o, "load -", "hello"))
	require.Equal(t, "hello", o.Patch.Name)
	require.Equal(t, []string{"a", "b"}, o.Report.Domains)

	o = outcome{}
	require.Equal(t, exitRefused, ask(&o, "apply hello -domain a", ""))
	require.Equal(t, "applied", o.Error.Code)
	require.Equal(t, "a", o.Error.Domain)
	require.Equal(t, patch.OpApply, o.Report.Op)

	var list []control.Patch

	require.Equal(t, exitOK, ask(&list, "list", ""))
	require.Equal(t, patch.Applied, list[0].State)

	var out bytes.Buffer

	require.Equal(t, exitOK, run(t.Context(), []string{"-json=false", "list"}, s.socket, nil, &out, &out))
	require.Contains(t, out.String(), "NAME")
}

// lines is a writer that hands over what it gets.
type lines chan string

func (l lines) Write(b []byte) (int, error) { l <- string(b); return len(b), nil }

func TestWatch(t *testing.T) {
	s := serve(t, control.Options{})
	out := make(lines, 100)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)

	go func() { done <- run(ctx, []string{"watch", "-json=false"}, s.socket, nil, out, out) }()

	// It watches from some moment on.
	for begun := false; !begun; {
		s.want(exitOK, "load -", "nop", "")
		s.want(exitOK, "revert nop", "", "")
		s.want(exitOK, "unload nop", "", "")

		select {
		case <-out:
			begun = true
		case <-time.After(time.Millisecond):
		}
	}

	s.want(exitFailed, "load -", "stubborn", "")

	for l := ""; !strings.Contains(l, "failed stubborn e5 on a, b: "); {
		l = <-out
	}

	cancel()
	require.Equal(t, exitOK, <-done)
}

// TestProgress: on a terminal, and only when it lasts.
func TestProgress(t *testing.T) {
	var shown terminal

	(&tool{err: &shown, patience: time.Hour}).progress("apply x")()
	require.Empty(t, shown.String())

	written := make(terminalLines, 100)
	stop := (&tool{err: written, patience: time.Millisecond}).progress("apply x\x1b")
	require.Contains(t, <-written, "\rapply x\uFFFD: ")
	stop()
	require.Equal(t, "\r\x1b[K", <-written)

	var file bytes.Buffer

	(&tool{err: &file}).progress("apply x")()
	require.Empty(t, file.String())
}

type terminalLines lines

func (l terminalLines) Write(b []byte) (int, error) { return lines(l).Write(b) }
func (l terminalLines) Stat() (os.FileInfo, error)  { return os.Stat("/dev/null") }

// BenchmarkProcess is what an operator's script pays for one call: a process of its own.
func BenchmarkProcess(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "patchctl")

	out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(b, err, "%s", out)

	s := serve(b, control.Options{})
	code, _, errs := s.ctl("upload -", "nop")
	require.Equal(b, exitOK, code, errs)

	verb := "apply"

	for b.Loop() {
		out, err := exec.CommandContext(b.Context(), bin, "-socket", s.socket, verb, "nop").CombinedOutput()
		require.NoError(b, err, "%s", out)

		if verb == "apply" {
			verb = "revert"
		} else {
			verb = "apply"
		}
	}
}
