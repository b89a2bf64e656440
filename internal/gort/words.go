package gort

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/vgraft/vgraft/internal/payload"
)

// word is a word of memory that is overwritten.
type word struct {
	name string
	kind string
	at   uint64
	size int
	text uint64   // where 4 bytes count from
	old  []uint64 // what may be there
	new  uint64
	same bool // as payload.Word has it
}

// words are the payload's, with the addresses that they have in this process.
func (im *Image) words(ws []payload.Word) []word {
	out := make([]word, len(ws))

	for i, w := range ws {
		x := word{name: w.Name, kind: w.Kind, at: im.resolve(w.At), size: w.Size, text: im.textOf(w.At), same: w.Same}
		x.new = im.value(w.New, x)

		for _, v := range w.Old {
			x.old = append(x.old, im.value(v, x))
		}

		out[i] = x
	}

	return out
}

// value is what a word holds.
func (im *Image) value(v payload.Value, w word) uint64 {
	switch {
	case v.Ref == (payload.Ref{}):
		return v.Const
	case w.size == 4:
		return uint64(uint32(im.resolve(v.Ref) - w.text))
	}

	return im.resolve(v.Ref)
}

func (w word) wrong(found uint64) error {
	return fmt.Errorf("%w: %s at %#x holds %#x", ErrContent, w.name, w.at, found)
}

// write stores to all the words or to none: each must hold one of its old values, or its new
// one. It gives what to write to have it all back as it was.
func (p *Process) write(ws []word) (back []word, err error) {
	if len(ws) == 0 {
		return nil, nil
	}

	for _, w := range ws {
		was := load(w.at, w.size)
		if was != w.new && !slices.Contains(w.old, was) {
			return nil, w.wrong(was)
		}

		w.old, w.new = []uint64{w.new}, was
		back = append(back, w)
	}

	used, err := regions()
	if err != nil {
		return nil, err
	}

	writable, err := p.pages(ws, used)
	if err != nil {
		return nil, err
	}

	size := uint64(os.Getpagesize())

	var opened []uint64

	// What was read-only stays writable for as short as this. That a page can't be made
	// read-only again needs memory that the kernel hasn't got, and makes nothing wrong.
	defer func() {
		for _, page := range opened {
			_ = protect(page, size, readOnly)
		}
	}()

	for page, ok := range writable {
		if ok {
			continue
		}

		if err := protect(page, size, readWrite); err != nil {
			return nil, err
		}

		opened = append(opened, page)
	}

	for i, w := range back { // its new is what was there
		if swap(w.at, w.size, w.new, w.old[0]) {
			continue
		}

		for _, w := range slices.Backward(back[:i]) {
			swap(w.at, w.size, w.old[0], w.new)
		}

		return nil, w.wrong(load(w.at, w.size))
	}

	return back, nil
}

// Written are the words of a payload that are in effect.
type Written struct {
	proc    *Process
	image   *Image
	table   uint64 // where the runtime's variable of its interface tables is; 0 is not needed
	words   []word
	back    []word            // what undoes words
	entries []entry           // functions whose entries lead to the payload
	moved   map[uint64]uint64 // functions in interface tables, old to new
}

// Count is how many words and entries were written, words of the tables that the runtime made
// included.
func (w *Written) Count() int { return len(w.back) + len(w.entries) }

// CheckWords says whether the payload's words and entries could be written now: an ErrContent
// if not.
func (im *Image) CheckWords() error {
	im.proc.mu.Lock()
	defer im.proc.mu.Unlock()

	if err := present(im.words(im.file.Meta.Words)); err != nil {
		return err
	}

	es, err := im.entries()
	if err != nil {
		return err
	}

	return unlike(es)
}

