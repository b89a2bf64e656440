package payload

import "slices"

// hookNames are those that a payload may have.
var hookNames = []string{HookLoad, HookUnload, HookPreApply, HookPostApply, HookPreRevert, HookPostRevert, HookApply, HookRevert}

// maxMethods is more than an interface has.
const maxMethods = 1 << 16

// checkCode holds that what the loader or the engine calls is code.
func (f *File) checkCode() error {
	words := map[uint64]Reloc{}

	for _, r := range f.Relocs {
		if relocs[f.Arch][r.Type].size == 8 {
			words[r.Off] = r
		}
	}

	// A func value is a pointer to a word with the address of code.
	value := func(what string, at uint64) error {
		r, ok := words[at]
		if to := r.Ref.Value + uint64(r.Addend); !ok || r.Ref.Kind == RefItab || r.Ref.Kind == RefImage && !f.code(to) {
			return wrong("%s: no func value at %#x", what, at)
		}

		return nil
	}

	slots := map[string]bool{}

	for _, s := range f.Meta.Slots {
		if badName(s.Name) || badName(s.Impl) || slots[s.Name] {
			return wrong("slot %q", s.Name)
		}

		slots[s.Name] = true

		if err := value("slot "+s.Name, s.Value); err != nil {
			return err
		}
	}

	for name, at := range f.Meta.Hooks {
		if !slices.Contains(hookNames, name) {
			return wrong("hook %q", name)
		}

		if err := value("hook "+name, at); err != nil {
			return err
		}
	}

	for _, in := range f.Meta.Inits {
		for _, fn := range in.Funcs {
			if !f.code(fn) {
				return wrong("initialiser of %s at %#x", in.Package, fn)
			}
		}
	}

	for _, it := range f.Meta.Itabs {
		for _, e := range it.New {
			if e.Index < 0 || e.Index >= maxMethods || !f.code(e.Func) || f.Meta.Runtime.UnreachableMethod == 0 {
				return wrong("method %d of %s at %#x", e.Index, it.Name, e.Func)
			}
		}
	}

	return nil
}

// code says whether a function may begin at the offset.
func (f *File) code(at uint64) bool {
	return f.Text.holds(at, 1) && (f.Arch != "arm64" || at%4 == 0)
}

func (f *File) checkWords() error {
	kinds := []string{WordFuncValue, WordItab, WordMethod, WordDict, WordData}

	for _, w := range slices.Concat(f.Meta.Fixups, f.Meta.Words) {
		switch {
		case !slices.Contains(kinds, w.Kind) || badName(w.Name):
			return wrong("word %q of kind %q", w.Name, w.Kind)
		case w.Size != 4 && w.Size != 8 || w.At.Value%uint64(w.Size) != 0:
			return wrong("word %q of %d bytes at %#x", w.Name, w.Size, w.At.Value)
		case len(w.Old) == 0:
			return wrong("word %q may hold nothing", w.Name)
		}

		if err := f.checkRef(w.At, RefHost, RefPatch); err != nil {
			return err
		}

		for _, v := range append(slices.Clone(w.Old), w.New) {
			if err := f.checkValue(v, w.Size); err != nil {
				return err
			}
		}
	}

	for _, w := range f.Meta.Words {
		if (w.Kind == WordItab || w.Kind == WordMethod) && f.Meta.Runtime.ItabTable == 0 {
			return wrong("word %q without the runtime's interface tables", w.Name)
		}
	}

	for _, e := range f.Meta.Expect {
		if badName(e.Name) || len(e.Bytes) == 0 {
			return wrong("expectation of %q", e.Name)
		}

		if err := f.checkRef(e.Addr, RefHost, RefPatch); err != nil {
			return err
		}
	}

	return nil
}

func (f *File) checkValue(v Value, size int) error {
	if v.Ref != (Ref{}) {
		if v.Const != 0 {
			return wrong("a value is both %#x and %q", v.Const, v.Ref.Name)
		}

		return f.checkRef(v.Ref, RefImage, RefHost, RefPatch)
	}

	if size == 4 && v.Const > 1<<32-1 {
		return wrong("value %#x for a word of 4 bytes", v.Const)
	}

	return nil
}
