// Command plot draws latency distributions, as an SVG file: for each series a line over
// the percentiles, which are spread so that the tail can be read. Its input are the lines
// that a benchmark writes, "series<tab>nanoseconds<tab>count"; those of one series are
// added up.
//
//	go test -run '^$' -bench ApplyRevert ./patch -bench.samples $PWD/bench.samples
//	go run ./internal/cmd/plot -match 'slots=1/.*busy: enter$' bench.samples > enter.svg
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	var (
		flags = flag.NewFlagSet("plot", flag.ContinueOnError)
		title = flags.String("title", "", "headline")
		match = flags.String("match", "", "regular expression: only series that match it")
	)

	if err := flags.Parse(args); err != nil {
		return err
	}

	wanted, err := regexp.Compile(*match)
	if err != nil {
		return err
	}

	all := map[string]*series{}

	if flags.NArg() == 0 {
		if err := read(all, stdin, "standard input"); err != nil {
			return err
		}
	}

	for _, name := range flags.Args() {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()

		if err := read(all, f, name); err != nil {
			return err
		}
	}

	var chosen []*series

	for _, s := range all {
		if wanted.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}

	if len(chosen) == 0 {
		return fmt.Errorf("none of %d series matches %q", len(all), *match)
	}

	slices.SortFunc(chosen, func(a, b *series) int { return strings.Compare(a.name, b.name) })

	_, err = io.WriteString(stdout, draw(*title, chosen))

	return err
}

// series is one distribution: how often each duration was seen.
type series struct {
	name   string
	counts map[float64]int64 // by nanoseconds
}

func read(all map[string]*series, r io.Reader, name string) error {
	lines := bufio.NewScanner(r)

	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 3 {
			return fmt.Errorf("%s:%d: %d fields, not 3", name, n, len(fields))
		}

		ns, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || !(ns >= 0) {
			return fmt.Errorf("%s:%d: %q is no duration in nanoseconds", name, n, fields[1])
		}

		count, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || count <= 0 {
			return fmt.Errorf("%s:%d: %q is no count", name, n, fields[2])
		}

		s := all[fields[0]]
		if s == nil {
			s = &series{name: fields[0], counts: map[float64]int64{}}
			all[s.name] = s
		}

		s.counts[ns] += count
	}

	return lines.Err()
}
