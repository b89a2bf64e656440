package patch

import "slices"

// Mode is how a transition keeps old and new apart.
type Mode int

const (
	// PerSection has each section wholly old or wholly new, and nobody wait: while the
	// transition runs, old sections may run beside new ones.
	PerSection Mode = iota

	// Barrier has all old sections end before the first new one begins: those that want
	// to begin meanwhile wait. It is for changes that must not overlap, of the shape of
	// data, say. A worker that is in no section, a vCPU inside its guest for one, isn't
	// disturbed. Slot.Get knows no sections and doesn't wait.
	Barrier
)

func (m Mode) String() string {
	if m == Barrier {
		return "barrier"
	}

	return "per-section"
}

// Target says where a transition happens, and how. Make it with On or Everywhere.
type Target struct {
	domains    []*Domain
	everywhere bool
	partial    bool // of a domain's return to what it had: the journal keeps what it said

	// Mode is PerSection unless set.
	Mode Mode

	// NoWait makes a transition fail with ErrBusy where it would wait for its turn.
	NoWait bool

	// NoDepends applies a patch whatever it depends on: only this one check is left out.
	NoDepends bool
}

// On targets domains, in this order; a domain named twice counts once. A nil one makes
// every transition of the target fail: it is somebody's mistake, and to patch just the
// others would hide it.
func On(domains ...*Domain) Target {
	t := Target{}

	for _, d := range domains {
		if !slices.Contains(t.domains, d) {
			t.domains = append(t.domains, d)
		}
	}

	return t
}

// Everywhere targets every domain that is attached to the engine, and those attached
// later too: they begin with what was applied everywhere. A domain where the patch is
// applied, or not applied, already is left as it is; so is one that is closed. Patches that
// change words of the process, or entries of its functions, are applied and reverted in no
// other way: ErrProcessWide.
func Everywhere() Target { return Target{everywhere: true} }
