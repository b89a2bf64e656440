package vmm

import "github.com/vgraft/vgraft/patch"

// Wake wakes a machine that its guest has suspended: it is Running then. The error wraps
// ErrState if it isn't suspended.
func (m *Machine) Wake() error {
	woken := false

	m.inSection(func(s patch.Section) { woken = wakeSlot.In(s)(m, s) })

	if !woken {
		return m.wrongState("wake", m.state.get())
	}

	m.tellAsleep()

	return nil
}

// suspend has every vCPU stop, between two instructions, until the machine is woken. Then all
// go on. It is called in a section.
func (m *Machine) suspend(s patch.Section) {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.awake > 0 || m.asleep {
		return // another vCPU was faster
	}

	m.awake, m.woken = len(m.vcpus), false

	// With mu held, so that each vCPU gets this before the order to wake up.
	for _, c := range m.vcpus {
		postSlot.In(s)(c, order{what: toSleep})
	}
}

// lieDown has a vCPU sleep that was told to. It is called by the vCPU's thread, out of the
// guest and with no access of the guest's pending.
func (c *vcpu) lieDown() {
	c.asleep, c.off, c.sleeper = true, true, nil

	s := c.worker.Enter()
	asleepSlot.In(s)(c.machine, s)
	c.worker.Leave()

	c.machine.tellAsleep()
}

// tellAsleep has State say what is so. States are for those outside, and set outside sections.
func (m *Machine) tellAsleep() {
	m.mu.Lock()
	defer m.mu.Unlock()

	if m.asleep {
		m.state.set(Suspended, Running)
	} else {
		m.state.set(Running, Suspended)
	}
}

// oneAsleep counts one more vCPU that sleeps. With the last one, the machine does, and wakes at
// once if it was told to meanwhile.
func (m *Machine) oneAsleep(s patch.Section) {
	m.mu.Lock()
	m.awake--
	last, woken := m.awake == 0, m.woken

	m.asleep = m.asleep || last
	m.mu.Unlock()

	if last && woken {
		wakeSlot.In(s)(m, s)
	}
}

// wake wakes the machine, if it is suspended, or is about to be.
func (m *Machine) wake(s patch.Section) bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	switch {
	case m.ending:
		return false
	case m.awake > 0:
		m.woken = true
		return true
	case !m.asleep:
		return false
	}

	m.asleep = false

	for _, c := range m.vcpus {
		postSlot.In(s)(c, order{what: toWake})
	}

	return true
}

// fallAsleep is called by the vCPU's thread, in a section.
func (c *vcpu) fallAsleep(e entry) { //nolint:unused // on arm64
	m := c.machine

	m.mu.Lock()
	defer m.mu.Unlock()

	c.asleep, c.sleeper, m.asleep = true, &e, true
	m.state.set(Suspended, Running)
}

// wakeUp has a vCPU that sleeps go on, where it said or where it was. It is called by the
// vCPU's thread.
func (c *vcpu) wakeUp() {
	if !c.asleep {
		return
	}

	c.asleep, c.off = false, false

	if c.sleeper != nil {
		c.entry = c.sleeper
	}

	m := c.machine

	m.mu.Lock()
	defer m.mu.Unlock()

	// It may have been an interrupt.
	m.asleep = false
	m.state.set(Running, Suspended)
}

// resumed is the state of a machine that is no longer paused.
func (m *Machine) resumed() (State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()

	next := Running
	if m.asleep {
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
