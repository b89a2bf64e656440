package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vgraft/vgraft/patch"
)

// show is what the user sees: text, or with -json an object per line.
type show struct {
	out      io.Writer
	json     *json.Encoder // nil for text
	terminal bool
	colour   bool
	drawn    time.Time // when the line of progress was, last
}

func newShow(out io.Writer, asJSON bool) *show {
	s := &show{out: out}

	if asJSON {
		s.json = json.NewEncoder(out)
		return s
	}

	if f, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		s.terminal = err == nil
		s.colour = s.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}

	return s
}

func (s *show) paint(code, format string, a ...any) string {
	text := fmt.Sprintf(format, a...)
	if !s.colour {
		return text
	}

	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const red, green, bold, dim = "31", "32", "1", "2"

func (s *show) intro(cpus, flips int) {
	if s.json != nil {
		_ = s.json.Encode(map[string]any{"event": "start", "vcpus": cpus, "flips": flips})
		return
	}

	fmt.Fprintf(s.out, `%s

  vCPUs   %d: each sends messages of %d words to a FIFO of its own, which holds %d
  flaw    the device doesn't check the position: word %d overwrites the register
          beside the FIFO (that was VENOM, CVE-2015-3456, in QEMU)
  fix     examples/hotpatch/fix.patch, a change of the device's source.
          The guest is neither stopped nor told.

`, s.paint(bold, "A hole in a device, repaired while the guest uses it"),
		cpus, messageWords, fifoSize/4, fifoSize/4+1)
}

// made shows how the payload came to be.
func (s *show) made(m made) {
	if s.json != nil {
		_ = s.json.Encode(m)
		return
	}

	ms := func(n int64) time.Duration { return time.Duration(n).Round(time.Millisecond) }

	fmt.Fprintf(s.out, `
  open      %v to find the objects that this process was linked from
  build     %v for the program with the fix
  diff      %v: %s
            through the slot %s
  payload   %d bytes, made in %v, signed
  upload    %v, as %q
            the guest has sent %d messages meanwhile

`, ms(m.Open), ms(m.Build), ms(m.Diff), strings.Join(m.Changed, ", "), strings.Join(m.Slots, ", "),
		m.Size, ms(m.Payload), time.Duration(m.Upload).Round(10*time.Microsecond), m.Patch, m.Meanwhile)
}

// phase shows what the guest saw.
func (s *show) phase(name string, c counters) {
	if s.json != nil {
		_ = s.json.Encode(map[string]any{"event": "phase", "phase": name, "messages": c.corrupt + c.intact, "corrupt": c.corrupt, "intact": c.intact})
		return
	}

	colour := green
	if c.corrupt > 0 {
		colour = red
	}

	fmt.Fprintf(s.out, "  %-9s %s\n", name, s.paint(colour, "%7d messages: %7d corrupt, %7d intact", c.corrupt+c.intact, c.corrupt, c.intact))
}

// transition shows what an operator's request did, how long that took for the operator, and
// the longest time for which a vCPU did not come to the device meanwhile.
func (s *show) transition(r patch.Report, request, pause int64) {
	if s.json != nil {
		_ = s.json.Encode(map[string]any{
			"event": r.Op, "swap_ns": int64(r.Swap), "took_ns": int64(r.Took), "workers": len(r.Workers),
			"request_ns": request, "longest_gap_ns": pause,
		})

		return
	}

	us := func(n int64) time.Duration { return time.Duration(n).Round(time.Microsecond) }

	fmt.Fprintln(s.out, s.paint(dim, "  %-9s   swap %v, took %v until every vCPU had moved on (request %v, longest gap %v)",
		r.Op, r.Swap, r.Took, us(request), us(pause)))
}

// progress is one line that is drawn again and again on a terminal, and nowhere else;
// with -json, ten lines in all.
func (s *show) progress(done, of int, seen func() tally) {
	if s.json != nil {
		if step := max(of/10, 1); done%step == 0 {
			t := seen()
			_ = s.json.Encode(map[string]any{"event": "progress", "done": done, "words_old_code": t.oldWords, "words_new_code": t.newWords, "out_of_order": t.gaps})
		}

		return
	}

	if !s.terminal || time.Since(s.drawn) < 100*time.Millisecond && done < of {
		return
	}

	s.drawn = time.Now()
	t := seen()
	fmt.Fprintf(s.out, "\r  flipping  %d/%d   words by the old code %d, by the new %d, out of order %d\x1b[K", done, of, t.oldWords, t.newWords, t.gaps)
}

func (s *show) endProgress() {
	if s.terminal && !s.drawn.IsZero() {
		fmt.Fprintln(s.out)
	}
}

func (s *show) summary(sum summary) {
	if s.json != nil {
		_ = s.json.Encode(sum)
		return
	}

	colour := green
	if sum.check() != nil {
		colour = red
	}

	ns := func(n int64) time.Duration { return time.Duration(n) }

	fmt.Fprintf(s.out, `
%s in %v, under a guest that ran on

  %s
  sent    %d bytes: %d words to the old code, %d to the new
  seen    %d messages: %d corrupt, %d intact, as the device says too
  apply   %v at the median, %v at the 99th percentile; the swap itself %v
  stall   %v: between two accesses of a vCPU pass %v around a flip,
          %v around one of another domain (medians; 99th percentiles %v and %v)
`, s.paint(bold, "%d flips", sum.Flips), ns(sum.FlipsTook).Round(time.Millisecond),
		s.paint(colour, "lost    %d words", sum.Lost), sum.Bytes, sum.OldWords, sum.NewWords,
		sum.Messages, sum.Corrupt, sum.Intact,
		ns(sum.Apply), ns(sum.ApplyP99), ns(sum.Swap),
		ns(sum.Stall), ns(sum.GapApply), ns(sum.GapControl), ns(sum.GapApplyP99), ns(sum.GapControlP99))
}
