package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// table prints rows in columns; nothing where there are none but the head.
func (t *tool) table(rows ...[]string) {
	var b bytes.Buffer

	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)

	for _, r := range rows {
		for i, c := range r {
			if c = strings.ReplaceAll(clean(c), "\n", " "); c == "" {
				c = "-"
			}

			if i > 0 {
				fmt.Fprint(w, "\t")
			}

			fmt.Fprint(w, c)
		}

		fmt.Fprintln(w)
	}

	_ = w.Flush()
	_, _ = t.out.Write(b.Bytes())
}

func (t *tool) line(format string, a ...any) { fmt.Fprintln(t.out, clean(fmt.Sprintf(format, a...))) }

// short is enough of an id to tell a few patches apart.
func short[S ~string](id S) string { return string(id[:min(len(id), 12)]) }

func state(p control.Patch) string {
	if p.Revoked {
		return string(p.State) + ", revoked"
	}

	return string(p.State)
}

func where(p control.Patch) string {
	if p.Everywhere {
		return "everywhere"
	}

	return strings.Join(p.Domains, ",")
}

func (t *tool) printList(list []control.Patch) {
	rows := [][]string{{"NAME", "STATE", "DOMAINS", "ID", "SIGNER"}}
	for _, p := range list {
		rows = append(rows, []string{p.Name, state(p), where(p), short(p.ID), short(p.Signer)})
	}

	t.table(rows...)
}

func (t *tool) printPatch(p control.Patch) {
	rows := [][]string{
		{"name", p.Name}, {"id", string(p.ID)}, {"depends", string(p.Depends)}, {"state", state(p)},
		{"domains", strings.Join(p.Domains, ",")}, {"everywhere", fmt.Sprint(p.Everywhere)},
		{"slots", strings.Join(p.Slots, ",")}, {"mapped", fmt.Sprintf("%d bytes", p.Mapped)},
	}

	if p.SHA256 != "" {
		rows = append(rows, []string{"file", fmt.Sprintf("%d bytes, sha256 %s", p.Size, p.SHA256)}, []string{"signer", string(p.Signer)})
	}

	rows = append(rows, []string{"module", p.Provenance.Module}, []string{"revision", p.Provenance.Revision}, []string{"toolchain", p.Provenance.Toolchain})
	for _, k := range slices.Sorted(maps.Keys(p.Provenance.Flags)) {
		rows = append(rows, []string{"flag " + k, p.Provenance.Flags[k]})
	}

	for _, k := range slices.Sorted(maps.Keys(p.Metadata)) {
		rows = append(rows, []string{k, p.Metadata[k]})
	}

	t.table(rows...)
}

func (t *tool) printDomains(list []control.Domain) {
	rows := [][]string{{"DOMAIN", "APPLIED"}}
	for _, d := range list {
		rows = append(rows, []string{d.Name, strings.Join(d.Applied, ",")})
	}

	t.table(rows...)
}

func (t *tool) printSlots(list []control.Slot) {
	rows := [][]string{{"SLOT", "TYPE", "IMPLEMENTATION"}}
	for _, s := range list {
		rows = append(rows, []string{s.Name, s.Type, s.Impl})
	}

	t.table(rows...)
}

func (t *tool) printStatus(s control.Status) {
	build := s.Revision
	if s.Modified {
		build += ", modified"
	}

	t.table(
		[]string{"program", s.Program}, []string{"version", s.Version}, []string{"revision", build}, []string{"go", s.Go},
		[]string{"read-only", fmt.Sprint(s.ReadOnly)},
		[]string{"patches", fmt.Sprintf("%d loaded, %d applied, %d revoked", s.Loaded, s.Applied, s.Revoked)},
		[]string{"domains", fmt.Sprint(s.Domains)}, []string{"slots", fmt.Sprint(s.Slots)},
	)

	if len(s.Operations) == 0 {
		return
	}

	t.line("")

	rows := [][]string{{"OPERATION", "OUTCOME", "COUNT", "MEAN", "LONGEST"}}
	for _, o := range s.Operations {
		rows = append(rows, []string{
			string(o.Op), string(o.Outcome), fmt.Sprint(o.Count),
			round(o.TookSum / time.Duration(max(o.Count, 1))), round(o.TookMax),
		})
	}

	t.table(rows...)
}

// round leaves three digits.
func round(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}

	return d.Round(unit).String()
}

func (t *tool) printReport(r patch.Report, err error) {
	if err == nil {
		done := "done"
		if r.DryRun {
			done = "would do"
		}

		t.line("%s %s: %s on %s, in %s", r.Op, r.Patch, done, orNone(r.Domains, "no domain: it is so everywhere already"), round(r.Took))
	}

	if len(r.Removed) > 0 {
		t.line("  removed %s", strings.Join(r.Removed, ", "))
	}

	if last, ok := r.Last(); ok {
		t.line("  the last was worker %s of %s, after %s%s", last.Worker, last.Domain, round(last.Waited), in(last.Slot))
	}

	for _, h := range r.Hooks {
		result := "ok"
		if h.Err != nil {
			result = h.Err.Error()
		}

		t.line("  hook %s of %s%s, %s: %s", h.Hook, h.Patch, on(h.Domain), round(h.Took), result)
	}

	if r.JournalErr != nil {
		t.line("  the journal wasn't written to the end: %v", r.JournalErr)
	}
}

func orNone(names []string, none string) string {
	if len(names) == 0 {
		return none
	}

	return strings.Join(names, ", ")
}

func in(slot string) string {
	if slot == "" {
		return ""
	}

	return ", in slot " + slot
}

func on(domain string) string {
	if domain == "" {
		return ""
	}

	return " on " + domain
}

func (t *tool) printEvent(ev patch.Event) {
	if ev.Lost > 0 {
		t.line("... %d events were lost", ev.Lost)
	}

	s := ev.Time.Local().Format(time.TimeOnly) + " " + string(ev.Kind)

	for _, part := range []string{ev.Patch, short(ev.ID), short(ev.Key)} {
		if part != "" {
			s += " " + part
		}
	}

	if len(ev.Report.Domains) > 0 {
		s += " on " + strings.Join(ev.Report.Domains, ", ")
	}

	if ev.Err != nil {
		s += ": " + ev.Err.Error()
	}

	t.line("%s", s)
}
