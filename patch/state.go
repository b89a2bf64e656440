package patch

import "maps"

// SystemState names data that patches change the shape of, and which shape a patch brings
// about: a greater version knows the shapes of the lesser ones. Hooks do the change;
// the engine holds that no patch is applied over a version it doesn't know.
type SystemState struct {
	ID      string
	Version uint32
}

// stateOf is the state with the id that the stack has brought about: the topmost
// patch that lists it counts.
func stateOf(stack []*Patch, id string) (SystemState, bool) {
	for i := len(stack) - 1; i >= 0; i-- {
		for _, st := range stack[i].spec.States {
			if st.ID == id {
				return st, true
			}
		}
	}

	return SystemState{}, false
}

// compatible says which state is in the way of the patch p coming on top of the stack,
// or in place of it.
func (p *Patch) compatible(stack []*Patch, replace bool) (SystemState, bool) {
	for _, below := range stack {
		for _, old := range below.spec.States {
			mine, listed := stateOf([]*Patch{p}, old.ID)
			if listed && mine.Version < old.Version || replace && !listed {
				return old, false
			}
		}
	}

	return SystemState{}, true
}

// settleData ends what hooks may do with the data of the states: of a transition that
// failed nothing is left, and what no applied patch lists is dropped.
func (c *change) settleData(err error) {
	d := c.domain

	d.mu.Lock()
	defer d.mu.Unlock()

	c.over = true

	if err != nil {
		d.data = c.oldData
	}

	maps.DeleteFunc(d.data, func(id string, _ any) bool {
		_, listed := stateOf(d.applied, id)

		return !listed
	})
}
