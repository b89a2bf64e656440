package cmos

import "time"

// The clock's bytes [DS, figure 10]; the century is the PC's addition.
const (
	seconds      = 0x0
	secondsAlarm = 0x1
	minutes      = 0x2
	minutesAlarm = 0x3
	hours        = 0x4
	hoursAlarm   = 0x5
	weekday      = 0x6 // 1 is Sunday
	day          = 0x7
	month        = 0x8
	year         = 0x9
	regA         = 0xa
	regB         = 0xb
	regC         = 0xc
	regD         = 0xd
	century      = 0x32

	registers = regD + 1
)

// Bits of the registers [DS, "Registers"].
const (
	aUpdate  = 0x80 // UIP: an update comes within 244 µs, or is under way; read-only
	aDivider = 0x60 // DV2 and DV1: both set hold the divider in reset
	aRate    = 0x0f // RS: the period of the periodic interrupt
	aDefault = 0x26 // 32.768 kHz, 1024 Hz periodic rate: what a PC's firmware sets

	bSet        = 0x80 // the time doesn't change under a guest that sets it
	bPeriodic   = cPeriodic
	bAlarm      = cAlarm
	bUpdate     = cUpdate // update ended
	bInterrupts = bPeriodic | bAlarm | bUpdate
	bBinary     = 0x04 // DM: binary rather than BCD
	b24         = 0x02 // 24-hour rather than 12-hour mode
	bDefault    = b24

	// The flags of register C, which B's bits of the same place let onto the line.
	cInterrupt = 0x80 // IRQF: one of them is up
	cPeriodic  = 0x40
	cAlarm     = 0x20
	cUpdate    = 0x10

	dValid = 0x80 // VRT: the battery is good

	pm = 0x80 // of the hours in 12-hour mode
)

// updateTime is how long before the end of a second UIP is set [DS, "Update cycle"]. The
// update itself takes no time here.
const updateTime = 244 * time.Microsecond

func isClock(i byte) bool { return i < registers || i == century }

func isTime(i byte) bool {
	switch i {
	case seconds, minutes, hours, weekday, day, month, year, century:
		return true
	}

	return false
}

// clock is the timekeeping half. CMOS.mu guards it.
type clock struct {
	now func() time.Time

	// The guest's time is the host's plus these. They are apart since a Duration holds
	// 292 years only, and a guest may set the year 9999 or 0.
	offsetSec  int64
	offsetNano int64

	a, b  byte
	flags byte      // of register C, but for IRQF
	alarm [3]byte   // seconds, minutes, hours
	seen  time.Time // the guest's time up to which flags is right

	// While SET or a divider in reset stops the updates, the bytes of the time are
	// plain memory, which the guest may fill in any order.
	held    [registers + 1]byte // by register, the century last
	changed bool                // the guest has written to held

	// uip is the instant for which UIP was last given as set. A source of time that
	// stands still must not hold a guest for ever that waits for it to fall.
	uip time.Time
}

func newClock(now func() time.Time) clock {
	t := now()

	return clock{now: now, a: aDefault, b: bDefault, seen: time.Unix(t.Unix(), int64(t.Nanosecond())).UTC()}
}

// guest is the guest's time.
func (c *clock) guest() time.Time {
	t := c.now()
	return time.Unix(t.Unix()+c.offsetSec, int64(t.Nanosecond())+c.offsetNano).UTC()
}

// adjust makes it t for the guest. What lies between isn't passed: no alarm goes off.
func (c *clock) adjust(t time.Time) {
	now := c.now()
	c.offsetSec = t.Unix() - now.Unix()
	c.offsetNano = int64(t.Nanosecond() - now.Nanosecond())
	c.seen = t
}

// stopped says that the bytes of the time are memory.
func (c *clock) stopped() bool { return c.b&bSet != 0 || c.inReset() }

func (c *clock) inReset() bool { return c.a&aDivider == aDivider }

func (c *clock) get(i byte) byte {
	c.advance()

	switch {
	case i == regA:
		return c.a | c.updating()
	case i == regB:
		return c.b
	case i == regC:
		return c.acknowledge()
	case i == regD:
		return dValid
	case !isTime(i):
		return c.alarm[i/2]
	case c.stopped():
		return c.held[heldIndex(i)]
	}

	return c.encode(c.guest(), i)
}

