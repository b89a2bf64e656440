package main

import (
	"context"
	"errors"
	"io"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// outcome is what is printed in JSON of what changes something.
type outcome struct {
	Patch  *control.Patch  `json:"patch,omitempty"`
	Report *control.Report `json:"report,omitempty"`
	Error  *control.Error  `json:"error,omitempty"`
}

// tell prints what was done, also when it failed: then the report says how far it came.
func (t *tool) tell(p *control.Patch, r *patch.Report, err error) error {
	if !t.json {
		if p != nil && r == nil && err == nil {
			t.printPatch(*p)
		}

		if r != nil {
			t.printReport(*r, err)
		}

		return err
	}

	o := outcome{Patch: p, Error: control.ErrorOf(err)}
	if r != nil && r.Op != "" {
		w := control.ReportOf(*r)
		o.Report = &w
	}

	return errors.Join(err, t.printJSON(o))
}

// show prints an answer: as it is, or by f.
func show[T any](t *tool, v T, err error, f func(T)) error {
	switch {
	case err != nil:
		return err
	case t.json:
		return t.printJSON(v)
	}

	f(v)

	return nil
}

func (t *tool) list(ctx context.Context, _ string) error {
	v, err := t.client.List(ctx)
	return show(t, v, err, t.printList)
}

func (t *tool) get(ctx context.Context, name string) error {
	v, err := t.client.Get(ctx, name)
	return show(t, v, err, t.printPatch)
}

func (t *tool) domains(ctx context.Context, _ string) error {
	v, err := t.client.Domains(ctx)
	return show(t, v, err, t.printDomains)
}

func (t *tool) slots(ctx context.Context, _ string) error {
	v, err := t.client.Slots(ctx)
	return show(t, v, err, t.printSlots)
}

func (t *tool) status(ctx context.Context, _ string) error {
	v, err := t.client.Status(ctx)
	return show(t, v, err, t.printStatus)
}

func (t *tool) upload(ctx context.Context, name string) error {
	file, err := t.open(name)
	if err != nil {
		return err
	}

	p, err := t.client.Upload(ctx, file)
	if err != nil {
		return t.tell(nil, nil, err)
	}

	return t.tell(&p, nil, nil)
}

func (t *tool) load(ctx context.Context, name string) error {
	file, err := t.open(name)
	if err != nil {
		return err
	}

	p, r, err := t.client.Load(ctx, file, t.request)
	if p.Name == "" {
		return t.tell(nil, nil, err)
	}

	return t.tell(&p, &r, err)
}

func transition(do func(*control.Client, context.Context, control.Request) (patch.Report, error)) func(*tool, context.Context, string) error {
	return func(t *tool, ctx context.Context, name string) error {
		t.request.Patch = name
		r, err := do(t.client, ctx, t.request)

		return t.tell(nil, &r, err)
	}
}

func (t *tool) unload(ctx context.Context, name string) error {
	return t.tell(nil, nil, t.client.Unload(ctx, name, t.request.Timeout))
}

func (t *tool) revoke(ctx context.Context, name string) error {
	return t.tell(nil, nil, t.client.Revoke(ctx, name))
}

func (t *tool) revokeKey(ctx context.Context, key string) error {
	return t.tell(nil, nil, t.client.RevokeKey(ctx, patch.KeyID(key)))
}

func (t *tool) watch(ctx context.Context, _ string) error {
	s, err := t.client.Watch(ctx)
	if err != nil {
		return err
	}
	defer s.Close()

	for {
		ev, err := s.Next()

		switch {
		case ctx.Err() != nil:
			return nil // interrupted: that is how it ends
		case errors.Is(err, io.EOF):
			return errors.New("the engine has ended the stream")
		case err != nil:
			return err
		}

		if !t.json {
			t.printEvent(ev)
		} else if err := t.printJSON(control.EventOf(ev)); err != nil {
			return err
		}
	}
}
