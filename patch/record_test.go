package patch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch/internal/fault"
)

var recordedSlot = NewSlot("patch/recorded", func() string { return "old" })

// restart is an engine on the journal, as a process has it that begins.
func restart(t *testing.T, path string) (*Engine, *Journal) {
	t.Helper()

	j, err := OpenJournal(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })

	return NewEngine(Options{Journal: j}), j
}

func recordedPatch(t *testing.T, name string) *Patch {
	t.Helper()

	p, err := New(name, Func(recordedSlot, func() string { return name }))
	require.NoError(t, err)

	return p
}

func attached(t *testing.T, e *Engine, names ...string) (ds []*Domain) {
	t.Helper()

	for _, n := range names {
		d := NewDomain(n)
		require.NoError(t, e.Attach(t.Context(), d))

		ds = append(ds, d)
	}

	return ds
}

func names(ps []*Patch) (out []string) {
	for _, p := range ps {
		out = append(out, p.Name())
	}

	return out
}

func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	ctx := t.Context()

	e, j := restart(t, path)
	ds := attached(t, e, "one", "two", "three")
	p, q, fleet := recordedPatch(t, "p"), recordedPatch(t, "q"), recordedPatch(t, "fleet")

	apply := func(p *Patch, on Target) {
		_, err := e.Apply(ctx, p, on)
		require.NoError(t, err)
	}

	apply(fleet, Everywhere())
	apply(p, On(ds[0], ds[1]))
	apply(q, On(ds[0]))

	_, err := e.Revert(ctx, p, On(ds[1]))
	require.NoError(t, err)
	require.NoError(t, j.Close())

	// The next process makes its domains one after the other.
	e, j = restart(t, path)
	require.Nil(t, j.Previous().Pending)
	require.Equal(t, BuildID(), j.Previous().Host)

	_, err = e.Restore(ctx, Everywhere())

	var state *StateError

	require.ErrorAs(t, err, &state)
	require.ErrorIs(t, err, ErrUnknown)
	require.Equal(t, "fleet", state.Patch)

	for _, p := range []*Patch{p, q, fleet} {
		require.NoError(t, e.Load(ctx, p))
	}

	_, err = e.Restore(ctx, Everywhere())
	require.NoError(t, err)

	one := attached(t, e, "one")[0]
	require.Equal(t, []string{"fleet"}, names(one.Applied()))

	reports, err := e.Restore(ctx, On(one))
	require.NoError(t, err)
	require.Len(t, reports, 2)
	require.Equal(t, []string{"fleet", "p", "q"}, names(one.Applied()))

	// It ends again, before the others were there. Nothing of them is lost.
	require.NoError(t, j.Close())

	e, _ = restart(t, path)
	for _, p := range []*Patch{p, q, fleet} {
		require.NoError(t, e.Load(ctx, p))
	}

	ds = attached(t, e, "one", "two", "three", "four")
	_, err = e.Restore(ctx, On(ds...))
	require.NoError(t, err)
	require.Equal(t, []string{"fleet", "p", "q"}, names(ds[0].Applied()))
	require.Equal(t, []string{"fleet"}, names(ds[1].Applied()))
	require.Equal(t, []string{"fleet"}, names(ds[2].Applied()))
	require.Empty(t, ds[3].Applied())
}

func TestRestore_failsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	e, j := restart(t, path)
	d := attached(t, e, "d")[0]
	p := recordedPatch(t, "p")

	veto := errors.New("veto")
	allowed := true

	q, err := Spec{Name: "q", Bindings: []Binding{Func(recordedSlot, func() string { return "q" })}, Hooks: Hooks{
		PreApply: func(context.Context, *Transition) error {
			if allowed {
				return nil
			}

			return veto
		},
	}}.New()
	require.NoError(t, err)

	for _, p := range []*Patch{p, q} {
		_, err := e.Apply(t.Context(), p, On(d))
		require.NoError(t, err)
	}

	require.NoError(t, j.Close())

	allowed = false
	e, _ = restart(t, path)
	require.NoError(t, e.Load(t.Context(), p))
	require.NoError(t, e.Load(t.Context(), q))

	d = attached(t, e, "d")[0]
	_, err = e.Restore(t.Context(), On(d))
	require.ErrorIs(t, err, veto)
	require.Empty(t, d.Applied())
	require.Zero(t, d.Generation())
}

