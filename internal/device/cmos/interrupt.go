package cmos

import (
	"time"

	"github.com/vgraft/vgraft/patch"
)

// fastest is the shortest period, in ticks of the oscillator, of the periodic interrupts
// that the host makes by itself: 1024 Hz, which is what guests that count them ask for. A guest
// can choose up to 8192 Hz; several periods then become one interrupt, and only a guest
// that looks at register C itself sees each of them. So no guest makes the host wake up
// for it more often than that.
const fastest = oscillator / 1024

// How long the goroutine sleeps. It reckons with the host's time of day, which may be
// set while it sleeps: so it looks again in time, and doesn't spin on a clock that stands.
const (
	shortest = 100 * time.Microsecond
	longest  = time.Minute
)

// never is the answer of tick when nothing is to come.
const never = time.Duration(-1)

// pending says whether the line is to be up.
func (c *clock) pending() bool { return c.flags&c.b&bInterrupts != 0 }

// advance sets the flags for all that has happened since it was called last. The bytes
// that say what happens must not have changed since then: call it before a change.
func (c *clock) advance() {
	was, now := c.seen, c.guest()
	c.seen = now

	// The host's time may go back. Then nothing happens twice.
	if !now.After(was) {
		return
	}

	if !c.stopped() && now.Unix() > was.Unix() {
		c.flags |= cUpdate

		if at, ok := c.nextAlarm(was.Unix()); ok && at <= now.Unix() {
			c.flags |= cAlarm
		}
	}

	if n := c.period(); n != 0 && periods(now, n) > periods(was, n) {
		c.flags |= cPeriodic
	}
}

// next is how long it takes until the line rises, if nobody touches the clock. It reckons
// from the time that advance has seen: what has fallen due since then is still to come.
func (c *clock) next() time.Duration {
	switch {
	case c.alarmed():
		return rousing
	case c.pending():
		return never // it is up until the guest has read register C, however long that takes
	}

	t, d := c.seen, never

	sooner := func(at time.Time) {
		if wait := at.Sub(t); d == never || wait < d {
			d = wait
		}
	}

	if !c.stopped() && c.b&bUpdate != 0 {
		sooner(time.Unix(t.Unix()+1, 0))
	}

	if at, ok := c.nextAlarm(t.Unix()); ok && !c.stopped() && c.b&bAlarm != 0 {
		sooner(time.Unix(at, 0))
	}

	if n := c.period(); n != 0 && c.b&bPeriodic != 0 {
		n = max(n, fastest)
		tick := (ticks(t)/n + 1) * n
		sooner(time.Unix(t.Unix(), (tick*int64(time.Second)+oscillator-1)/oscillator))
	}

	if d == never {
		return never
	}

	return min(max(d, shortest), longest)
}

// oscillator is the frequency of what drives the clock. Other time bases can be chosen
// in register A, and make no difference here.
const oscillator = 32768

// ticks is how many of the oscillator's have passed in this second.
func ticks(t time.Time) int64 { return int64(t.Nanosecond()) * oscillator / int64(time.Second) }

// periods counts the periods of n ticks up to t. Each divides the second.
func periods(t time.Time, n int64) int64 { return t.Unix()*(oscillator/n) + ticks(t)/n }

// period is that of the periodic interrupt, in ticks of the oscillator, or 0 for none
// [DS, table 5].
func (c *clock) period() int64 {
	rate := c.a & aRate

	switch {
	case rate == 0 || c.inReset():
		return 0
	case rate <= 2:
		rate += 7 // the two that the faster time bases add: 256 and 128 Hz
	}

	return 1 << (rate - 1)
}

