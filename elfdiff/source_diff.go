package elfdiff

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// fileDiff is the part of a unified diff that is about one file.
type fileDiff struct {
	from, to string // names with slashes, relative to the root; empty is that there is none
	copied   bool   // from stays
	hunks    []hunk
}

// hunk replaces some lines by others. A line has the newline at its end, if it has one.
type hunk struct {
	at       int // index of the first line in the old file; for none, of the line after
	old, new []string
	line     int // in the patch file
}

// name is that of the file in the end, or of the one that is deleted.
func (f *fileDiff) name() string {
	if f.to != "" {
		return f.to
	}

	return f.from
}

func badDiff(line int, format string, a ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrPatchFile, line, fmt.Sprintf(format, a...))
}

// diffReader goes through a patch file line by line.
type diffReader struct {
	lines []string
	next  int // index; also the number of the line read last
}

func (r *diffReader) peek() string {
	if r.next < len(r.lines) {
		return r.lines[r.next]
	}

	return ""
}

// parseDiff reads a unified diff. Text before and between the parts for files is passed
// over, as by patch and git apply.
func parseDiff(text []byte) ([]fileDiff, error) {
	var (
		r     = &diffReader{lines: slices.Collect(strings.Lines(string(text)))}
		files []fileDiff
		git   *fileDiff // what comes after "diff --git" and before the names
	)

	for r.next < len(r.lines) {
		line := strings.TrimRight(r.peek(), "\r\n")
		r.next++

		switch {
		case strings.HasPrefix(line, "diff --git "):
			files, git = flush(files, git), new(fileDiff)
		case git != nil && strings.HasPrefix(line, "rename from "), git != nil && strings.HasPrefix(line, "copy from "):
			git.copied = strings.HasPrefix(line, "copy")
			git.from = strings.TrimPrefix(strings.TrimPrefix(line, "copy from "), "rename from ")
		case git != nil && strings.HasPrefix(line, "rename to "), git != nil && strings.HasPrefix(line, "copy to "):
			git.to = strings.TrimPrefix(strings.TrimPrefix(line, "copy to "), "rename to ")
		case strings.HasPrefix(line, "GIT binary patch"), strings.HasPrefix(line, "Binary files "):
			return nil, badDiff(r.next, "it changes a file that isn't text")
		case strings.HasPrefix(line, "--- ") && strings.HasPrefix(r.peek(), "+++ "):
			f, err := r.file(line, git)
			if err != nil {
				return nil, err
			}

			files, git = append(files, f), nil
		}
	}

	files = flush(files, git)

	for i := range files {
		for _, n := range []string{files[i].from, files[i].to} {
			if n != "" && !filepath.IsLocal(filepath.FromSlash(n)) {
				return nil, fmt.Errorf("%w: it leads out of the tree: %q", ErrPatchFile, n)
			}
		}
	}

	if len(files) == 0 {
		return nil, fmt.Errorf("%w: it is no unified diff", ErrPatchFile)
	}

	return files, nil
}

// flush adds a file that is renamed or copied, and not changed. Others without lines, such
// as a change of mode, aren't the compiler's business.
func flush(files []fileDiff, git *fileDiff) []fileDiff {
	if git == nil || git.from == "" || git.to == "" {
		return files
	}

	return append(files, *git)
}

// file reads the names, whose first line has been read, and the hunks.
func (r *diffReader) file(first string, git *fileDiff) (fileDiff, error) {
	var f fileDiff

	from, to := diffName(strings.TrimPrefix(first, "--- ")), diffName(strings.TrimPrefix(r.peek(), "+++ "))
	r.next++

	// What git prefixes. Names in a diff that somebody else made are as they are.
	if a, ok := strings.CutPrefix(from, "a/"); ok || from == "" {
		if b, ok := strings.CutPrefix(to, "b/"); ok || to == "" {
			from, to = a, b
		}
	}

	if f.from, f.to = from, to; git != nil && git.from != "" {
		f.copied = git.copied
	}

	switch {
	case from == "" && to == "":
		return f, badDiff(r.next, "no name")
	case strings.HasPrefix(from, `"`), strings.HasPrefix(to, `"`):
		return f, badDiff(r.next, "a quoted name")
	case from != "" && to != "" && from != to && (git == nil || git.from == ""):
		f.from = to // such as x.go.orig and x.go: the second is the one that is there
	}

	for strings.HasPrefix(r.peek(), "@@ ") {
		h, err := r.hunk()
		if err != nil {
			return f, err
		}

		f.hunks = append(f.hunks, h)
	}

	if len(f.hunks) == 0 {
		return f, badDiff(r.next, "%s has no changes", f.name())
	}

	return f, nil
}

