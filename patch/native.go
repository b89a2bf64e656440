package patch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/vgraft/vgraft/internal/gort"
	"github.com/vgraft/vgraft/internal/payload"
)

// loadsPayloads says whether payloads are made for the system at all.
var loadsPayloads = runtime.GOOS == "linux" && payload.PageSize(runtime.GOARCH) != 0

// process is what is known of the program, as a loader sees it. There is one, whatever the
// number of engines: what is mapped and linked into the runtime is the process's.
var process = sync.OnceValues(gort.Self)

// mapped counts the bytes of payloads.
func mapped() (all, retired int) {
	if !loadsPayloads {
		return 0, 0
	}

	p, err := process()
	if err != nil {
		return 0, 0
	}

	return p.Mapped()
}

// native is the machine code of a patch that came as a payload.
type native struct {
	image *gort.Image
	file  *payload.File

	mu     sync.Mutex    // guards what follows
	ready  bool          // committed, and initialised
	failed error         // what the initialisers did
	words  *gort.Written // those in effect; nil is none
	owner  *Engine       // that wrote them
}

// eager says whether the payload has code that runs when it is loaded.
func (n *native) eager() bool { return n != nil && len(n.file.Meta.Inits) > 0 }

// wide says whether the patch changes what isn't of any domain.
func (n *native) wide() bool { return n != nil && len(n.file.Meta.Words)+len(n.file.Meta.Entries) > 0 }

// commit does what can't be undone, once, before the first code of the patch runs.
func (p *Patch) commit(ctx context.Context, op Op) error {
	n := p.spec.native
	if n == nil {
		return nil
	}

	n.mu.Lock()
	defer n.mu.Unlock()

	if n.ready || n.failed != nil {
		return n.failed
	}

	if err := n.image.Commit(); err != nil {
		return &StateError{Op: op, Patch: p.Name(), Err: err}
	}

	if n.eager() {
		init := hook{name: "init", patch: p, call: func(context.Context) error { n.image.Init(); return nil }}
		if n.failed = init.run(ctx, &Report{}); n.failed != nil {
			return n.failed // they ran in part, and can't run again
		}
	}

	n.ready = true

	return nil
}

// loadPayload is the Loader of engines that are given none. Whatever it checks, it checks
// before anything is mapped.
func (e *Engine) loadPayload(_ context.Context, file []byte) (Spec, func(), error) {
	f, err := payload.Parse(file)
	if err != nil {
		return Spec{}, nil, err
	}

	proc, err := process()
	if err != nil {
		return Spec{}, nil, notSupported(err)
	}

	if err := checkTarget(proc, f.Meta.Target); err != nil {
		return Spec{}, nil, err
	}

	ids, err := slotIDs(f.Meta.Slots)
	if err != nil {
		return Spec{}, nil, err
	}

	below, err := e.below(f.Meta.Depends)
	if err != nil {
		return Spec{}, nil, err
	}

	im, err := proc.Load(f, below...)
	if err != nil {
		return Spec{}, nil, notSupported(err)
	}

	return specOf(f, im, ids), im.Close, nil
}

// notSupported has the error of a system be that of this package.
func notSupported(err error) error {
	if errors.Is(err, gort.ErrNotSupported) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}

	return err
}

// checkTarget holds that the payload was made for the program that runs.
func checkTarget(proc *gort.Process, t payload.Target) error {
	switch {
	case t.Arch != runtime.GOARCH:
		return fmt.Errorf("%w: %s, and this is %s", ErrArch, t.Arch, runtime.GOARCH)
	case t.BuildID != BuildID():
		return fmt.Errorf("%w: %s, and this is %s", ErrBuild, t.BuildID, BuildID())
	case t.GoVersion != runtime.Version():
		return fmt.Errorf("%w: %s, and this is %s", ErrGoVersion, t.GoVersion, runtime.Version())
	case t.PIE != proc.PIE() || !proc.Anchored(t.Anchor.Symbol, t.Anchor.Addr):
		return fmt.Errorf("%w: %#x for %s", ErrAddress, t.Anchor.Addr, t.Anchor.Symbol)
	}

	return nil
}

