package patch

import (
	"maps"
	"runtime/debug"
	"sync"
)

// Provenance is what a patch was built from, and with what.
type Provenance struct {
	Module    string            `json:"module,omitempty"`    // path@version of the main module
	Revision  string            `json:"revision,omitempty"`  // of the version control system
	Toolchain string            `json:"toolchain,omitempty"` // "go1.26.8"
	Flags     map[string]string `json:"flags,omitempty"`     // build settings, as go version -m shows them
}

func (p Provenance) empty() bool {
	return p.Module == "" && p.Revision == "" && p.Toolchain == "" && len(p.Flags) == 0
}

// Provenance says where the patch comes from. That of a patch made of the program's own
// functions is the program's; a file whose loader doesn't tell has none.
func (p *Patch) Provenance() Provenance {
	out := p.spec.Provenance
	out.Flags = maps.Clone(out.Flags)

	return out
}

// ownProvenance is that of the program that runs, as far as its build has recorded it.
var ownProvenance = sync.OnceValue(func() Provenance {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Provenance{}
	}

	p := Provenance{Module: info.Main.Path, Toolchain: info.GoVersion, Flags: map[string]string{}}
	if info.Main.Version != "" {
		p.Module += "@" + info.Main.Version
	}

	for _, s := range info.Settings {
		if p.Flags[s.Key] = s.Value; s.Key == "vcs.revision" {
			p.Revision = s.Value
		}
	}

	return p
})
