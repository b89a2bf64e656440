package payload

// entrySizes are how many bytes of a function's entry are overwritten.
var entrySizes = map[string]int{"amd64": 5, "arm64": 4}

// EntrySize is how many bytes at a function's entry a redirection overwrites; 0 is an
// architecture without payloads.
func EntrySize(arch string) int { return entrySizes[arch] }

// MaxEntries bounds the entries of a payload: they are written while the world is stopped.
const MaxEntries = 4096

// checkEntries holds that entries lead from the program to code of the image, each once.
func (f *File) checkEntries() error {
	m := &f.Meta

	switch {
	case len(m.Entries) == 0:
		return nil
	case len(m.Entries) > MaxEntries:
		return wrong("%d entries, more than %d", len(m.Entries), MaxEntries)
	case m.Runtime.StopTheWorld == 0 || m.Runtime.StartTheWorld == 0:
		return wrong("entries without the runtime's functions that stop the world")
	}

	size := uint64(entrySizes[f.Arch])
	seen := map[uint64]bool{}

	for _, e := range m.Entries {
		switch {
		case badName(e.Name) || uint64(len(e.Old)) != size:
			return wrong("entry %q of %d bytes", e.Name, len(e.Old))
		case f.Arch == "arm64" && e.At.Value%4 != 0:
			return wrong("entry %q at %#x", e.Name, e.At.Value)
		case e.New.Kind != RefImage || !f.code(e.New.Value):
			return wrong("entry %q leads to %s %#x, which is no code of the image", e.Name, e.New.Kind, e.New.Value)
		}

		for at := range size {
			if seen[e.At.Value+at] {
				return wrong("entry %q is written twice", e.Name)
			}

			seen[e.At.Value+at] = true
		}

		if err := f.checkRef(e.At, RefHost); err != nil {
			return err
		}

		if err := f.checkRef(e.New, RefImage); err != nil {
			return err
		}

		if e.From != (Ref{}) {
			if err := f.checkRef(e.From, RefPatch); err != nil {
				return err
			}
		}
	}

	return nil
}