// slotIDs finds the slots, which must be what they were when the payload was made. The
// implementation's type is the slot's, so the same symbol is the same type.
func slotIDs(slots []payload.Slot) ([]int, error) {
	registry.mu.Lock()
	defer registry.mu.Unlock()

	ids := make([]int, len(slots))

	for i, s := range slots {
		id, ok := registry.byName[s.Name]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrSlot, s.Name)
		}

		if impl := registry.slots[id-1].Impl; impl != s.Impl {
			return nil, fmt.Errorf("%w: %s is declared with %s, not with %s", ErrSlot, s.Name, impl, s.Impl)
		}

		ids[i] = id
	}

	return ids, nil
}

// below finds the payloads that one is linked against. They must be this engine's: those of
// another one have variables of their own.
func (e *Engine) below(depends []string) ([]*gort.Image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()

	out := make([]*gort.Image, len(depends))

	for i, id := range depends {
		at := slices.IndexFunc(e.patches, func(p *Patch) bool { return string(p.ID()) == id && p.spec.native != nil })
		if at < 0 {
			return nil, fmt.Errorf("%w: id %s", ErrMissing, id)
		}

		out[i] = e.patches[at].spec.native.image
	}

	return out, nil
}

// specOf is the patch that the payload is.
func specOf(f *payload.File, im *gort.Image, ids []int) Spec {
	m := &f.Meta

	s := Spec{
		Name: m.Name, ID: ID(f.ID), Provenance: Provenance(m.Provenance),
		Hooks: hooksOf(im, m.Hooks), Mapped: im.Mapped(), native: &native{image: im, file: f},
	}

	if n := len(m.Depends); n > 0 {
		s.Depends = ID(m.Depends[n-1])
	}

	for i, slot := range m.Slots {
		s.Bindings = append(s.Bindings, Binding{name: slot.Name, id: ids[i], fn: im.Pointer(slot.Value), symbol: slot.Func})
	}

	for _, x := range m.Expect {
		s.Expect = append(s.Expect, expectBytes(im, x))
	}

	if len(m.Accepted) > 0 {
		s.Metadata = map[string]string{"accepted": strings.Join(m.Accepted, "; ")}
	}

	return s
}

func expectBytes(im *gort.Image, x payload.ExpectBytes) Expectation {
	const shown = 16

	return Expectation{what: "variable " + x.Name, check: func(*view) (string, bool) {
		found, ok := im.Has(x)
		if ok {
			return "", true
		}

		at := 0
		for at < len(found)-1 && bytes.Equal(found[:at+1], x.Bytes[:at+1]) {
			at++
		}

		end := min(at+shown, len(found))

		return fmt.Sprintf("% x and not % x at byte %d", found[at:end], x.Bytes[at:end], at), false
	}}
}

// hooksOf are the functions of the payload that the engine calls.
func hooksOf(im *gort.Image, at map[string]uint64) (h Hooks) {
	for name, off := range at {
		switch name {
		case payload.HookLoad:
			h.Load = gort.Func[func(context.Context) error](im, off)
		case payload.HookUnload:
			h.Unload = gort.Func[func(context.Context)](im, off)
		case payload.HookPreApply:
			h.PreApply = gort.Func[func(context.Context, *Transition) error](im, off)
		case payload.HookPreRevert:
			h.PreRevert = gort.Func[func(context.Context, *Transition) error](im, off)
		case payload.HookPostApply:
			h.PostApply = gort.Func[func(context.Context, *Transition, error)](im, off)
		case payload.HookPostRevert:
			h.PostRevert = gort.Func[func(context.Context, *Transition, error)](im, off)
		case payload.HookApply:
			h.Apply = gort.Func[func(context.Context, *Transition) error](im, off)
		case payload.HookRevert:
			h.Revert = gort.Func[func(context.Context, *Transition) error](im, off)
		}
	}

	return h
}