// nextAlarm is the first second after t, both by the guest's time, that is as the
// alarm's bytes say. The chip compares bytes, so that there is none for a byte that the
// time never has in the mode of register B.
func (c *clock) nextAlarm(t int64) (int64, bool) {
	const day = 24 * 60 * 60

	h, okH := c.alarmField(hoursAlarm, 24, c.hour)
	m, okM := c.alarmField(minutesAlarm, 60, c.number)
	s, okS := c.alarmField(secondsAlarm, 60, c.number)

	if !okH || !okM || !okS {
		return 0, false
	}

	for t++; ; {
		switch n := (t%day + day) % day; {
		case h != every && n/3600 != h:
			t += 3600 - n%3600
		case m != every && n/60%60 != m:
			t += 60 - n%60
		case s != every && n%60 != s:
			t++
		default:
			return t, true
		}
	}
}

// A byte of the alarm with its two high bits set isn't compared.
const (
	every    = -1
	dontCare = 0xc0
)

// alarmField is the number that a byte of the alarm stands for, of which there are n.
func (c *clock) alarmField(i byte, n int, encode func(int) byte) (int64, bool) {
	v := c.alarm[i/2]
	if v&dontCare == dontCare {
		return every, true
	}

	for k := range n {
		if encode(k) == v {
			return int64(k), true
		}
	}

	return 0, false
}

// update brings the line to what the clock says. It is called with mu held.
func (c *CMOS) update(s patch.Section) {
	up := c.clock.pending()
	if up == c.up {
		return
	}

	c.up = up

	// The guest can't mend an interrupt line, and must not be able to fill a log.
	if err := c.irq.Set(s, up); err != nil && c.fault == nil {
		c.fault = err
	}

	c.wake()
}

// wake makes the goroutine look again, since the next interrupt may be another one. It is
// called with mu held.
func (c *CMOS) wake() {
	// Nothing is to come while the line is up, but for an alarm's sake, or for interrupts that
	// are not enabled.
	if c.up && !c.clock.alarmed() || c.clock.b&bInterrupts == 0 {
		return
	}

	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// tick raises the line if it is time, and says when to come again, or never. It runs in
// a section of the timer's goroutine.
func (c *CMOS) tick(s patch.Section) time.Duration {
	next, alarm := c.look(s)
	if alarm {
		c.rouse(s)
	}

	return next
}

// look is tick's part with the lock. It says whether it is time for the guest to wake.
func (c *CMOS) look(s patch.Section) (next time.Duration, alarm bool) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.clock.advance()
	c.update(s)

	return c.clock.next(), c.clock.alarmed()
}

// rousing is how long after an alarm that the guest hasn't looked at the next try is to wake it: it
// may have suspended the machine after the first.
const rousing = time.Second

// alarmed says whether the alarm's interrupt is pending.
func (c *clock) alarmed() bool { return c.flags&c.b&bAlarm != 0 }

// alarmClock is the goroutine that raises the line while the guest does something else.
type alarmClock struct {
	c      *CMOS
	worker *patch.Worker
	stop   chan struct{} // closed by Stop
	done   chan struct{} // closed at its end
}

// Start starts the goroutine that waits for the next interrupt.
func (c *CMOS) Start() error {
	c.timer = &alarmClock{
		c:      c,
		worker: c.domain.NewWorker("cmos"),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}

	go c.timer.run()

	return nil
}

// Stop ends the goroutine.
func (c *CMOS) Stop() {
	if c.timer == nil {
		return // never started
	}

	close(c.timer.stop)
	<-c.timer.done

	c.mu.Lock()
	fault := c.fault
	c.mu.Unlock()

	if fault != nil {
		c.log.Warn("cmos: interrupt line", "err", fault)
	}
}

func (a *alarmClock) run() {
	defer close(a.done)
	defer a.worker.Close()

	timer := time.NewTimer(longest)
	defer timer.Stop()

	for {
		var due <-chan time.Time // of a clock that waits for nothing: never

		if d := a.tick(); d != never {
			timer.Reset(d)
			due = timer.C
		}

		select {
		case <-due:
		case <-a.c.changed:
		case <-a.stop:
			return
		}
	}
}

func (a *alarmClock) tick() time.Duration {
	s := a.worker.Enter()
	defer a.worker.Leave()

	return tick.In(s)(a.c, s)
}