// acknowledge is a read of register C, which clears it.
func (c *clock) acknowledge() byte {
	v := c.flags
	if c.pending() {
		v |= cInterrupt
	}

	c.flags = 0

	return v
}

func (c *clock) set(i, v byte) {
	c.advance()

	switch {
	case i == regA:
		c.control(v&^aUpdate, c.b)
	case i == regB:
		c.control(c.a, v)
	case i == regC || i == regD:
		// read-only
	case !isTime(i):
		c.alarm[i/2] = v
	case c.stopped():
		c.held[heldIndex(i)] = v
		c.changed = true
	default:
		// Without SET the chip takes a byte at once. What an update would make of it
		// is undefined; here the second goes on from where it was.
		c.hold()
		c.held[heldIndex(i)] = v
		c.adjust(c.decode(c.guest().Nanosecond()))
	}
}

// control is a write to register A or B. The time stops and goes on as the new value
// says; a clock that the guest stopped but didn't change goes on as if never stopped.
func (c *clock) control(a, b byte) {
	wasStopped, wasReset := c.stopped(), c.inReset()
	if !wasStopped {
		c.hold() // in the format of the old value
	}

	if b&bSet != 0 {
		b &^= bUpdate // as on the chip [DS, "Register B", UIE]
	}

	c.a, c.b = a, b

	if !wasStopped && c.stopped() {
		c.changed = false
	}

	nano := c.guest().Nanosecond()
	if wasReset && !c.inReset() {
		// The first update comes half a second after the divider is let go
		// [DS, "Divider control"], which guests use to set the time exactly.
		nano = int(500 * time.Millisecond)
	}

	if wasStopped && !c.stopped() && c.changed {
		c.adjust(c.decode(nano))
	}
}

// updating is UIP.
func (c *clock) updating() byte {
	if c.stopped() {
		return 0
	}

	t := c.guest()
	if t.Nanosecond() < int(time.Second-updateTime) || t.Equal(c.uip) {
		return 0
	}

	c.uip = t

	return aUpdate
}

func heldIndex(i byte) int {
	if i == century {
		return registers
	}

	return int(i)
}

// hold fills held with the time that it is.
func (c *clock) hold() {
	t := c.guest()

	for _, i := range [...]byte{seconds, minutes, hours, weekday, day, month, year, century} {
		c.held[heldIndex(i)] = c.encode(t, i)
	}
}

// encode is one byte of the time, in the format that register B says.
func (c *clock) encode(t time.Time, i byte) byte {
	switch i {
	case seconds:
		return c.number(t.Second())
	case minutes:
		return c.number(t.Minute())
	case hours:
		return c.hour(t.Hour())
	case weekday:
		return c.number(int(t.Weekday()) + 1)
	case day:
		return c.number(t.Day())
	case month:
		return c.number(int(t.Month()))
	case year:
		return c.number(years(t) % 100)
	}

	return c.number(years(t) / 100)
}

// years is the year as the clock can say it: 0 to 9999. A guest can set the last day of
// the year before 0 by way of a month 0.
func years(t time.Time) int {
	const cycle = 10_000

	return (t.Year()%cycle + cycle) % cycle
}

// hour is 0 to 23, or 1 to 12 with a bit for the afternoon.
func (c *clock) hour(h int) byte {
	if c.b&b24 != 0 {
		return c.number(h)
	}

	v := c.number((h+11)%12 + 1)
	if h >= 12 {
		v |= pm
	}

	return v
}

func (c *clock) number(n int) byte {
	if c.b&bBinary != 0 {
		return byte(n)
	}

	return byte(n/10<<4 | n%10)
}

// decode is the time in held. Bytes that are no time (the 31st of February, 0xff for a
// BCD number) are carried into the next field, as time.Date does.
func (c *clock) decode(nano int) time.Time {
	get := func(i byte) int { return c.value(c.held[heldIndex(i)]) }

	h := c.held[hours]
	hour := c.value(h)

	if c.b&b24 == 0 {
		hour = c.value(h&^pm) % 12
		if h&pm != 0 {
			hour += 12
		}
	}

	return time.Date(100*get(century)+get(year), time.Month(get(month)), get(day),
		hour, get(minutes), get(seconds), nano, time.UTC)
}

func (c *clock) value(v byte) int {
	if c.b&bBinary != 0 {
		return int(v)
	}

	return int(v>>4)*10 + int(v&0xf)
}
