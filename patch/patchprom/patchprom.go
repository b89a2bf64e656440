// Package patchprom shows the counters of a patch.Engine to Prometheus.
//
//	registry.MustRegister(patchprom.New(engine, nil))
//
// It is a package of its own since it links the client library of Prometheus; nothing
// else does.
package patchprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vgraft/vgraft/patch"
)

const prefix = "vgraft_patch_"

type collector struct {
	engine *patch.Engine

	took, swap, gate          *prometheus.Desc // count and sum, by operation and outcome
	tookMax, swapMax, gateMax *prometheus.Desc
	loaded, applied, revoked  *prometheus.Desc
	domains, slots, lost      *prometheus.Desc
	mapped, retired           *prometheus.Desc
}

// New is a collector of the engine's Stats. They are read when Prometheus asks, and cost
// nothing in between. Programs with more than one engine tell them apart by labels.
func New(e *patch.Engine, labels prometheus.Labels) prometheus.Collector {
	desc := func(name, help string, by ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, by, labels)
	}

	of := func(name, help string) *prometheus.Desc { return desc(name, help, "op", "outcome") }

	return &collector{
		engine:  e,
		took:    of("operation_seconds", "How many operations there were, and how long they took."),
		swap:    of("swap_seconds", "How long they took to publish new bindings."),
		gate:    of("gate_seconds", "How long they kept sections waiting, in barrier mode."),
		tookMax: of("operation_max_seconds", "The longest operation."),
		swapMax: of("swap_max_seconds", "The longest time to publish new bindings."),
		gateMax: of("gate_max_seconds", "The longest time that sections were kept waiting."),
		loaded:  desc("loaded", "Patches that are loaded."),
		applied: desc("applied", "Of those, patches that are applied somewhere."),
		revoked: desc("revoked", "Patches that are loaded though they are revoked."),
		domains: desc("domains", "Domains that are attached."),
		slots:   desc("slots", "Slots that the program declares."),
		mapped:  desc("mapped_bytes", "Memory mapped for payloads, in the whole process."),
		retired: desc("retired_bytes", "Of this, memory of payloads that were unloaded, and can't be unmapped."),
		lost:    desc("events_lost_total", "Events that receivers were too slow for."),
	}
}

// Describe is for the registry.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.took, c.swap, c.gate, c.tookMax, c.swapMax, c.gateMax,
		c.loaded, c.applied, c.revoked, c.domains, c.slots, c.lost, c.mapped, c.retired,
	} {
		ch <- d
	}
}

// Collect is for the registry.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.engine.Stats()

	for _, o := range s.Operations {
		sum := func(all, longest *prometheus.Desc, d patch.Durations) {
			by := []string{string(o.Op), string(o.Outcome)}
			ch <- prometheus.MustNewConstSummary(all, uint64(o.Count), d.Sum.Seconds(), nil, by...)
			ch <- prometheus.MustNewConstMetric(longest, prometheus.GaugeValue, d.Max.Seconds(), by...)
		}

		sum(c.took, c.tookMax, o.Took)
		sum(c.swap, c.swapMax, o.Swap)
		sum(c.gate, c.gateMax, o.Gate)
	}

	for d, v := range map[*prometheus.Desc]int{
		c.loaded: s.Loaded, c.applied: s.Applied, c.revoked: s.Revoked, c.domains: s.Domains, c.slots: len(patch.Slots()),
		c.mapped: s.Mapped, c.retired: s.Retired,
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}

	ch <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(s.EventsLost))
}
