package elfdiff_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPairs_parse has the parser refuse what would make a pair check less than it says.
func TestPairs_parse(t *testing.T) {
	const good = "About it.\nwant: safe\ncalls: f x\n-- base/main.go --\na\n-- fixed/main.go --\nb\n"

	_, err := parsePair("good", good)
	require.NoError(t, err)

	for _, c := range []struct{ old, new, want string }{
		{"want: safe", "", "no want"},
		{"want: safe", "want: sound", "want: sound"},
		{"want: safe", "want: refuse caller", "want: refuse caller"},
		{"want: safe", "want: refuse colour *", "colour"},
		{"want: safe", "want: safe\nwant: refuse caller *", "want"},
		{"About it.\n", "", "comment"},
		{"calls: f x\n", "", "no calls"},
		{"calls:", "call:", "call:"},
		{"base/main.go", "main.go", "main.go"},
		{"fixed/main.go", "fixed/../main.go", "main.go"},
		{"-- fixed/main.go --\nb\n", "", "fixed"},
	} {
		require.Contains(t, good, c.old)

		text := strings.Replace(good, c.old, c.new, 1)
		_, err := parsePair("bad", text)
		require.ErrorContains(t, err, c.want, "%s", text)
	}
}

// The two builds of a pair.
const (
	base  = "base"
	fixed = "fixed"
)

var sides = []string{base, fixed}

type call struct{ name, arg string }

type want struct{ kinds, symbol string }

type pair struct {
	name, comment string

	outcome     string // safe, right, nothing, refuse, unloadable
	why         string // unloadable
	refusals    []want
	processWide bool
	accept      []string
	entries     bool
	redirects   []string

	before, calls  []call
	same, stateful bool

	cgo, slow bool
	flags     map[string][]string // by side
	env       map[string][]string

	files map[string]map[string]string // by side and name
}

// kinds are those of elfdiff.RefusalKind.
var kinds = strings.Fields(`toolchain flags go-version build-id runtime assembly nosplit cgo type-layout type-methods
	local-type variable-type variable-value initialiser new-variable package-init caller goroutine closure method-value
	function-value interface-table method-table dictionary signature slot pruned variable-pruned relocation linkname entry`)

func readPairs(t *testing.T) []*pair {
	t.Helper()

	names, err := filepath.Glob("testdata/pairs/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)

	var pairs []*pair

	for i, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)

		p, err := parsePair(strings.TrimSuffix(filepath.Base(name), ".txt"), string(text))
		require.NoError(t, err)

		switch {
		case p.cgo && noCgo():
			t.Logf("%s: left out: no C compiler", p.name)
		case p.slow && os.Getenv("VGRAFT_SLOW") == "":
			t.Logf("%s: left out: slow", p.name)
		case testing.Short() && i%10 != 0:
		default:
			pairs = append(pairs, p)
		}
	}

	return pairs
}

func noCgo() bool {
	_, err := exec.LookPath("gcc")

	return err != nil || os.Getenv("CGO_ENABLED") == "0"
}

var header = regexp.MustCompile(`^([a-z-]+): *(.*)$`)

func parsePair(name, text string) (*pair, error) {
	p := &pair{
		name:  name,
		flags: map[string][]string{},
		env:   map[string][]string{},
		files: map[string]map[string]string{base: {}, fixed: {}},
	}

	head, files, _ := strings.Cut("\n"+text, "\n-- ")

	for line := range strings.SplitSeq(head, "\n") {
		m := header.FindStringSubmatch(line)

		switch {
		case line == "":
		case m == nil:
			p.comment += line + "\n"
		default:
			if err := p.header(m[1], m[2]); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, line, err)
			}
		}
	}

	if err := p.addFiles(files); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	switch {
	case p.comment == "":
		return nil, fmt.Errorf("%s: no comment", name)
	case p.outcome == "":
		return nil, fmt.Errorf("%s: no want", name)
	case len(p.calls) == 0:
		return nil, fmt.Errorf("%s: no calls", name)
	}

	return p, nil
}

func (p *pair) header(key, value string) error {
	both := func(m map[string][]string) { m[base], m[fixed] = strings.Fields(value), strings.Fields(value) }

	switch {
	case key == "want":
		return p.want(value)
	case key == "before":
		p.before = parseCalls(value)
	case key == "calls":
		p.calls = parseCalls(value)
	case key == "flags":
		both(p.flags)
	case key == "env":
		both(p.env)
	case key == "flags-base" || key == "flags-fixed":
		p.flags[strings.TrimPrefix(key, "flags-")] = strings.Fields(value)
	case key == "env-base" || key == "env-fixed":
		p.env[strings.TrimPrefix(key, "env-")] = strings.Fields(value)
	case key == "options":
		for o := range strings.FieldsSeq(value) {
			switch o {
			case "process-wide":
				p.processWide = true
			case "entries":
				p.entries = true
			default:
				return errors.New("unknown option")
			}
		}
	case key == "redirects":
		p.redirects = strings.Fields(value)
	case key == "accept":
		p.accept = strings.Fields(value)
	case key == "needs" && value == "cgo":
		p.cgo = true
	case key == "slow" && value == "yes":
		p.slow = true
	case key == "same" && value == "yes":
		p.same = true
	case key == "stateful" && value == "yes":
		p.stateful = true
	default:
		return errors.New("unknown line")
	}

	return nil
}

func (p *pair) want(value string) error {
	outcome, rest, _ := strings.Cut(value, " ")

	switch {
	case !slices.Contains([]string{"safe", "right", "nothing", "refuse", "unloadable"}, outcome):
		return errors.New("unknown want")
	case p.outcome != "" && (p.outcome != "refuse" || outcome != "refuse"):
		return errors.New("a second want")
	}

	p.outcome = outcome

	if outcome == "unloadable" {
		p.why = rest
	}

	if outcome != "refuse" {
		return nil
	}

	kind, symbol, ok := strings.Cut(rest, " ")
	if !ok {
		return errors.New("no symbol")
	}

	for k := range strings.SplitSeq(kind, "|") {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("unknown kind %s", k)
		}
	}

	p.refusals = append(p.refusals, want{kind, symbol})

	return nil
}

func parseCalls(s string) (calls []call) {
	for c := range strings.SplitSeq(s, ";") {
		name, arg, _ := strings.Cut(strings.TrimSpace(c), " ")
		calls = append(calls, call{name, arg})
	}

	return calls
}

// addFiles takes the rest of the file, from behind the first "-- " on. What base has and
// fixed doesn't name, fixed has too; what consists of the line DELETED it hasn't.
func (p *pair) addFiles(text string) error {
	for file := range strings.SplitSeq(text, "\n-- ") {
		head, content, ok := strings.Cut(file, " --\n")
		side, name, _ := strings.Cut(head, "/")

		if !ok || p.files[side] == nil || !filepath.IsLocal(name) || path.Clean(name) != name {
			return fmt.Errorf("a file called %q", head)
		}

		p.files[side][name] = strings.TrimSuffix(content, "\n") + "\n"
	}

	if p.files[base]["main.go"] == "" {
		return errors.New("no base/main.go")
	}

	if len(p.files[fixed]) == 0 && slices.Equal(p.flags[base], p.flags[fixed]) && slices.Equal(p.env[base], p.env[fixed]) {
		return errors.New("nothing is fixed")
	}

	inherited := maps.Clone(p.files[base])
	maps.Copy(inherited, p.files[fixed])
	maps.DeleteFunc(inherited, func(_, content string) bool { return content == "DELETED\n" })
	p.files[fixed] = inherited

	return nil
}
