package vmm

import "github.com/vgraft/vgraft/patch"

// Wake wakes a machine that its guest has suspended; soon it is Running. The error wraps
// ErrState if it isn't suspended.
func (m *Machine) Wake() error {
	woken := false

	m.inSection(func(s patch.Section) { woken = wakeSlot.In(s)(m, s) })

	if !woken {
		return m.wrongState("wake", m.state.get())
	}

	return nil
}

// wake wakes the machine, if it is suspended.
func (m *Machine) wake(s patch.Section) bool {
	m.mu.Lock()
	c := m.asleep
	m.mu.Unlock()

	if c == nil {
		return false
	}

	postSlot.In(s)(c, order{what: toWake})

	return true
}

// fallAsleep is called by the vCPU's thread, in a section.
func (c *vcpu) fallAsleep(e entry) { //nolint:unused // on arm64
	c.sleeper = e

	m := c.machine

	m.mu.Lock()
	defer m.mu.Unlock()

	c.asleep, m.asleep = true, c
	m.state.set(Suspended, Running)
}

// wakeUp has a vCPU that suspended the machine go on where it said. It is called by the
// vCPU's thread.
func (c *vcpu) wakeUp() {
	if !c.asleep {
		return
	}

	e := c.sleeper
	c.asleep, c.entry = false, &e

	m := c.machine

	m.mu.Lock()
	defer m.mu.Unlock()

	m.asleep = nil
	m.state.set(Running, Suspended)
}

// resumed is the state of a machine that is no longer paused.
func (m *Machine) resumed() (State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()

	next := Running
	if m.asleep != nil {
		next = Suspended
	}

	return m.state.set(next, Paused)
}

// enter resets the vCPU to where it is to go on.
func (c *vcpu) enter(patch.Section) error {
	e := *c.entry
	c.entry = nil

	return c.reset(e)
}
