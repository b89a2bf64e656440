package patch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vgraft/vgraft/patch/internal/fault"
)

// change is one domain's part of a transition.
type change struct {
	domain             *Domain
	old, new           *view // new is what the default action gives
	oldStack, newStack []*Patch
	in                 *Patch   // that comes, or nil
	out                []*Patch // that go, the topmost first

	bind bool // the default action is wanted

	oldData map[string]any // of the states
	over    bool           // the transition; guarded by the domain's mu
}

// bound says whether a section that begins now sees the patch's bindings.
func (c *change) bound(p *Patch) bool {
	v := c.domain.view.Load()

	for _, b := range p.spec.Bindings {
		if v.binding(b.id) == b.fn {
			return true
		}
	}

	return false
}

// planned is what one domain becomes, or why not.
func (d *Domain) planned(op Op, p *Patch, t Target) (*change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	c := &change{domain: d, old: d.view.Load(), oldStack: d.applied, oldData: maps.Clone(d.data), bind: true}

	wrong := func(err error, detail string) (*change, error) {
		return nil, &StateError{Op: op, Patch: p.Name(), Domain: d.name, Err: err, Detail: detail}
	}

	if d.closed {
		return wrong(ErrClosed, "")
	}

	at := slices.Index(d.applied, p)

	if op == OpRevert {
		top := len(d.applied) - 1

		switch {
		case at < 0:
			return wrong(ErrNotApplied, "")
		case at < top:
			return nil, &StateError{Op: op, Patch: p.Name(), Domain: d.name, Err: ErrNotTop, Top: d.applied[top].Name()}
		}

		c.new, c.out, c.newStack = c.old.from, []*Patch{p}, slices.Clone(d.applied[:top])

		return c, nil
	}

	if at >= 0 {
		return wrong(ErrApplied, "")
	}

	c.in, c.newStack = p, []*Patch{p}

	var below *view

	if op == OpApply {
		below, c.newStack = c.old, append(slices.Clone(d.applied), p)
	} else {
		c.out = slices.Clone(d.applied)
		slices.Reverse(c.out)
	}

	for _, q := range c.newStack[:len(c.newStack)-1] {
		if q.Name() == p.Name() || q.ID() == p.ID() {
			return wrong(ErrDuplicate, fmt.Sprintf("%q, id %s", q.Name(), q.ID()))
		}
	}

	if err := p.depends(op, c.newStack[:len(c.newStack)-1]); err != "" && !t.NoDepends {
		return wrong(ErrDepends, err)
	}

	if st, ok := p.compatible(d.applied, op == OpReplace); !ok {
		return wrong(ErrIncompatible, fmt.Sprintf("%s is at version %d", st.ID, st.Version))
	}

	if err := p.expectations(d, below); err != nil {
		return nil, err
	}

	c.new = below.with(p.spec.Bindings)

	return c, nil
}

// depends says what is wrong with the stack that the patch would come onto.
func (p *Patch) depends(op Op, stack []*Patch) string {
	want, n := p.Depends(), len(stack)

	switch {
	case want == "":
		return ""
	case op == OpReplace:
		return fmt.Sprintf("it needs %s below, and a replacement leaves nothing below", want)
	case n == 0:
		return fmt.Sprintf("it needs %s, and no patch is applied", want)
	case stack[n-1].ID() != want:
		return fmt.Sprintf("it needs %s, and the top is %q, id %s", want, stack[n-1].Name(), stack[n-1].ID())
	}

	return ""
}

// transit is a transition under way, with all its domains locked.
type transit struct {
	*Engine
	op      Op
	patch   *Patch
	target  Target
	changes []*change
	all     []part // see parts
	words   words
	report  *Report
}

// lock takes every domain of the target, always in the order in which the domains
// were made, so that two transitions can't wait for each other.
func (t *transit) lock(ctx context.Context) (unlock func(), _ error) {
	order := t.target.domains
	if len(order) > 1 {
		order = slices.Clone(order)
		slices.SortFunc(order, func(a, b *Domain) int { return cmp.Compare(a.id, b.id) })
	}

	held := 0

	unlock = func() {
		for _, d := range order[:held] {
			d.transition.release()
		}
	}

	start := time.Now()
	defer func() { t.report.Queued = time.Since(start) }()

	for _, d := range order {
		if t.target.NoWait && !d.transition.try() {
			unlock()
			return nil, &StateError{Op: t.op, Patch: t.patch.Name(), Domain: d.name, Err: ErrBusy, Detail: "another transition is under way"}
		}

		if !t.target.NoWait && !d.transition.take(ctx) {
			unlock()
			return nil, &TimeoutError{Op: t.op, Patch: t.patch.Name(), Domain: d.name, Err: ctx.Err()}
		}

		held++
	}

	return unlock, nil
}

// plan decides for all domains before the first is changed: a wrong state anywhere
// changes nothing.
func (t *transit) plan(ctx context.Context) error {
	var errs []error

	for _, d := range t.target.domains {
		c, err := d.planned(t.op, t.patch, t.target)
		if t.target.everywhere && (errors.Is(err, ErrApplied) || errors.Is(err, ErrNotApplied) || errors.Is(err, ErrClosed)) {
			continue // there it is as it should be
		}

		if err != nil {
			errs = append(errs, err)
			continue
		}

		t.changes = append(t.changes, c)
		t.report.Domains = append(t.report.Domains, d.name)

		for _, p := range c.out {
			if !slices.Contains(t.report.Removed, p.Name()) {
				t.report.Removed = append(t.report.Removed, p.Name())
			}
		}
	}

	return errors.Join(errors.Join(errs...), fault.At(ctx, fault.Planned))
}

