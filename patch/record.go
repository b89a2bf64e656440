package patch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// fleetName stands for what is applied everywhere, where domains are told by their names:
// no domain has it, since engines refuse to attach one.
const fleetName = "*"

// beginNotes takes the journal for one transition.
func (e *Engine) beginNotes(ctx context.Context, op Op, p *Patch, on Target) (unlock func(), _ error) {
	attached := e.Domains()

	for _, d := range on.domains {
		if !slices.Contains(attached, d) && !d.isClosed() {
			return nil, &StateError{Op: op, Patch: p.Name(), Domain: d.name, Err: ErrNotAttached}
		}
	}

	if on.NoWait && !e.noted.try() {
		return nil, &StateError{Op: op, Patch: p.Name(), Err: ErrBusy, Detail: "another transition is under way"}
	}

	if !on.NoWait && !e.noted.take(ctx) {
		return nil, &TimeoutError{Op: op, Patch: p.Name(), Err: ctx.Err()}
	}

	return e.noted.release, nil
}

// journalBegin notes what is about to happen. Where that fails nothing has happened.
func (t *transit) journalBegin() error {
	if t.journal == nil {
		return nil
	}

	return t.note(&RecordedOp{Op: t.op, Patch: t.patch.ID(), Domains: t.report.Domains})
}

// journalEnd notes that it is over.
func (t *transit) journalEnd(done bool) error {
	if t.journal == nil {
		return nil
	}

	if done && !t.target.partial {
		t.settleNames(t.report.Domains...)

		if t.target.everywhere {
			t.settleNames(fleetName)
		}
	}

	return t.note(nil)
}

// settleNames says that what the process before left of the domains is no longer to be kept.
func (e *Engine) settleNames(names ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()

	for _, n := range names {
		e.settled[n] = true
	}
}

// note writes down how things are: what is applied here, and for domains that nothing has
// happened to yet what the journal said when it was opened, for they may still be restored.
func (e *Engine) note(pending *RecordedOp) error {
	e.noting.Lock()
	defer e.noting.Unlock()

	return e.write(e.recordNow(pending))
}

// noteRevoked has the journal say what is revoked. A transition may be under way: what was
// written when it began is left as it is.
func (e *Engine) noteRevoked() error {
	if e.journal == nil {
		return nil
	}

	e.noting.Lock()
	defer e.noting.Unlock()

	r := e.lastNote
	if r.Version == 0 {
		r = e.recordNow(nil)
	}

	return e.write(r)
}

// write writes the record, with what is revoked now. The caller holds noting.
func (e *Engine) write(r Record) error {
	r.Version, r.Time = journalVersion, time.Now()
	r.Revoked, r.RevokedKeys = e.trust.keeps()

	if err := e.journal.write(r); err != nil {
		return err
	}

	e.lastNote = r

	return nil
}

// recordNow is how things are.
func (e *Engine) recordNow(pending *RecordedOp) Record {
	r := Record{Host: BuildID(), Pending: pending}

	before := e.journal.Previous()
	if before.Host != r.Host {
		before = Record{}
	}

	names := map[ID]RecordedPatch{}
	for _, p := range before.Patches {
		names[p.ID] = p
	}

	known := map[string]bool{}

	for _, d := range e.Domains() {
		known[d.name] = true

		if old, ok := before.domain(d.name); ok && !e.isSettled(d.name) {
			r.Domains = append(r.Domains, old)
			continue
		}

		r.Domains = append(r.Domains, RecordedDomain{Name: d.name, Stack: recorded(d.Applied(), names)})
	}

	for _, old := range before.Domains {
		if !known[old.Name] && !e.isSettled(old.Name) {
			r.Domains = append(r.Domains, old)
		}
	}

	e.mu.Lock()
	recorded(e.patches, names)
	r.Everywhere = recorded(e.everywhere, names)
	e.mu.Unlock()

	if !e.isSettled(fleetName) {
		r.Everywhere = before.Everywhere
	}

	for _, id := range slices.Sorted(maps.Keys(names)) {
		r.Patches = append(r.Patches, names[id])
	}

	return r
}

