package power

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/vgraft/vgraft/internal/device"
	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/vmm/acpi/aml"
)

var (
	performanceRead    = patch.NewSlot("vmm/power/performance.read", (*Performance).read)
	performanceWrite   = patch.NewSlot("vmm/power/performance.write", (*Performance).write)
	performanceDeliver = patch.NewSlot("vmm/power/performance.deliver", (*Performance).deliver)
	performanceTake    = patch.NewSlot("vmm/power/performance.take", (*Performance).take)
)

// PerformanceLevels is what a processor can do, in units that the embedder chooses, and in
// MHz: collaborative processor performance control (ACPI 6.5 §8.4.6). Performance is linear
// in frequency, and the levels ascend from Lowest to Highest.
type PerformanceLevels struct {
	Lowest, LowestNonlinear, Nominal, Highest uint32 // at most 65535
	LowestMHz, NominalMHz                     uint32 // at Lowest and Nominal
}

// PerformanceRequest is what the guest wants of a processor.
type PerformanceRequest struct {
	CPU     int
	Desired uint32 // between Lowest and Highest
}

// Performance lets the guest choose how fast its processors run, and tells the embedder
// what it has chosen; what comes of that is the embedder's to decide. Until it says
// otherwise, by Deliver, the guest is told that it got what it wanted.
type Performance struct {
	link
	levels  PerformanceLevels
	request func(PerformanceRequest)
	now     func() time.Duration // monotonic; it must not block

	// Set by Attach, constant after.
	base   uint64
	domain *patch.Domain
	log    logger

	// changed wakes the goroutine that tells the embedder. It holds one token.
	changed chan struct{}
	turn    *requests // nil before Start, and without a request function

	mu   sync.Mutex // guards what follows; leaf but for now
	cpus []processor
}

// processor is the registers of one processor and what they are made of.
type processor struct {
	desired   uint32 // as the guest has written it
	perf      uint32 // that it gets
	fixed     bool   // perf is the embedder's choice, and not the guest's
	news      bool   // the embedder is still to be told
	since     time.Duration
	reference uint64 // counters up to then
	delivered uint64

	// The counter that was not read the last time one was: see counter.
	pending uint64
	other   uint64 // the register that it is of, 0 for none
}

// Registers of a processor, and how far apart those of the next are.
const (
	regDesired   = 0x00 // 32 bits
	regReference = 0x08 // 64 bits, read-only, as the next
	regDelivered = 0x10
	cpuStride    = 0x20
)

// NewPerformance makes the controls. What the guest wants is told to request, which may be
// nil, by one goroutine, the latest wish of each processor only, and at most once in 10 ms.
// It is called in no section, and may take its time.
func NewPerformance(levels PerformanceLevels, request func(PerformanceRequest)) *Performance {
	start := time.Now()

	return &Performance{
		levels: levels, request: request, changed: make(chan struct{}, 1),
		now: func() time.Duration { return time.Since(start) },
	}
}

// ErrLevels is wrapped by the error of a machine with levels that can't be.
var ErrLevels = errors.New("power: unusable performance levels")

func (l *PerformanceLevels) check() error {
	switch {
	case l.Lowest == 0 || l.LowestNonlinear < l.Lowest || l.Nominal < l.LowestNonlinear || l.Highest < l.Nominal || l.Highest > math.MaxUint16:
		return fmt.Errorf("%w: %d, %d, %d, %d", ErrLevels, l.Lowest, l.LowestNonlinear, l.Nominal, l.Highest)
	case l.LowestMHz == 0 || l.NominalMHz < l.LowestMHz:
		return fmt.Errorf("%w: %d to %d MHz", ErrLevels, l.LowestMHz, l.NominalMHz)
	}

	return nil
}

// Deliver says which performance a processor really has, from now on: the guest sees it in
// its frequency. 0 goes back to what the guest wants. A processor that isn't there is left
// alone.
func (p *Performance) Deliver(cpu int, perf uint32) {
	p.do("performance", func(s patch.Section) { performanceDeliver.In(s)(p, cpu, perf) })
}

func (p *Performance) deliver(cpu int, perf uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if cpu < 0 || cpu >= len(p.cpus) {
		return
	}

	c := &p.cpus[cpu]
	p.count(c)

	c.fixed = perf != 0
	c.perf = min(perf, p.levels.Highest)

	if !c.fixed {
		c.perf = p.wish(c)
	}
}

// wish is what the guest wants of a processor, within what there is.
func (p *Performance) wish(c *processor) uint32 {
	return min(max(c.desired, p.levels.Lowest), p.levels.Highest)
}