// run carries the plan out: wholly, or it leaves everything as it was.
func (t *transit) run(ctx context.Context) (err error) {
	if err := t.begin(); err != nil {
		return err
	}
	defer t.end()

	if t.op != OpRevert {
		if err := t.patch.commit(ctx, t.op); err != nil {
			return err
		}
	}

	if err := fault.At(ctx, fault.Journal); err != nil {
		return err
	}

	if err := t.journalBegin(); err != nil {
		return err
	}

	begun, err := t.pre(ctx)
	if err == nil {
		err = fault.At(ctx, fault.Prepared)
	}

	switch {
	case err != nil:
	case t.target.Mode == Barrier:
		err = t.barrier(ctx)
	default:
		err = t.perSection(ctx)
	}

	if err == nil {
		for _, c := range t.changes {
			c.domain.setStack(c.newStack)
		}

		if t.target.everywhere {
			t.remember(t.op, t.patch)
		}
	}

	t.post(ctx, begun, err)

	for _, c := range t.changes {
		c.settleData(err)
	}

	t.report.JournalErr = t.journalEnd(err == nil)

	return err
}

// begin has all patches of the transition take part in it.
func (t *transit) begin() error {
	for i, p := range t.patches() {
		if err := p.life.begin(); err != nil {
			for _, q := range t.patches()[:i] {
				q.life.end()
			}

			return &StateError{Op: t.op, Patch: p.Name(), Err: err, Detail: stillRuns}
		}
	}

	return nil
}

// rehearse is all of a dry run that comes after the plan.
func (t *transit) rehearse() error {
	if err := t.begin(); err != nil {
		return err
	}

	t.end()

	return nil
}

func (t *transit) end() {
	for _, p := range t.patches() {
		p.life.end()
	}
}

// patches are those that come or go.
func (t *transit) patches() []*Patch {
	out := []*Patch{t.patch}

	for _, c := range t.changes {
		for _, p := range c.out {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}

	return out
}

func (t *transit) publish() {
	start := time.Now()

	for _, c := range t.changes {
		c.domain.view.Store(c.new)
	}

	t.report.Swap = time.Since(start)
}

// undo puts the views back. What began in between may have seen the patch that came.
func (t *transit) undo(seen bool) {
	for _, c := range t.changes {
		c.domain.view.Store(c.old)
	}

	if !seen {
		return
	}

	for _, c := range t.changes {
		if c.in != nil {
			c.in.life.lingers(c.domain.sight(nil))
		}
	}
}

// perSection publishes the views and waits until no section runs with those before.
func (t *transit) perSection(ctx context.Context) error {
	if err := t.act(ctx); err != nil {
		return err
	}

	swap := time.Now()

	if err := t.writeWords(); err != nil {
		return err
	}

	t.publish()

	err := fault.At(ctx, fault.Swapped)
	if err == nil {
		err = t.settle(ctx, swap)
	}

	if err == nil {
		err = fault.At(ctx, fault.Settled)
	}

	if err != nil {
		t.undo(true)

		if bad := t.unwriteWords(); bad != nil {
			err = errors.Join(err, bad)
		}
	}

	return err
}

// barrier has new sections wait, waits for the end of those that run, and publishes the
// views while none does.
func (t *transit) barrier(ctx context.Context) (err error) {
	g, start := newGate(), time.Now()

	for _, c := range t.changes {
		c.domain.view.Store(c.old.gated(g))
	}

	defer func() {
		if err != nil {
			t.undo(false)
		} else {
			t.publish()
		}

		g.open()

		t.report.Gate = time.Since(start)
	}()

	if err := fault.At(ctx, fault.Gated); err != nil {
		return err
	}

	if err := t.settle(ctx, start); err != nil {
		return err
	}

	if err := fault.At(ctx, fault.Drained); err != nil {
		return err
	}

	if err := t.act(ctx); err != nil {
		return err
	}

	return t.writeWords()
}

// settle waits until every worker of the changed domains has passed a boundary since the
// views were stored. It looks at all of them before it waits for the first, so that the
// whole takes as long as the longest section, not as all of them together.
func (t *transit) settle(ctx context.Context, since time.Time) error {
	var sightings []sighting

	for _, c := range t.changes {
		sightings = c.domain.sight(sightings)
	}

	t.report.Workers = make([]WorkerReport, 0, len(sightings))

	for _, s := range sightings {
		w, ok := s.worker, true
		r := WorkerReport{Domain: w.domain.name, Worker: w.name}

		if s.seen&inside != 0 {
			ok = w.passed(s.seen, ctx.Done())
			r.Waited, r.Slot = time.Since(since), slotName(s.slot)
		}

		t.report.Workers = append(t.report.Workers, r)

		if !ok {
			return &TimeoutError{Op: t.op, Patch: t.patch.Name(), Domain: w.domain.name, Worker: w.name, Slot: slotName(w.lastSlot()), Err: ctx.Err()}
		}
	}

	return nil
}
