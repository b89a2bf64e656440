package gort

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/vgraft/vgraft/internal/payload"
)

// maxJump is the longest of the jumps that entries become.
const maxJump = 8

// entry is the begin of a function of the program that is overwritten with a jump. It has no
// pointers but the name, and is ready before the world is stopped.
type entry struct {
	name     string
	at       uint64
	size     int
	old, new [maxJump]byte // what must be there, and what is to be
}

func (e *entry) back() entry {
	b := *e
	b.old, b.new = e.new, e.old

	return b
}

// entries are the payload's, with the addresses that they have in this process.
func (im *Image) entries() ([]entry, error) {
	es := im.file.Meta.Entries
	out := make([]entry, len(es))

	for i, e := range es {
		x := entry{name: e.Name, at: im.resolve(e.At), size: len(e.Old)}
		copy(x.old[:], e.Old)

		if e.From != (payload.Ref{}) {
			if err := jump(runtime.GOARCH, x.old[:x.size], x.at, im.resolve(e.From)); err != nil {
				return nil, fmt.Errorf("%w: %s", err, e.Name)
			}
		}

		if err := jump(runtime.GOARCH, x.new[:x.size], x.at, im.resolve(e.New)); err != nil {
			return nil, fmt.Errorf("%w: %s", err, e.Name)
		}

		out[i] = x
	}

	return out, nil
}

// jump writes the instruction that goes from one address to another one.
func jump(arch string, b []byte, from, to uint64) error {
	switch {
	case arch == "amd64" && len(b) == 5:
		d := int64(to - from - 5)
		if d != int64(int32(d)) {
			return fmt.Errorf("%w: a jump from %#x to %#x", ErrNoRoom, from, to)
		}

		b[0] = 0xe9
		binary.LittleEndian.PutUint32(b[1:], uint32(int32(d)))
	case arch == "arm64" && len(b) == 4:
		d := int64(to - from)
		if d%4 != 0 || d < -(1<<27) || d >= 1<<27 {
			return fmt.Errorf("%w: a branch from %#x to %#x", ErrNoRoom, from, to)
		}

		binary.LittleEndian.PutUint32(b, 0x14000000|uint32(d>>2)&0x3ffffff)
	default:
		return fmt.Errorf("%w: entries on %s", ErrNotSupported, arch)
	}

	return nil
}

// stoppable are the versions of Go whose functions that stop the world are known: what they
// take, what they give, and that what stands still then stands where signals may interrupt it.
var stoppable = []string{"go1.26", "go1.27"}

func knownStop(version string) bool {
	return slices.ContainsFunc(stoppable, func(v string) bool {
		rest, ok := strings.CutPrefix(version, v)
		return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
	})
}

// checkEntries holds that the entries can be written: that they are entries of the program's
// functions with the bytes that they should have, and that the system lets its code be
// written. It writes what is there already.
func (im *Image) checkEntries(used []region) error {
	m := &im.file.Meta
	if len(m.Entries) == 0 {
		return nil
	}

	if !knownStop(runtime.Version()) {
		return fmt.Errorf("%w: how %s stops the world isn't known", ErrNotSupported, runtime.Version())
	}

	for name, at := range map[string]uint64{"runtime.stopTheWorld": m.Runtime.StopTheWorld, "runtime.startTheWorld": m.Runtime.StartTheWorld} {
		if fn := funcAt(at + im.proc.bias); !im.proc.Holds(at, 8) || fn != name {
			return fmt.Errorf("%w: %#x for %s", ErrAddress, at, name)
		}
	}

	es, err := im.entriesToBe()
	if err != nil {
		return err
	}

	for _, e := range es {
		if fn := funcAt(e.at); !im.proc.Holds(e.at-im.proc.bias, uint64(e.size)) || fn == "" || strings.HasPrefix(fn, "runtime.") {
			return fmt.Errorf("%w: %s at %#x is no entry of a function", ErrAddress, e.name, e.at)
		}

		if !slices.ContainsFunc(used, func(r region) bool { return r.holds(e.at, uint64(e.size)) && r.exec && !r.write }) {
			return fmt.Errorf("%w: %s at %#x isn't code", ErrAddress, e.name, e.at)
		}
	}

	return im.proc.tryText(es)
}

// funcAt names the function that begins at an address; empty is none.
func funcAt(at uint64) string {
	fn := runtime.FuncForPC(uintptr(at))
	if fn == nil || uint64(fn.Entry()) != at {
		return ""
	}

	return fn.Name()
}

// entriesToBe are the payload's entries as they are now: a payload can be loaded before those
// below are applied, and while one is applied that it is to replace.
func (im *Image) entriesToBe() ([]entry, error) {
	es, err := im.entries()
	if err != nil {
		return nil, err
	}

	for i := range es {
		e := &es[i]
		now := bytes.Clone(bytesAt(e.at, uint64(e.size)))

		may := [][]byte{e.old[:e.size], im.file.Meta.Entries[i].Old}

		for _, other := range im.proc.images {
			list, err := other.entries()
			if err != nil {
				return nil, err
			}

			for _, o := range list {
				if o.at == e.at {
					may = append(may, o.new[:o.size])
				}
			}
		}

		if !slices.ContainsFunc(may, func(b []byte) bool { return bytes.Equal(b, now) }) {
			return nil, e.wrong(now)
		}

		copy(e.old[:], now)
	}

	return es, nil
}

func (e *entry) wrong(found []byte) error {
	return fmt.Errorf("%w: the entry of %s at %#x is % x, and not % x", ErrContent, e.name, e.at, found, e.old[:e.size])
}

// unlike is the error of the first entry that doesn't have what it must.
func unlike(es []entry) error {
	for i := range es {
		if now := bytesAt(es[i].at, uint64(es[i].size)); !bytes.Equal(now, es[i].old[:es[i].size]) {
			return es[i].wrong(now)
		}
	}

	return nil
}

// redirect writes all the entries or none, in one stop of the world. The error is ErrContent,
// ErrText or ErrNotSupported.
func (im *Image) redirect(es []entry) error {
	if len(es) == 0 {
		return nil
	}

	if err := unlike(es); err != nil {
		return err
	}

	fd, err := openText()
	if err != nil {
		return err
	}
	defer closeText(fd) // what was written stays

	m := &im.file.Meta
	r := stopAndWrite(m.Runtime.StopTheWorld+im.proc.bias, m.Runtime.StartTheWorld+im.proc.bias, fd, uint64(os.Getpagesize()), im.proc.renew, es)

	switch {
	case r.lost >= 0:
		return fmt.Errorf("%w: %s couldn't be put back: %w", ErrText, es[r.lost].name, r.errno)
	case r.differs >= 0:
		e := &es[r.differs]
		return e.wrong(bytesAt(e.at, uint64(e.size)))
	case r.failed >= 0:
		return fmt.Errorf("%w: %s at %#x: %w", ErrText, es[r.failed].name, es[r.failed].at, r.errno)
	}

	return nil
}

// undoEntries puts back what entries were.
func (w *Written) undoEntries() error { return w.image.redirect(w.entriesBack()) }

func (w *Written) entriesBack() []entry {
	out := make([]entry, len(w.entries))
	for i := range w.entries {
		out[i] = w.entries[i].back()
	}

	return out
}

// writeEntries redirects the payload's entries, as the last of what is written: where it
// fails, the words are as they were.
func (w *Written) writeEntries() error {
	es, err := w.image.entries()
	if err == nil {
		err = w.image.redirect(es)
	}

	if err != nil {
		return errors.Join(err, w.undoWords())
	}

	w.entries = es

	return nil
}
