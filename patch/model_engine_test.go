package patch_test

import (
	"context"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/internal/fault"
)

// The model of the engine: what each operation comes to, written as plainly as can be.

// course is one transition, and what is to go wrong in it.
type course struct {
	op         patch.Op
	patch      int
	mode       patch.Mode
	on         []*reference
	everywhere bool
	noDepends  bool
	fault      string
	veto       int // counts the pre hooks down to the one that fails

	changes []*reference // those that change
}

// busy is the first domain of the transition whose worker is in a section.
func (c *course) busy() *reference {
	for _, r := range c.changes {
		if r.busy {
			return r
		}
	}

	return nil
}

// plan says what is in the way on each domain, and finds those that change.
func (c *course) plan() (errs []error) {
	c.changes = nil

	for _, r := range c.on {
		err := c.planOn(r)

		switch {
		case err == nil:
			c.changes = append(c.changes, r)
		case c.everywhere && (err == patch.ErrApplied || err == patch.ErrNotApplied): //nolint:errorlint // made here
		default:
			errs = append(errs, err)
		}
	}

	if len(c.on) == 0 && !c.everywhere {
		return []error{patch.ErrNoDomain}
	}

	return errs
}

func (c *course) planOn(r *reference) error {
	var (
		p     = modelPatches[c.patch]
		at    = slices.Index(r.stack, c.patch)
		below = r.stack
	)

	switch {
	case r.closed:
		return patch.ErrClosed
	case c.op == patch.OpRevert && at < 0:
		return patch.ErrNotApplied
	case c.op == patch.OpRevert && at < len(r.stack)-1:
		return patch.ErrNotTop
	case c.op == patch.OpRevert:
		return nil
	case at >= 0:
		return patch.ErrApplied
	}

	if c.op == patch.OpReplace {
		below = nil
	}

	if p.depends != none && !c.noDepends && (len(below) == 0 || below[len(below)-1] != p.depends) {
		return patch.ErrDepends
	}

	for _, q := range r.stack {
		if v := modelPatches[q].version; v > 0 && (p.version > 0 && p.version < v || c.op == patch.OpReplace && p.version == 0) {
			return patch.ErrIncompatible
		}
	}

	if p.declared && bindings(below)[0] != none {
		return patch.ErrExpectation
	}

	return nil
}

// duplicate says whether a loaded patch has the name.
func (m *play) duplicate(p int) bool {
	return slices.ContainsFunc(m.loaded, func(q int) bool { return q != p && modelPatches[q].name == modelPatches[p].name })
}

// wouldFail is what a dry run says: whatever is in the way but hooks, faults and workers.
func (m *play) wouldFail(c *course) []error {
	if c.op != patch.OpRevert && m.duplicate(c.patch) {
		return []error{patch.ErrDuplicate}
	}

	return c.plan()
}

// bring does the transition, with loading and unloading where that belongs to it.
func (m *play) bring(c *course) []error {
	if c.op == patch.OpRevert {
		return m.transit(c)
	}

	if m.duplicate(c.patch) {
		return []error{patch.ErrDuplicate}
	}

	fresh := !slices.Contains(m.loaded, c.patch)
	if fresh {
		m.loaded = append(m.loaded, c.patch)
	}

	errs := m.transit(c)
	if len(errs) > 0 && fresh && !m.lingers(c.patch) {
		m.loaded = m.loaded[:len(m.loaded)-1]
	}

	return errs
}

// transit is the transition itself.
func (m *play) transit(c *course) []error {
	errs := c.plan()

	if c.fault == fault.Planned && !slices.Contains(errs, patch.ErrNoDomain) {
		errs = append(errs, errInjected)
	}

	if len(errs) > 0 {
		return errs
	}

	if err := c.upsAndDowns(m); err != nil {
		return []error{err}
	}

	for _, r := range c.changes {
		r.became(c.op, c.patch)
	}

	if c.everywhere {
		m.remember(c.op, c.patch)
	}

	return nil
}

// upsAndDowns goes through the steps, and is the first thing that goes wrong.
func (c *course) upsAndDowns(m *play) error {
	if c.fault == fault.Journal {
		return errInjected
	}

	for _, r := range c.changes {
		hooks := 1
		if c.op == patch.OpReplace {
			hooks = len(r.stack) + 1
		}

		for range hooks {
			if c.veto--; c.veto == 0 {
				if m.way < 2 {
					return patch.ErrHook
				}

				return errInjected
			}
		}
	}

	steps := []string{fault.Prepared, fault.Bound, fault.Swapped, "settle", fault.Settled}
	if c.mode == patch.Barrier {
		steps = []string{fault.Prepared, fault.Gated, "settle", fault.Drained, fault.Bound}
	}

	published := false

	for _, step := range steps {
		published = published || step == fault.Swapped

		var err error

		switch {
		case step == c.fault:
			err = errInjected
		case step == "settle" && c.busy() != nil:
			err = context.Canceled
		default:
			continue
		}

		for _, r := range c.changes {
			if published && r.busy && c.op != patch.OpRevert {
				m.late[c.patch] = append(m.late[c.patch], visit{r, r.visits})
			}
		}

		return err
	}

	return nil
}

