package control

import (
	"time"

	"github.com/vgraft/vgraft/patch"
)

// Report is a patch.Report.
type Report struct {
	Op           patch.Op      `json:"op"`
	Patch        string        `json:"patch"`
	ID           patch.ID      `json:"id"`
	Domains      []string      `json:"domains"`
	Mode         Mode          `json:"mode"`
	DryRun       bool          `json:"dry_run"`
	Mapped       int           `json:"mapped_bytes"`
	Words        int           `json:"words,omitempty"`
	Removed      []string      `json:"removed,omitempty"`
	Queued       time.Duration `json:"queued_ns"`
	Swap         time.Duration `json:"swap_ns"`
	Gate         time.Duration `json:"gate_ns"`
	Took         time.Duration `json:"took_ns"`
	Workers      []Worker      `json:"workers,omitempty"`
	Hooks        []Hook        `json:"hooks,omitempty"`
	JournalError *Error        `json:"journal_error,omitempty"`
}

// Worker is a patch.WorkerReport.
type Worker struct {
	Domain string        `json:"domain"`
	Worker string        `json:"worker"`
	Waited time.Duration `json:"waited_ns"`
	Slot   string        `json:"slot,omitempty"`
}

// Hook is a patch.HookReport.
type Hook struct {
	Hook   string        `json:"hook"`
	Patch  string        `json:"patch"`
	Domain string        `json:"domain,omitempty"`
	Took   time.Duration `json:"took_ns"`
	Error  *Error        `json:"error,omitempty"`
}

// ReportOf is the report in the form of the protocol.
func ReportOf(r patch.Report) Report {
	w := Report{
		Op: r.Op, Patch: r.Patch, ID: r.ID, Domains: r.Domains, Mode: Mode(r.Mode), DryRun: r.DryRun,
		Mapped: r.Mapped, Words: r.Words, Removed: r.Removed, Queued: r.Queued, Swap: r.Swap, Gate: r.Gate, Took: r.Took,
		JournalError: ErrorOf(r.JournalErr),
	}

	for _, x := range r.Workers {
		w.Workers = append(w.Workers, Worker(x))
	}

	for _, x := range r.Hooks {
		w.Hooks = append(w.Hooks, Hook{Hook: x.Hook, Patch: x.Patch, Domain: x.Domain, Took: x.Took, Error: ErrorOf(x.Err)})
	}

	return w
}

// Report is the report as the engine gave it.
func (w *Report) Report() patch.Report {
	if w == nil {
		return patch.Report{}
	}

	r := patch.Report{
		Op: w.Op, Patch: w.Patch, ID: w.ID, Domains: w.Domains, Mode: patch.Mode(w.Mode), DryRun: w.DryRun,
		Mapped: w.Mapped, Words: w.Words, Removed: w.Removed, Queued: w.Queued, Swap: w.Swap, Gate: w.Gate, Took: w.Took,
		JournalErr: w.JournalError.Err(),
	}

	for _, x := range w.Workers {
		r.Workers = append(r.Workers, patch.WorkerReport(x))
	}

	for _, x := range w.Hooks {
		r.Hooks = append(r.Hooks, patch.HookReport{Hook: x.Hook, Patch: x.Patch, Domain: x.Domain, Took: x.Took, Err: x.Error.Err()})
	}

	return r
}

// Event is a patch.Event.
type Event struct {
	Kind   patch.EventKind `json:"kind"`
	Time   time.Time       `json:"time"`
	Patch  string          `json:"patch,omitempty"`
	ID     patch.ID        `json:"id,omitempty"`
	Key    patch.KeyID     `json:"key,omitempty"`
	Report *Report         `json:"report,omitempty"`
	Error  *Error          `json:"error,omitempty"`
	Lost   int             `json:"lost,omitempty"`
}

// EventOf is the event in the form of the protocol.
func EventOf(ev patch.Event) Event {
	w := Event{Kind: ev.Kind, Time: ev.Time, Patch: ev.Patch, ID: ev.ID, Key: ev.Key, Error: ErrorOf(ev.Err), Lost: ev.Lost}

	if ev.Report.Op != "" {
		r := ReportOf(ev.Report)
		w.Report = &r
	}

	return w
}

// Event is the event as the engine gave it.
func (w Event) Event() patch.Event {
	return patch.Event{
		Kind: w.Kind, Time: w.Time, Patch: w.Patch, ID: w.ID, Key: w.Key,
		Report: w.Report.Report(), Err: w.Error.Err(), Lost: w.Lost,
	}
}