func TestRestore_otherBuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")

	j, err := OpenJournal(path)
	require.NoError(t, err)
	require.NoError(t, j.write(newRecord("another")))
	require.NoError(t, j.Close())

	e, _ := restart(t, path)
	ds := attached(t, e, "vm-1")

	_, err = e.Restore(t.Context(), On(ds...))
	require.ErrorIs(t, err, ErrOtherBuild)
	require.ErrorContains(t, err, "by another, and this is "+BuildID())

	// What it says is not mixed with this build's.
	_, err = e.Apply(t.Context(), recordedPatch(t, "p"), On(ds...))
	require.NoError(t, err)

	b, err := readJournal(path)
	require.NoError(t, err)

	r, err := decodeJournal(b)
	require.NoError(t, err)
	require.Len(t, r.Domains, 1)
	require.Len(t, r.Patches, 1)
	require.Empty(t, r.Everywhere)
}

func TestJournal_withoutOne(t *testing.T) {
	e := NewEngine(Options{})

	reports, err := e.Restore(t.Context(), Everywhere())
	require.NoError(t, err)
	require.Empty(t, reports)
}

func TestJournal_wantsNames(t *testing.T) {
	e, _ := restart(t, filepath.Join(t.TempDir(), "journal"))

	_, err := e.Apply(t.Context(), recordedPatch(t, "p"), On(NewDomain("d")))
	require.ErrorIs(t, err, ErrNotAttached)

	attached(t, e, "d")
	require.ErrorIs(t, e.Attach(t.Context(), NewDomain("d")), ErrDuplicate)
	require.ErrorIs(t, e.Attach(t.Context(), NewDomain("*")), ErrInvalid)
}

// Wherever writing fails, the domain is as before or as after, and the file says so, or
// says that it was under way.
func TestJournal_failures(t *testing.T) {
	broken := errors.New("broken")

	for _, write := range []int{1, 2} {
		for _, step := range []string{"create", "write", "sync", "rename", "syncDir"} {
			path := filepath.Join(t.TempDir(), "journal")
			e, j := restart(t, path)
			d := attached(t, e, "d")[0]
			p, q := recordedPatch(t, "p"), recordedPatch(t, "q")

			_, err := e.Apply(t.Context(), p, On(d))
			require.NoError(t, err)

			writes := 0
			real := j.steps
			fails := func(s string) bool { return s == step && writes == write }

			j.steps.create = func(name string) (*os.File, error) {
				if writes++; fails("create") {
					return nil, broken
				}

				return real.create(name)
			}
			j.steps.write = func(f *os.File, b []byte) error {
				if fails("write") {
					return broken
				}

				return real.write(f, b)
			}
			j.steps.sync = func(f *os.File) error {
				if fails("sync") {
					return broken
				}

				return real.sync(f)
			}
			j.steps.rename = func(from, to string) error {
				if fails("rename") {
					return broken
				}

				return real.rename(from, to)
			}
			j.steps.syncDir = func(dir string) error {
				if fails("syncDir") {
					return broken
				}

				return real.syncDir(dir)
			}

			r, err := e.Apply(t.Context(), q, On(d))
			j.steps = real

			b, errRead := readJournal(path)
			require.NoError(t, errRead)

			rec, errRead := decodeJournal(b)
			require.NoError(t, errRead)

			if write == 1 {
				require.ErrorIs(t, err, broken, step)
				require.Equal(t, []string{"p"}, names(d.Applied()))
				require.Nil(t, rec.Pending)
				require.Equal(t, []ID{p.ID()}, rec.Domains[0].Stack)
			} else {
				require.NoError(t, err, step)
				require.ErrorIs(t, r.JournalErr, broken)
				require.Equal(t, []string{"p", "q"}, names(d.Applied()))
				require.Equal(t, &RecordedOp{Op: OpApply, Patch: q.ID(), Domains: []string{"d"}}, rec.Pending)
			}

			// The next one sets it right.
			_, err = e.Revert(t.Context(), d.Applied()[len(d.Applied())-1], On(d))
			require.NoError(t, err)

			b, err = readJournal(path)
			require.NoError(t, err)

			rec, err = decodeJournal(b)
			require.NoError(t, err)
			require.Nil(t, rec.Pending)
			require.Len(t, rec.Domains[0].Stack, len(d.Applied()))
		}
	}
}