// recorded gives the ids of the patches, and notes what they are.
func recorded(ps []*Patch, names map[ID]RecordedPatch) (ids []ID) {
	for _, p := range ps {
		f, _ := p.File()

		ids = append(ids, p.ID())
		names[p.ID()] = RecordedPatch{ID: p.ID(), Name: p.Name(), Digest: f.SHA256}
	}

	return ids
}

func (e *Engine) isSettled(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.settled[name]
}

// domain finds a domain by its name.
func (r Record) domain(name string) (RecordedDomain, bool) {
	i := slices.IndexFunc(r.Domains, func(d RecordedDomain) bool { return d.Name == name })
	if i < 0 {
		return RecordedDomain{}, false
	}

	return r.Domains[i], true
}

// Restore applies again what was applied when the process before this one ended, as its
// journal tells: for On, to each domain what a domain of its name had, for Everywhere what
// was applied everywhere. The patches must be loaded, the identity counts. What is applied
// already is left. What came as a file is known by its digest: the program keeps the files,
// and uploads them again. A transition that was under way when the process ended counts as not
// begun: Journal.Previous has it. Nothing recorded is nothing to do.
//
// It is ErrOtherBuild when another build of the program wrote the journal, which may well
// contain what was patched; ErrUnknown for a patch that isn't loaded, ErrRevoked for one that
// can't be since it was revoked while it was applied; or what Apply gives.
// Then what this call has applied is reverted.
func (e *Engine) Restore(ctx context.Context, on Target) (reports []Report, err error) {
	var before Record
	if e.journal != nil {
		before = e.journal.Previous()
	}

	if before.Version == 0 {
		return nil, nil
	}

	if here := BuildID(); before.Host != here {
		return nil, &StateError{Op: OpRestore, Err: ErrOtherBuild, Detail: fmt.Sprintf("by %s, and this is %s", before.Host, here)}
	}

	var steps []step

	add := func(stack []ID, on Target, applied func(*Patch) bool) error {
		for _, id := range stack {
			s, err := e.Get(string(id))
			if err != nil {
				i := slices.IndexFunc(before.Patches, func(p RecordedPatch) bool { return p.ID == id })
				if err = ErrUnknown; e.trust.idRevoked(id) {
					err = ErrRevoked // why it couldn't be loaded
				}

				return &StateError{Op: OpRestore, Patch: before.Patches[i].Name, Err: err, Detail: "id " + string(id)}
			}

			if !applied(s.Patch) {
				steps = append(steps, step{s.Patch, on})
			}
		}

		return nil
	}

	on.partial = true // a process that ends half way must find all of it again

	if on.everywhere {
		if err := add(before.Everywhere, on, func(p *Patch) bool { return slices.Contains(e.fleetStack(), p) }); err != nil {
			return nil, err
		}
	}

	for _, d := range on.domains {
		one := on
		one.domains = []*Domain{d}

		old, _ := before.domain(d.name)
		if err := add(old.Stack, one, func(p *Patch) bool { return slices.Contains(d.Applied(), p) }); err != nil {
			return nil, err
		}
	}

	if reports, err = e.retrace(ctx, steps); err != nil {
		return reports, err
	}

	// What the journal says of them is now so, and needn't be written anew.
	for _, d := range on.domains {
		e.settleNames(d.name)
	}

	if on.everywhere {
		e.settleNames(fleetName)
	}

	return reports, nil
}

// step is one patch to apply again.
type step struct {
	patch *Patch
	on    Target
}

// retrace takes all the steps, or takes back those that it took.
func (e *Engine) retrace(ctx context.Context, steps []step) (reports []Report, err error) {
	var done []step

	for _, s := range steps {
		r, err := e.transition(ctx, OpApply, s.patch, s.on, false)
		reports = append(reports, r)

		if err != nil {
			for _, s := range slices.Backward(done) {
				if back := e.takeBack(ctx, s.patch, s.on); back != nil {
					err = fmt.Errorf("%w; and %w", err, back)
				}
			}

			return reports, err
		}

		done = append(done, s)
	}

	return reports, nil
}

func (e *Engine) fleetStack() []*Patch {
	e.mu.Lock()
	defer e.mu.Unlock()

	return slices.Clone(e.everywhere)
}
