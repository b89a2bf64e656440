package patchprom_test

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/patchprom"
)

var slot = patch.NewSlot("patchprom_test/slot", func() {})

// gather is what Prometheus would see: counters, gauges, and counts of summaries.
func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()

	families, err := r.Gather()
	require.NoError(t, err)

	seen := map[string]float64{}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}

			seen[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetSummary().GetSampleCount())
		}
	}

	return seen
}

func TestCollector(t *testing.T) {
	e := patch.NewEngine(patch.Options{})
	r := prometheus.NewPedanticRegistry() // it holds that what is collected was described
	require.NoError(t, r.Register(patchprom.New(e, prometheus.Labels{"engine": "one"})))
	require.NoError(t, r.Register(patchprom.New(patch.NewEngine(patch.Options{}), prometheus.Labels{"engine": "two"})))

	d := patch.NewDomain("d")
	require.NoError(t, e.Attach(t.Context(), d))

	p, err := patch.New("p", patch.Func(slot, func() {}))
	require.NoError(t, err)

	for range 3 {
		_, _ = e.Apply(t.Context(), p, patch.On(d))
	}

	seen := gather(t, r)

	for name, want := range map[string]float64{
		"operation_seconds engine=one op=apply outcome=ok":      1,
		"operation_seconds engine=one op=apply outcome=refused": 2,
		"operation_seconds engine=one op=upload outcome=ok":     1,
		"mapped_bytes engine=one":                               0,
		"loaded engine=one":                                     1,
		"applied engine=one":                                    1,
		"revoked engine=one":                                    0,
		"domains engine=one":                                    1,
		"slots engine=one":                                      float64(len(patch.Slots())),
		"events_lost_total engine=one":                          0,
		"loaded engine=two":                                     0,
	} {
		got, ok := seen["vgraft_patch_"+name]
		require.True(t, ok, "%s is missing from %v", name, seen)
		require.Equal(t, want, got, name)
	}

	require.Positive(t, seen["vgraft_patch_operation_max_seconds engine=one op=apply outcome=ok"])
	require.Positive(t, seen["vgraft_patch_swap_max_seconds engine=one op=apply outcome=ok"])
}