// What fails after the first note is noted too.
func TestJournal_failedTransition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	e, _ := restart(t, path)
	d := attached(t, e, "d")[0]

	for _, step := range fault.Steps() {
		if step == fault.Gated || step == fault.Drained {
			continue
		}

		ctx := fault.With(t.Context(), func(s string) error {
			if s == step {
				return os.ErrDeadlineExceeded
			}

			return nil
		})

		_, err := e.Apply(ctx, recordedPatch(t, step), On(d))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		b, err := readJournal(path)
		require.NoError(t, err)

		if b == nil {
			continue // nothing was ever noted
		}

		rec, err := decodeJournal(b)
		require.NoError(t, err)
		require.Nil(t, rec.Pending)
		require.Empty(t, rec.Domains[0].Stack)
	}
}

// A patch that came as a file is recorded with the file's digest.
func TestJournal_files(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")

	j, err := OpenJournal(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })

	e := NewEngine(Options{Journal: j, AllowUnsigned: true, Loader: func(_ context.Context, file []byte) (Spec, func(), error) {
		return Spec{Name: string(file), Bindings: []Binding{Func(recordedSlot, func() string { return "of a file" })}}, nil, nil
	}})
	d := attached(t, e, "d")[0]

	p, err := e.Upload(t.Context(), strings.NewReader("fix"))
	require.NoError(t, err)

	_, err = e.Apply(t.Context(), p, On(d))
	require.NoError(t, err)

	b, err := readJournal(path)
	require.NoError(t, err)

	r, err := decodeJournal(b)
	require.NoError(t, err)

	f, ok := p.File()
	require.True(t, ok)
	require.Equal(t, []RecordedPatch{{ID: p.ID(), Name: "fix", Digest: f.SHA256}}, r.Patches)
}

// A process that ends between two steps of its return to what was applied loses none of it:
// the next one finds all.
func TestRestore_endsHalfWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	e, j := restart(t, path)
	d := attached(t, e, "d")[0]
	ps := []*Patch{recordedPatch(t, "fleet"), recordedPatch(t, "p"), recordedPatch(t, "q")}

	for i, p := range ps {
		on := On(d)
		if i == 0 {
			on = Everywhere()
		}

		_, err := e.Apply(t.Context(), p, on)
		require.NoError(t, err)
	}

	require.NoError(t, j.Close())

	stack := func() []ID {
		b, err := readJournal(path)
		require.NoError(t, err)

		r, err := decodeJournal(b)
		require.NoError(t, err)

		old, _ := r.domain("d")

		return old.Stack
	}

	want := []ID{ps[0].ID(), ps[1].ID(), ps[2].ID()}

	e, _ = restart(t, path)
	for _, p := range ps {
		require.NoError(t, e.Load(t.Context(), p))
	}

	_, err := e.Restore(t.Context(), Everywhere())
	require.NoError(t, err)

	d = attached(t, e, "d")[0] // gets the first one
	require.Len(t, d.Applied(), 1)
	require.Equal(t, want, stack())

	steps := 0
	ctx := fault.With(t.Context(), func(step string) error {
		if step == fault.Journal {
			steps++
			require.Equal(t, want, stack(), "before step %d", steps)
		}

		return nil
	})

	_, err = e.Restore(ctx, On(d))
	require.NoError(t, err)
	require.Equal(t, 2, steps)
	require.Equal(t, want, stack())

	_, err = e.Revert(t.Context(), ps[2], On(d))
	require.NoError(t, err)
	require.Equal(t, want[:2], stack(), "from then on it is as it is")
}

// written is what a journal says that is in use.
func written(t *testing.T, path string) Record {
	t.Helper()

	b, err := os.ReadFile(path)
	require.NoError(t, err)

	r, err := decodeJournal(b)
	require.NoError(t, err)

	return r
}