// became is what one domain is after the transition.
func (r *reference) became(op patch.Op, p int) {
	switch op {
	case patch.OpRevert:
		r.stack, r.gens = slices.Clone(r.stack[:len(r.stack)-1]), r.gens[:len(r.gens)-1]
	case patch.OpReplace:
		r.stack, r.gens = nil, nil

		fallthrough
	case patch.OpApply:
		r.stack, r.gens = append(slices.Clone(r.stack), p), append(r.gens, r.domain.Generation())

		if modelPatches[p].version > 0 {
			r.data = p
		}
	}

	if !slices.ContainsFunc(r.stack, func(q int) bool { return modelPatches[q].version > 0 }) {
		r.data = nil
	}
}

func (m *play) remember(op patch.Op, p int) {
	i := slices.Index(m.everywhere, p)

	switch {
	case op == patch.OpReplace:
		m.everywhere = []int{p}
	case op == patch.OpApply && i < 0:
		m.everywhere = append(m.everywhere, p)
	case op == patch.OpRevert && i >= 0:
		m.everywhere = slices.Delete(slices.Clone(m.everywhere), i, i+1)
	}
}

// lingers says whether a section runs that may have seen the patch.
func (m *play) lingers(p int) bool {
	return slices.ContainsFunc(m.late[p], func(v visit) bool { return v.r.busy && v.r.visits == v.n })
}

func (m *play) load() {
	var (
		p    = m.next() % len(m.patches)
		err  = m.engine.Load(m.t.Context(), m.patches[p])
		want []error
	)

	switch {
	case m.duplicate(p):
		want = []error{patch.ErrDuplicate}
	case !slices.Contains(m.loaded, p):
		m.loaded = append(m.loaded, p)
	}

	m.fails(err, want, "load")
}

// unload doesn't wait: its context has ended.
func (m *play) unload() {
	ctx, cancel := context.WithCancel(m.t.Context())
	cancel()

	var (
		p       = m.next() % len(m.patches)
		err     = m.engine.Unload(ctx, m.patches[p])
		i       = slices.Index(m.loaded, p)
		applied = slices.ContainsFunc(m.domains, func(r *reference) bool { return slices.Contains(r.stack, p) })
		want    []error
	)

	switch {
	case i < 0:
		want = []error{patch.ErrUnknown}
	case applied || slices.Contains(m.everywhere, p):
		want = []error{patch.ErrApplied}
	case m.lingers(p):
		want = []error{context.Canceled}
	default:
		m.loaded = slices.Delete(m.loaded, i, i+1)
	}

	m.fails(err, want, "unload")
}

// attach has the domain catch up with what is applied everywhere, or fails and takes it
// all back. A hook may veto either.
func (m *play) attach(r *reference) {
	if r.busy {
		m.step(r) // nothing would end the wait
	}

	m.veto = m.next() % 8
	m.way = m.veto % 3
	veto := m.veto
	err := m.engine.Attach(m.t.Context(), r.domain)

	if r.closed {
		require.ErrorIs(m.t, err, patch.ErrClosed)
		return
	}

	one := func(op patch.Op, p int) []error {
		c := &course{op: op, patch: p, on: []*reference{r}, veto: veto}
		errs := m.transit(c)
		veto = c.veto

		return errs
	}

	var (
		fresh []int
		want  []error
		gens  = slices.Clone(r.gens)
	)

	for _, p := range m.everywhere {
		if slices.Contains(r.stack, p) {
			continue
		}

		if want = one(patch.OpApply, p); len(want) > 0 {
			for _, q := range slices.Backward(fresh) {
				want = append(want, one(patch.OpRevert, q)...)
			}

			break
		}

		fresh = append(fresh, p)
	}

	m.fails(err, want, "attach")

	r.attached = r.attached || len(want) == 0
	r.gens = gens // those of the domain; of what has come, only the last can be seen

	for len(r.gens) < len(r.stack) {
		r.gens = append(r.gens, unseen)
	}
}

// unseen is a generation that the model has yet to learn.
const unseen = ^uint64(0)