// WriteWords overwrites the payload's words and entries, or none, where the error is
// ErrContent, ErrText or what the system says. In interface tables that the runtime built it does the same: it reads them
// from method tables, and then no more. The image must be committed.
func (im *Image) WriteWords() (*Written, error) {
	p, m := im.proc, &im.file.Meta

	p.mu.Lock()
	defer p.mu.Unlock()

	w := &Written{proc: p, image: im, words: im.words(m.Words), moved: map[uint64]uint64{}}

	pruned := []uint64{m.Runtime.UnreachableMethod, m.Runtime.UnreachableMethod + p.bias}

	for _, x := range w.words {
		if x.kind != payload.WordItab && x.kind != payload.WordMethod {
			continue
		}

		w.table = m.Runtime.ItabTable + p.bias

		from, to := load(x.at, x.size), x.new
		if x.size == 4 {
			if from == 1<<32-1 || from == 0 || to == 1<<32-1 || to == 0 { // no function
				continue
			}

			from, to = from+x.text, to+x.text
		}

		if from != to && from != 0 && !slices.Contains(pruned, from) {
			w.moved[from] = to
		}
	}

	var err error
	if w.back, err = p.write(w.words); err != nil {
		return nil, err
	}

	copies, err := p.moveItabs(w.table, w.moved)
	if err != nil {
		_, undo := p.write(w.back)
		return nil, errors.Join(err, undo)
	}

	w.back = append(w.back, copies...)

	if err := w.writeEntries(); err != nil {
		return nil, err
	}

	return w, nil
}

// Undo puts back what the words and entries held. In tables that the runtime has built since it puts the
// functions that were replaced. On error nothing was changed, and Undo may be called again.
func (w *Written) Undo() error {
	w.proc.mu.Lock()
	defer w.proc.mu.Unlock()

	if err := w.undoEntries(); err != nil {
		return err
	}

	if err := w.undoWords(); err != nil {
		return errors.Join(err, w.image.redirect(w.entries))
	}

	return nil
}

// undoWords does so for words.
func (w *Written) undoWords() error {
	again, err := w.proc.write(w.back)
	if err != nil {
		return err
	}

	back := map[uint64]uint64{}
	for from, to := range w.moved {
		back[to] = from
	}

	if _, err := w.proc.moveItabs(w.table, back); err != nil {
		_, undo := w.proc.write(again)
		return errors.Join(err, undo)
	}

	return nil
}

// moveItabs has the runtime's interface tables lead to other functions.
func (p *Process) moveItabs(table uint64, moved map[uint64]uint64) (back []word, err error) {
	if len(moved) == 0 {
		return nil, nil
	}

	// Whoever builds a table holds a lock of the runtime, with which it can't be stopped. So
	// with the world stopped once, there is none that began with the method tables as they
	// were.
	var stats runtime.MemStats

	runtime.ReadMemStats(&stats)

	var ws []word

	itabs(table, func(tab uint64, methods int) {
		for i := range methods {
			at := tab + itabFuncs + 8*uint64(i)
			if to, ok := moved[load(at, 8)]; ok {
				ws = append(ws, word{name: "an interface table of the runtime", at: at, size: 8, old: []uint64{load(at, 8)}, new: to})
			}
		}
	})

	return p.write(ws)
}

// present holds that the words can be written.
func present(ws []word) error {
	for _, w := range ws {
		if was := load(w.at, w.size); was != w.new && !slices.Contains(w.old, was) {
			return w.wrong(was)
		}
	}

	return nil
}

// missing are the fixups that aren't there yet. Another payload may have brought the same
// method, and as it is linked in for ever, that is as good: if this payload is linked against
// it, or if the method is for both what the program's own source says.
func (im *Image) missing(ws []word) ([]word, error) {
	var out []word

	for _, w := range ws {
		was := load(w.at, w.size)

		to := was
		if w.size == 4 {
			to += w.text
		}

		by := im.proc.linkedAt(to)

		switch {
		case was == w.new, by != nil && (slices.Contains(im.below, by) || w.same && by.filledSame(w.at)):
		case slices.Contains(w.old, was):
			out = append(out, w)
		default:
			return nil, w.wrong(was)
		}
	}

	// The entries of a method table are found by their type, which is before what it leads
	// to: from the last to the first, none is found before it is whole.
	slices.SortFunc(out, func(a, b word) int { return cmp.Compare(b.at, a.at) })

	return out, nil
}

// linkedAt is the payload that the runtime knows and whose code is at an address; nil is none.
func (p *Process) linkedAt(addr uint64) *Image {
	for _, im := range p.linked {
		t := im.file.Text
		if (span{im.base + t.Addr, im.base + t.End()}).holds(addr, 1) {
			return im
		}
	}

	return nil
}

// filledSame says whether the image has filled in a word with what the program's own source
// has.
func (im *Image) filledSame(at uint64) bool {
	return slices.ContainsFunc(im.words(im.file.Meta.Fixups), func(w word) bool { return w.at == at && w.same })
}
