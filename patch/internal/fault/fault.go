// Package fault lets tests make a step of a transition fail. It has no state: the
// faults travel in the context of the call that they are meant for.
package fault

import "context"

// Steps of a transition, in their order.
const (
	Planned  = "planned"  // everything is checked, nothing is changed
	Journal  = "journal"  // before the journal is told what is about to happen
	Prepared = "prepared" // all pre hooks have agreed
	Gated    = "gated"    // Barrier: new sections wait at the gate
	Drained  = "drained"  // Barrier: no section runs
	Bound    = "bound"    // the new views are made, not yet published
	Swapped  = "swapped"  // PerSection: published; old sections may run
	Settled  = "settled"  // PerSection: no old section runs
)

// Steps are all of them.
func Steps() []string {
	return []string{Planned, Journal, Prepared, Gated, Drained, Bound, Swapped, Settled}
}

type key struct{}

// With is a context in which f is asked at each step; its error fails the step.
func With(ctx context.Context, f func(step string) error) context.Context {
	return context.WithValue(ctx, key{}, f)
}

// At asks whether the step fails.
func At(ctx context.Context, step string) error {
	if f, ok := ctx.Value(key{}).(func(string) error); ok {
		return f(step)
	}

	return nil
}
