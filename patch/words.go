package patch

import (
	"errors"
	"fmt"
	"slices"
)

// words are those of a transition that are of no domain but of the process.
type words struct {
	in      *Patch   // whose are written, or nil
	out     []*Patch // whose are put back, the topmost first
	swapped bool
}

// planWords says which words the transition writes and puts back. What changes the whole
// process can't be applied to a part of it: the rest would have half of the patch.
func (t *transit) planWords() error {
	refuse := func(p *Patch, detail string) error {
		return &StateError{Op: t.op, Patch: p.Name(), Err: ErrProcessWide, Detail: detail}
	}

	if !t.target.everywhere {
		// A domain that returns to what it had, or begins with what is applied everywhere,
		// changes nothing for the others.
		part := func(p *Patch) bool { return p.spec.native.wide() && (!t.target.partial || !p.spec.native.inEffect()) }

		if part(t.patch) {
			return refuse(t.patch, "")
		}

		for _, c := range t.changes {
			if i := slices.IndexFunc(c.out, part); i >= 0 {
				return refuse(c.out[i], "")
			}
		}

		return nil
	}

	if n := t.patch.spec.native; t.op != OpRevert && n.wide() && !n.inEffect() {
		t.words.in = t.patch

		if t.op == OpApply { // a replacement finds what those before it have put back
			if err := n.image.CheckWords(); err != nil {
				return &StateError{Op: t.op, Patch: t.patch.Name(), Err: err}
			}
		}
	}

	for _, p := range t.leaving() {
		n := p.spec.native
		if !n.wide() || !n.inEffect() {
			continue
		}

		if n.ownedBy() != t.Engine {
			return refuse(p, "another engine applied it")
		}

		for _, d := range p.life.where() {
			if !slices.ContainsFunc(t.changes, func(c *change) bool { return c.domain == d }) {
				return refuse(p, fmt.Sprintf("it is applied to domain %q, which isn't attached", d.name))
			}
		}

		t.words.out = append(t.words.out, p)
	}

	return nil
}

// leaving are the patches that a transition everywhere takes out, the topmost first. They are
// there though no domain is.
func (t *transit) leaving() []*Patch {
	switch t.op {
	case OpRevert:
		return []*Patch{t.patch}
	case OpReplace:
		out := t.fleetStack()
		slices.Reverse(out)

		for _, p := range t.patches() {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}

		return slices.DeleteFunc(out, func(p *Patch) bool { return p == t.patch })
	}

	return nil
}

// writeWords writes and puts back the words, or nothing.
func (t *transit) writeWords() error {
	for i, p := range t.words.out {
		n, err := p.spec.native.putBack()
		if err != nil {
			return t.wordsError(p, errors.Join(err, t.rewrite(t.words.out[:i])))
		}

		t.report.Words += n
	}

	if p := t.words.in; p != nil {
		n, err := p.spec.native.write(t.Engine)
		if err != nil {
			return t.wordsError(p, errors.Join(err, t.rewrite(t.words.out)))
		}

		t.report.Words += n
	}

	t.words.swapped = true

	return nil
}

// unwriteWords undoes writeWords.
func (t *transit) unwriteWords() error {
	if !t.words.swapped {
		return nil
	}

	t.words.swapped, t.report.Words = false, 0

	if p := t.words.in; p != nil {
		if _, err := p.spec.native.putBack(); err != nil {
			return t.wordsError(p, err) // what was below it can't come back either
		}
	}

	if err := t.rewrite(t.words.out); err != nil {
		return t.wordsError(t.patch, err)
	}

	return nil
}

// rewrite writes words again that were put back, those of the lowest patch first.
func (t *transit) rewrite(ps []*Patch) error {
	for _, p := range slices.Backward(ps) {
		if _, err := p.spec.native.write(t.Engine); err != nil {
			return err
		}
	}

	return nil
}

func (t *transit) wordsError(p *Patch, err error) error {
	return &StateError{Op: t.op, Patch: p.Name(), Err: err, Detail: "words of the process"}
}

// inEffect says whether the patch's words are written.
func (n *native) inEffect() bool { return n.ownedBy() != nil }

func (n *native) ownedBy() *Engine {
	n.mu.Lock()
	defer n.mu.Unlock()

	return n.owner
}

// write writes the patch's words, and gives how many there are.
func (n *native) write(e *Engine) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()

	w, err := n.image.WriteWords()
	if err != nil {
		return 0, err
	}

	n.words, n.owner = w, e

	return w.Count(), nil
}

// putBack undoes write.
func (n *native) putBack() (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()

	if err := n.words.Undo(); err != nil {
		return 0, err
	}

	count := n.words.Count()
	n.words, n.owner = nil, nil

	return count, nil
}
