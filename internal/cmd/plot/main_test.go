package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const samples = "a <fast>\t100\t90\na <fast>\t2000\t9\nb\t1000\t5\na <fast>\t100\t1\n"

func plot(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()

	var out bytes.Buffer

	err := run(args, strings.NewReader(stdin), &out)

	return out.String(), err
}

func TestPlot(t *testing.T) {
	svg, err := plot(t, samples, "-title", "x & y")
	require.NoError(t, err)

	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}

	for _, want := range []string{"x &amp; y", "a &lt;fast&gt;", ">b<", ">100 ns<", ">10 µs<", ">90 %<", ">99 %<"} {
		require.Contains(t, svg, want)
	}

	for _, m := range regexp.MustCompile(`[ML](\S+?) ([0-9.]+)`).FindAllStringSubmatch(svg, -1) {
		x, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		require.True(t, x >= left && x <= width-right, m[0])

		y, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		require.True(t, y >= top && y <= height+lineHeight, m[0])
	}

	name := filepath.Join(t.TempDir(), "samples")
	require.NoError(t, os.WriteFile(name, []byte(samples), 0o644))

	one, err := plot(t, "", "-match", "^b$", name)
	require.NoError(t, err)
	require.NotContains(t, one, "fast")
}

func TestPoints(t *testing.T) {
	all := map[string]*series{}
	require.NoError(t, read(all, strings.NewReader(samples), "here"))

	require.Equal(t, []point{{0, 100}, {0.91, 100}, {0.91, 2000}, {0.995, 2000}}, all["a <fast>"].points())
	require.InDelta(t, 1, nines(0.9), 1e-9)
}

func TestPlot_mistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"here:1: 2 fields, not 3":                    {"a\t1\n"},
		`here:2: "x" is no duration in nanoseconds`:  {"a\t1\t1\na\tx\t1\n"},
		`here:1: "-1" is no duration in nanoseconds`: {"a\t-1\t1\n"},
		`here:1: "0" is no count`:                    {"a\t1\t0\n"},
	} {
		require.EqualError(t, read(map[string]*series{}, strings.NewReader(args[0]), "here"), want)
	}

	_, err := plot(t, samples, "-match", "nothing")
	require.EqualError(t, err, `none of 2 series matches "nothing"`)

	_, err = plot(t, samples, "-match", "(")
	require.Error(t, err)

	_, err = plot(t, samples, "/nonexistent")
	require.ErrorIs(t, err, os.ErrNotExist)
}