// TestRevoke_journal: what was revoked is so in the next process, of whatever build; what the
// options said is theirs to say again.
func TestRevoke_journal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	ctx := t.Context()

	j, err := OpenJournal(path)
	require.NoError(t, err)

	e := NewEngine(Options{Journal: j, Revoked: []ID{"by-options"}})
	d := attached(t, e, "one")[0]
	p, q := recordedPatch(t, "p"), recordedPatch(t, "q")

	_, err = e.Apply(ctx, p, On(d))
	require.NoError(t, err)
	require.NoError(t, e.Revoke(p.ID()))
	require.NoError(t, e.RevokeKey("AB"))
	require.Equal(t, []ID{p.ID()}, written(t, path).Revoked)
	require.Equal(t, []KeyID{"ab"}, written(t, path).RevokedKeys)
	require.Equal(t, []ID{p.ID()}, written(t, path).Domains[0].Stack, "where it is applied it stays")

	_, err = e.Apply(ctx, q, On(d))
	require.NoError(t, err)
	require.Equal(t, []ID{p.ID()}, written(t, path).Revoked, "transitions keep it")
	require.NoError(t, j.Close())

	e, j = restart(t, path)
	d = attached(t, e, "one")[0]
	require.True(t, e.trust.keyRevoked("ab"))
	require.False(t, e.trust.idRevoked("by-options"))
	require.ErrorIs(t, e.Load(ctx, p), ErrRevoked)

	_, err = e.Restore(ctx, On(d))
	require.ErrorIs(t, err, ErrRevoked)
	require.Empty(t, d.Applied())

	// Nothing has happened in this process yet, and what may still be restored stays.
	require.NoError(t, e.Revoke("another"))
	require.Equal(t, []ID{p.ID(), q.ID()}, written(t, path).Domains[0].Stack)
	require.ElementsMatch(t, []ID{"another", p.ID()}, written(t, path).Revoked)

	// Another build of the program restores nothing, and takes nothing that was revoked.
	r := written(t, path)
	r.Host = "another build"
	require.NoError(t, j.write(r))
	require.NoError(t, j.Close())

	e, _ = restart(t, path)
	require.True(t, e.trust.idRevoked("another") && e.trust.keyRevoked("ab"))

	_, err = e.Apply(ctx, q, On(attached(t, e, "one")[0]))
	require.NoError(t, err)
	require.ElementsMatch(t, []ID{"another", p.ID()}, written(t, path).Revoked)
}

// TestRevoke_duringTransition: the journal goes on to say what is under way.
func TestRevoke_duringTransition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")

	e, _ := restart(t, path)
	d := attached(t, e, "one")[0]
	revoked := make(chan error, 1)

	p, err := Spec{
		Name: "p", Bindings: []Binding{Func(recordedSlot, func() string { return "p" })},
		Hooks: Hooks{PostApply: func(context.Context, *Transition, error) { revoked <- e.Revoke("other") }},
	}.New()
	require.NoError(t, err)

	seen := Record{}
	e.journal.steps.rename = func(from, to string) error {
		err := os.Rename(from, to)
		if r := written(t, path); len(r.Revoked) > 0 && seen.Version == 0 {
			seen = r
		}

		return err
	}

	_, err = e.Apply(t.Context(), p, On(d))
	require.NoError(t, err)
	require.NoError(t, <-revoked)
	require.NotNil(t, seen.Pending)
	require.Equal(t, p.ID(), seen.Pending.Patch)
	require.Empty(t, seen.Domains[0].Stack, "as when it began")

	r := written(t, path)
	require.Nil(t, r.Pending)
	require.Equal(t, []ID{"other"}, r.Revoked)
	require.Equal(t, []ID{p.ID()}, r.Domains[0].Stack)
}

// TestRevoke_journalFails: it is revoked all the same, and written with what comes next.
func TestRevoke_journalFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")

	e, j := restart(t, path)
	d := attached(t, e, "one")[0]
	p, q := recordedPatch(t, "p"), recordedPatch(t, "q")

	fails := errors.New("no space")
	rename := j.steps.rename
	j.steps.rename = func(string, string) error { return fails }

	require.ErrorIs(t, e.Revoke(p.ID()), fails)
	require.ErrorIs(t, e.Load(t.Context(), p), ErrRevoked)

	j.steps.rename = rename
	_, err := e.Apply(t.Context(), q, On(d))
	require.NoError(t, err)
	require.Equal(t, []ID{p.ID()}, written(t, path).Revoked)
}
