package control

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/vgraft/vgraft/patch"
)

func (h *handler) status(context.Context, call) (any, error) {
	return struct {
		Status Status `json:"status"`
	}{statusOfEngine(h.engine, h.ReadOnly)}, nil
}

func (h *handler) patches(context.Context, call) (any, error) {
	list := []Patch{}
	for _, s := range h.engine.List() {
		list = append(list, patchOf(s))
	}

	return struct {
		Patches []Patch `json:"patches"`
	}{list}, nil
}

func (h *handler) patch(_ context.Context, c call) (any, error) {
	s, err := h.engine.Get(c.query)
	if err != nil {
		return nil, err
	}

	p := patchOf(s)

	return failure{Patch: &p}, nil
}

func (h *handler) domains(context.Context, call) (any, error) {
	list := []Domain{}
	for _, d := range h.engine.Domains() {
		list = append(list, domainOf(d))
	}

	return struct {
		Domains []Domain `json:"domains"`
	}{list}, nil
}

func (h *handler) slots(context.Context, call) (any, error) {
	list := []Slot{}
	for _, s := range patch.Slots() {
		list = append(list, Slot(s))
	}

	return struct {
		Slots []Slot `json:"slots"`
	}{list}, nil
}

func (h *handler) upload(ctx context.Context, c call) (any, error) {
	p, err := h.engine.Upload(ctx, c.body)
	if err != nil {
		return nil, err
	}

	return h.loaded(p), nil
}

// loaded is the answer about a patch that another caller may have unloaded already.
func (h *handler) loaded(p *patch.Patch) failure {
	s, err := h.engine.Get(string(p.ID()))
	if err != nil {
		s = patch.Status{Patch: p, State: patch.Checked}
		s.File, _ = p.File()
	}

	w := patchOf(s)

	return failure{Patch: &w}
}

// load is upload and apply. A patch that can't be applied doesn't stay.
func (h *handler) load(ctx context.Context, c call) (any, error) {
	var r Request
	if err := decode([]byte(c.query), &r); err != nil {
		return nil, err
	}

	if r.Patch != "" {
		return nil, fmt.Errorf("%w: the file has its name itself", ErrRequest)
	}

	on, ctx, cancel, err := h.prepare(ctx, patch.OpApply, r)
	if err != nil {
		return nil, err
	}
	defer cancel()

	p, err := h.engine.Upload(ctx, c.body)
	if err != nil {
		return nil, err
	}

	report, err := h.run(ctx, patch.OpApply, p, on, r.DryRun)
	if err != nil || r.DryRun {
		// In the engine's time: the caller's may have run out.
		err = errors.Join(err, h.engine.Unload(context.WithoutCancel(ctx), p))
	}

	f := h.loaded(p)
	f.Report = &report

	return f, err
}

func transition(op patch.Op) func(*handler, context.Context, call) (any, error) {
	return func(h *handler, ctx context.Context, c call) (any, error) {
		var r Request
		if err := decodeBody(c.body, &r); err != nil {
			return nil, err
		}

		on, ctx, cancel, err := h.prepare(ctx, op, r)
		if err != nil {
			return nil, err
		}
		defer cancel()

		s, err := h.engine.Get(r.Patch)
		if err != nil {
			return nil, &patch.StateError{Op: op, Patch: r.Patch, Err: patch.ErrUnknown}
		}

		report, err := h.run(ctx, op, s.Patch, on, r.DryRun)

		return failure{Report: &report}, err
	}
}

func (h *handler) run(ctx context.Context, op patch.Op, p *patch.Patch, on patch.Target, dry bool) (Report, error) {
	var (
		r   patch.Report
		err error
	)

	switch {
	case dry:
		r, err = h.engine.DryRun(ctx, op, p, on)
	case op == patch.OpApply:
		r, err = h.engine.Apply(ctx, p, on)
	case op == patch.OpReplace:
		r, err = h.engine.Replace(ctx, p, on)
	default:
		r, err = h.engine.Revert(ctx, p, on)
	}

	return ReportOf(r), err
}

