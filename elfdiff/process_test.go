package elfdiff_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a program that runs, and does what it is told by lines.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	stderr bytes.Buffer
}

func start(t *testing.T, program string, env ...string) *process {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)

	p := &process{t: t, cmd: exec.CommandContext(ctx, program), lines: make(chan string)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.stderr

	in, err := p.cmd.StdinPipe()
	require.NoError(t, err)

	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())

	p.in = in

	go func() {
		defer close(p.lines)

		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()

	return p
}

// ask gives the answer to a line.
func (p *process) ask(line string) string {
	p.t.Helper()

	_, _ = fmt.Fprintln(p.in, line) // where that fails, so does reading

	answer, ok := <-p.lines
	if !ok {
		err := p.cmd.Wait()
		p.t.Fatalf("UNSOUND: the process died of %q: %v\n%s", line, err, p.stderr.String())
	}

	return answer
}

func (p *process) call(c call) string {
	p.t.Helper()

	return p.ask("call " + c.name + " " + c.arg)
}

// calls are the answers to calls.
func (p *process) calls(list []call) (answers []string) {
	p.t.Helper()

	for _, c := range list {
		answers = append(answers, c.name+" "+c.arg+": "+p.call(c))
	}

	return answers
}

func (p *process) ok(line string) {
	p.t.Helper()
	require.Equal(p.t, "ok", p.ask(line), "%s\n%s", line, &p.stderr)
}

// end has the process end by itself.
func (p *process) end() {
	p.t.Helper()
	require.NoError(p.t, p.in.Close())

	_, more := <-p.lines
	require.False(p.t, more)
	require.NoError(p.t, p.cmd.Wait(), "%s", &p.stderr)
}
