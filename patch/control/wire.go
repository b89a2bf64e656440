package control

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Request is what apply, revert, replace and load are asked to do. Either Domains or
// Everywhere is needed.
type Request struct {
	Patch      string        `json:"patch,omitempty"` // name or id; empty for load
	Domains    []string      `json:"domains,omitempty"`
	Everywhere bool          `json:"everywhere,omitempty"`
	Mode       Mode          `json:"mode,omitempty"`
	Timeout    time.Duration `json:"timeout_ns,omitempty"` // 0 is the engine's
	NoWait     bool          `json:"no_wait,omitempty"`
	NoDepends  bool          `json:"no_depends,omitempty"`
	DryRun     bool          `json:"dry_run,omitempty"`
}

type unloadRequest struct {
	Patch   string        `json:"patch"`
	Timeout time.Duration `json:"timeout_ns,omitempty"`
}

// revokeRequest has one of them: a loaded patch by name or id, or any id of a payload; or a
// key.
type revokeRequest struct {
	Patch string      `json:"patch,omitempty"`
	Key   patch.KeyID `json:"key,omitempty"`
}

// Mode is a patch.Mode that is written as its name.
type Mode patch.Mode

// MarshalText gives the name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(patch.Mode(m).String()), nil }

// UnmarshalText takes the names of patch.PerSection and patch.Barrier.
func (m *Mode) UnmarshalText(b []byte) error {
	for _, known := range []patch.Mode{patch.PerSection, patch.Barrier} {
		if known.String() == string(b) {
			*m = Mode(known)
			return nil
		}
	}

	return fmt.Errorf("%q is no mode: %v or %v", b, patch.PerSection, patch.Barrier)
}

// Patch is a loaded patch.
type Patch struct {
	Name       string            `json:"name"`
	ID         patch.ID          `json:"id"`
	Depends    patch.ID          `json:"depends,omitempty"`
	State      patch.State       `json:"state"`
	Domains    []string          `json:"domains"` // where it is applied
	Everywhere bool              `json:"everywhere"`
	Revoked    bool              `json:"revoked"`
	Slots      []string          `json:"slots"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Mapped     int               `json:"mapped_bytes"`
	Provenance patch.Provenance  `json:"provenance"`

	// Of the file that it was uploaded as, where there is one.
	SHA256 string      `json:"sha256,omitempty"`
	Size   int         `json:"size_bytes,omitempty"`
	Signer patch.KeyID `json:"signer,omitempty"`
}

func patchOf(s patch.Status) Patch {
	p := Patch{
		Name: s.Patch.Name(), ID: s.Patch.ID(), Depends: s.Patch.Depends(),
		State: s.State, Domains: []string{}, Everywhere: s.Everywhere, Revoked: s.Revoked,
		Slots: s.Patch.Slots(), Metadata: s.Patch.Metadata(), Mapped: s.Patch.Mapped(), Provenance: s.Patch.Provenance(),
		SHA256: s.File.SHA256, Size: s.File.Size, Signer: s.File.Signer,
	}

	for _, d := range s.Domains {
		p.Domains = append(p.Domains, d.Name())
	}

	return p
}

// Domain is a domain that is attached to the engine.
type Domain struct {
	Name    string   `json:"name"`
	Applied []string `json:"applied"` // names of patches, the oldest first
}

func domainOf(d *patch.Domain) Domain {
	w := Domain{Name: d.Name(), Applied: []string{}}
	for _, p := range d.Applied() {
		w.Applied = append(w.Applied, p.Name())
	}

	return w
}

// Slot is a declared slot.
type Slot struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Impl string `json:"impl"`
}

// Status is the state of the whole engine, and what program it is in.
type Status struct {
	Program  string `json:"program"` // its main package's path
	Version  string `json:"version"` // of its module
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	ReadOnly bool   `json:"read_only"`

	Loaded     int         `json:"loaded"`
	Applied    int         `json:"applied"`
	Revoked    int         `json:"revoked"`
	Domains    int         `json:"domains"`
	Slots      int         `json:"slots"`
	EventsLost int         `json:"events_lost"`
	Mapped     int         `json:"mapped_bytes"`  // for payloads, in the whole process
	Retired    int         `json:"retired_bytes"` // of these, for payloads that were unloaded
	Operations []Operation `json:"operations"`
}

// Operation is a patch.Operation.
type Operation struct {
	Op      patch.Op      `json:"op"`
	Outcome patch.Outcome `json:"outcome"`
	Count   int           `json:"count"`
	TookSum time.Duration `json:"took_sum_ns"`
	TookMax time.Duration `json:"took_max_ns"`
	SwapSum time.Duration `json:"swap_sum_ns"`
	SwapMax time.Duration `json:"swap_max_ns"`
	GateSum time.Duration `json:"gate_sum_ns"`
	GateMax time.Duration `json:"gate_max_ns"`
}

func statusOfEngine(e *patch.Engine, readOnly bool) Status {
	s := e.Stats()
	w := Status{
		ReadOnly: readOnly, Loaded: s.Loaded, Applied: s.Applied, Revoked: s.Revoked,
		Domains: s.Domains, Slots: len(patch.Slots()), EventsLost: s.EventsLost,
		Mapped: s.Mapped, Retired: s.Retired, Operations: []Operation{},
	}

	for _, o := range s.Operations {
		w.Operations = append(w.Operations, Operation{
			Op: o.Op, Outcome: o.Outcome, Count: o.Count,
			TookSum: o.Took.Sum, TookMax: o.Took.Max, SwapSum: o.Swap.Sum, SwapMax: o.Swap.Max,
			GateSum: o.Gate.Sum, GateMax: o.Gate.Max,
		})
	}

	if b, ok := debug.ReadBuildInfo(); ok {
		w.Program, w.Version, w.Go = b.Path, b.Main.Version, b.GoVersion

		for _, s := range b.Settings {
			switch s.Key {
			case "vcs.revision":
				w.Revision = s.Value
			case "vcs.modified":
				w.Modified = s.Value == "true"
			}
		}
	}

	return w
}