// prepare makes of a request what the engine wants.
func (h *handler) prepare(ctx context.Context, op patch.Op, r Request) (patch.Target, context.Context, context.CancelFunc, error) {
	on := patch.Everywhere()

	fail := func(err error) (patch.Target, context.Context, context.CancelFunc, error) {
		return patch.Target{}, nil, nil, err
	}

	if r.Everywhere == (len(r.Domains) > 0) {
		return fail(&patch.StateError{Op: op, Patch: r.Patch, Err: patch.ErrNoDomain, Detail: "either domains by their names, or everywhere"})
	}

	if !r.Everywhere {
		known := map[string]*patch.Domain{}
		for _, d := range h.engine.Domains() {
			known[d.Name()] = d
		}

		var domains []*patch.Domain

		for _, name := range r.Domains {
			d := known[name]
			if d == nil {
				return fail(&patch.StateError{Op: op, Patch: r.Patch, Domain: name, Err: patch.ErrNoDomain, Detail: "no domain of this name is attached"})
			}

			domains = append(domains, d)
		}

		on = patch.On(domains...)
	}

	on.Mode, on.NoWait, on.NoDepends = patch.Mode(r.Mode), r.NoWait, r.NoDepends

	ctx, cancel, err := h.within(ctx, r.Timeout)
	if err != nil {
		return fail(err)
	}

	return on, ctx, cancel, nil
}

// within is the context with the timeout that a request asks for.
func (h *handler) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc, error) {
	switch {
	case d < 0 || d > h.MaxTimeout:
		return nil, nil, fmt.Errorf("%w: a timeout of %v, and the longest is %v", ErrRequest, d, h.MaxTimeout)
	case d == 0: // the engine's
		return ctx, func() {}, nil
	}

	ctx, cancel := context.WithTimeout(ctx, d)

	return ctx, cancel, nil
}

func (h *handler) unload(ctx context.Context, c call) (any, error) {
	var r unloadRequest
	if err := decodeBody(c.body, &r); err != nil {
		return nil, err
	}

	ctx, cancel, err := h.within(ctx, r.Timeout)
	if err != nil {
		return nil, err
	}
	defer cancel()

	s, err := h.engine.Get(r.Patch)
	if err != nil {
		return nil, &patch.StateError{Op: patch.OpUnload, Patch: r.Patch, Err: patch.ErrUnknown}
	}

	return struct{}{}, h.engine.Unload(ctx, s.Patch)
}

// The lengths of ids, in bytes: of a payload, and of a key.
const (
	idSize  = 20
	keySize = 32
)

// isHex says whether a text is so many bytes in hexadecimal.
func isHex(s string, size int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == size
}

// revoke takes a name only of what is loaded: a mistake in an id would revoke nothing, and
// look as if it had.
func (h *handler) revoke(_ context.Context, c call) (any, error) {
	var r revokeRequest
	if err := decodeBody(c.body, &r); err != nil {
		return nil, err
	}

	switch {
	case (r.Patch == "") == (r.Key == ""):
		return nil, fmt.Errorf("%w: either a patch or a key", ErrRequest)
	case r.Patch == "" && !isHex(string(r.Key), keySize):
		return nil, fmt.Errorf("%w: a key is %d hexadecimal digits", ErrRequest, 2*keySize)
	case r.Patch == "":
		return struct{}{}, h.engine.RevokeKey(r.Key)
	}

	id := patch.ID(r.Patch)

	if s, err := h.engine.Get(r.Patch); err == nil {
		id = s.Patch.ID()
	} else if !isHex(r.Patch, idSize) {
		return nil, fmt.Errorf("%w, and it is no id of a payload, which is %d hexadecimal digits", err, 2*idSize)
	}

	return struct{}{}, h.engine.Revoke(id)
}