// count brings the counters up to now. They count performance times nanoseconds, so that
// their ratio is that of delivered to reference performance, as of any two moments, and go
// round after three days at least. Called with mu held.
func (p *Performance) count(c *processor) {
	now := max(p.now(), c.since)
	ns := uint64(now - c.since)
	c.since = now
	c.reference += ns * uint64(p.levels.Nominal)
	c.delivered += ns * uint64(c.perf)
}

// counter is a read of a counter. The guest reads both, one after the other, and between
// the two it comes out of the guest: so the second has the value that belongs to the first.
// Called with mu held.
func (p *Performance) counter(c *processor, reg uint64) uint64 {
	const fresh = 10 * time.Millisecond

	if c.other == reg && p.now()-c.since < fresh {
		c.other = 0
		return c.pending
	}

	p.count(c)

	if reg == regReference {
		c.other, c.pending = regDelivered, c.delivered
		return c.reference
	}

	c.other, c.pending = regReference, c.reference

	return c.delivered
}

func (p *Performance) read(_ patch.Section, off uint64, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()

	clear(data)

	// An access is of 8 bytes at most, and so of two processors never, if it is aligned;
	// of others the rest reads as 0.
	i, off := off/cpuStride, off%cpuStride
	if i >= uint64(len(p.cpus)) {
		return
	}

	c := &p.cpus[i]
	end := off + uint64(len(data))

	if off < regDesired+4 {
		put(data, off, regDesired, 4, uint64(c.desired))
	}

	if off < regReference+8 && end > regReference {
		put(data, off, regReference, 8, p.counter(c, regReference))
	}

	if off < regDelivered+8 && end > regDelivered {
		put(data, off, regDelivered, 8, p.counter(c, regDelivered))
	}
}

func (p *Performance) write(_ patch.Section, off uint64, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()

	i, off := off/cpuStride, off%cpuStride
	if i >= uint64(len(p.cpus)) || off >= regDesired+4 {
		return
	}

	c := &p.cpus[i]

	var b [4]byte

	binary.LittleEndian.PutUint32(b[:], c.desired)
	copy(b[off:], data)

	before := p.wish(c)
	c.desired = binary.LittleEndian.Uint32(b[:])

	after := p.wish(c)
	if after == before {
		return
	}

	if !c.fixed {
		p.count(c)
		c.perf = after
	}

	if c.news = true; p.request == nil {
		return
	}

	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Attach is for the machine.
func (p *Performance) Attach(m device.Platform) (err error) {
	if err := p.levels.check(); err != nil {
		return err
	}

	if m.Unit("CPPC") > 0 {
		return fmt.Errorf("%w: a machine has one set of them", ErrLevels)
	}

	p.mu.Lock()
	p.cpus = make([]processor, m.CPUs())

	for i := range p.cpus {
		p.cpus[i] = processor{desired: p.levels.Nominal, perf: p.levels.Nominal, since: p.now()}
	}
	p.mu.Unlock()

	p.domain, p.log = m.Domain(), m.Log()
	p.connect(m)

	p.base, err = m.Place("performance", uint64(m.CPUs())*cpuStride, device.Slots(p, performanceRead, performanceWrite))

	return err
}

// ACPI is for the machine.
func (p *Performance) ACPI() ([]aml.Term, error) {
	l := p.levels

	var list []aml.Term

	p.mu.Lock()
	n := len(p.cpus)
	p.mu.Unlock()

	for id := range n {
		at := func(reg uint64, width uint8) aml.Register {
			size := uint8(3) // of the access: 4 bytes
			if width == 64 {
				size = 4
			}

			return aml.Register{Space: aml.SystemMemory, Width: width, AccessSize: size, Address: p.base + uint64(id)*cpuStride + reg}
		}

		list = append(list, aml.Scope(string(device.CPUPath(id)),
			aml.CPC(aml.CPCTable{
				HighestPerf: aml.Perf(l.Highest), NominalPerf: aml.Perf(l.Nominal),
				LowestNonlinearPerf: aml.Perf(l.LowestNonlinear), LowestPerf: aml.Perf(l.Lowest),
				DesiredPerf:      at(regDesired, 32),
				ReferenceCounter: at(regReference, 64), DeliveredCounter: at(regDelivered, 64),
				CounterWraparound: aml.Perf(uint32(min(math.MaxUint32, math.MaxUint64/uint64(l.Highest)/uint64(time.Second)))),
				ReferencePerf:     aml.Perf(l.Nominal),
				LowestFreq:        aml.Perf(l.LowestMHz), NominalFreq: aml.Perf(l.NominalMHz),
			}),
			aml.PSD(uint32(id), aml.SoftwareAny, 1)))
	}

	return list, nil
}