// diffName takes off a date, and gives nothing for /dev/null.
func diffName(s string) string {
	s, _, _ = strings.Cut(strings.TrimRight(s, "\r\n"), "\t")
	if s == "/dev/null" {
		return ""
	}

	return s
}

// hunk reads "@@ -1,2 +1,3 @@" and as many lines as it announces.
func (r *diffReader) hunk() (hunk, error) {
	h := hunk{line: r.next + 1}
	fields := strings.Fields(r.peek())
	r.next++

	if len(fields) < 4 || fields[3] != "@@" {
		return h, badDiff(h.line, "not the head of a hunk")
	}

	start, olds, ok := hunkRange(fields[1], "-")
	_, news, ok2 := hunkRange(fields[2], "+")

	if !ok || !ok2 {
		return h, badDiff(h.line, "not the head of a hunk")
	}

	// An empty range is named by the line before it.
	if h.at = start; olds > 0 {
		h.at--
	}

	for len(h.old) < olds || len(h.new) < news {
		if r.next == len(r.lines) {
			return h, badDiff(h.line, "the hunk is cut short")
		}

		line := r.lines[r.next]
		r.next++

		inOld, inNew := line[0] != '+', line[0] != '-'

		switch line[0] {
		case ' ', '+', '-':
			line = line[1:]
		case '\n', '\r': // an empty line of context, whose space somebody has trimmed
		default:
			return h, badDiff(r.next, "not a line of a hunk")
		}

		if strings.HasPrefix(r.peek(), `\`) { // "\ No newline at end of file"
			line = strings.TrimSuffix(line, "\n")
			r.next++
		}

		if inOld {
			h.old = append(h.old, line)
		}

		if inNew {
			h.new = append(h.new, line)
		}
	}

	if len(h.old) != olds || len(h.new) != news || h.at < 0 {
		return h, badDiff(h.line, "the hunk has other lines than it says")
	}

	return h, nil
}

func hunkRange(s, sign string) (start, n int, ok bool) {
	s, ok = strings.CutPrefix(s, sign)
	first, count, more := strings.Cut(s, ",")
	start, err := strconv.Atoi(first)
	n = 1

	if err == nil && more {
		n, err = strconv.Atoi(count)
	}

	return start, n, ok && err == nil && start >= 0 && n >= 0
}

// apply gives the new content. The hunks come in the order of the file; each is put at the
// place nearest to where it should be at which all its old lines are.
func (f *fileDiff) apply(content []byte) ([]byte, error) {
	var (
		lines = slices.Collect(strings.Lines(string(content)))
		out   strings.Builder
		done  int // lines of the old file that are in out
		drift int // how far the last hunk was from its place
	)

	for _, h := range f.hunks {
		at := h.find(lines, done, h.at+drift)
		if at < 0 {
			return nil, badDiff(h.line, "%s has no such lines", f.name())
		}

		drift = at - h.at

		for _, l := range slices.Concat(lines[done:at], h.new) {
			out.WriteString(l)
		}

		done = at + len(h.old)
	}

	for _, l := range lines[done:] {
		out.WriteString(l)
	}

	return []byte(out.String()), nil
}

// find gives the index at which the old lines are, not before min and as near to want as
// can be, or -1. A hunk without any old lines has only the place it names.
func (h *hunk) find(lines []string, from, want int) int {
	fits := func(at int) bool {
		return at >= from && at+len(h.old) <= len(lines) && slices.Equal(lines[at:at+len(h.old)], h.old)
	}

	if fits(want) {
		return want
	}

	if len(h.old) == 0 {
		return -1
	}

	// want may be far out of the file.
	last := len(lines) - len(h.old)
	want = min(max(want, from), max(last, 0))

	for d := 0; want-d >= from || want+d <= last; d++ {
		switch {
		case fits(want - d):
			return want - d
		case fits(want + d):
			return want + d
		}
	}

	return -1
}
